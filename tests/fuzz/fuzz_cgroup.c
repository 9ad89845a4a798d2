/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/self/cgroup and mountinfo, in this order, with a NUL between. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cgroup_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_layout(const struct cgroup_layout *layout)
{
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        const char *mount = layout->controllers[c].mount, *directory = layout->controllers[c].directory;

        if (!layout->controllers[c].found) {
            if (c != CGROUP_ACCOUNTING)
                abort();
            continue;
        }
        if (strlen(directory) >= CGROUP_PATH_SIZE || strncmp(directory, mount, strlen(mount)) != 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 2), missing[32];
    struct cgroup_layout layout;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = text[size + 1] = '\0';
    if (cgroup_parse(text, text + strlen(text) + 1, &layout, missing, sizeof(missing)) == 0)
        check_layout(&layout);
    free(text);
    return 0;
}
