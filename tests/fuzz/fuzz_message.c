/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from a peer that has been taken over. First byte: sender and number of descriptors; then the message. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* What the privileged side does with a run that passed: paths and sums. */
static void use_run(const struct wire_run *run)
{
    require(strlen(run->workspace) < sizeof(run->workspace) && !strpbrk(run->workspace, "./"));
    require(strlen(run->execution_id) < sizeof(run->execution_id) && run->execution_id[0]);
    require((int64_t)run->timeout_us > 0 && run->memory_bytes + (1ull << 40) > run->memory_bytes);
    require(run->processes_max + 16 > run->processes_max);
}

static void use(const union wire_message *m, size_t n_fds)
{
    switch (m->type) {
    case WIRE_RUN:
        require(n_fds == wire_run_fds(&m->run));
        use_run(&m->run);
        break;
    case WIRE_ENTRY:
        require(strlen(m->entry.path) > 0 && strlen(m->entry.path) < sizeof(m->entry.path));
        require((m->entry.kind == WIRE_ENTRY_FILE || m->entry.kind == WIRE_ENTRY_STATE ||
                 m->entry.kind == WIRE_ENTRY_BUILT) == (n_fds == 1));
        break;
    case WIRE_FAILED:
        require(strlen(m->failed.step) < sizeof(m->failed.step) && m->failed.error > 0);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    union wire_message message;
    enum wire_side sender;
    size_t n_fds;

    if (size < 1)
        return 0;
    sender = data[0] & 1 ? WIRE_FROM_WARDEN : WIRE_FROM_API;
    n_fds = (data[0] >> 1) % 7;
    data++;
    size--;
    memset(&message, 0xa5, sizeof(message));
    memcpy(&message, data, size < sizeof(message) ? size : sizeof(message));
    if (wire_check(&message, size, n_fds, sender) == 0)
        use(&message, n_fds);
    return 0;
}
