/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "http/multipart.h"

/* What a reader reported, written down as text: [name|filename|type]data; */
struct record {
    struct buffer text;
    int begin_result, data_result;
    bool inside;
};

static int note(struct record *record, const void *data, size_t length)
{
    return buffer_append(&record->text, data, length);
}

static int on_begin(void *context, const struct http_part *part)
{
    struct record *record = context;

    assert_false(record->inside);
    record->inside = true;
    note(record, "[", 1);
    note(record, part->name, strlen(part->name));
    note(record, "|", 1);
    if (part->filename) {
        assert_int_equal(part->filename[part->filename_length], 0);
        note(record, part->filename, part->filename_length);
    } else
        note(record, "-", 1);
    note(record, "|", 1);
    note(record, part->content_type ? part->content_type : "-", strlen(part->content_type ? part->content_type : "-"));
    note(record, "]", 1);
    return record->begin_result;
}

static int on_data(void *context, const void *data, size_t length)
{
    struct record *record = context;

    assert_true(record->inside);
    assert_true(length > 0);
    note(record, data, length);
    return record->data_result;
}

static int on_end(void *context)
{
    struct record *record = context;

    assert_true(record->inside);
    record->inside = false;
    return note(record, ";", 1);
}

static const struct http_upload calls = { .part_begin = on_begin, .part_data = on_data, .part_end = on_end };

/* Feeds body in steps of at most step bytes. Returns the first outcome that is not 0, or that of the end. */
static int read_in_steps(const char *boundary, const char *body, size_t length, size_t step, struct record *record)
{
    struct multipart *reader = NULL;
    int r;

    record->text.ceiling = 1 << 20;
    r = multipart_new(boundary, boundary ? strlen(boundary) : 0, &calls, record, &reader);
    for (size_t i = 0; r == 0 && i < length; i += step) {
        size_t n = length - i < step ? length - i : step;
        char *exact = malloc(n); /* so that a sanitizer sees a read beyond the bytes given */

        memcpy(exact, body + i, n);
        r = multipart_feed(reader, exact, n);
        free(exact);
    }
    if (r == 0)
        r = multipart_finish(reader);
    multipart_free(reader);
    return r;
}

static void check(const char *boundary, const char *body, size_t length, int wanted, const char *text,
                  size_t text_length)
{
    static const size_t steps[] = { 1, 2, 3, 5, 7, 11, 64, 1 << 20 };

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct record record = { 0 };
        int r = read_in_steps(boundary, body, length, steps[i], &record);

        if (r != wanted || (text && (record.text.length != text_length ||
                                     memcmp(record.text.data ? record.text.data : "", text, text_length) != 0)))
            fail_msg("step %zu of '%s': %d, wanted %d; '%s', wanted '%s'", steps[i], body, r, wanted, record.text.data,
                     text ? text : "anything");
        buffer_deinit(&record.text);
    }
}

#define CHECK(boundary, body, wanted, text) check(boundary, body, sizeof(body) - 1, wanted, text, sizeof(text) - 1)
#define BAD(boundary, body)                 check(boundary, body, sizeof(body) - 1, MULTIPART_E_MALFORMED, NULL, 0)

#define CD "Content-Disposition: form-data; "

static void test_parts(void **context)
{
    (void)context;
    CHECK("B", "--B\r\n" CD "name=\"a\"\r\n\r\n1\r\n--B\r\n" CD "name=b\r\n\r\n\r\n--B--\r\n", 0, "[a|-|-]1;[b|-|-];");
    CHECK("B", "--B\r\n" CD "name=f; filename=x.csv\r\nContent-Type: text/csv\r\n\r\na,b\r\n1,2\r\n--B--", 0,
          "[f|x.csv|text/csv]a,b\r\n1,2;");
    CHECK("B", "preamble\r\nmore\r\n--B  \r\ncontent-disposition:form-data;NAME=a\r\n\r\nx\r\n--B--epilogue\r\n--B\r\n",
          0, "[a|-|-]x;");
    CHECK("B", "--B\r\n\r\nbare\r\n--B--", 0, "[|-|-]bare;");
    CHECK("B", "--B--\r\n", 0, "");
    CHECK("B", "", 0, "");
}

