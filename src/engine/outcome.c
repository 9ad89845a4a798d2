/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/outcome.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "engine/text.h"

#define SENTENCES_BYTES_MAX 4096 /* what the table adds to a text */

static bool was_cancelled(const struct cell_outcome *cell)
{
    return cell->cancelled;
}

static bool was_flood(const struct cell_outcome *cell)
{
    return cell->flooded;
}

static bool was_timeout(const struct cell_outcome *cell)
{
    return cell->end.reason == WIRE_END_TIMEOUT;
}

/* A limit that the program survived is no outcome. */
static bool was_success(const struct cell_outcome *cell)
{
    return cell->end.reason == WIRE_END_EXITED && cell->end.exit_code == 0 && cell->end.signal == 0;
}

/* Kills are counted up to the server's own: whatever that was for came later. */
static bool was_memory(const struct cell_outcome *cell)
{
    return cell->end.oom_kills > 0 && !was_success(cell);
}

static bool was_disk(const struct cell_outcome *cell)
{
    return cell->end.disk_full || cell->done.file_at_limit || cell->end.signal == SIGXFSZ;
}

static bool was_processes(const struct cell_outcome *cell)
{
    return cell->end.process_limit > 0;
}

static bool was_signal(const struct cell_outcome *cell)
{
    return cell->end.signal != 0 || cell->end.reason != WIRE_END_EXITED;
}

/* First match wins: the client's will, the kernel's kills, the server's, then success, then what the kernel refused,
 * then how the program ended. */
static const struct {
    bool (*holds)(const struct cell_outcome *cell);
    enum execution_outcome outcome;
} rules[] = {
    { was_cancelled, OUTCOME_CANCELLED },
    { was_memory, OUTCOME_OUT_OF_MEMORY },
    { was_flood, OUTCOME_OUTPUT_LIMIT },
    { was_timeout, OUTCOME_TIMEOUT },
    { was_success, OUTCOME_OK },
    { was_disk, OUTCOME_DISK_LIMIT },
    { was_processes, OUTCOME_PROCESS_LIMIT },
};

static const struct {
    const char *name, *status, *message;
    int exit_code; /* for outcomes in which the server or the kernel killed the program; else -1 */
} outcomes[] = {
    [OUTCOME_OK] = { "ok", NULL, NULL, -1 },
    [OUTCOME_ERROR] = { "error", "RE", NULL, -1 },
    [OUTCOME_COMPILE_ERROR] = { "compile_error", "RE", NULL, -1 },
    [OUTCOME_TIMEOUT] = { "timeout", "TO", "Time limit exceeded", 124 },
    [OUTCOME_OUT_OF_MEMORY] = { "out_of_memory", "SG", "Out of memory", 137 },
    [OUTCOME_OUTPUT_LIMIT] = { "output_limit", "OL", "stdout length exceeded", 137 },
    [OUTCOME_PROCESS_LIMIT] = { "process_limit", "RE", NULL, -1 },
    [OUTCOME_DISK_LIMIT] = { "disk_limit", "RE", NULL, -1 },
    [OUTCOME_SIGNAL] = { "signal", "SG", NULL, -1 },
    [OUTCOME_CANCELLED] = { "cancelled", "SG", NULL, 137 },
};

const char *execution_outcome_name(enum execution_outcome outcome)
{
    return outcomes[outcome].name;
}

const char *execution_status_name(const struct execution_result *result)
{
    bool by_signal = result->outcome == OUTCOME_PROCESS_LIMIT || result->outcome == OUTCOME_DISK_LIMIT;

    return by_signal && result->signal ? "SG" : outcomes[result->outcome].status;
}

const char *execution_message_name(const struct execution_result *result)
{
    return outcomes[result->outcome].message;
}

