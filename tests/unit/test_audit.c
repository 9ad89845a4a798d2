/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "domain/audit.h"
#include "domain/audit_file.h"
#include "domain/audit_verify.h"

static char place[] = "/tmp/audit-XXXXXX";

static void path_of(const char *name, char ret_path[static 128])
{
    snprintf(ret_path, 128, "%s/%s", place, name);
}

static void sweep(void)
{
    DIR *dir = opendir(place);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static int make_place(void **state)
{
    (void)state;
    return mkdtemp(place) ? 0 : -1;
}

static int remove_place(void **state)
{
    (void)state;
    sweep();
    return rmdir(place);
}

static int empty_place(void **state)
{
    (void)state;
    sweep();
    return 0;
}

static struct audit *start(int64_t max_file_bytes, unsigned max_rotated)
{
    const struct audit_options options = {
        .directory = place,
        .max_file_bytes = max_file_bytes,
        .max_rotated = max_rotated,
        .max_ring_events = 5,
        .max_queue_bytes = 1 << 20,
        .echo_fd = -1,
    };
    struct audit *audit = NULL;

    assert_int_equal(audit_new(&options, &audit), 0);
    return audit;
}

static void post(struct audit *audit, int number)
{
    struct audit_event event;

    audit_begin(&event, number % 2 ? "odd" : "even", number % 3 ? AUDIT_INFO : AUDIT_WARNING);
    audit_number(&event, "number", number);
    audit_post(audit, &event);
}

static void write_events(int first, int n)
{
    struct audit *audit = start(1 << 20, 3);

    for (int i = 0; i < n; i++)
        post(audit, first + i);
    audit_free(audit);
}

static char *read_log(const char *name, size_t *ret_length)
{
    char path[128], *text = calloc(1, 1 << 20);
    FILE *file;

    path_of(name, path);
    file = fopen(path, "re");
    assert_non_null(file);
    *ret_length = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

static void write_log(const char *name, const char *text, size_t length)
{
    char path[128];
    FILE *file;

    path_of(name, path);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
}

/* The verdict on files in their order, with the head that lies beside them. */
static struct audit_verdict verify(const char *const *names)
{
    struct audit_verdict verdict;
    struct audit_chain head;
    char path[128];
    int fd;

    audit_verdict_init(&verdict);
    for (; *names; names++) {
        FILE *file;

        path_of(*names, path);
        file = fopen(path, "re");
        assert_non_null(file);
        assert_int_equal(audit_verify_file(file, &verdict), 0);
        fclose(file);
    }
    path_of(AUDIT_FILE_HEAD, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(audit_file_read_head(fd, &head), 0);
    close(fd);
    audit_verify_end(&head, &verdict);
    return verdict;
}

static struct audit_verdict verify_log(void)
{
    static const char *const names[] = { AUDIT_FILE_NAME, NULL };

    return verify(names);
}

/* ---- events ---- */

static void hostile_values_stay_values(void **state)
{
    static const char *const values[] = {
        "plain",
        "a\nb\r\tc\x1b[31m\x7f",
        "\"},{\"event_type\":\"forged\"",
        "back\\slash",
        "\xff\xfe broken",
        "\xc2\x9b"
        "31m", /* CSI of eight bits */
        "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80",
        "",
    };
    struct audit_event event;
    json_t *object;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        audit_begin(&event, "test", AUDIT_CRITICAL);
        audit_text(&event, "value", values[i]);
        audit_text(&event, "none", NULL);
        audit_list(&event, "list", values, i);
        audit_flag(&event, "flag", true);
        audit_number(&event, "number", INT64_MIN);
        audit_end(&event);
        for (size_t at = 0; at < event.length; at++)
            assert_true((unsigned char)event.text[at] >= 0x20 && event.text[at] != 0x7f);
        assert_null(memmem(event.text, event.length, "\xc2\x9b", 2));
        object = json_loadb(event.text, event.length, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(object);
        assert_int_equal(json_object_size(object), 8);
        assert_string_equal(json_string_value(json_object_get(object, "event_type")), "test");
        assert_string_equal(json_string_value(json_object_get(object, "severity")), "critical");
        assert_true(json_is_null(json_object_get(object, "none")));
        assert_int_equal(json_array_size(json_object_get(object, "list")), i);
        if (i < 4)
            assert_string_equal(json_string_value(json_object_get(object, "value")), values[i]);
        json_decref(object);
    }
}

static void large_values_are_cut_and_fields_left_out(void **state)
{
    char large[8192];
    struct audit_event event;
    json_t *object;

    (void)state;
    memset(large, '\n', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    audit_begin(&event, "test", AUDIT_INFO);
    for (int i = 0; i < 8; i++)
        audit_text(&event, i == 0 ? "first" : "more", large);
    audit_end(&event);
    assert_true(event.length < sizeof(event.text));
    object = json_loadb(event.text, event.length, 0, NULL);
    assert_non_null(object);
    assert_true(json_is_true(json_object_get(object, "cut")));
    assert_in_range(strlen(json_string_value(json_object_get(object, "first"))), 100, AUDIT_VALUE_MAX_BYTES + 3);
    assert_non_null(json_object_get(object, "timestamp"));
    json_decref(object);
}

/* ---- the ring ---- */

static size_t count(struct audit *audit, const char *type, const char *severity, int64_t since_ms, size_t limit)
{
    const struct audit_filter filter = { .type = type, .severity = severity, .since_ms = since_ms };
    char **texts = NULL;
    size_t n = 0;

    assert_int_equal(audit_recent(audit, &filter, limit, &texts), 0);
    while (texts[n])
        n++;
    audit_recent_free(texts);
    return n;
}

static void the_ring_holds_the_newest(void **state)
{
    const struct audit_filter any = { 0 };
    struct audit *audit = start(1 << 20, 1);
    char **texts = NULL;

    (void)state;
    assert_int_equal(count(audit, NULL, NULL, 0, 10), 0);
    for (int i = 1; i <= 8; i++)
        post(audit, i);
    assert_int_equal(audit_recent(audit, &any, 10, &texts), 0);
    assert_non_null(strstr(texts[0], "\"number\":8,"));
    assert_non_null(strstr(texts[4], "\"number\":4,"));
    assert_null(texts[5]);
    audit_recent_free(texts);
    assert_int_equal(count(audit, NULL, NULL, 0, 2), 2);
    assert_int_equal(count(audit, "odd", NULL, 0, 10), 2);
    assert_int_equal(count(audit, "even", NULL, 0, 10), 3);
    assert_int_equal(count(audit, NULL, "warning", 0, 10), 1);
    assert_int_equal(count(audit, "odd", "warning", 0, 10), 0);
    assert_int_equal(count(audit, NULL, NULL, INT64_MAX, 10), 0);
    audit_free(audit);
}

static void nobody_needs_to_listen(void **state)
{
    (void)state;
    post(NULL, 1);
    assert_null(audit_free(NULL));
}

/* ---- the files ---- */

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

/* The nth line (from 0) of text; *ret_length with its newline. */
static char *line_of(char *text, int n, size_t *ret_length)
{
    for (; n > 0; n--)
        text = strchr(text, '\n') + 1;
    *ret_length = (size_t)(strchr(text, '\n') + 1 - text);
    return text;
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
    size_t n;

    *length = (size_t)(line_of(text, 10, &n) - text);
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

/* Restarting after lines were taken away must not mend the chain. */
static void a_restart_hides_nothing(void **state)
{
    struct audit_verdict verdict;
    size_t length;
    char *text;

    (void)state;
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    take_the_last_line(text, &length);
    write_log(AUDIT_FILE_NAME, text, length);
    free(text);
    write_events(10, 3);
    verdict = verify_log();
    assert_false(verdict.sound);
    assert_string_equal(verdict.problem, "line 11: events 11 to 11 are missing");
}

/* A crash of the machine in the middle of a write. */
static void a_torn_line_is_cut_off(void **state)
{
    size_t length;
    char *text;

    (void)state;
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    memcpy(text + length, "{\"event_type\":\"od", 17);
    write_log(AUDIT_FILE_NAME, text, length + 17);
    free(text);
    write_events(10, 3);
    assert_string_equal(verify_log().problem, "");
}

/* However much of it there is; and where no line is whole, a log begins anew. */
static void all_that_is_torn_is_cut_off(void **state)
{
    size_t length;
    char *text, path[128];

    (void)state;
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    memset(text + length, 'x', 50000);
    write_log(AUDIT_FILE_NAME, text, length + 50000);
    write_events(10, 3);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 14);
    path_of(AUDIT_FILE_HEAD, path);
    assert_int_equal(unlink(path), 0);
    write_log(AUDIT_FILE_NAME, text + length, 50000);
    free(text);
    write_events(0, 3);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 4);
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

static uint64_t seq_of_head(void)
{
    struct audit_chain head = { 0 };
    char path[128];
    int fd;

    path_of(AUDIT_FILE_HEAD, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    (void)audit_file_read_head(fd, &head);
    close(fd);
    return head.seq;
}

/* Without another event, and without the end of the server. */
static void the_head_follows_by_itself(void **state)
{
    struct audit *audit = start(1 << 20, 1);

    (void)state;
    for (int i = 1; i <= 3; i++) {
        post(audit, i);
        for (int wait = 0; wait < 1000 && seq_of_head() != (uint64_t)i + 1; wait++)
            usleep(20000);
        assert_int_equal(seq_of_head(), i + 1);
    }
    audit_free(audit);
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

/* Ten events in one batch, straight to the file. */
static void write_batch(struct audit_file *file)
{
    CLEANUP(buffer_deinit) struct buffer events = BUFFER_INIT(1 << 16);
    CLEANUP(buffer_deinit) struct buffer lines = BUFFER_INIT(1 << 16);
    struct audit_event event;

    for (int i = 0; i < 10; i++) {
        audit_begin(&event, "test", AUDIT_INFO);
        audit_end(&event);
        buffer_append(&events, event.text, event.length);
        buffer_append(&events, "\n", 1);
    }
    assert_int_equal(audit_file_write(file, &events, &lines), 0);
}

static void rotation_loses_no_line(void **state)
{
    static const char *const all[] = { "audit.log.4", "audit.log.3", "audit.log.2", "audit.log.1", "audit.log", NULL };
    static const char *const gap[] = { "audit.log.3", "audit.log.1", "audit.log", NULL };
    static const char *const end[] = { "audit.log.1", "audit.log", NULL };
    const struct audit_file_options options = { .directory = place, .max_bytes = 1000, .max_rotated = 4 };
    struct audit_verdict verdict;
    struct audit_file file;

    (void)state;
    assert_int_equal(audit_file_open(&file, &options), 0);
    for (int i = 0; i < 5; i++)
        write_batch(&file); /* a batch is more than 1000 bytes */
    audit_file_close(&file);
    verdict = verify(all);
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.first_seq, 1);
    assert_int_equal(verdict.last_seq, 55); /* with five openings */
    verdict = verify(end);
    assert_string_equal(verdict.problem, "");
    assert_true(verdict.first_seq > 1);
    verdict = verify(gap);
    assert_false(verdict.sound);
    if (!strstr(verdict.problem, "begins with event"))
        print_error("%s\n", verdict.problem);
    assert_non_null(strstr(verdict.problem, "begins with event"));
}

static void a_moved_file_is_opened_again(void **state)
{
    static const char *const both[] = { "moved", "audit.log", NULL };
    struct audit *audit;
    char from[128], to[128];

    (void)state;
    write_events(0, 5);
    audit = start(1 << 20, 1);
    path_of(AUDIT_FILE_NAME, from);
    path_of("moved", to);
    assert_int_equal(rename(from, to), 0);
    post(audit, 5);
    audit_free(audit);
    assert_string_equal(verify(both).problem, "");
}

/* As tools do that rotate by copying. A line that is in neither file is missed. */
static void an_emptied_file_begins_again(void **state)
{
    static const char *const both[] = { "copied", "audit.log", NULL };
    const struct audit_file_options options = { .directory = place, .max_bytes = 1 << 20, .max_rotated = 1 };
    struct audit_verdict verdict;
    struct audit_file file;
    size_t length;
    char *text;

    (void)state;
    assert_int_equal(audit_file_open(&file, &options), 0);
    write_batch(&file);
    text = read_log(AUDIT_FILE_NAME, &length);
    write_log("copied", text, length);
    write_log(AUDIT_FILE_NAME, "", 0);
    write_batch(&file);
    audit_file_close(&file);
    verdict = verify(both);
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.last_seq, 22); /* with two openings */
    verdict = verify_log();
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.first_seq, 12);
    take_the_last_line(text, &length);
    write_log("copied", text, length);
    free(text);
    assert_string_equal(verify(both).problem, "line 1: begins with event 12 after event 10");
}

/* ---- when it cannot be written ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The file may not grow, the queue fills, and what was lost is owned up to. */
static void what_is_lost_is_said(void **state)
{
    const struct audit_options options = {
        .directory = place,
        .max_file_bytes = 1 << 20,
        .max_rotated = 1,
        .max_ring_events = 5,
        .max_queue_bytes = 4000,
        .echo_fd = -1,
    };
    struct audit_verdict verdict;
    struct audit *audit = NULL;
    struct audit_status status;
    size_t length;
    char *text;

    (void)state;
    assert_int_equal(audit_new(&options, &audit), 0);
    limit_files(500);
    for (int i = 0; i < 400; i++) {
        post(audit, i);
        usleep(100);
    }
    for (int i = 0; i < 500 && !audit_status(audit).failing; i++)
        usleep(20000);
    status = audit_status(audit);
    assert_true(status.failing);
    assert_int_equal(status.posted, 400);
    assert_in_range(status.lost, 300, 399);
    limit_files(RLIM_INFINITY);
    for (int i = 0; i < 500 && audit_status(audit).failing; i++)
        usleep(20000);
    assert_false(audit_status(audit).failing);
    audit_free(audit);
    verdict = verify_log();
    assert_string_equal(verdict.problem, "");
    text = read_log(AUDIT_FILE_NAME, &length);
    assert_non_null(strstr(text, "\"operation\":\"events_lost\",\"lost\":"));
    free(text);
}

static void *post_many(void *audit)
{
    for (int i = 0; i < 500; i++)
        post(audit, i);
    return NULL;
}

static void many_threads_may_post(void **state)
{
    struct audit *audit = start(1 << 20, 3);
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_create(&threads[i], NULL, post_many, audit);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(audit_status(audit).lost, 0);
    audit_free(audit);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 2001);
}

/* The same lines go to the log output, whole. */
static void lines_are_echoed(void **state)
{
    struct audit_options options = {
        .directory = place,
        .max_file_bytes = 1 << 20,
        .max_rotated = 1,
        .max_ring_events = 1,
        .max_queue_bytes = 1 << 16,
    };
    char path[128], *log, *echoed;
    struct audit *audit = NULL;
    size_t n_log, n_echoed;

    (void)state;
    path_of("echo", path);
    options.echo_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_int_equal(audit_new(&options, &audit), 0);
    for (int i = 0; i < 20; i++)
        post(audit, i);
    audit_free(audit);
    close(options.echo_fd);
    log = read_log(AUDIT_FILE_NAME, &n_log);
    echoed = read_log("echo", &n_echoed);
    assert_int_equal(n_log, n_echoed);
    assert_string_equal(log, echoed);
    free(log);
    free(echoed);
}

/* Makes fd, the writing end of a pipe, take no more. */
static void stuff(int fd)
{
    char bytes[4096];

    memset(bytes, ' ', sizeof(bytes));
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (write(fd, bytes, sizeof(bytes)) > 0)
        continue;
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

static size_t drain(int fd, char *ret_bytes, size_t size)
{
    size_t length = 0;
    ssize_t n;

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (length < size && (n = read(fd, ret_bytes + length, size - length)) > 0)
        length += (size_t)n;
    return length;
}

static bool wait_for_log(const char *what)
{
    bool found = false;

    for (int wait = 0; wait < 1000 && !found; wait++) {
        size_t length;
        char *text = read_log(AUDIT_FILE_NAME, &length);

        found = strstr(text, what) != NULL;
        free(text);
        usleep(20000);
    }
    return found;
}

/* The log output may be a pipe that nobody reads: the file goes on, and what is missing there is said, whatever the
 * level of the log. */
static void a_reader_that_stalls_stops_nothing(void **state)
{
    struct audit_options options = {
        .directory = place,
        .max_file_bytes = 1 << 20,
        .max_rotated = 1,
        .max_ring_events = 1,
        .max_queue_bytes = 1 << 16,
    };
    struct log_options log = { .level = LOG_LEVEL_CRITICAL, .process = "test" };
    char *echoed = calloc(1, (1 << 20) + 1), *said;
    struct audit *audit = NULL;
    size_t length;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    stuff(fds[1]);
    options.echo_fd = log.fd = fds[1];
    log_init(&log);
    assert_int_equal(audit_new(&options, &audit), 0);
    for (int i = 1; i <= 20; i++)
        post(audit, i);
    assert_true(wait_for_log("\"number\":20,"));
    post(audit, 21); /* not written before the echo of those before was given up */
    assert_true(wait_for_log("\"number\":21,"));
    length = drain(fds[0], echoed, 1 << 19);
    post(audit, 22);
    audit_free(audit);
    log.fd = STDERR_FILENO;
    log_init(&log);
    drain(fds[0], echoed + length, 1 << 19);
    said = strstr(echoed, "\"operation\":\"events_left_out\",\"left_out\":");
    assert_non_null(said);
    assert_null(strstr(strstr(said, "left_out\":"), "events_left_out"));
    assert_non_null(strstr(said, "\"number\":22,"));
    assert_null(strstr(echoed, "\"number\":20,"));
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 23);
    close(fds[0]);
    close(fds[1]);
    free(echoed);
}

/* Even if no event comes after it. */
static void the_last_gap_is_said_at_the_end(void **state)
{
    struct audit_options options = {
        .directory = place,
        .max_file_bytes = 1 << 20,
        .max_ring_events = 1,
        .max_queue_bytes = 1 << 16,
    };
    char *echoed = calloc(1, (1 << 20) + 1), *said;
    struct audit *audit = NULL;
    unsigned left_out = 0, kept = 0;
    size_t length;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    stuff(fds[1]);
    options.echo_fd = fds[1];
    assert_int_equal(audit_new(&options, &audit), 0);
    for (int i = 1; i <= 20; i++)
        post(audit, i);
    assert_true(wait_for_log("\"number\":20,"));
    usleep(20000);
    length = drain(fds[0], echoed, 1 << 19);
    audit_free(audit);
    drain(fds[0], echoed + length, 1 << 19);
    said = strstr(echoed, "\"left_out\":");
    assert_non_null(said);
    assert_int_equal(sscanf(said, "\"left_out\":%u,", &left_out), 1);
    for (const char *at = echoed; (at = strstr(at, "\"number\":")); at++)
        kept++;
    assert_int_equal(left_out + kept, 21); /* with the opening */
    close(fds[0]);
    close(fds[1]);
    free(echoed);
}

/* ---- several processes ---- */

static struct audit_file open_another(void)
{
    const struct audit_file_options options = { .directory = place };
    struct audit_file file;

    assert_int_equal(audit_file_open(&file, &options), 0);
    return file;
}

/* One chain, whoever writes; and the server knows of the others' events. */
static void another_process_may_write(void **state)
{
    struct audit *audit = start(1 << 20, 3);

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct audit_file other = open_another();

        post(audit, i);
        write_batch(&other);
        post(audit, i);
        audit_file_close(&other);
    }
    for (int wait = 0; wait < 1000 && count(audit, "test", "info", 0, 10) < 5; wait++)
        usleep(20000);
    assert_int_equal(count(audit, "test", "info", 0, 10), 5); /* all that the ring holds */
    audit_free(audit);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 1 + 3 * (1 + 10 + 1));
}

