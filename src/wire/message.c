/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/message.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "wire/packet.h"

#define SEND_LOOK_MS 10

static bool terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

/* "" or one of our identifiers: what becomes part of a path can hold no dot and no slash. */
static bool name_is_plain(const char *text, size_t size)
{
    return terminated(text, size) && (text[0] == '\0' || id_is_ours(text));
}

static bool positive(uint64_t value, uint64_t most)
{
    return value > 0 && value <= most;
}

/* The upper bounds are far above every configuration; below them no sum that the privileged side makes wraps around. */
static bool run_is_valid(const union wire_message *m)
{
    const struct wire_run *run = &m->run;

    return terminated(run->execution_id, sizeof(run->execution_id)) && id_is_ours(run->execution_id) &&
           name_is_plain(run->workspace, sizeof(run->workspace)) && positive(run->timeout_us, WIRE_TIMEOUT_US_MAX) &&
           positive(run->memory_bytes, WIRE_BYTES_MAX) && positive(run->disk_bytes, WIRE_BYTES_MAX) &&
           positive(run->file_bytes_max, WIRE_BYTES_MAX) && positive(run->processes_max, WIRE_COUNT_MAX) &&
           positive(run->cpu_millis, WIRE_COUNT_MAX) && positive(run->entries_max, WIRE_COUNT_MAX) &&
           run->state_bytes_max <= WIRE_BYTES_MAX && run->tools <= 1 && run->network < WIRE_NETWORKS &&
           run->zygote < WARM_KINDS && run->park <= 1 && name_is_plain(run->continues, sizeof(run->continues)) &&
           !(run->tools && (run->park || run->continues[0]));
}

size_t wire_run_fds(const struct wire_run *run)
{
    return run->tools ? WIRE_RUN_FDS_MAX : WIRE_RUN_FDS;
}

static bool pause_is_valid(const union wire_message *m)
{
    return m->pause.kind < WIRE_PAUSE_KINDS;
}

static bool started_is_valid(const union wire_message *m)
{
    return m->started.origin < WIRE_ORIGINS;
}

static bool ended_is_valid(const union wire_message *m)
{
    return m->ended.reason <= WIRE_END_MEMORY && m->ended.signal >= 0 && m->ended.signal < 128;
}

static bool entry_is_valid(const union wire_message *m)
{
    return m->entry.kind < WIRE_ENTRY_KINDS && terminated(m->entry.path, sizeof(m->entry.path)) &&
           m->entry.path[0] != '\0';
}

static bool entry_has_file(const struct wire_entry *entry)
{
    return entry->kind == WIRE_ENTRY_FILE || entry->kind == WIRE_ENTRY_STATE || entry->kind == WIRE_ENTRY_BUILT;
}

static bool failed_is_valid(const union wire_message *m)
{
    return terminated(m->failed.step, sizeof(m->failed.step)) && m->failed.error > 0;
}

/* Index = type. Not every run has tools, nor every entry a descriptor, so those rows give a range. */
static const struct {
    size_t size;
    size_t fds_min, fds_max;
    enum wire_side sender;
    bool (*is_valid)(const union wire_message *message);
} wire_table[WIRE_TYPE_COUNT] = {
    [WIRE_HELLO] = { sizeof(struct wire_hello), 1, 1, WIRE_FROM_WARDEN, NULL },
    [WIRE_RUN] = { sizeof(struct wire_run), WIRE_RUN_FDS, WIRE_RUN_FDS_MAX, WIRE_FROM_API, run_is_valid },
    [WIRE_STARTED] = { sizeof(struct wire_started), 0, 0, WIRE_FROM_WARDEN, started_is_valid },
    [WIRE_ENDED] = { sizeof(struct wire_ended), 0, 0, WIRE_FROM_WARDEN, ended_is_valid },
    [WIRE_ENTRY] = { sizeof(struct wire_entry), 0, 1, WIRE_FROM_WARDEN, entry_is_valid },
    [WIRE_DONE] = { sizeof(struct wire_done), 0, 0, WIRE_FROM_WARDEN, NULL },
    [WIRE_FAILED] = { sizeof(struct wire_failed), 0, 0, WIRE_FROM_WARDEN, failed_is_valid },
    [WIRE_KILL] = { sizeof(struct wire_kill), 0, 0, WIRE_FROM_API, NULL },
    [WIRE_TLS] = { sizeof(struct wire_tls), WIRE_TLS_FDS, WIRE_TLS_FDS, WIRE_FROM_WARDEN, NULL },
    [WIRE_PAUSE] = { sizeof(struct wire_pause), 0, 0, WIRE_FROM_API, pause_is_valid },
    [WIRE_PAUSED] = { sizeof(struct wire_paused), 0, 0, WIRE_FROM_WARDEN, NULL },
    [WIRE_SAVE] = { sizeof(struct wire_save), 0, 0, WIRE_FROM_API, NULL },
    [WIRE_SAVED] = { sizeof(struct wire_saved), 0, 0, WIRE_FROM_WARDEN, NULL },
    [WIRE_LOG] = { sizeof(struct wire_log), 1, 1, WIRE_FROM_WARDEN, NULL },
};