const char *execution_signal_name(int signal)
{
    static const char *const names[] = {
        [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",   [SIGQUIT] = "SIGQUIT",     [SIGILL] = "SIGILL",
        [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT", [SIGBUS] = "SIGBUS",       [SIGFPE] = "SIGFPE",
        [SIGKILL] = "SIGKILL", [SIGUSR1] = "SIGUSR1", [SIGSEGV] = "SIGSEGV",     [SIGUSR2] = "SIGUSR2",
        [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM",     [SIGSTKFLT] = "SIGSTKFLT",
        [SIGXCPU] = "SIGXCPU", [SIGXFSZ] = "SIGXFSZ", [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF",
        [SIGIO] = "SIGIO",     [SIGPWR] = "SIGPWR",   [SIGSYS] = "SIGSYS",
    };

    if (signal <= 0)
        return NULL;
    return (size_t)signal < ARRAY_SIZE(names) && names[signal] ? names[signal] : "SIGRT";
}

static enum execution_outcome judge(const struct cell_outcome *cell, const struct language *language)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].holds(cell))
            return rules[i].outcome;
    if (cell->end.step < language->n_steps && language->steps[cell->end.step].compile)
        return OUTCOME_COMPILE_ERROR;
    return was_signal(cell) ? OUTCOME_SIGNAL : OUTCOME_ERROR;
}

static void set_code(const struct cell_outcome *cell, struct execution_result *result)
{
    int killed_with = cell->end.signal ? cell->end.signal : cell->end.reason == WIRE_END_EXITED ? 0 : SIGKILL;

    result->exit_code = killed_with ? 128 + killed_with : cell->end.exit_code;
    result->signal = killed_with;
    if (outcomes[result->outcome].exit_code >= 0) {
        result->exit_code = outcomes[result->outcome].exit_code;
        result->signal = SIGKILL;
    }
}

/* What the server adds to stderr; "" = nothing. */
static void verdict(const struct execution_result *result, const struct outcome_limits *limits, bool silent, char *text,
                    size_t size)
{
    text[0] = '\0';
    switch (result->outcome) {
    case OUTCOME_OK:
        break;
    case OUTCOME_TIMEOUT:
        snprintf(text, size, "Execution timed out after %" PRId64 " seconds", (limits->timeout_ms + 999) / 1000);
        break;
    case OUTCOME_OUT_OF_MEMORY:
        snprintf(text, size, "Execution failed: Out of memory (limit %" PRId64 " MB)", limits->memory_bytes >> 20);
        break;
    case OUTCOME_OUTPUT_LIMIT:
        snprintf(text, size, "stdout length exceeded");
        break;
    default:
        if (silent)
            snprintf(text, size, "Code execution failed with exit code %d", result->exit_code);
        break;
    }
}

/* Whether a text has no end of line, counting what of it is elsewhere. */
static bool lacks_newline(const struct cell_stream *stream, const struct buffer *text)
{
    if (text->length > 0)
        return text->data[text->length - 1] != '\n';
    return stream->anything && stream->last != '\n';
}

static int end_line(const struct cell_stream *stream, struct buffer *text)
{
    return lacks_newline(stream, text) ? buffer_append(text, "\n", 1) : 0;
}

static int append_line(const struct cell_stream *stream, struct buffer *text, const char *line)
{
    int r;

    if (line[0] == '\0')
        return 0;
    r = end_line(stream, text);
    return r ? r : buffer_append(text, line, strlen(line));
}

static int make_text(const struct cell_stream *stream, size_t limit, struct buffer *text, bool *ret_cut)
{
    bool dropped = !stream->elsewhere && stream->total_bytes > (int64_t)stream->kept.length;
    size_t length = stream->kept.length;
    int r;

    /* The rest of a character may be among what was dropped. */
    if (dropped)
        length -= utf8_unfinished((const unsigned char *)stream->kept.data, length);
    r = text_clean(text, stream->kept.data, length, limit);
    if (r < 0)
        return r;
    *ret_cut = r > 0 || stream->cut;
    if (!*ret_cut && dropped) {
        *ret_cut = true;
        return buffer_append(text, TEXT_TRUNCATED, strlen(TEXT_TRUNCATED));
    }
    return 0;
}

int outcome_texts(const struct cell_outcome *cell, const struct outcome_limits *limits, struct execution_result *result)
{
    size_t ceiling = limits->output_bytes + SENTENCES_BYTES_MAX;
    int r;

    buffer_deinit(&result->out);
    buffer_deinit(&result->err);
    result->out = BUFFER_INIT(ceiling);
    result->err = BUFFER_INIT(ceiling);
    r = make_text(&cell->out, limits->output_bytes, &result->out, &result->out_truncated);
    return r ? r : make_text(&cell->err, limits->output_bytes, &result->err, &result->err_truncated);
}

static int make_texts(const struct cell_outcome *cell, const struct outcome_limits *limits, const struct buffer *notes,
                      struct execution_result *result)
{
    char line[160] = "";
    int r = outcome_texts(cell, limits, result);

    result->err.ceiling += notes->length;
    if (r == 0 && !limits->bare)
        r = end_line(&cell->out, &result->out);
    if (!limits->bare)
        verdict(result, limits, result->err.length == 0 && !cell->err.anything, line, sizeof(line));
    if (r == 0)
        r = append_line(&cell->err, &result->err, line);
    return r ? r : append_line(&cell->err, &result->err, notes->data ? notes->data : "");
}

static const char *const origins[WIRE_ORIGINS] = {
    [WIRE_ORIGIN_STARTED] = "started",
    [WIRE_ORIGIN_ARMED] = "armed",
    [WIRE_ORIGIN_FORKED] = "forked",
    [WIRE_ORIGIN_HOT] = "hot",
};

static void measure(const struct cell_outcome *cell, struct execution_result *result)
{
    struct execution_usage *usage = &result->usage;

    usage->wall_ms = (double)cell->end.wall_us / 1000;
    usage->cpu_ms = cell->end.cpu_us < 0 ? -1 : (double)cell->end.cpu_us / 1000;
    usage->memory_peak_bytes = cell->end.memory_peak_bytes;
    usage->processes_peak = cell->end.processes_peak;
    usage->stdout_bytes = cell->out.total_bytes;
    usage->stderr_bytes = cell->err.total_bytes;
    usage->warm = origins[cell->start.origin];
}

int outcome_decide(const struct cell_outcome *cell, const struct language *language,
                   const struct outcome_limits *limits, const struct buffer *notes, struct execution_result *result)
{
    result->outcome = judge(cell, language);
    set_code(cell, result);
    measure(cell, result);
    return make_texts(cell, limits, notes, result);
}
