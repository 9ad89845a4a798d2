/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <signal.h>
#include <string.h>

#include "engine/outcome.h"
#include "engine/text.h"

/* Compiles in step 0, runs in step 1. */
static const struct language compiled = { .steps = { { .compile = true }, { .compile = false } }, .n_steps = 2 };
static const struct language interpreted = { .n_steps = 1 };
static const struct outcome_limits limits = { .timeout_ms = 29500, .memory_bytes = 512ll << 20, .output_bytes = 1000 };

struct row {
    const char *name;
    struct wire_ended end;
    const char *err; /* what the program wrote; NULL = nothing */
    const struct language *language;
    enum execution_outcome outcome;
    int exit_code, signal;
    const char *status, *message, *text; /* text = stderr of the answer */
    uint32_t file_at_limit;
    bool flooded, cancelled;
};

/* clang-format off */
#define END(...) { .type = WIRE_ENDED, __VA_ARGS__ }
/* clang-format on */

static const struct row rows[] = {
    { "exit 0", END(.exit_code = 0), "warning", NULL, OUTCOME_OK, 0, 0, NULL, NULL, "warning" },
    { "exit 0, quiet", END(.exit_code = 0), NULL, NULL, OUTCOME_OK, 0, 0, NULL, NULL, "" },
    { "exit 3", END(.exit_code = 3), "oops", NULL, OUTCOME_ERROR, 3, 0, "RE", NULL, "oops" },
    { "exit 3, quiet", END(.exit_code = 3), NULL, NULL, OUTCOME_ERROR, 3, 0, "RE", NULL,
      "Code execution failed with exit code 3" },
    { "exit 137 of its own will", END(.exit_code = 137), NULL, NULL, OUTCOME_ERROR, 137, 0, "RE", NULL,
      "Code execution failed with exit code 137" },
    { "exit 124 of its own will", END(.exit_code = 124), "x", NULL, OUTCOME_ERROR, 124, 0, "RE", NULL, "x" },
    { "compile error", END(.exit_code = 1), "code.c:1: error\n", &compiled, OUTCOME_COMPILE_ERROR, 1, 0, "RE", NULL,
      "code.c:1: error\n" },
    { "the compiler crashed", END(.signal = SIGSEGV), NULL, &compiled, OUTCOME_COMPILE_ERROR, 139, SIGSEGV, "RE", NULL,
      "Code execution failed with exit code 139" },
    { "the compiled program failed", END(.step = 1, .exit_code = 1), "x", &compiled, OUTCOME_ERROR, 1, 0, "RE", NULL,
      "x" },
    { "signal", END(.signal = SIGSEGV), NULL, NULL, OUTCOME_SIGNAL, 139, SIGSEGV, "SG", NULL,
      "Code execution failed with exit code 139" },
    { "signal, with words", END(.signal = SIGABRT), "Aborted\n", NULL, OUTCOME_SIGNAL, 134, SIGABRT, "SG", NULL,
      "Aborted\n" },
    { "timeout", END(.reason = WIRE_END_TIMEOUT), NULL, NULL, OUTCOME_TIMEOUT, 124, SIGKILL, "TO",
      "Time limit exceeded", "Execution timed out after 30 seconds" },
    { "timeout, with words", END(.reason = WIRE_END_TIMEOUT), "so far", NULL, OUTCOME_TIMEOUT, 124, SIGKILL, "TO",
      "Time limit exceeded", "so far\nExecution timed out after 30 seconds" },
    { "timeout, with a line", END(.reason = WIRE_END_TIMEOUT), "so far\n", NULL, OUTCOME_TIMEOUT, 124, SIGKILL, "TO",
      "Time limit exceeded", "so far\nExecution timed out after 30 seconds" },
    { "timeout of the compiler", END(.reason = WIRE_END_TIMEOUT), NULL, &compiled, OUTCOME_TIMEOUT, 124, SIGKILL, "TO",
      "Time limit exceeded", "Execution timed out after 30 seconds" },
    { "out of memory", END(.signal = SIGKILL, .oom_kills = 1), "x", NULL, OUTCOME_OUT_OF_MEMORY, 137, SIGKILL, "SG",
      "Out of memory", "x\nExecution failed: Out of memory (limit 512 MB)" },
    { "a child out of memory", END(.exit_code = 1, .oom_kills = 2), NULL, NULL, OUTCOME_OUT_OF_MEMORY, 137, SIGKILL,
      "SG", "Out of memory", "Execution failed: Out of memory (limit 512 MB)" },
    { "out of memory, survived", END(.exit_code = 0, .oom_kills = 1), NULL, NULL, OUTCOME_OK, 0, 0, NULL, NULL, "" },
    { "one child after the other out of memory", END(.reason = WIRE_END_MEMORY, .oom_kills = 3), NULL, NULL,
      OUTCOME_OUT_OF_MEMORY, 137, SIGKILL, "SG", "Out of memory", "Execution failed: Out of memory (limit 512 MB)" },
    { "the cell's init out of memory", END(.reason = WIRE_END_LOST, .oom_kills = 1), NULL, NULL, OUTCOME_OUT_OF_MEMORY,
      137, SIGKILL, "SG", "Out of memory", "Execution failed: Out of memory (limit 512 MB)" },
    { "out of memory while compiling", END(.exit_code = 4, .oom_kills = 1), NULL, &compiled, OUTCOME_OUT_OF_MEMORY, 137,
      SIGKILL, "SG", "Out of memory", "Execution failed: Out of memory (limit 512 MB)" },
    {
        "flood",
        END(.reason = WIRE_END_KILLED),
        "x",
        NULL,
        OUTCOME_OUTPUT_LIMIT,
        137,
        SIGKILL,
        "OL",
        "stdout length exceeded",
        "x\nstdout length exceeded",
        .flooded = true,
    },
    { "disk full", END(.exit_code = 1, .disk_full = 1), NULL, NULL, OUTCOME_DISK_LIMIT, 1, 0, "RE", NULL,
      "Code execution failed with exit code 1" },
    { "disk full, survived", END(.exit_code = 0, .disk_full = 1), NULL, NULL, OUTCOME_OK, 0, 0, NULL, NULL, "" },
    { "disk full, then a signal", END(.signal = SIGBUS, .disk_full = 1), "x", NULL, OUTCOME_DISK_LIMIT, 128 + SIGBUS,
      SIGBUS, "SG", NULL, "x" },
    { "file too large", END(.signal = SIGXFSZ), NULL, NULL, OUTCOME_DISK_LIMIT, 128 + SIGXFSZ, SIGXFSZ, "SG", NULL,
      "Code execution failed with exit code 153" },
    { "file at its limit", END(.exit_code = 5), "x", NULL, OUTCOME_DISK_LIMIT, 5, 0, "RE", NULL, "x", 1 },
    { "forks refused", END(.exit_code = 254, .process_limit = 9), NULL, NULL, OUTCOME_PROCESS_LIMIT, 254, 0, "RE", NULL,
      "Code execution failed with exit code 254" },
    { "forks refused, survived", END(.exit_code = 0, .process_limit = 9), NULL, NULL, OUTCOME_OK, 0, 0, NULL, NULL,
      "" },
    { "forks refused, then a signal", END(.signal = SIGTERM, .process_limit = 1), "x", NULL, OUTCOME_PROCESS_LIMIT,
      128 + SIGTERM, SIGTERM, "SG", NULL, "x" },
    { "hang-up", END(.reason = WIRE_END_KILLED), NULL, NULL, OUTCOME_CANCELLED, 137, SIGKILL, "SG", NULL,
      "Code execution failed with exit code 137", .cancelled = true },
    { "lost", END(.reason = WIRE_END_LOST), NULL, NULL, OUTCOME_SIGNAL, 137, SIGKILL, "SG", NULL,
      "Code execution failed with exit code 137" },
    /* Two at once. */
    { "memory before disk and processes", END(.exit_code = 1, .oom_kills = 1, .disk_full = 1, .process_limit = 1), "x",
      NULL, OUTCOME_OUT_OF_MEMORY, 137, SIGKILL, "SG", "Out of memory",
      "x\nExecution failed: Out of memory (limit 512 MB)" },
    { "disk before processes", END(.exit_code = 1, .disk_full = 1, .process_limit = 1), "x", NULL, OUTCOME_DISK_LIMIT,
      1, 0, "RE", NULL, "x" },
    { "memory, then a timeout", END(.reason = WIRE_END_TIMEOUT, .oom_kills = 1), NULL, NULL, OUTCOME_OUT_OF_MEMORY, 137,
      SIGKILL, "SG", "Out of memory", "Execution failed: Out of memory (limit 512 MB)" },
    { "memory, then a flood", END(.reason = WIRE_END_KILLED, .oom_kills = 1), NULL, NULL, OUTCOME_OUT_OF_MEMORY, 137,
      SIGKILL, "SG", "Out of memory", "Execution failed: Out of memory (limit 512 MB)", .flooded = true },
    { "memory survived, then a flood before the end", END(.exit_code = 0, .oom_kills = 1), NULL, NULL,
      OUTCOME_OUTPUT_LIMIT, 137, SIGKILL, "OL", "stdout length exceeded", "stdout length exceeded", .flooded = true },
    { "a flood before the end", END(.exit_code = 0), NULL, NULL, OUTCOME_OUTPUT_LIMIT, 137, SIGKILL, "OL",
      "stdout length exceeded", "stdout length exceeded", .flooded = true },
    { "memory, then a hang-up", END(.reason = WIRE_END_KILLED, .oom_kills = 1), NULL, NULL, OUTCOME_CANCELLED, 137,
      SIGKILL, "SG", NULL, "Code execution failed with exit code 137", .cancelled = true },
    { "a full disk, then a timeout", END(.reason = WIRE_END_TIMEOUT, .disk_full = 1, .process_limit = 1), NULL, NULL,
      OUTCOME_TIMEOUT, 124, SIGKILL, "TO", "Time limit exceeded", "Execution timed out after 30 seconds" },
};

