/* SPDX-License-Identifier: Apache-2.0 */
/* selftest_judge.h -- what the answers to attacks say of the walls. Nothing here talks to anybody.
 *
 * A program of selftest/ reports what it has seen in lines of its standard output, their fields separated by a tab:
 *
 *     HELD  what was tried    what came of it        the attempt failed
 *     DOWN  what was tried    what came of it        it did not
 *     LACK  what was tried    what came of it        a control: what anybody may do was refused, so nothing is shown
 *     SKIP  why                                      cannot be shown on this server
 *     END                                            all attempts were made
 *
 * A report without END, or with nothing tried, shows nothing. Other lines are ignored. */
#pragma once

#include <jansson.h>

#include "main/selftest/selftest_case.h"

/* Judges the report in a program's standard output. */
void selftest_judge_report(const char *text, struct selftest_result *result);

/* Judges the answer to POST /exec: status, outcome and what else the row asks for, and the report unless the row has
 * SELFTEST_ANSWERS. status is the HTTP status or a negative errno; body may be NULL. */
void selftest_judge_answer(const struct selftest_case *row, int status, const json_t *body, double ms,
                           struct selftest_result *result);

/* Judges an answer to a request that was sent as it is. status 0 = closed without an answer; text is the body. */
void selftest_judge_request(const struct selftest_case *row, int status, const char *text,
                            struct selftest_result *result);

/* What `selftest` exits with after cases of which the worst had this verdict. */
int selftest_exit_status(enum selftest_verdict worst);
