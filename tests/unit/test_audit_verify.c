/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_fixture.h"

static void what_was_written_is_sound(void **state)
{
    struct audit_verdict verdict;

    (void)state;
    write_events(0, 50);
    write_events(50, 50);
    verdict = verify_log();
    assert_string_equal(verdict.problem, "");
    assert_true(verdict.sound);
    assert_int_equal(verdict.first_seq, 1);
    assert_int_equal(verdict.last_seq, 101); /* with the opening */
}

static void edit_a_byte(char *text, size_t *length)
{
    size_t n;
    char *number = strstr(line_of(text, 5, &n), "\"number\":");

    (void)length;
    number[9] = number[9] == '9' ? '8' : '9';
}

static void edit_the_hash(char *text, size_t *length)
{
    size_t n;
    char *line = line_of(text, 5, &n);

    (void)length;
    line[n - 5] = line[n - 5] == 'a' ? 'b' : 'a';
}

static void edit_the_last_line(char *text, size_t *length)
{
    size_t n;

    (void)length;
    line_of(text, 10, &n)[3] = 'X';
}

static void take_a_line_out(char *text, size_t *length)
{
    size_t n;
    char *line = line_of(text, 5, &n);

    memmove(line, line + n, *length - (size_t)(line + n - text) + 1);
    *length -= n;
}

static void take_the_beginning(char *text, size_t *length)
{
    size_t n;

    line_of(text, 0, &n);
    memmove(text, text + n, *length - n + 1);
    *length -= n;
}

static void take_the_last_line(char *text, size_t *length)
{
    cut_at_line(text, 10, length);
}

static void take_half_a_line(char *text, size_t *length)
{
    (void)text;
    *length -= 30;
}

static void take_everything(char *text, size_t *length)
{
    (void)text;
    *length = 0;
}

static void exchange_lines(char *text, size_t *length)
{
    char copy[1024];
    size_t a, b;
    char *first = line_of(text, 5, &a), *second = line_of(text, 6, &b);

    (void)length;
    memcpy(copy, first, a);
    memmove(first, second, b);
    memcpy(first + b, copy, a);
}

static void repeat_a_line(char *text, size_t *length)
{
    size_t n;
    char *line = line_of(text, 5, &n);

    memmove(line + n, line, *length - (size_t)(line - text) + 1);
    *length += n;
}

static void put_a_line_in(char *text, size_t *length)
{
    static const char line[] = "{\"event_type\":\"authentication\",\"success\":true}\n";
    size_t n;
    char *at = line_of(text, 5, &n);

    memmove(at + sizeof(line) - 1, at, *length - (size_t)(at - text) + 1);
    memcpy(at, line, sizeof(line) - 1);
    *length += sizeof(line) - 1;
}

/* A line with a hash of its own that is right: the next one gives it away. */
static void forge_a_line(char *text, size_t *length)
{
    static const char event[] = "{\"event_type\":\"even\",\"severity\":\"info\",\"number\":77}";
    CLEANUP(buffer_deinit) struct buffer forged = BUFFER_INIT(AUDIT_LINE_MAX_BYTES);
    struct audit_chain chain;
    size_t before, n;
    char *line = line_of(text, 4, &before);

    assert_int_equal(audit_chain_read(line, before - 1, &chain), 0);
    assert_int_equal(audit_chain_append(&chain, event, sizeof(event) - 1, &forged), 0);
    line = line_of(text, 5, &n);
    memmove(line + forged.length, line + n, *length - (size_t)(line + n - text) + 1);
    memcpy(line, forged.data, forged.length);
    *length += forged.length - n;
}

static void every_kind_of_tampering_is_found(void **state)
{
    static const struct {
        const char *name;
        void (*tamper)(char *text, size_t *length);
        const char *problem;
    } rows[] = {
        { "edit", edit_a_byte, "line 6: event 6 was edited" },
        { "forgery", forge_a_line, "line 7: event 7 was edited, or the one before it" },
        { "hash", edit_the_hash, "line 6: event 6 was edited" },
        { "last line", edit_the_last_line, "line 11: event 11 was edited" },
        { "deletion", take_a_line_out, "line 6: events 6 to 6 are missing" },
        { "beginning", take_the_beginning, "line 1: the beginning of the file is missing" },
        { "truncation", take_the_last_line, "the end is missing: events 11 to 11" },
        { "torn", take_half_a_line, "line 11: cut off" },
        { "emptied", take_everything, "is empty" },
        { "order", exchange_lines, "line 6: events 6 to 6 are missing" },
        { "repetition", repeat_a_line, "line 7: event 6 is repeated" },
        { "insertion", put_a_line_in, "line 6: is no line of an audit log" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct audit_verdict verdict;
        size_t length;
        char *text;

        sweep();
        write_events(0, 10);
        assert_true(verify_log().sound);
        text = read_log(AUDIT_FILE_NAME, &length);
        rows[i].tamper(text, &length);
        write_log(AUDIT_FILE_NAME, text, length);
        free(text);
        verdict = verify_log();
        if (verdict.sound || strncmp(verdict.problem, rows[i].problem, strlen(rows[i].problem)) != 0)
            print_error("%s: %s\n", rows[i].name, verdict.problem);
        assert_false(verdict.sound);
        assert_int_equal(strncmp(verdict.problem, rows[i].problem, strlen(rows[i].problem)), 0);
    }
}

/* What a reader may see while a line is being written, or right after a rotation. */
static void a_log_at_work_is_sound(void **state)
{
    static const char *const rotated[] = { "audit.log.1", "audit.log", NULL };
    struct audit_verdict verdict;
    char *text, from[128], to[128];
    size_t length;

    (void)state;
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    memcpy(text + length, "{\"event_type\":\"od", 17);
    write_log(AUDIT_FILE_NAME, text, length + 17);
    free(text);
    verdict = verify_log();
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.end, AUDIT_END_TORN);
    assert_int_equal(verdict.last_seq, 11);

    sweep();
    write_events(0, 10);
    path_of("audit.log", from);
    path_of("audit.log.1", to);
    assert_int_equal(rename(from, to), 0);
    write_log(AUDIT_FILE_NAME, "", 0);
    assert_string_equal(verify(rotated).problem, "");
    assert_int_equal(truncate(to, (off_t)length - 30), 0);
    assert_false(verify(rotated).sound);
}

