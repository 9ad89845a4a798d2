/* SPDX-License-Identifier: Apache-2.0 */
/* interrupt.h -- SIGINT and SIGTERM of commands that clean up after themselves. */
#pragma once

#include <stdbool.h>

/* SIGINT and SIGTERM from now on only make interrupt_came() true; SIGPIPE does nothing. */
void interrupt_catch(void);

/* True after SIGINT or SIGTERM: the command stops at the next occasion, and cleans up. */
bool interrupt_came(void);
