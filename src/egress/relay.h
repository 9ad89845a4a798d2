/* SPDX-License-Identifier: Apache-2.0 */
/* relay.h -- bytes between two sockets, each way at its own pace. */
#pragma once

/* Passes on what each has to say, until both have said all, one of them breaks, nobody at a_fd can hear b_fd any more,
 * or neither says anything for idle_ms. The end of one side is told to the other, which may still answer. The sockets
 * are non-blocking and stay the caller's.
 */
void relay(int a_fd, int b_fd, int idle_ms);
