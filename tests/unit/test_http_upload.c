/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads in pieces of every size, and those that break off. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http_subject.h"

static void check_upload(const char *type, const char *body, int status, const char *name)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    char head[400];
    struct reply reply;

    snprintf(head, sizeof(head), "POST /v1/upload HTTP/1.1\r\n" GOOD "%sContent-Length: %zu\r\n\r\n", type,
             strlen(body));
    push_text(fd, head);
    for (const char *p = body; *p; p++) { /* byte by byte: every state is met at its border */
        push(fd, p, 1);
        if ((p - body) % 16 == 0)
            usleep(100);
    }
    reply = read_reply(fd);
    if (reply.status != status)
        fail_msg("%s: %d %s", type, reply.status, reply.body);
    check_security_headers(&reply);
    if (name) {
        json_t *json = json_loadb(reply.body, reply.body_length, 0, NULL);

        assert_string_equal(json_string_value(json_object_get(json, "name")), name);
        json_decref(json);
    }
    reply_deinit(&reply);
}

static void test_uploads(void **context)
{
    static const char with[] = "Content-Type: multipart/form-data; boundary=B\r\n",
                      bare[] = "Content-Type: multipart/form-data\r\n";

    (void)context;
    check_upload(with, PART "--B--\r\n", 200, "a b.txt");
    check_upload(bare, PART "--B--\r\n", 200, "a b.txt");
    check_upload("Content-Type: multipart/form-data\r\nContent-Type: multipart/form-data; boundary=\"B\"\r\n",
                 PART "--B--\r\n", 200, "a b.txt");
    check_upload("Content-Type: multipart/form-data, multipart/form-data; boundary=B\r\n", PART "--B--\r\n", 200,
                 "a b.txt");
    check_upload(with, PART, 400, NULL);
    check_upload(with, "garbage", 400, NULL);
    check_upload(with, "--B\r\nContent-Disposition: form-data; name=\"stop\"\r\n\r\nx\r\n--B--\r\n", 200, NULL);
    check_upload(with, "--B\r\nContent-Disposition: form-data; name=\"fail\"\r\n\r\nx\r\n--B--\r\n", 500, NULL);
    check_upload("Content-Type: application/json\r\n", "{}", 400, NULL);
}

static void test_upload_in_chunks(void **context)
{
    static char block[100000];
    CLEANUP_CLOSE int fd = dial(state.server);
    struct reply reply;

    (void)context;
    memset(block, '\r', sizeof(block));
    push_text(fd, "POST /upload HTTP/1.1\r\n" GOOD
                  "Content-Type: multipart/form-data; boundary=B\r\nTransfer-Encoding: chunked\r\n\r\n");
    push_chunk(fd, PART, strlen(PART) - 2);
    for (int i = 0; i < 40; i++)
        push_chunk(fd, block, sizeof(block));
    push_chunk(fd, "\r\n--B--\r\n", 9);
    push_text(fd, "0\r\n\r\n");
    reply = read_reply(fd);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "\"bytes\":4000003"));
    reply_deinit(&reply);
}

static void test_upload_of_a_client_that_hangs_up(void **context)
{
    unsigned before = state.uploads_open;

    (void)context;
    for (int i = 0; i < 20; i++) {
        CLEANUP_CLOSE int fd = dial(state.server);

        push_text(fd, "POST /upload HTTP/1.1\r\n" GOOD
                      "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 100000\r\n\r\n" PART);
        usleep(2000);
    }
    for (int i = 0; i < 200; i++) {
        bool closed;

        pthread_mutex_lock(&state.lock);
        closed = state.uploads_open == before + 20 && state.uploads_closed == state.uploads_open;
        pthread_mutex_unlock(&state.lock);
        if (closed)
            return;
        usleep(10000);
    }
    fail_msg("uploads stay open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uploads),
        cmocka_unit_test(test_upload_in_chunks),
        cmocka_unit_test(test_upload_of_a_client_that_hangs_up),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
