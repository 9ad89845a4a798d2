/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "main/selftest/selftest.h"
#include "main/selftest/selftest_judge.h"

#define ANSWER_SIZE      65536
#define REQUEST_MAX      ((size_t)4 << 20)
#define GUESSER          "127.0.0.66" /* nobody else's address, so that nobody is locked out */
#define GUESSES          15
#define STAMPEDE         24
#define STAMPEDE_WITHIN  30000
#define HTTP_OK          200
#define HTTP_UNKNOWN_KEY 401
#define HTTP_NOT_FOUND   404
#define HTTP_TOO_MANY    429

static int append_times(struct buffer *bytes, const char *text, size_t length, unsigned long times)
{
    int r = 0;

    for (; times > 0 && r == 0; times--)
        r = buffer_append(bytes, text, length);
    return r;
}

/* "*1000@" behind what is repeated: how often, and *ret_end behind it. 0 if it is nothing of the kind. */
static unsigned long read_times(const char *text, const char **ret_end)
{
    char *end;
    unsigned long times = *text == '*' ? strtoul(text + 1, &end, 10) : 0;

    if (times == 0 || *end != '@')
        return 0;
    *ret_end = end + 1;
    return times;
}

/* Appends what the placeholder at text stands for; *ret_end is behind it. */
static int expand_one(const char *text, const char *key, size_t content_length, struct buffer *bytes,
                      const char **ret_end)
{
    size_t repeated = strcspn(text + 1, "*@");
    unsigned long times = read_times(text + 1 + repeated, ret_end);
    char number[24];
    const struct {
        const char *name, *value;
        size_t length;
    } rows[] = { { "@KEY@", key, strlen(key) }, { "@LENGTH@", number, 0 }, { "@@", "", 1 } };

    snprintf(number, sizeof(number), "%zu", content_length);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strncmp(text, rows[i].name, strlen(rows[i].name)) == 0) {
            *ret_end = text + strlen(rows[i].name);
            return buffer_append(bytes, rows[i].value, rows[i].length ? rows[i].length : strlen(rows[i].value));
        }
    return times ? append_times(bytes, text + 1, repeated, times) : -EINVAL;
}

/* Appends text in which "@KEY@" is the key, "@LENGTH@" a number, "@@" a NUL and "@x*1000@" x a thousand times. */
static int expand(const char *text, const char *key, size_t content_length, struct buffer *bytes)
{
    int r = 0;

    while (*text && r == 0) {
        size_t plain = strcspn(text, "@");

        r = buffer_append(bytes, text, plain);
        text += plain;
        if (r == 0 && *text)
            r = expand_one(text, key, content_length, bytes, &text);
    }
    return r;
}

void selftest_request(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    CLEANUP(buffer_deinit) struct buffer bytes = BUFFER_INIT(REQUEST_MAX), body = BUFFER_INIT(REQUEST_MAX);
    const char *key = test->server.address.key, *blank = strstr(row->request, "\r\n\r\n");
    CLEANUP_FREE char *head = strndup(row->request, blank ? (size_t)(blank - row->request) + 4 : strlen(row->request));
    CLEANUP_FREE char *text = malloc(ANSWER_SIZE);
    int r = head && text ? 0 : -ENOMEM;

    if (r == 0 && blank)
        r = expand(blank + 4, key, 0, &body);
    if (r == 0)
        r = expand(head, key, body.length, &bytes);
    if (r == 0 && body.length > 0)
        r = buffer_append(&bytes, body.data, body.length);
    if (r == 0)
        r = selftest_send(test, bytes.data, bytes.length, NULL, text, ANSWER_SIZE);
    selftest_judge_request(row, r, text ? text : "", result);
}

static int guess(const struct selftest *test, int number)
{
    char request[256], text[ANSWER_SIZE];
    int length = snprintf(request, sizeof(request),
                          "GET /languages HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.%d\r\n"
                          "x-api-key: wrong-%s-%d\r\n\r\n",
                          number, test->mark, number);

    return selftest_send(test, request, (size_t)length, GUESSER, text, sizeof(text));
}

void selftest_guesses(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    int status = 0, tries = 0;

    (void)row;
    for (; tries < GUESSES && status != HTTP_TOO_MANY; tries++) {
        status = guess(test, 1);
        if (status != HTTP_UNKNOWN_KEY && status != HTTP_TOO_MANY) {
            selftest_note(result, status < 0 ? SELFTEST_UNKNOWN : SELFTEST_DOWN, "a wrong key: status %d", status);
            return;
        }
    }
    if (status == HTTP_TOO_MANY)
        selftest_note(result, SELFTEST_HELD, "429 after %d wrong keys", tries - 1);
    else
        selftest_note(result, SELFTEST_DOWN, "%d wrong keys from one address, none held back", tries);
}

void selftest_stampede(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    struct selftest_errand errands[STAMPEDE];
    unsigned n = 0, wrong = 0;
    double worst_ms = 0;

    while (n < STAMPEDE && selftest_errand_start(&errands[n], test, row, NULL) == 0)
        n++;
    for (unsigned i = 0; i < n; i++) {
        selftest_errand_join(&errands[i]);
        wrong += errands[i].status != HTTP_OK || strcmp(json_member_text(errands[i].body, "stdout"), row->out) != 0;
        worst_ms = errands[i].ms > worst_ms ? errands[i].ms : worst_ms;
        json_decref(errands[i].body);
    }
    selftest_note(result, wrong || worst_ms > STAMPEDE_WITHIN ? SELFTEST_DOWN : SELFTEST_HELD,
                  "%u of %u programs at once failed, the slowest took %.1f s", wrong, n, worst_ms / 1000);
    if (n < STAMPEDE)
        selftest_note(result, SELFTEST_UNKNOWN, "no threads for more than %u clients", n);
}

