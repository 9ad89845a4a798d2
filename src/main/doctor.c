/* SPDX-License-Identifier: Apache-2.0 */
#include "main/doctor.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "main/command.h"
#include "main/option.h"
#include "main/place/ulimits.h"

static const char *const status_words[] = { [CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "FAIL" };

struct line {
    const char *check;
    enum check_status status;
    const char *what, *mend;
};

/* One line a check; the mending is part of it, so that a line found in a log tells everything. */
static void print_line(const struct line *line, FILE *out)
{
    fprintf(out, "%-5s %-12s %s", status_words[line->status], line->check, line->what);
    if (line->mend[0])
        fprintf(out, "; mend: %s", line->mend);
    fputc('\n', out);
}

/* Paths need not be UTF-8, JSON has to be. */
static json_t *any_text(const char *text)
{
    json_t *whole = json_string(text);
    CLEANUP_FREE char *copy = whole ? NULL : strdup(text);

    for (char *at = copy; at && *at; at++)
        if ((unsigned char)*at > 0x7e)
            *at = '?';
    return whole ? whole : json_string(copy ? copy : "");
}

static void print_object(const struct line *line, FILE *out)
{
    CLEANUP_JSON json_t *object =
        json_pack("{s:s, s:s, s:o, s:o}", "check", line->check, "status", status_words[line->status], "what",
                  any_text(line->what), "mend", any_text(line->mend));

    if (object && json_dumpf(object, out, JSON_COMPACT) == 0)
        fputc('\n', out);
}

static void print(const struct line *line, enum doctor_scope scope, FILE *out)
{
    if (scope == DOCTOR_AS_JSON)
        print_object(line, out);
    else if (scope == DOCTOR_ALL || line->status != CHECK_OK)
        print_line(line, out);
}

int doctor_run(const struct check_context *context, enum doctor_scope scope, FILE *out, int *ret_lasting)
{
    int failed = 0, lasting = 0;

    for (const struct check *check = checks; check->name; check++) {
        struct check_report report = { .status = CHECK_OK };
        struct line line = { .check = check->name, .what = report.what, .mend = report.mend };

        if ((scope == DOCTOR_AT_START && !(check->when & CHECK_AT_START)) ||
            (check->when & CHECK_AS_ROOT && geteuid() != 0))
            continue;
        check->run(context, &report);
        failed += report.status == CHECK_FAIL;
        lasting += report.status == CHECK_FAIL && !report.may_pass;
        line.status = report.status;
        print(&line, scope, out);
    }
    fflush(out);
    *ret_lasting = lasting;
    return failed;
}

static void print_config(enum check_status status, const char *what, enum doctor_scope scope)
{
    print(&(struct line){ "config", status, what, "" }, scope, stdout);
}

/* The configuration is the first thing checked; with a refused value the checks go on with its default. A key that is
 * not set yet says nothing about the host. */
static int load_config(struct config *config, enum doctor_scope scope)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    int r = config_load(config, environ, ".env", &problems), failed = 0;
    const char *hint;

    if (r < 0)
        return r;
    for (char *text = problems.data, *line; text && (line = strsep(&text, "\n"));) {
        enum check_status status = strncmp(line, "API_KEY is not set", 18) == 0 ? CHECK_WARN : CHECK_FAIL;

        if (*line == '\0')
            continue;
        print_config(status, line, scope);
        failed += status == CHECK_FAIL;
    }
    if (problems.length == 0)
        print_config(CHECK_OK, "every value is allowed", scope);
    for (size_t cursor = 0; failed == 0 && (hint = config_hint_next(config, &cursor));)
        print_config(CHECK_WARN, hint, scope);
    return failed;
}

int command_doctor(int argc, char **argv)
{
    CLEANUP(config_deinit) struct config config = { 0 };
    bool json = false;
    const struct option_row rows[] = { { "--json", .flag = &json }, { 0 } };
    struct check_context context;
    struct location location;
    enum doctor_scope scope;
    int status, failed, lasting, r;

    if (!option_parse("doctor", rows, argc, argv, &status))
        return status;
    ulimits_raise(); /* as serve does before it looks */
    scope = json ? DOCTOR_AS_JSON : DOCTOR_ALL;
    failed = load_config(&config, scope);
    r = failed < 0 ? failed : config_absolute_paths(&config);
    if (r == 0)
        r = location_find(&location);
    if (r < 0) {
        fprintf(stderr, "codecell doctor: %s\n", strerror(-r));
        return 1;
    }
    check_context_init(&context, &config, &location);
    print(&(struct line){ "place", CHECK_OK, host_name(&context.host), "" }, scope, stdout);
    fflush(stdout);
    failed += doctor_run(&context, scope, stdout, &lasting);
    if (failed && !json)
        printf("%d must be mended before the server can start\n", failed);
    return failed ? 1 : 0;
}