static void a_head_that_lags_is_no_problem(void **state)
{
    size_t length;
    char *head;

    (void)state;
    write_events(0, 10);
    head = read_log(AUDIT_FILE_HEAD, &length);
    write_events(10, 10);
    write_log(AUDIT_FILE_HEAD, head, length);
    free(head);
    assert_string_equal(verify_log().problem, "");
    write_events(20, 10);
    assert_string_equal(verify_log().problem, "");
}

/* A file whose chain stood at event 10 before. */
static struct audit_verdict verify_from_11(const struct audit_opening *opening, const char *noted_hash)
{
    CLEANUP(buffer_deinit) struct buffer lines = BUFFER_INIT(AUDIT_LINE_MAX_BYTES);
    struct audit_chain chain = { .seq = 10 };
    struct audit_verdict verdict;
    FILE *file;

    memset(chain.hash, 'a', DIGEST_HEX_SIZE - 1);
    assert_int_equal(audit_chain_append_opening(&chain, opening, &lines), 0);
    file = fmemopen(lines.data, lines.length, "r");
    audit_verdict_init(&verdict, noted_hash);
    assert_int_equal(audit_verify_file(file, &verdict), 0);
    fclose(file);
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.opening.reason, opening->reason);
    assert_int_equal(verdict.kept_seq, opening->kept_seq);
    return verdict;
}

static void a_missing_beginning_needs_a_reason(void **state)
{
    static const struct {
        struct audit_opening opening;
        bool sound[AUDIT_EXTENT_PART + 1]; /* chosen, all, full, part */
    } rows[] = {
        { { .reason = AUDIT_REASON_UNSAID }, { true, false, true, true } },
        { { .reason = AUDIT_REASON_ROTATED }, { true, false, true, true } },
        { { .reason = AUDIT_REASON_ROTATED, .kept_seq = 10 }, { true, false, false, true } },
        { { .reason = AUDIT_REASON_ROTATED, .kept_seq = 11 }, { true, true, true, true } },
        { { .reason = AUDIT_REASON_MOVED, .kept_seq = 1 }, { true, false, false, false } },
        { { .reason = AUDIT_REASON_LOST, .kept_seq = 1 }, { false, false, false, false } },
        { { .reason = AUDIT_REASON_LOST }, { false, false, false, false } },
    };
    char noted[DIGEST_HEX_SIZE] = "";

    (void)state;
    memset(noted, 'a', DIGEST_HEX_SIZE - 1);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (int extent = AUDIT_EXTENT_CHOSEN; extent <= AUDIT_EXTENT_PART; extent++) {
            struct audit_verdict verdict = verify_from_11(&rows[i].opening, NULL);

            audit_verify_beginning((enum audit_extent)extent, &verdict);
            if (verdict.sound != rows[i].sound[extent])
                print_error("row %zu, extent %d: %s\n", i, extent, verdict.problem);
            assert_int_equal(verdict.sound, rows[i].sound[extent]);
            verdict = verify_from_11(&rows[i].opening, noted);
            audit_verify_beginning((enum audit_extent)extent, &verdict);
            assert_string_equal(verdict.problem, ""); /* who noted where it begins misses nothing */
        }
}

/* A hash that was noted is that of any event; the zeros before the first are nobody's. */
static void what_was_noted_is_found(void **state)
{
    char zeros[DIGEST_HEX_SIZE] = "", *text, path[128];
    struct audit_chain chain;
    size_t length, n;

    (void)state;
    memset(zeros, '0', DIGEST_HEX_SIZE - 1);
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    path_of(AUDIT_FILE_NAME, path);
    for (int i = 0; i <= 11; i++) {
        const char *noted = i < 11 ? chain.hash : zeros;
        struct audit_verdict verdict;
        FILE *file = fopen(path, "re");

        if (i < 11) {
            const char *line = line_of(text, i, &n);

            assert_int_equal(audit_chain_read(line, n - 1, &chain), 0);
        }
        audit_verdict_init(&verdict, noted);
        assert_int_equal(audit_verify_file(file, &verdict), 0);
        fclose(file);
        audit_verify_noted(&verdict);
        assert_int_equal(verdict.noted_seq, i < 11 ? i + 1 : 0);
        assert_int_equal(verdict.sound, i < 11);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_EMPTY_PLACE(what_was_written_is_sound),
        IN_EMPTY_PLACE(every_kind_of_tampering_is_found),
        IN_EMPTY_PLACE(a_log_at_work_is_sound),
        IN_EMPTY_PLACE(a_head_that_lags_is_no_problem),
        cmocka_unit_test(a_missing_beginning_needs_a_reason),
        IN_EMPTY_PLACE(what_was_noted_is_found),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
