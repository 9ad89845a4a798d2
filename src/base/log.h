/* SPDX-License-Identifier: Apache-2.0 */
/* log.h -- one line per event, as JSON or text, on one descriptor.
 *
 * Verbs: log_error (an operator must act), log_warning (something was refused, skipped or retried), log_info (start,
 * stop, life-cycle), log_debug (a developer reads along). A line is written with one write() so that lines of several
 * processes never mix, and never with a wait: while a reader of the log stalls, lines are left out, and the first that
 * can be written again is preceded by one with their number. Control characters in a message are escaped, so one event
 * stays one line. Thread-safe after log_init(). Never pass source text, keys or file contents. */
#pragma once

#include <stdbool.h>

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_CRITICAL,
};

struct log_options {
    enum log_level level; /* lines below it are dropped */
    bool json;            /* JSON objects, else text */
    int fd;               /* borrowed; stays open for the life of the process */
    const char *process;  /* borrowed; names the writer: "api", "warden" */
};

/* Sets where and how lines are written. Before the first call: INFO, text, stderr. */
void log_init(const struct log_options *options);

/* At the end of a process: says how many lines were left out since the last one that was written, if somebody reads. */
void log_end(void);

/* True if a line of this level would be written; to skip costly preparation. */
bool log_enabled(enum log_level level);

/* Writes one line. The text is a printf format without trailing newline. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                                                 \
    do {                                                                                                               \
        if (log_enabled(LOG_LEVEL_DEBUG))                                                                              \
            log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);                                                                   \
    } while (0)
