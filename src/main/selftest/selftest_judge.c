/* SPDX-License-Identifier: Apache-2.0 */
#include "main/selftest/selftest_judge.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

#define HTTP_OK         200
#define SHOWN_BYTES     120 /* of a text that came */
#define DISTINCT_MAX    5
#define ANSWER_GRACE_MS 10000
#define TIMEOUT_MS      20000
#define EXIT_DOWN       1
#define EXIT_INCOMPLETE 3

/* One line of a report, cut in place. */
struct line {
    char *word, *what, *seen;
};

static struct line cut_line(char *text)
{
    struct line line = { .word = text };

    line.what = strchr(text, '\t');
    if (line.what)
        *line.what++ = '\0';
    line.seen = line.what ? strchr(line.what, '\t') : NULL;
    if (line.seen)
        *line.seen++ = '\0';
    line.what = line.what ? line.what : "";
    line.seen = line.seen ? line.seen : "";
    return line;
}

/* How many attempts were refused, and with which words. */
struct refusals {
    unsigned count, distinct;
    const char *words[DISTINCT_MAX];
};

static void count_refusal(struct refusals *refusals, const char *seen)
{
    refusals->count++;
    for (unsigned i = 0; i < refusals->distinct; i++)
        if (strcmp(refusals->words[i], seen) == 0)
            return;
    if (refusals->distinct < DISTINCT_MAX && *seen)
        refusals->words[refusals->distinct++] = seen;
}

static void note_refusals(const struct refusals *refusals, struct selftest_result *result)
{
    char text[SELFTEST_EVIDENCE_SIZE] = "";
    size_t used = 0;

    for (unsigned i = 0; i < refusals->distinct && used < sizeof(text); i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s", i ? ", " : "", SHOWN_BYTES,
                                 refusals->words[i]);
    selftest_note(result, SELFTEST_HELD, "%u tries: %s", refusals->count, text);
}

/* Judges one line. Returns true for END. */
static bool judge_line(const struct line *line, struct refusals *refusals, struct selftest_result *result)
{
    if (strcmp(line->word, "END") == 0)
        return true;
    if (strcmp(line->word, "HELD") == 0)
        count_refusal(refusals, line->seen);
    else if (strcmp(line->word, "DOWN") == 0)
        selftest_note(result, SELFTEST_DOWN, "%.*s: %.*s", SHOWN_BYTES, line->what, SHOWN_BYTES, line->seen);
    else if (strcmp(line->word, "LACK") == 0)
        selftest_note(result, SELFTEST_UNKNOWN, "%.*s should work: %.*s", SHOWN_BYTES, line->what, SHOWN_BYTES,
                      line->seen);
    else if (strcmp(line->word, "SKIP") == 0)
        selftest_note(result, SELFTEST_NOT_HERE, "%.*s", SHOWN_BYTES, line->what);
    return false;
}

void selftest_judge_report(const char *text, struct selftest_result *result)
{
    CLEANUP_FREE char *copy = strdup(text);
    struct refusals refusals = { 0 };
    bool ended = false;
    char *rest = copy;

    for (char *at; rest && (at = strsep(&rest, "\n"));) {
        struct line line = cut_line(at);

        ended |= judge_line(&line, &refusals, result);
    }
    if (refusals.count > 0)
        note_refusals(&refusals, result);
    if (!ended)
        selftest_note(result, SELFTEST_UNKNOWN, "the program did not come to its end");
    else if (result->seen == 0)
        selftest_note(result, SELFTEST_UNKNOWN, "the program tried nothing");
}

/* What an interpreter says last says most. */
static const char *last_line(const char *text)
{
    size_t length = strlen(text);

    while (length > 0 && text[length - 1] == '\n')
        length--;
    while (length > 0 && text[length - 1] != '\n')
        length--;
    return text + length;
}

static void judge_outcome(const struct selftest_case *row, const json_t *body, struct selftest_result *result)
{
    const char *outcome = json_member_text(body, "outcome");

    if (selftest_has_word(row->outcomes ? row->outcomes : "ok", outcome)) {
        if (row->flags & SELFTEST_ANSWERS)
            selftest_note(result, SELFTEST_HELD, "outcome %s", outcome);
        return;
    }
    /* A limit that another end has met than those listed was not held; an attempt that broke off shows nothing. */
    selftest_note(result, row->outcomes || row->flags & SELFTEST_ANSWERS ? SELFTEST_DOWN : SELFTEST_UNKNOWN,
                  "outcome %s: %.*s", outcome, SHOWN_BYTES, last_line(json_member_text(body, "stderr")));
}