int wire_check(const union wire_message *message, size_t size, size_t n_fds, enum wire_side sender)
{
    uint32_t type;

    if (size < sizeof(type))
        return WIRE_E_INVALID;
    type = message->type;
    if (type >= WIRE_TYPE_COUNT || wire_table[type].size == 0 || wire_table[type].sender != sender)
        return WIRE_E_INVALID;
    if (size != wire_table[type].size || n_fds < wire_table[type].fds_min || n_fds > wire_table[type].fds_max)
        return WIRE_E_INVALID;
    if (wire_table[type].is_valid && !wire_table[type].is_valid(message))
        return WIRE_E_INVALID;
    if (type == WIRE_RUN && wire_run_fds(&message->run) != n_fds)
        return WIRE_E_INVALID;
    if (type == WIRE_ENTRY && entry_has_file(&message->entry) != (n_fds == 1))
        return WIRE_E_INVALID;
    return 0;
}

static size_t count_fds(const void *message)
{
    uint32_t type = *(const uint32_t *)message;

    if (type == WIRE_RUN)
        return wire_run_fds(message);
    return type == WIRE_ENTRY && !entry_has_file(message) ? 0 : wire_table[type].fds_max;
}

static int sent(int r)
{
    return r == -EPIPE || r == -ECONNRESET ? WIRE_E_CLOSED : r;
}

int wire_send(int socket_fd, const void *message, const int *fds)
{
    size_t size = wire_table[*(const uint32_t *)message].size;

    return sent(packet_send(socket_fd, message, size, fds, count_fds(message)));
}

/* A socket that is not full may still not count as writable, so it is tried now and then without a word from poll(). */
int wire_send_within(int socket_fd, const void *message, const int *fds, int timeout_ms)
{
    size_t size = wire_table[*(const uint32_t *)message].size;
    int64_t until_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;

    for (;;) {
        struct pollfd socket = { .fd = socket_fd, .events = POLLOUT };
        int r = packet_offer(socket_fd, message, size, fds, count_fds(message));

        if (r != -EAGAIN || clock_monotonic_us() >= until_us)
            return sent(r);
        (void)poll(&socket, 1, SEND_LOOK_MS);
    }
}

int wire_receive(int socket_fd, enum wire_side sender, int flags, union wire_message *ret_message,
                 int ret_fds[static WIRE_FDS_MAX])
{
    int fds[PACKET_FDS_MAX];
    size_t n_fds = 0;
    ssize_t n = packet_receive(socket_fd, ret_message, sizeof(*ret_message), flags, fds, &n_fds);

    for (int i = 0; i < WIRE_FDS_MAX; i++)
        ret_fds[i] = -1;
    if (n == 0 || n == -ECONNRESET)
        return WIRE_E_CLOSED;
    if (n == -EMSGSIZE)
        return WIRE_E_INVALID;
    if (n < 0)
        return (int)n;
    if (wire_check(ret_message, (size_t)n, n_fds, sender) != 0) {
        for (size_t i = 0; i < n_fds; i++)
            close(fds[i]);
        return WIRE_E_INVALID;
    }
    memcpy(ret_fds, fds, n_fds * sizeof(int));
    return 0;
}

void wire_close_fds(int fds[static WIRE_FDS_MAX])
{
    for (int i = 0; i < WIRE_FDS_MAX; i++) {
        cleanup_close_fd(&fds[i]);
        fds[i] = -1;
    }
}