/* Lines are taken up once, by those who did not write them. */
static void own_lines_are_nobody_elses(void **state)
{
    struct audit_file first = open_another(), second;
    size_t n = 0;

    (void)state;
    write_batch(&first);
    audit_file_follow(&first);
    assert_int_equal(first.others.length, 0);
    second = open_another();
    write_batch(&second);
    assert_int_equal(second.others.length, 0);
    audit_file_follow(&first);
    audit_file_follow(&first);
    for (const char *at = first.others.data; (at = strchr(at, '\n')); at++)
        n++;
    assert_int_equal(n, 10);
    audit_file_close(&first);
    audit_file_close(&second);
    assert_string_equal(verify_log().problem, "");
}

static void write_and_exit(int n)
{
    struct audit_file file = open_another();

    for (int i = 0; i < n; i++)
        write_batch(&file);
    audit_file_close(&file);
    _exit(0);
}

static void many_processes_at_once_make_one_chain(void **state)
{
    pid_t children[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            write_and_exit(20);
    }
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        int status = -1;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 1 + 4 * 20 * 10);
}

/* A process that is ended in the middle of a line, and one that finds the log moved away. */
static void what_another_leaves_behind_is_mended(void **state)
{
    static const char *const both[] = { "moved", "audit.log", NULL };
    struct audit_file first = open_another(), other;
    char from[128], to[128];

    (void)state;
    write_batch(&first);
    assert_int_equal(write(first.fd, "{\"event_type\":\"od", 17), 17);
    write_batch(&first);
    assert_string_equal(first.note, "a torn line at the end of the audit log was cut off");
    assert_true(audit_file_settle(&first) >= 0);
    assert_string_equal(verify_log().problem, "");
    path_of(AUDIT_FILE_NAME, from);
    path_of("moved", to);
    assert_int_equal(rename(from, to), 0);
    other = open_another();
    write_batch(&other);
    write_batch(&first);
    audit_file_close(&other);
    audit_file_close(&first);
    assert_string_equal(verify(both).problem, "");
    assert_int_equal(verify(both).last_seq, 1 + 20 + 1 + 20);
}