static void judge_text(const struct selftest_case *row, const json_t *body, struct selftest_result *result)
{
    const char *out = json_member_text(body, "stdout"), *err = json_member_text(body, "stderr");
    json_int_t code = json_integer_value(json_object_get(body, "code"));

    if (row->out && strncmp(out, row->out, strlen(row->out)) != 0)
        selftest_note(result, SELFTEST_DOWN, "stdout is '%.*s', not '%s'", SHOWN_BYTES, out, row->out);
    if (row->never && (strstr(out, row->never) || strstr(err, row->never)))
        selftest_note(result, SELFTEST_DOWN, "the answer has '%s'", row->never);
    if (code < row->code_min)
        selftest_note(result, SELFTEST_DOWN, "exit code %lld, not %d", (long long)code, row->code_min);
}

static void judge_files(const struct selftest_case *row, const json_t *body, struct selftest_result *result)
{
    const json_t *files = json_object_get(body, "files"), *entry;
    size_t wanted = *row->files != '-', i;

    for (const char *at = row->files; (at = strchr(at, ',')); at++)
        wanted++;
    json_array_foreach(files, i, entry) if (!selftest_has_word(row->files, json_member_text(entry, "name")))
        selftest_note(result, SELFTEST_DOWN, "'%.*s' is among the outputs", SHOWN_BYTES,
                      json_member_text(entry, "name"));
    if (json_array_size(files) < wanted)
        selftest_note(result, SELFTEST_UNKNOWN, "%zu outputs instead of %zu", json_array_size(files), wanted);
    else
        selftest_note(result, SELFTEST_HELD, "outputs: %s", *row->files == '-' ? "none" : row->files);
}

static void judge_time(const struct selftest_case *row, double ms, struct selftest_result *result)
{
    unsigned timeout_ms = row->timeout_ms ? row->timeout_ms : TIMEOUT_MS;
    unsigned within_ms = row->within_ms ? row->within_ms : timeout_ms + ANSWER_GRACE_MS;

    if (ms > within_ms)
        selftest_note(result, SELFTEST_DOWN, "the answer took %.1f s", ms / 1000);
    else if (row->flags & SELFTEST_ANSWERS)
        selftest_note(result, SELFTEST_HELD, "after %.1f s", ms / 1000);
}

void selftest_judge_answer(const struct selftest_case *row, int status, const json_t *body, double ms,
                           struct selftest_result *result)
{
    if (status < 0) {
        selftest_note(result, SELFTEST_DOWN, "the server did not answer: %s", strerror(-status));
        return;
    }
    if (status != HTTP_OK) {
        selftest_note(result, SELFTEST_UNKNOWN, "status %d: %.*s", status, SHOWN_BYTES,
                      json_member_text(body, "error"));
        return;
    }
    judge_outcome(row, body, result);
    judge_text(row, body, result);
    if (row->files)
        judge_files(row, body, result);
    judge_time(row, ms, result);
    if (!(row->flags & SELFTEST_ANSWERS))
        selftest_judge_report(json_member_text(body, "stdout"), result);
}

void selftest_judge_request(const struct selftest_case *row, int status, const char *text,
                            struct selftest_result *result)
{
    char word[16] = "-";

    if (status > 0)
        snprintf(word, sizeof(word), "%d", status);
    if (status < 0)
        selftest_note(result, SELFTEST_UNKNOWN, "no connection: %s", strerror(-status));
    else if (!selftest_has_word(row->status, word))
        selftest_note(result, SELFTEST_DOWN, "status %s: %.*s", word, SHOWN_BYTES, text);
    else
        selftest_note(result, SELFTEST_HELD, "%s%s%s", status ? word : "closed without an answer", row->out ? ", " : "",
                      row->out ? row->out : "");
    if (status > 0 && row->out && !strstr(text, row->out))
        selftest_note(result, SELFTEST_DOWN, "the answer has no '%s': %.*s", row->out, SHOWN_BYTES, text);
    if (row->never && strstr(text, row->never))
        selftest_note(result, SELFTEST_DOWN, "the answer has '%s'", row->never);
}

int selftest_exit_status(enum selftest_verdict worst)
{
    if (worst == SELFTEST_DOWN)
        return EXIT_DOWN;
    return worst == SELFTEST_UNKNOWN ? EXIT_INCOMPLETE : 0;
}
