/* SPDX-License-Identifier: Apache-2.0 */
#include "main/selftest/selftest_print.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/build_info.h"
#include "base/cleanup.h"
#include "base/fd.h"

#define TABLE_ROW      "%-4s %-46s %-9s %s\n"
#define EVIDENCE_SHOWN 100 /* bytes of evidence on one line of the table, of good news */

void selftest_print_list(FILE *out)
{
    for (const struct selftest_case *row = selftest_cases; row->id; row++)
        fprintf(out, "%-4s %-46s %s%s\n", row->id, row->promise, row->absent ? "not here: " : "",
                row->absent ? row->absent : "");
}

void selftest_print_head(FILE *out)
{
    fprintf(out, TABLE_ROW, "case", "promise", "verdict", "evidence");
}

/* Never in the middle of a character. */
static int shown_length(const char *text)
{
    int length = (int)strlen(text);

    if (length <= EVIDENCE_SHOWN)
        return length;
    for (length = EVIDENCE_SHOWN; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80;)
        length--;
    return length;
}

void selftest_print_row(FILE *out, const struct selftest_case *row, const struct selftest_result *result)
{
    bool whole = result->verdict != SELFTEST_HELD; /* what is wrong is told in full */
    int shown = whole ? (int)strlen(result->evidence) : shown_length(result->evidence);

    fprintf(out, "%-4s %-46s %-9s %.*s%s\n", row->id, row->promise, selftest_verdict_word(result->verdict), shown,
            result->evidence, result->evidence[shown] ? "..." : "");
    fflush(out);
}

void selftest_print_count(FILE *out, const struct selftest_count *count, double seconds)
{
    fprintf(out, "%u held, %u DOWN, %u not run, %u not here; %.0f s\n", count->of[SELFTEST_HELD],
            count->of[SELFTEST_DOWN], count->of[SELFTEST_UNKNOWN], count->of[SELFTEST_NOT_HERE], seconds);
}

json_t *selftest_json_row(const struct selftest_case *row, const struct selftest_result *result)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:f}", "id", row->id, "promise", row->promise, "verdict",
                     selftest_verdict_word(result->verdict), "evidence", result->evidence, "ms", result->ms);
}

static json_t *read_text(const char *path)
{
    char text[256];

    if (fd_read_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
        return json_null();
    text[strcspn(text, "\n")] = '\0';
    return json_string(text);
}

static json_t *host_json(void)
{
    struct utsname name = { 0 };

    uname(&name);
    return json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:b}", "kernel", name.release, "kernel_build", name.version,
                     "machine", name.machine, "processors", (int)sysconf(_SC_NPROCESSORS_ONLN), "security_modules",
                     read_text("/sys/kernel/security/lsm"), "merges_pages", read_text("/sys/kernel/mm/ksm/run"), "root",
                     geteuid() == 0);
}

static json_t *settings_json(const char *const *settings)
{
    json_t *object = json_object();

    for (; settings && *settings; settings++) {
        const char *equals = strchr(*settings, '=');

        if (equals)
            json_object_setn_new(object, *settings, (size_t)(equals - *settings), json_string(equals + 1));
    }
    return object;
}

static json_t *count_json(const struct selftest_count *count)
{
    return json_pack("{s:i, s:i, s:i, s:i}", "held", count->of[SELFTEST_HELD], "down", count->of[SELFTEST_DOWN],
                     "not_run", count->of[SELFTEST_UNKNOWN], "not_here", count->of[SELFTEST_NOT_HERE]);
}

static const char *summary(const struct selftest_count *count)
{
    if (count->of[SELFTEST_DOWN])
        return selftest_verdict_word(SELFTEST_DOWN);
    return selftest_verdict_word(count->of[SELFTEST_UNKNOWN] ? SELFTEST_UNKNOWN : SELFTEST_HELD);
}

json_t *selftest_json_report(const char *url, const char *started, double seconds, const char *const *settings,
                             const struct selftest_count *count, const json_t *cases)
{
    return json_pack("{s:s, s:s, s:f, s:s, s:o, s:o, s:s, s:o, s:O}", "version", CODECELL_VERSION, "started", started,
                     "seconds", seconds, "server", url ? url : "its own", "settings", settings_json(settings), "host",
                     host_json(), "verdict", summary(count), "count", count_json(count), "cases", cases);
}
