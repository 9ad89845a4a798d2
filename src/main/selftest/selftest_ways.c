/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "main/ask/interrupt.h"
#include "main/selftest/selftest.h"
#include "main/selftest/selftest_eye.h"
#include "main/selftest/selftest_judge.h"

#define REPEATED         4
#define NEIGHBOUR_LAG_MS 15000 /* what a bomb next door may cost at most, on a machine that has other work too */
#define NEIGHBOUR_US     30000
#define MEET_WITHIN_MS   5000
#define HTTP_OK          200

/* The bytes of an entry of an answer's files, borrowed until the caller's next call; NULL with *ret_status. */
static const char *download(struct caller *caller, const json_t *entry, size_t *ret_length, int *ret_status)
{
    const char *body = NULL;
    char path[256];
    double ms;

    snprintf(path, sizeof(path), "/download/%s/%s", json_member_text(entry, "storage_session_id"),
             json_member_text(entry, "id"));
    *ret_status = caller_prepare(caller, "GET", path, NULL);
    if (*ret_status == 0)
        *ret_status = caller_send(caller, &ms, &body, ret_length);
    return *ret_status == HTTP_OK ? body : NULL;
}

static void judge_contents(struct caller *caller, const json_t *answer, const char *expected,
                           struct selftest_result *result)
{
    const json_t *entry;
    size_t i, length;
    int status;

    json_array_foreach(json_object_get(answer, "files"), i, entry)
    {
        const char *bytes = download(caller, entry, &length, &status);

        if (!bytes)
            selftest_note(result, SELFTEST_UNKNOWN, "download of '%.80s': status %d", json_member_text(entry, "name"),
                          status);
        else if (length != strlen(expected) || memcmp(bytes, expected, length) != 0)
            selftest_note(result, SELFTEST_DOWN, "'%.80s' holds '%.*s'", json_member_text(entry, "name"),
                          length < 80 ? (int)length : 80, bytes);
    }
}

/* Programs that run while another one is attacking. */
struct neighbour {
    const struct selftest *test;
    pthread_t thread;
    atomic_bool stopped;
    bool started;
    unsigned runs, wrong;
    double worst_ms;
};

static void *run_neighbour(void *data)
{
    static const struct selftest_case row = { .language = "bash", .code = "echo fine\n" };
    struct neighbour *neighbour = data;
    CLEANUP(caller_deinit) struct caller caller = CALLER_INIT(&neighbour->test->server.address);

    while (!neighbour->stopped && !interrupt_came()) {
        CLEANUP_JSON json_t *body = NULL;
        double ms = 0;
        int status = selftest_exec(neighbour->test, &caller, &row, NULL, NULL, &body, &ms);

        neighbour->runs++;
        neighbour->wrong += status != HTTP_OK || strcmp(json_member_text(body, "stdout"), "fine\n") != 0;
        neighbour->worst_ms = ms > neighbour->worst_ms ? ms : neighbour->worst_ms;
        usleep(NEIGHBOUR_US);
    }
    return NULL;
}

static void neighbour_judge(struct neighbour *neighbour, struct selftest_result *result)
{
    if (!neighbour->started)
        return;
    neighbour->stopped = true;
    pthread_join(neighbour->thread, NULL);
    selftest_note(result, neighbour->wrong || neighbour->worst_ms > NEIGHBOUR_LAG_MS ? SELFTEST_DOWN : SELFTEST_HELD,
                  "%u of %u other programs failed, the slowest took %.1f s", neighbour->wrong, neighbour->runs,
                  neighbour->worst_ms / 1000);
}

/* Runs one program and judges its answer, which the caller owns. */
static json_t *try_program(struct selftest *test, const struct selftest_case *row, const char *file,
                           const char *session_id, struct selftest_result *result)
{
    json_t *body = NULL;
    double ms = 0;
    int status = selftest_exec(test, &test->caller, row, file, session_id, &body, &ms);

    selftest_judge_answer(row, status, body, ms, result);
    if (row->contents)
        judge_contents(&test->caller, body, row->contents, result);
    return body;
}

