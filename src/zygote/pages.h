/* SPDX-License-Identifier: Apache-2.0 */
/* pages.h -- which pages of memory a program makes its own, whatever it does: those that the interpreter writes to when
 * it takes a program up and when it ends. They are learnt from a trial, a copy that runs a program nobody sees, and
 * taken by each copy while it waits: else each of them would cost its program a page fault of three microseconds.
 *
 * Nothing but time depends on it. Where pages cannot be looked at (no /proc/self/pagemap), none are learnt. */
#pragma once

/* Makes a trial, which is a child of this process, and learns when it has ended. Returns 0 in the trial, which must go
 * on to pages_mark() and pages_report(); 1 in the caller, when it is over; or a negative errno, which only means that
 * nothing was learnt. */
int pages_learn(void);

/* In a trial, where a copy would begin to wait for its program. */
void pages_mark(void);

/* In a trial, when its program has ended: reports the pages that became its own since pages_mark(). Ends the process.
 */
void pages_report(void) __attribute__((noreturn));

/* In a copy: makes the pages that were learnt its own. */
void pages_take(void);
