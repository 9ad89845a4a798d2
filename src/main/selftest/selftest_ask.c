/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "main/ask/caller_reply.h"
#include "main/ask/interrupt.h"
#include "main/selftest/selftest.h"

#define TEXT_MAX_BYTES  ((size_t)512 * 1024)
#define TIMEOUT_MS      20000
#define ANSWER_WITHIN_S 90 /* for a program of 20 s on a machine under load; after that the server is stuck */
#define SEND_WITHIN_S   20
#define BUSY_TRIES      40
#define BUSY_PAUSE_US   500000
#define HTTP_OK         200
#define HTTP_BUSY       503
#define HTTP_TOO_MANY   429

/* What stands before each program of a language. */
static const struct {
    const char *language, *files[3];
} helpers[] = {
    { "py", { "calls.py", "attempts.py", "helpers.py" } },
    { "c", { "helpers.h" } },
    { "bash", { "helpers.sh" } },
};

static int append_file(const struct selftest *test, const char *file, struct buffer *text)
{
    char path[PATH_MAX + 64];
    ssize_t n;
    int r = buffer_reserve(text, TEXT_MAX_BYTES / 4);

    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/%s", test->directory, file);
    n = fd_read_at(AT_FDCWD, path, text->data + text->length, TEXT_MAX_BYTES / 4);
    if (n < 0)
        return (int)n;
    text->length += (size_t)n;
    return 0;
}

static int append_helpers(const struct selftest *test, const char *language, struct buffer *text)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
        for (size_t f = 0; strcmp(helpers[i].language, language) == 0 && f < ARRAY_SIZE(helpers[i].files); f++)
            if (r == 0 && helpers[i].files[f])
                r = append_file(test, helpers[i].files[f], text);
    return r;
}

/* Appends text with what stands for each "@NAME@". */
static int append_filled(const struct selftest *test, const char *text, struct buffer *to)
{
    char port[16];
    const struct {
        const char *name, *value;
    } rows[] = { { "@MARK@", test->mark }, { "@PORT@", port } };
    int r = 0;

    snprintf(port, sizeof(port), "%u", test->port);
    while (*text && r == 0) {
        size_t length = strcspn(text + 1, "@") + 1, i = 0;

        while (i < ARRAY_SIZE(rows) && strncmp(text, rows[i].name, strlen(rows[i].name)) != 0)
            i++;
        if (i < ARRAY_SIZE(rows)) {
            r = buffer_append(to, rows[i].value, strlen(rows[i].value));
            text += strlen(rows[i].name);
        } else {
            r = buffer_append(to, text, length);
            text += length;
        }
    }
    return r;
}

int selftest_text(const struct selftest *test, const char *language, const char *file, const char *code,
                  char **ret_text)
{
    CLEANUP(buffer_deinit) struct buffer raw = BUFFER_INIT(TEXT_MAX_BYTES), filled = BUFFER_INIT(TEXT_MAX_BYTES);
    int r = 0;

    if (file)
        r = append_helpers(test, language, &raw);
    if (r == 0)
        r = file ? append_file(test, file, &raw) : buffer_append(&raw, code, strlen(code));
    if (r == 0)
        r = buffer_append(&raw, "", 1);
    if (r == 0)
        r = append_filled(test, raw.data, &filled);
    if (r == 0)
        *ret_text = strdup(filled.data);
    return r < 0 || *ret_text ? r : -ENOMEM;
}

int selftest_body(const struct selftest *test, const struct selftest_case *row, const char *file,
                  const char *session_id, char **ret_body)
{
    CLEANUP_JSON json_t *body = NULL, *fields = NULL;
    CLEANUP_FREE char *text = NULL, *filled = NULL;
    int r = selftest_text(test, row->language, file, row->code, &text);

    if (r == 0 && row->fields)
        r = selftest_text(test, "", NULL, row->fields, &filled);
    if (r < 0)
        return r;
    body = json_pack("{s:s, s:s, s:i}", "lang", row->language, "code", text, "timeout",
                     (int)(row->timeout_ms ? row->timeout_ms : TIMEOUT_MS));
    fields = filled ? json_loads(filled, 0, NULL) : json_object();
    if (!body || !fields || json_object_update_missing(body, fields) < 0 ||
        (session_id && json_object_set_new(body, "session_id", json_string(session_id)) < 0))
        return -EINVAL;
    *ret_body = json_dumps(body, JSON_COMPACT);
    return *ret_body ? 0 : -ENOMEM;
}

