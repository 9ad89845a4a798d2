/* SPDX-License-Identifier: Apache-2.0 */
/* selftest_rest.c -- what a case has left on the host. A Python program that has ended well may rest until the next one
 * of its session comes (HOT_SESSIONS_MAX): stopped by the kernel, one process for each session at most, and gone with
 * what ends the session's interpreter. Anything else that is still there is a survivor. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "main/ask/caller.h"
#include "main/selftest/selftest.h"
#include "main/selftest/selftest_eye.h"

#define GONE_WITHIN_MS 5000

static bool is_noted(const struct selftest_sessions *sessions, const char *id)
{
    for (unsigned i = 0; i < sessions->n; i++)
        if (strcmp(sessions->ids[i], id) == 0)
            return true;
    return false;
}

void selftest_rest_note(struct selftest_sessions *sessions, const struct selftest_case *row, const json_t *body)
{
    const char *id = json_string_value(json_object_get(body, "session_id"));

    if (!id || strcmp(row->language, "py") != 0)
        return;
    pthread_mutex_lock(&sessions->lock);
    if (sessions->n < SELFTEST_SESSIONS_MAX && !is_noted(sessions, id))
        snprintf(sessions->ids[sessions->n++], ID_SIZE, "%s", id);
    pthread_mutex_unlock(&sessions->lock);
}

/* A program that does not come to its end cannot rest. */
static void end_interpreters(struct selftest *test)
{
    static const struct selftest_case row = { .language = "py", .code = "import os\nos._exit(0)\n" };

    for (unsigned i = 0; i < test->sessions->n; i++) {
        CLEANUP_JSON json_t *body = NULL;
        double ms;

        (void)selftest_exec(test, &test->caller, &row, NULL, test->sessions->ids[i], &body, &ms);
    }
}

void selftest_rest_look(struct selftest *test, struct selftest_result *result)
{
    size_t resting = 0, left = test->here ? selftest_eye_still(test->mark, GONE_WITHIN_MS, &resting) : 0;

    if (left > 0)
        selftest_note(result, SELFTEST_DOWN, "%zu of its processes are still alive", left);
    if (resting > test->sessions->n)
        selftest_note(result, SELFTEST_DOWN, "%zu processes rest in %u sessions", resting, test->sessions->n);
    if (resting > 0 || !test->here)
        end_interpreters(test);
    left = resting > 0 ? selftest_eye_gone(test->mark, GONE_WITHIN_MS) : 0;
    if (left > 0)
        selftest_note(result, SELFTEST_DOWN, "%zu processes outlive their sessions' interpreters", left);
}