/* Bytes that look like the start of a delimiter are data. */
static void test_lookalikes(void **context)
{
    (void)context;
    CHECK("BB", "--BB\r\n" CD "name=a\r\n\r\n\r\r\n\r\n-\r\n--\r\n--B\r\n\r\n--BB--", 0,
          "[a|-|-]\r\r\n\r\n-\r\n--\r\n--B\r\n;");
    CHECK("B", "--B\r\n" CD "name=a\r\n\r\n--B\n--B\r--B\r\n-B\r\n--B--", 0, "[a|-|-]--B\n--B\r--B\r\n-B;");
    CHECK("B", "--B\r\n" CD "name=a\r\n\r\n\0\xff\r\n--B--", 0, "[a|-|-]\0\xff;");
}

static void test_boundary_from_the_first_line(void **context)
{
    (void)context;
    CHECK(NULL, "--xyz\r\n" CD "name=a\r\n\r\n1\r\n--xyz--\r\n", 0, "[a|-|-]1;");
    BAD(NULL, "xyz\r\n" CD "name=a\r\n\r\n1\r\nxyz--\r\n");
    BAD(NULL, "--\r\n" CD "name=a\r\n\r\n1\r\n----\r\n");
    BAD(NULL, "--xyz\n" CD "name=a\r\n\r\n1\r\n--xyz--\r\n");
    BAD(NULL, "--xyz");
}

static void test_malformed(void **context)
{
    char long_boundary[MULTIPART_BOUNDARY_MAX + 2];

    (void)context;
    BAD("B", "x");
    BAD("B", "--B\r\n");
    BAD("B", "--B\r\n" CD "name=a\r\n\r\n1");
    BAD("B", "--B\r\n" CD "name=a\r\n\r\n1\r\n--B");
    BAD("B", "--B\r\n" CD "name=a\r\n\r\n1\r\n--B-");
    BAD("B", "--Bx\r\n\r\n1\r\n--B--");
    BAD("B", "--B\n" CD "name=a\r\n\r\n1\r\n--B--");
    BAD("B", "--B\r\nno colon\r\n\r\n1\r\n--B--");
    BAD("B", "--B\r\n" CD "name=\"a\0b\"\r\n\r\n1\r\n--B--");
    memset(long_boundary, 'b', sizeof(long_boundary) - 1);
    long_boundary[sizeof(long_boundary) - 1] = '\0';
    BAD(long_boundary, "--");
    BAD("a\rb", "--");
}

static void test_bounds(void **context)
{
    struct buffer body = BUFFER_INIT(1 << 20);
    static const char part[] = "--B\r\n\r\n\r\n";

    (void)context;
    buffer_append(&body, "--B\r\nX: ", 8);
    for (size_t i = 0; i < MULTIPART_HEADER_MAX; i++)
        buffer_append(&body, "x", 1);
    buffer_append(&body, "\r\n\r\n1\r\n--B--", 13);
    check("B", body.data, body.length, MULTIPART_E_MALFORMED, NULL, 0);
    body.length = 0;
    for (int i = 0; i < MULTIPART_PARTS_MAX; i++)
        buffer_append(&body, part, sizeof(part) - 1);
    buffer_append(&body, "--B--", 5);
    check("B", body.data, body.length, 0, NULL, 0);
    body.length -= 2;
    buffer_append(&body, "\r\n\r\n\r\n--B--", 11);
    check("B", body.data, body.length, MULTIPART_E_MALFORMED, NULL, 0);
    buffer_deinit(&body);
}

struct name {
    const char *header;
    const char *wanted;
    size_t length;
};

#define NAME(header, wanted)                                                                                           \
    {                                                                                                                  \
        header, wanted, sizeof(wanted) - 1                                                                             \
    }

