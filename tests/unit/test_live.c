/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "engine/live.h"
#include "engine/live_text.h"
#include "engine/spool.h"
#include "engine/text.h"
#include "scratch.h"

#define LIMIT 65536

/* ---- a place for it ---- */

struct place {
    struct scratch *scratch;
    int dir_fd;
    struct live *live;
    unsigned n_opened;
    unsigned n_woken;
};

static void on_open(void *context)
{
    ((struct place *)context)->n_opened++;
}

static void on_wake(void *context)
{
    ((struct place *)context)->n_woken++;
}

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    void *scratch;

    if (!place || scratch_setup(&scratch) < 0)
        return -1;
    place->scratch = scratch;
    if (mkdir(scratch_path(place->scratch, "place"), 0700) < 0)
        return -1;
    place->dir_fd = open(scratch_path(place->scratch, "place"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = place;
    return live_new(place->dir_fd, LIMIT, on_open, place, &place->live);
}

static int teardown(void **state)
{
    struct place *place = *state;
    void *scratch;

    live_unref(place->live);
    close(place->dir_fd);
    scratch = place->scratch;
    free(place);
    return scratch_teardown(&scratch);
}

/* ---- the spool ---- */

static void test_spool_moves_to_a_file(void **state)
{
    struct place *place = *state;
    struct spool spool = SPOOL_INIT(place->dir_fd);
    char block[1000], back[3000];

    for (unsigned i = 0; i < 200; i++) {
        memset(block, (int)('a' + i % 26), sizeof(block));
        assert_int_equal(spool_append(&spool, block, sizeof(block)), 0);
        assert_true(spool.fd < 0 || spool.size > SPOOL_MEMORY_BYTES);
    }
    assert_true(spool.fd >= 0);
    assert_null(spool.memory.data);
    assert_int_equal(spool.size, 200000);
    assert_int_equal(spool_read(&spool, 25500, back, sizeof(back)), 3000);
    assert_int_equal(back[0], 'a' + 25);
    assert_int_equal(back[500], 'a');
    assert_int_equal(back[2999], 'a' + 2);
    assert_int_equal(spool_read(&spool, 199999, back, sizeof(back)), 1);
    assert_int_equal(spool_read(&spool, 200000, back, sizeof(back)), 0);
    assert_int_equal(spool_read(&spool, UINT64_MAX, back, sizeof(back)), 0);
    assert_int_equal(rmdir(scratch_path(place->scratch, "place")), 0); /* it has no name there */
    spool_deinit(&spool);
}

static void test_spool_without_a_place_for_its_file(void **state)
{
    struct spool spool = SPOOL_INIT(-1);
    static char block[SPOOL_MEMORY_BYTES];

    (void)state;
    assert_int_equal(spool_append(&spool, block, sizeof(block)), 0);
    assert_true(spool_append(&spool, block, 1) < 0);
    assert_int_equal(spool.size, sizeof(block));
    spool_deinit(&spool);
}

/* ---- text in pieces ---- */

/* What an answer makes of the same bytes: keeps one more than the limit, and cleans that. */
static void clean_whole(const char *data, size_t size, size_t limit, struct buffer *text)
{
    size_t kept = size > limit + 1 ? limit + 1 : size;
    size_t half = size > kept ? utf8_unfinished((const unsigned char *)data, kept) : 0;
    int r = text_clean(text, data, kept - half, limit);

    assert_true(r >= 0);
    if (r == 0 && size > kept)
        assert_int_equal(buffer_append(text, TEXT_TRUNCATED, strlen(TEXT_TRUNCATED)), 0);
}

static void clean_in_pieces(const char *data, size_t size, size_t limit, size_t most, struct buffer *text)
{
    struct live_text live = LIVE_TEXT_INIT(limit);

    for (size_t at = 0; at < size;) {
        size_t n = 1 + (size_t)random() % most;

        n = n < size - at ? n : size - at;
        assert_int_equal(live_text_add(&live, data + at, n, text), 0);
        at += n;
    }
    assert_int_equal(live_text_end(&live, text), 0);
}

static void test_pieces_make_the_same_text(void **state)
{
    static const char *const parts[] = { "a",  "\xc3\xa4", "\xe4\xb8\x96", "\xf0\x9f\x98\x80", "\n", "\x01",
                                         "\"", "word ",    "\x7f" };
    char data[400];

    (void)state;
    srandom(4711);
    for (unsigned round = 0; round < 3000; round++) {
        struct buffer whole = BUFFER_INIT(1 << 20), pieces = BUFFER_INIT(1 << 20);
        size_t limit = (size_t)random() % 300, size = 0;

        while (size < (size_t)(random() % 380)) {
            const char *part = parts[random() % 9];

            memcpy(data + size, part, strlen(part));
            size += strlen(part);
        }
        clean_whole(data, size, limit, &whole);
        clean_in_pieces(data, size, limit, 1 + (size_t)random() % 60, &pieces);
        assert_int_equal(whole.length, pieces.length);
        if (whole.length)
            assert_memory_equal(whole.data, pieces.data, whole.length);
        buffer_deinit(&whole);
        buffer_deinit(&pieces);
    }
}

static void test_no_half_characters(void **state)
{
    struct live_text live = LIVE_TEXT_INIT(LIMIT);
    struct buffer text = BUFFER_INIT(1000);

    (void)state;
    assert_int_equal(live_text_add(&live, "a\xe4", 2, &text), 0);
    assert_string_equal(text.data, "a");
    assert_int_equal(live_text_add(&live, "\xb8", 1, &text), 0);
    assert_string_equal(text.data, "a");
    assert_int_equal(live_text_add(&live, "\x96z\xf0", 3, &text), 0);
    assert_string_equal(text.data, "a\xe4\xb8\x96z");
    assert_int_equal(live_text_end(&live, &text), 0);
    assert_string_equal(text.data, "a\xe4\xb8\x96z\xef\xbf\xbd");
    buffer_deinit(&text);
}

static void test_escapes(void **state)
{
    struct buffer json = BUFFER_INIT(1000);

    (void)state;
    assert_int_equal(live_text_escape("a\"b\\c\n\r\t\x01\xc3\xa4", 11, &json), 0);
    assert_string_equal(json.data, "a\\\"b\\\\c\\n\\r\\t\\u0001\xc3\xa4");
    buffer_deinit(&json);
}

/* ---- events ---- */

static struct live_reader *reader_at(struct place *place, uint64_t after_id, bool holds_back)
{
    struct live_reader *reader;

    assert_int_equal(live_reader_new(place->live, after_id, holds_back, on_wake, place, &reader), 0);
    return reader;
}

/* All there is, as a string for the caller to free. */
static char *read_all(struct live_reader *reader, ssize_t *ret_last)
{
    struct buffer all = BUFFER_INIT(64 << 20);
    char block[777];
    ssize_t n;

    while ((n = live_read(reader, block, sizeof(block))) > 0)
        assert_int_equal(buffer_append(&all, block, (size_t)n), 0);
    assert_int_equal(buffer_append(&all, "", 0), 0);
    *ret_last = n;
    return all.data;
}

static void test_events_in_order(void **state)
{
    struct place *place = *state;
    struct live_reader *reader = reader_at(place, 0, true);
    const char *suffixes[] = { "\n", "why \"so\"" };
    ssize_t last;
    char *text;

    assert_false(live_is_open(place->live));
    assert_int_equal(live_read(reader, (char[8]){ 0 }, 8), LIVE_NOTHING);
    live_started(place->live, "the-id", "the-session");
    live_started(place->live, "the-id", "the-session");
    assert_int_equal(place->n_opened, 1);
    assert_int_equal(place->n_woken, 1);
    live_output(place->live, LIVE_STDOUT, "a\n\"b\"", 5);
    live_output(place->live, LIVE_STDERR, "c\xe4", 2);
    live_output_end(place->live);
    assert_true(live_said(place->live, LIVE_STDOUT).anything);
    assert_int_equal(live_said(place->live, LIVE_STDOUT).last, '"');
    live_finish(place->live, "{\"code\":0}", suffixes);
    text = read_all(reader, &last);
    assert_int_equal(last, LIVE_END);
    assert_string_equal(text,
                        "id: 1\nevent: started\ndata: {\"execution_id\":\"the-id\",\"session_id\":\"the-session\"}\n\n"
                        "id: 82\nevent: stdout\ndata: {\"text\":\"a\\n\\\"b\\\"\"}\n\n"
                        "id: 130\nevent: stderr\ndata: {\"text\":\"c\"}\n\n"
                        "id: 172\nevent: stderr\ndata: {\"text\":\"\xef\xbf\xbd\"}\n\n"
                        "id: 216\nevent: result\ndata: {\"stdout\":\"a\\n\\\"b\\\"\\n\",\"stderr\":\"c\xef\xbf\xbdwhy "
                        "\\\"so\\\"\",\"code\":0}\n\n"
                        "id: 304\nevent: end\ndata: {}\n\n");
    free(text);
    live_reader_free(reader);
}

static void test_a_reader_goes_on_after_an_event(void **state)
{
    struct place *place = *state;
    struct live_reader *reader;
    const char *suffixes[] = { "", "" };
    ssize_t last;
    char *text;

    live_started(place->live, "i", "s");
    live_output(place->live, LIVE_STDOUT, "x", 1);
    live_finish(place->live, "{\"code\":0}", suffixes);
    for (uint64_t id = 1; id < 400; id++) {
        int r = live_reader_new(place->live, id, false, on_wake, place, &reader);

        if (r == 0) {
            text = read_all(reader, &last);
            assert_true(text[0] == '\0' || strncmp(text, "id: ", 4) == 0);
            assert_int_equal(last, LIVE_END);
            free(text);
            live_reader_free(reader);
        } else
            assert_int_equal(r, LIVE_E_UNKNOWN);
    }
    reader = reader_at(place, 1, false);
    text = read_all(reader, &last);
    assert_non_null(strstr(text, "\"x\""));
    assert_null(strstr(text, "started"));
    free(text);
    live_reader_free(reader);
    assert_int_equal(live_reader_new(place->live, UINT64_MAX, false, on_wake, place, &reader), LIVE_E_UNKNOWN);
}

static void test_a_slow_reader_holds_back(void **state)
{
    struct place *place = *state;
    struct live *live;
    struct live_reader *slow, *other;
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    static char block[16384];
    eventfd_t count;
    ssize_t last;
    unsigned n = 0;

    assert_int_equal(live_new(place->dir_fd, 10 << 20, on_open, place, &live), 0);
    live_attach(live, wake_fd);
    live_started(live, "i", "s");
    assert_int_equal(live_reader_new(live, 0, true, on_wake, place, &slow), 0);
    assert_int_equal(live_reader_new(live, 0, false, on_wake, place, &other), 0);
    memset(block, 'x', sizeof(block));
    for (; live_has_room(live); n++)
        live_output(live, LIVE_STDOUT, block, sizeof(block));
    assert_in_range(n, LIVE_AHEAD_BYTES / sizeof(block) - 1, LIVE_AHEAD_BYTES / sizeof(block));
    free(read_all(other, &last));
    assert_int_equal(last, LIVE_NOTHING);
    assert_false(live_has_room(live));
    assert_int_equal(eventfd_read(wake_fd, &count), -1);
    free(read_all(slow, &last));
    assert_int_equal(eventfd_read(wake_fd, &count), 0);
    assert_true(live_has_room(live));
    while (live_has_room(live))
        live_output(live, LIVE_STDOUT, block, sizeof(block));
    live_reader_free(slow);
    assert_int_equal(eventfd_read(wake_fd, &count), 0);
    assert_true(live_has_room(live));
    live_attach(live, -1);
    live_reader_free(other);
    live_unref(live);
    close(wake_fd);
}

static void test_what_is_cut_is_said_once(void **state)
{
    struct place *place = *state;
    struct live_reader *reader = reader_at(place, 0, false);
    static char block[LIMIT];
    ssize_t last;
    char *text, *notice;

    memset(block, 'x', sizeof(block));
    live_started(place->live, "i", "s");
    for (unsigned i = 0; i < 5; i++)
        live_output(place->live, LIVE_STDOUT, block, sizeof(block));
    live_output_end(place->live);
    assert_true(live_said(place->live, LIVE_STDOUT).cut);
    assert_false(live_said(place->live, LIVE_STDERR).anything);
    text = read_all(reader, &last);
    notice = strstr(text, "truncated");
    assert_non_null(notice);
    assert_null(strstr(notice + 1, "truncated"));
    free(text);
    live_reader_free(reader);
}

static void test_crumbs_do_not_fill_the_disk(void **state)
{
    struct place *place = *state;
    struct live *live;
    struct live_reader *reader;
    const char *suffixes[] = { "", "" };
    char *text, *result;
    ssize_t last;

    assert_int_equal(live_new(place->dir_fd, 10 << 20, on_open, place, &live), 0);
    live_started(live, "i", "s");
    for (unsigned i = 0; i < 1000000; i++)
        live_output(live, LIVE_STDOUT, "x", 1);
    live_output_end(live);
    live_finish(live, "{\"code\":0}", suffixes);
    assert_int_equal(live_reader_new(live, 0, false, on_wake, place, &reader), 0);
    text = read_all(reader, &last);
    assert_true(strlen(text) < 13 << 20); /* not 55 */
    result = strstr(text, "event: result");
    assert_int_equal(strspn(strchr(result, '{') + strlen("{\"stdout\":\""), "x"), 1000000);
    free(text);
    live_reader_free(reader);
    live_unref(live);
}

/* Until one is held. */
static void write_crumbs(struct live *live)
{
    uint64_t bytes;

    do {
        bytes = live_bytes(live);
        live_output(live, LIVE_STDOUT, "x", 1);
    } while (live_bytes(live) > bytes);
}

static void test_crumbs_are_said_in_a_silence(void **state)
{
    struct place *place = *state;
    struct live *live;
    struct live_reader *reader;
    int64_t due_us;
    ssize_t last;
    char *text;

    assert_int_equal(live_new(place->dir_fd, 10 << 20, on_open, place, &live), 0);
    live_started(live, "i", "s");
    assert_int_equal(live_reader_new(live, 0, false, on_wake, place, &reader), 0);
    live_output(live, LIVE_STDOUT, "x", 1);
    assert_int_equal(live_flush(live), -1);
    write_crumbs(live);
    live_output(live, LIVE_STDERR, "err\xe4", 4);
    live_output(live, LIVE_STDOUT, "name? ", 6);
    due_us = live_flush(live);
    assert_in_range(due_us, 1, LIVE_HELD_US);
    free(read_all(reader, &last));
    usleep(LIVE_HELD_US);
    assert_int_equal(live_flush(live), -1);
    text = read_all(reader, &last);
    assert_non_null(strstr(text, "event: stdout\ndata: {\"text\":\"xname? \"}\n\n"));
    assert_non_null(strstr(text, "event: stderr\ndata: {\"text\":\"err\"}\n\n")); /* half a character stays */
    free(text);
    live_reader_free(reader);
    live_unref(live);
}

static void test_crumbs_do_not_wait_for_a_silence(void **state)
{
    struct place *place = *state;
    struct live *live;
    uint64_t bytes;

    assert_int_equal(live_new(place->dir_fd, 10 << 20, on_open, place, &live), 0);
    live_started(live, "i", "s");
    write_crumbs(live);
    bytes = live_bytes(live);
    usleep(LIVE_HELD_US);
    live_output(live, LIVE_STDOUT, "y", 1);
    assert_true(live_bytes(live) > bytes);
    live_unref(live);
}

static void test_a_full_disk_ends_the_stream_only(void **state)
{
    struct place *place = *state;
    struct live *live;
    struct live_reader *reader;
    static char block[SPOOL_MEMORY_BYTES];
    const char *suffixes[] = { "", "" };
    ssize_t last;

    assert_int_equal(live_new(-1, 10 << 20, on_open, place, &live), 0);
    assert_int_equal(live_reader_new(live, 0, true, on_wake, place, &reader), 0);
    live_started(live, "i", "s");
    memset(block, 'x', sizeof(block));
    live_output(live, LIVE_STDOUT, block, sizeof(block));
    live_output(live, LIVE_STDOUT, block, sizeof(block));
    live_output_end(live);
    live_finish(live, "{\"code\":0}", suffixes);
    free(read_all(reader, &last));
    assert_int_equal(last, LIVE_BROKEN);
    live_reader_free(reader);
    live_unref(live);
}

/* A reader in another thread sees every byte, in order. */
struct chase {
    struct live *live;
    size_t n_bytes;
};

static void *chase(void *argument)
{
    struct chase *chase = argument;
    struct live_reader *reader;
    char block[5000];
    ssize_t n;

    assert_int_equal(live_reader_new(chase->live, 0, true, on_wake, &(struct place){ 0 }, &reader), 0);
    while ((n = live_read(reader, block, sizeof(block))) != LIVE_END)
        chase->n_bytes += n > 0 ? (size_t)n : 0;
    live_reader_free(reader);
    return NULL;
}

static void test_two_threads(void **state)
{
    struct place *place = *state;
    struct chase one = { place->live, 0 }, two = { place->live, 0 };
    const char *suffixes[] = { "", "" };
    pthread_t threads[2];

    live_started(place->live, "i", "s");
    pthread_create(&threads[0], NULL, chase, &one);
    pthread_create(&threads[1], NULL, chase, &two);
    for (unsigned i = 0; i < 2000; i++) {
        live_output(place->live, LIVE_STDOUT, "0123456789", 10);
        live_beat(place->live);
    }
    live_finish(place->live, "{\"code\":0}", suffixes);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_true(one.n_bytes > 2000 * 10);
    assert_int_equal(one.n_bytes, two.n_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_spool_moves_to_a_file, setup, teardown),
        cmocka_unit_test(test_spool_without_a_place_for_its_file),
        cmocka_unit_test(test_pieces_make_the_same_text),
        cmocka_unit_test(test_no_half_characters),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test_setup_teardown(test_events_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reader_goes_on_after_an_event, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_slow_reader_holds_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_cut_is_said_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crumbs_do_not_fill_the_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crumbs_are_said_in_a_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crumbs_do_not_wait_for_a_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk_ends_the_stream_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_threads, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