/* A request with this key; the caller owns *ret_text. Returns the status or a negative errno. */
static int ask_as(const struct selftest *test, const char *key, const char *method, const char *path, const char *body,
                  char **ret_text)
{
    struct caller_address address = test->server.address;
    CLEANUP(caller_deinit) struct caller caller = CALLER_INIT(&address);
    const char *answer = NULL;
    size_t length = 0;
    double ms;
    int r;

    snprintf(address.key, sizeof(address.key), "%s", key);
    r = caller_prepare(&caller, method, path, body);
    if (r == 0)
        r = caller_send(&caller, &ms, &answer, &length);
    if (r < 0)
        return r;
    *ret_text = answer ? strndup(answer, length) : NULL;
    return *ret_text ? r : -ENOMEM;
}

/* Makes a key of another tenant. */
static int make_key(const struct selftest *test, char *ret_key, size_t size)
{
    CLEANUP_JSON json_t *answer = NULL;
    CLEANUP_FREE char *text = NULL;
    int r = ask_as(test, test->master, "POST", "/api/v1/admin/keys", "{\"name\":\"selftest\"}", &text);

    if (r < 0)
        return r;
    answer = json_loads(text, 0, NULL);
    snprintf(ret_key, size, "%s", json_member_text(answer, "api_key"));
    return *ret_key ? 0 : -EPROTO;
}

/* Whether two answers are one but for what names the request: its id and its time. */
static bool same_answer(const char *one, const char *other)
{
    CLEANUP_JSON json_t *first = json_loads(one, 0, NULL), *second = json_loads(other, 0, NULL);

    json_object_del(first, "request_id");
    json_object_del(second, "request_id");
    json_object_del(first, "timestamp");
    json_object_del(second, "timestamp");
    return first && json_equal(first, second);
}

/* What is there but another's must answer as what is not there. */
static void judge_foreign(const struct selftest *test, const char *key, const char *there, const char *nowhere,
                          struct selftest_result *result)
{
    CLEANUP_FREE char *foreign = NULL, *missing = NULL;
    int status = ask_as(test, key, "GET", there, NULL, &foreign);
    int missing_status = ask_as(test, key, "GET", nowhere, NULL, &missing);

    if (status < 0 || missing_status < 0)
        selftest_note(result, SELFTEST_UNKNOWN, "no answer: %s", strerror(status < 0 ? -status : -missing_status));
    else if (status == HTTP_OK && strlen(foreign) > 2) /* "[]" is the list of a session that is not there */
        selftest_note(result, SELFTEST_DOWN, "another tenant's %.20s: status 200", there);
    else if (status != missing_status || !same_answer(foreign, missing))
        selftest_note(result, SELFTEST_DOWN, "%.20s: another's says %d %.80s, a missing one %d %.80s", there, status,
                      foreign, missing_status, missing);
    else
        selftest_note(result, SELFTEST_HELD, "%d for another's as for what is missing", status);
}

void selftest_tenants(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    CLEANUP_JSON json_t *body = NULL;
    char key[CALLER_KEY_SIZE], missing[ID_SIZE], there[320], nowhere[320];
    const json_t *file;
    double ms;

    if (selftest_exec(test, &test->caller, row, NULL, NULL, &body, &ms) != HTTP_OK ||
        !(file = json_array_get(json_object_get(body, "files"), 0)) || make_key(test, key, sizeof(key)) < 0) {
        selftest_note(result, SELFTEST_UNKNOWN, "no file, or no second key");
        return;
    }
    id_generate(missing);
    snprintf(there, sizeof(there), "/download/%s/%s", json_member_text(body, "session_id"),
             json_member_text(file, "id"));
    snprintf(nowhere, sizeof(nowhere), "/download/%s/%s", missing, missing);
    judge_foreign(test, key, there, nowhere, result);
    snprintf(there, sizeof(there), "/files/%s", json_member_text(body, "session_id"));
    snprintf(nowhere, sizeof(nowhere), "/files/%s", missing);
    judge_foreign(test, key, there, nowhere, result);
    selftest_forget(&test->caller, body);
}

/* Runs this executable with its output thrown away. Returns the exit status, or -1. */
static int run_quietly(const char *program, char *const *argv)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execv(program, argv);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void selftest_audit(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    char log[PATH_MAX + 32], *argv[] = { "codecell", "audit", "verify", log, NULL };
    int status;

    (void)row;
    snprintf(log, sizeof(log), "%s/data/audit/audit.log", test->server.home);
    if (access(log, R_OK) < 0) {
        selftest_note(result, SELFTEST_UNKNOWN, "no audit log: %s", strerror(errno));
        return;
    }
    status = run_quietly(test->program, argv);
    selftest_note(result, status == 0 ? SELFTEST_HELD : SELFTEST_DOWN, "codecell audit verify exits with %d", status);
}