/* Sends the body until the server has a place for it. */
static int post(struct caller *caller, const char *body, json_t **ret_body, double *ret_ms)
{
    const char *answer = NULL;
    size_t length = 0;
    int r;

    caller_deinit(caller); /* a new connection, so that one that was idle for too long is no answer */
    caller->within_s = ANSWER_WITHIN_S;
    for (int tries = 0;; tries++) {
        r = caller_prepare(caller, "POST", "/exec", body);
        if (r == 0)
            r = caller_send(caller, ret_ms, &answer, &length);
        if ((r != HTTP_BUSY && r != HTTP_TOO_MANY) || tries >= BUSY_TRIES || interrupt_came())
            break;
        usleep(BUSY_PAUSE_US);
    }
    if (r >= 0)
        *ret_body = json_loadb(answer, length, JSON_ALLOW_NUL, NULL);
    return r;
}

/* How long the answer was the program's: a place in the queue is the traffic's. */
static double without_queue(const json_t *body, double ms)
{
    return ms - json_number_value(json_object_get(json_object_get(body, "usage"), "queue_ms"));
}

int selftest_exec(const struct selftest *test, struct caller *caller, const struct selftest_case *row, const char *file,
                  const char *session_id, json_t **ret_body, double *ret_ms)
{
    CLEANUP_FREE char *body = NULL;
    int r = selftest_body(test, row, file, session_id, &body);

    *ret_body = NULL;
    if (r == 0)
        r = post(caller, body, ret_body, ret_ms);
    if (r == HTTP_OK)
        *ret_ms = without_queue(*ret_body, *ret_ms);
    selftest_rest_note(test->sessions, row, *ret_body);
    return r;
}

void selftest_forget(struct caller *caller, const json_t *body)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(body, "files"), i, entry)
    {
        const char *id = json_string_value(json_object_get(entry, "id")), *answer;
        const char *session = json_string_value(json_object_get(entry, "storage_session_id"));
        char path[256];
        size_t length;
        double ms;

        if (id && session && snprintf(path, sizeof(path), "/files/%s/%s", session, id) < (int)sizeof(path) &&
            caller_prepare(caller, "DELETE", path, NULL) == 0)
            caller_send(caller, &ms, &answer, &length);
    }
}

static int connect_from(const struct selftest *test, const char *source, int *ret_fd)
{
    const struct timeval within = { .tv_sec = SEND_WITHIN_S };
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in from = { .sin_family = AF_INET };

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof(within)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &within, sizeof(within)) < 0 ||
        (source && (inet_pton(AF_INET, source, &from.sin_addr) != 1 ||
                    bind(fd, (const struct sockaddr *)&from, sizeof(from)) < 0)) ||
        connect(fd, (const struct sockaddr *)&test->server.address.socket, sizeof(test->server.address.socket)) < 0)
        return error_from_errno();
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int selftest_send(const struct selftest *test, const char *bytes, size_t length, const char *source, char *ret_text,
                  size_t size)
{
    struct caller_reply reply = { 0 };
    CLEANUP_CLOSE int fd = -1;
    size_t got = 0;
    int r = connect_from(test, source, &fd);

    ret_text[0] = '\0';
    if (r < 0)
        return r;
    for (size_t sent = 0; sent < length;) {
        ssize_t n = send(fd, bytes + sent, length - sent, MSG_NOSIGNAL);

        if (n <= 0) /* refused before its end: the answer may be there all the same */
            break;
        sent += (size_t)n;
    }
    while (got < size - 1) {
        ssize_t n = recv(fd, ret_text + got, size - 1 - got, 0);

        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && got == 0)
            return -ETIMEDOUT;
        if (n <= 0)
            break;
        got += (size_t)n;
        ret_text[got] = '\0';
        if (caller_reply_head(ret_text, got, &reply) == 0 &&
            (got >= reply.head_bytes + reply.body_bytes || reply.chunked))
            break;
    }
    if (reply.status > 0)
        memmove(ret_text, ret_text + reply.head_bytes, got - reply.head_bytes + 1);
    return reply.status;
}

static void *run_errand(void *data)
{
    struct selftest_errand *errand = data;
    CLEANUP(caller_deinit) struct caller caller = CALLER_INIT(&errand->test->server.address);

    errand->status = selftest_exec(errand->test, &caller, errand->row, errand->file, NULL, &errand->body, &errand->ms);
    selftest_forget(&caller, errand->body);
    errand->ended = true;
    return NULL;
}

int selftest_errand_start(struct selftest_errand *errand, const struct selftest *test, const struct selftest_case *row,
                          const char *file)
{
    *errand = (struct selftest_errand){ .test = test, .row = row, .file = file };
    return -pthread_create(&errand->thread, NULL, run_errand, errand);
}

void selftest_errand_join(struct selftest_errand *errand)
{
    pthread_join(errand->thread, NULL);
}
