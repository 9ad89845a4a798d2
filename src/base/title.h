/* SPDX-License-Identifier: Apache-2.0 */
/* title.h -- what `ps` shows of a process that was forked without exec.
 *
 * The command line lies in the process's own memory, and every process of a PID namespace may read it, whoever owns it.
 * The keepers and the inits of cells are forks of the warden; what the warden was started with is nobody's business
 * inside a cell. */
#pragma once

/* Remembers where the command line lies; before the first title_set(). Nothing may use argv afterwards. */
void title_init(int argc, char **argv);

/* Replaces the whole command line. Does nothing before title_init(). */
void title_set(const char *title);