static void fill(struct cell_stream *stream, const char *text)
{
    stream->kept = BUFFER_INIT(10000);
    if (text)
        assert_int_equal(buffer_append(&stream->kept, text, strlen(text)), 0);
    stream->total_bytes = (int64_t)stream->kept.length;
}

static void same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a)
        assert_string_equal(a, b);
}

static void check_row(const struct row *row)
{
    struct cell_outcome cell = { .state_fd = -1, .end = row->end, .done.file_at_limit = row->file_at_limit };
    struct execution_result result = { 0 };
    const struct buffer none = { 0 };

    cell.flooded = row->flooded;
    cell.cancelled = row->cancelled;
    fill(&cell.out, "before");
    fill(&cell.err, row->err);
    assert_int_equal(outcome_decide(&cell, row->language ? row->language : &interpreted, &limits, &none, &result), 0);
    assert_int_equal(result.outcome, row->outcome);
    assert_int_equal(result.exit_code, row->exit_code);
    assert_int_equal(result.signal, row->signal);
    same_text(execution_status_name(&result), row->status);
    same_text(execution_message_name(&result), row->message);
    assert_string_equal(result.out.data, "before\n");
    assert_string_equal(result.err.data ? result.err.data : "", row->text);
    cell_outcome_deinit(&cell);
    execution_result_deinit(&result);
}