static const struct name names[] = {
    NAME("filename=\"a b.txt\"", "a b.txt"),
    NAME("filename=\"\"", ""),
    NAME("filename=plain.txt ", "plain.txt"),
    NAME("filename=\"../../x\"", "../../x"),
    NAME("filename=\"a\\b.txt\"", "a\\b.txt"),
    NAME("filename=\"C:\\dir\\\"", "C:\\dir\\"),
    NAME("filename=\"a\\\"b.txt\"", "a\"b.txt"),
    NAME("filename=\"a%22b%0D%0a%41%2e.txt\"", "a\"b\r\n%41%2e.txt"),
    NAME("filename=\"100%\"", "100%"),
    NAME("filename=\"a;b=c.txt\"", "a;b=c.txt"),
    NAME("filename=\"x\0.txt\"", "x\0.txt"),
    NAME("filename=\"\xe6\x97\xa5.txt\"", "\xe6\x97\xa5.txt"),
    NAME("filename=\"\xff\xc0\x80.txt\"", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd.txt"),
    NAME("filename*=UTF-8''r%C3%A9sum%c3%a9%00.pdf; filename=\"other\"", "r\xc3\xa9sum\xc3\xa9\0.pdf"),
    NAME("filename=\"other\"; filename*=utf-8'en'%41", "A"),
    NAME("filename=\"fall\"; filename*=iso-8859-1''%E9", "\xc3\xa9"),
    NAME("filename=\"fall\"; filename*=koi8-r''%E9", "fall"),
    NAME("filename=\"fall\"; filename*=broken", "fall"),
    NAME("filename*=UTF-8''%ff", "\xef\xbf\xbd"),
    NAME("filename=\"fall\"; filename*=UTF-8''", "fall"),
    NAME("filename*=UTF-8''", ""),
    NAME("filename=\"first\"; filename=\"second\"", "first"),
    NAME("filename=\"unterminated", "unterminated"),
};

static void test_names(void **context)
{
    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct buffer body = BUFFER_INIT(4096), wanted = BUFFER_INIT(4096);
        const char *header = names[i].header;
        size_t length = strlen(header);

        if (strcmp(header, "filename=\"x") == 0)
            length = sizeof("filename=\"x\0.txt\"") - 1;
        buffer_append(&body, "--B\r\n" CD "name=\"f\"; ", strlen("--B\r\n" CD "name=\"f\"; "));
        buffer_append(&body, header, length);
        buffer_append(&body, "\r\n\r\n\r\n--B--", strlen("\r\n\r\n\r\n--B--"));
        buffer_append(&wanted, "[f|", 3);
        buffer_append(&wanted, names[i].wanted, names[i].length);
        buffer_append(&wanted, "|-];", 4);
        check("B", body.data, body.length, 0, wanted.data, wanted.length);
        buffer_deinit(&body);
        buffer_deinit(&wanted);
    }
}

static void test_hostile_content_type_is_absent(void **context)
{
    (void)context;
    CHECK("B", "--B\r\n" CD "name=a\r\nContent-Type: a\x01\xff\r\n\r\n1\r\n--B--", 0, "[a|-|-]1;");
}

static void test_callbacks_stop_the_reader(void **context)
{
    static const char body[] = "--B\r\n" CD "name=a\r\n\r\n1\r\n--B--";
    struct record record = { .begin_result = 7 };

    (void)context;
    assert_int_equal(read_in_steps("B", body, strlen(body), 64, &record), MULTIPART_E_STOPPED);
    buffer_deinit(&record.text);
    record = (struct record){ .data_result = -EIO };
    assert_int_equal(read_in_steps("B", body, strlen(body), 64, &record), -EIO);
    buffer_deinit(&record.text);
}

static void test_boundary_parameter(void **context)
{
    static const struct {
        const char *value, *boundary;
    } rows[] = {
        { "multipart/form-data; boundary=abc", "abc" },
        { "multipart/form-data; charset=x; Boundary=\"a b;c\"; x=y", "a b;c" },
        { "multipart/form-data;boundary=abc; charset=utf-8", "abc" },
        { "multipart/form-data, multipart/form-data; boundary=abc", "abc" },
        { "multipart/form-data", "" },
        { "multipart/form-data; notboundary=abc", "" },
        { "multipart/form-data; boundary=", "" },
        { "multipart/form-data; boundary=\"open", "open" },
    };

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *boundary = "";
        size_t length = multipart_boundary(rows[i].value, &boundary);

        assert_int_equal(length, strlen(rows[i].boundary));
        assert_memory_equal(boundary, rows[i].boundary, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_lookalikes),
        cmocka_unit_test(test_boundary_from_the_first_line),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_hostile_content_type_is_absent),
        cmocka_unit_test(test_callbacks_stop_the_reader),
        cmocka_unit_test(test_boundary_parameter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