/* Whoever holds the log is waited for, and nothing is lost. */
static void a_held_log_is_waited_for(void **state)
{
    struct audit *audit = start(1 << 20, 3);
    int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_int_equal(fd_lock(fd, 1000), 0);
    post(audit, 1);
    usleep(50000);
    close(fd);
    audit_free(audit);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 2);
}

#define IN_EMPTY_PLACE(test) cmocka_unit_test_setup(test, empty_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_values_stay_values),
        cmocka_unit_test(large_values_are_cut_and_fields_left_out),
        IN_EMPTY_PLACE(the_ring_holds_the_newest),
        cmocka_unit_test(nobody_needs_to_listen),
        IN_EMPTY_PLACE(what_was_written_is_sound),
        IN_EMPTY_PLACE(every_kind_of_tampering_is_found),
        IN_EMPTY_PLACE(a_restart_hides_nothing),
        IN_EMPTY_PLACE(a_torn_line_is_cut_off),
        IN_EMPTY_PLACE(a_head_that_lags_is_no_problem),
        IN_EMPTY_PLACE(rotation_loses_no_line),
        IN_EMPTY_PLACE(a_moved_file_is_opened_again),
        IN_EMPTY_PLACE(an_emptied_file_begins_again),
        IN_EMPTY_PLACE(what_is_lost_is_said),
        IN_EMPTY_PLACE(many_threads_may_post),
        IN_EMPTY_PLACE(lines_are_echoed),
        IN_EMPTY_PLACE(all_that_is_torn_is_cut_off),
        IN_EMPTY_PLACE(a_log_at_work_is_sound),
        IN_EMPTY_PLACE(the_head_follows_by_itself),
        IN_EMPTY_PLACE(a_reader_that_stalls_stops_nothing),
        IN_EMPTY_PLACE(the_last_gap_is_said_at_the_end),
        IN_EMPTY_PLACE(another_process_may_write),
        IN_EMPTY_PLACE(own_lines_are_nobody_elses),
        IN_EMPTY_PLACE(many_processes_at_once_make_one_chain),
        IN_EMPTY_PLACE(what_another_leaves_behind_is_mended),
        IN_EMPTY_PLACE(a_held_log_is_waited_for),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
