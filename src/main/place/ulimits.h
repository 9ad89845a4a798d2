/* SPDX-License-Identifier: Apache-2.0 */
/* ulimits.h -- what a shell or a login allows its processes is not meant for a server and the programs of its clients.
 */
#pragma once

#define ULIMITS_STACK_BYTES (8u << 20) /* threads have stacks of the soft limit */

/* Raises what would end the server, or its programs, in ways that tell nobody why; as far as it may. Warden, api and
 * cells inherit it, and cells have limits of their own below. */
void ulimits_raise(void);