static void every_end_has_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("%s\n", rows[i].name);
        check_row(&rows[i]);
    }
}

static void outcomes_have_names(void **state)
{
    static const char *const names[] = { "ok",           "error",         "compile_error", "timeout", "out_of_memory",
                                         "output_limit", "process_limit", "disk_limit",    "signal",  "cancelled" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_string_equal(execution_outcome_name((enum execution_outcome)i), names[i]);
}

static void signals_have_names(void **state)
{
    (void)state;
    assert_null(execution_signal_name(0));
    assert_null(execution_signal_name(-1));
    assert_string_equal(execution_signal_name(SIGKILL), "SIGKILL");
    assert_string_equal(execution_signal_name(SIGSYS), "SIGSYS");
    assert_string_equal(execution_signal_name(127), "SIGRT");
    for (int signal = 1; signal < 128; signal++)
        assert_non_null(execution_signal_name(signal));
}

/* Decides for a program that printed these bytes and, beyond what was kept, dropped more. */
static void decide(const char *out, int64_t dropped, const char *notes, size_t output_bytes,
                   struct execution_result *result)
{
    struct outcome_limits small = { .timeout_ms = 1000, .memory_bytes = 1, .output_bytes = output_bytes };
    struct cell_outcome cell = { .state_fd = -1, .end.type = WIRE_ENDED };
    struct buffer lines = BUFFER_INIT(1000);

    fill(&cell.out, out);
    fill(&cell.err, NULL);
    cell.out.total_bytes += dropped;
    assert_int_equal(buffer_append(&lines, notes, strlen(notes)), 0);
    assert_int_equal(outcome_decide(&cell, &interpreted, &small, &lines, result), 0);
    cell_outcome_deinit(&cell);
    buffer_deinit(&lines);
}

static void stdout_ends_in_a_newline_unless_empty(void **state)
{
    static const char *const texts[][2] = {
        { "", "" }, { "a", "a\n" }, { "a\n", "a\n" }, { "\n", "\n" }, { " ", " \n" }
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct execution_result result = { 0 };

        decide(texts[i][0], 0, "", 100, &result);
        assert_string_equal(result.out.data ? result.out.data : "", texts[i][1]);
        execution_result_deinit(&result);
    }
}

static void what_was_cut_or_dropped_is_marked(void **state)
{
    static const struct {
        const char *out;
        int64_t dropped;
        const char *text;
        bool truncated;
    } texts[] = {
        { "0123456789", 0, "0123456789\n", false },
        { "0123456789a", 0, "0123456789" TEXT_TRUNCATED "\n", true },
        { "0123456789a", 70000, "0123456789" TEXT_TRUNCATED "\n", true },
        /* Control characters are removed, so that less is left than the limit. */
        { "\x01\x01\x01\x01"
          "0123456",
          5, "0123456" TEXT_TRUNCATED "\n", true },
        /* The rest of the last character was dropped. */
        { "\x01\x01\x01\x01\x01\x01"
          "abc\xe4\xb8",
          5, "abc" TEXT_TRUNCATED "\n", true },
        { "\x01\x01\x01\x01\x01\x01"
          "ab\xf0\x9f\x98",
          1, "ab" TEXT_TRUNCATED "\n", true },
        { "abc\xe4\xb8", 0, "abc\xef\xbf\xbd\xef\xbf\xbd\n", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct execution_result result = { 0 };

        decide(texts[i].out, texts[i].dropped, "", 10, &result);
        assert_string_equal(result.out.data, texts[i].text);
        assert_int_equal(result.out_truncated, texts[i].truncated);
        assert_false(result.err_truncated);
        execution_result_deinit(&result);
    }
}

static void notes_follow_what_the_program_wrote(void **state)
{
    struct execution_result result = { 0 };
    struct cell_outcome cell = { .state_fd = -1, .end = { .type = WIRE_ENDED, .exit_code = 1 } };
    struct buffer notes = BUFFER_INIT(100);

    (void)state;
    decide("x", 0, "[sandbox] input file unavailable: a\n", 100, &result);
    assert_string_equal(result.err.data, "[sandbox] input file unavailable: a\n");
    execution_result_deinit(&result);
    fill(&cell.out, NULL);
    fill(&cell.err, NULL);
    assert_int_equal(buffer_append(&notes, "note\n", 5), 0);
    assert_int_equal(outcome_decide(&cell, &interpreted, &limits, &notes, &result), 0);
    assert_string_equal(result.err.data, "Code execution failed with exit code 1\nnote\n");
    execution_result_deinit(&result);
    cell_outcome_deinit(&cell);
    buffer_deinit(&notes);
}

static void figures_are_passed_on_and_unknown_ones_stay_negative(void **state)
{
    struct cell_outcome cell = {
        .state_fd = -1,
        .end = { .type = WIRE_ENDED, .wall_us = 1500, .cpu_us = -1, .memory_peak_bytes = -1, .processes_peak = -1 },
        .start.origin = WIRE_ORIGIN_ARMED
    };
    const struct buffer none = { 0 };
    struct execution_result result = { 0 };

    (void)state;
    fill(&cell.out, "abc");
    fill(&cell.err, NULL);
    cell.out.total_bytes = 99;
    assert_int_equal(outcome_decide(&cell, &interpreted, &limits, &none, &result), 0);
    assert_true(result.usage.wall_ms == 1.5);
    assert_true(result.usage.cpu_ms < 0);
    assert_int_equal(result.usage.memory_peak_bytes, -1);
    assert_int_equal(result.usage.stdout_bytes, 99);
    assert_int_equal(result.usage.stderr_bytes, 0);
    assert_string_equal(result.usage.warm, "armed");
    cell_outcome_deinit(&cell);
    execution_result_deinit(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_has_its_row),
        cmocka_unit_test(outcomes_have_names),
        cmocka_unit_test(signals_have_names),
        cmocka_unit_test(stdout_ends_in_a_newline_unless_empty),
        cmocka_unit_test(what_was_cut_or_dropped_is_marked),
        cmocka_unit_test(notes_follow_what_the_program_wrote),
        cmocka_unit_test(figures_are_passed_on_and_unknown_ones_stay_negative),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