void selftest_program(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    struct neighbour neighbour = { .test = test };
    CLEANUP_JSON json_t *body = NULL;

    if (row->flags & SELFTEST_NEIGHBOUR)
        neighbour.started = pthread_create(&neighbour.thread, NULL, run_neighbour, &neighbour) == 0;
    body = try_program(test, row, row->file, NULL, result);
    neighbour_judge(&neighbour, result);
    selftest_forget(&test->caller, body);
}

/* A program whose own end tells nothing. Returns its answer, which the caller owns; NULL if it did not run. */
static json_t *prepare(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    json_t *body = NULL;
    double ms;
    int status = selftest_exec(test, &test->caller, row, row->file, NULL, &body, &ms);

    if (status == HTTP_OK && body)
        return body;
    selftest_note(result, SELFTEST_UNKNOWN, "the first program did not run: %d", status);
    json_decref(body);
    return NULL;
}

static void follow(struct selftest *test, const struct selftest_case *row, bool same_session,
                   struct selftest_result *result)
{
    CLEANUP_JSON json_t *first = prepare(test, row, result), *second = NULL;

    if (!first)
        return;
    second = try_program(test, row, row->second, same_session ? json_member_text(first, "session_id") : NULL, result);
    selftest_forget(&test->caller, second);
    selftest_forget(&test->caller, first);
}

void selftest_then(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    follow(test, row, true, result);
}

void selftest_after(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    follow(test, row, false, result);
}

void selftest_kept(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    CLEANUP_JSON json_t *first = prepare(test, row, result), *second = NULL;
    struct selftest_case attack = *row;

    if (!first)
        return;
    attack.contents = NULL;
    judge_contents(&test->caller, first, row->contents, result);
    second = try_program(test, &attack, row->second, json_member_text(first, "session_id"), result);
    judge_contents(&test->caller, first, row->contents, result);
    selftest_forget(&test->caller, second);
    selftest_forget(&test->caller, first);
}

void selftest_beside(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    CLEANUP_JSON json_t *second = NULL;
    struct selftest_errand errand;

    if (selftest_errand_start(&errand, test, row, row->file) < 0) {
        selftest_note(result, SELFTEST_UNKNOWN, "no thread for the first program");
        return;
    }
    if (test->here && !selftest_eye_await(test->mark, MEET_WITHIN_MS))
        selftest_note(result, SELFTEST_UNKNOWN, "the first program did not start");
    second = try_program(test, row, row->second, NULL, result);
    selftest_forget(&test->caller, second);
    selftest_errand_join(&errand);
    selftest_judge_answer(row, errand.status, errand.body, errand.ms, result);
    json_decref(errand.body);
}

void selftest_repeat(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    for (int i = 0; i < REPEATED && result->verdict == SELFTEST_HELD; i++) {
        CLEANUP_JSON json_t *body = try_program(test, row, row->file, NULL, result);

        selftest_forget(&test->caller, body);
    }
}

/* Each line of one text that is a line of the other too. */
static unsigned judge_lines(const char *one, const char *other, struct selftest_result *result)
{
    CLEANUP_FREE char *lines = strdup(one);
    char *rest = lines;
    unsigned n = 0;

    for (char *line; rest && (line = strsep(&rest, "\n"));) {
        const char *found = *line ? strstr(other, line) : NULL;

        n += *line != '\0';
        if (found && (found == other || found[-1] == '\n') && strchr("\n", found[strlen(line)]))
            selftest_note(result, SELFTEST_DOWN, "two programs drew '%.60s'", line);
    }
    return n;
}

void selftest_differ(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    CLEANUP_JSON json_t *first = prepare(test, row, result), *second = prepare(test, row, result);
    unsigned n = judge_lines(json_member_text(first, "stdout"), json_member_text(second, "stdout"), result);

    if (n == 0)
        selftest_note(result, SELFTEST_UNKNOWN, "nothing was drawn: %.100s", json_member_text(first, "stderr"));
    else
        selftest_note(result, SELFTEST_HELD, "%u sources, no two draws alike", n);
}
