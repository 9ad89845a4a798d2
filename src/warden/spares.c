/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/spares.h"

bool spares_due(struct spares *spares, unsigned n_spare, int64_t now_us, int64_t pause_us)
{
    bool due = spares->due_us && now_us >= spares->due_us;

    if (n_spare <= SPARES_KEPT) {
        spares->due_us = 0;
        return false;
    }
    if (due || !spares->due_us)
        spares->due_us = now_us + pause_us;
    return due;
}
