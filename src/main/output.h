/* SPDX-License-Identifier: Apache-2.0 */
/* output.h -- did what a subcommand printed get to where stdout leads? */
#pragma once

/* Writes what is still buffered. Returns the exit status: 0, or 1 after saying on stderr that something was lost. */
int output_end(const char *command);
