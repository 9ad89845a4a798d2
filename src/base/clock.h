/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h -- the two clocks and their units.
 *
 * Durations and deadlines use the monotonic clock in microseconds; what clients and records see uses the wall clock in
 * milliseconds since 1970. A change of the wall clock never ends or prolongs an execution. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define CLOCK_ISO_SIZE 25 /* "2026-03-14T09:26:53.589Z" and its NUL */

/* Monotonic time in microseconds. */
int64_t clock_monotonic_us(void);

/* pthread_cond_timedwait() that ends at a time of clock_monotonic_us(). Returns 0 or ETIMEDOUT. */
int clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_us);

/* Wall-clock time in milliseconds since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);

/* Writes wall_ms as UTC, ISO 8601 with milliseconds and Z (http-api.md 1.5). */
void clock_format_iso(int64_t wall_ms, char ret_text[static CLOCK_ISO_SIZE]);

/* Reads what clock_format_iso() writes, with or without fraction, and with +hh:mm or -hh:mm in place of Z. Returns
 * false for anything else, impossible dates too. */
bool clock_parse_iso(const char *text, int64_t *ret_wall_ms);
