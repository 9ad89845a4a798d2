/* SPDX-License-Identifier: Apache-2.0 */
#include "main/doctor.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "main/command.h"
#include "main/option.h"

static const char *const status_words[] = { [CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "FAIL" };

/* One line a check; the mending is part of it, so that a line found in a log tells everything. */
static void print_line(const struct check *check, const struct check_report *report, FILE *out)
{
    fprintf(out, "%-5s %-12s %s", status_words[report->status], check->name, report->what);
    if (report->mend[0])
        fprintf(out, "; mend: %s", report->mend);
    fputc('\n', out);
}

int doctor_run(const struct check_context *context, enum doctor_scope scope, FILE *out)
{
    int failed = 0;

    for (const struct check *check = checks; check->name; check++) {
        struct check_report report = { .status = CHECK_OK };

        if ((scope == DOCTOR_AT_START && !(check->when & CHECK_AT_START)) ||
            (check->when & CHECK_AS_ROOT && geteuid() != 0))
            continue;
        check->run(context, &report);
        failed += report.status == CHECK_FAIL;
        if (scope == DOCTOR_ALL || report.status != CHECK_OK)
            print_line(check, &report, out);
    }
    fflush(out);
    return failed;
}

/* The configuration is the first thing checked; with a refused value the checks go on with its default. A key that is
 * not set yet says nothing about the host. */
static int load_config(struct config *config)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    int r = config_load(config, environ, ".env", &problems), failed = 0;

    if (r < 0)
        return r;
    for (const char *line = problems.data; line && *line;) {
        int length = (int)strcspn(line, "\n");
        enum check_status status = strncmp(line, "API_KEY is not set", 18) == 0 ? CHECK_WARN : CHECK_FAIL;

        printf("%-5s %-12s %.*s\n", status_words[status], "config", length, line);
        line += length + (line[length] == '\n');
        failed += status == CHECK_FAIL;
    }
    if (problems.length == 0)
        printf("%-5s %-12s every value is allowed\n", status_words[CHECK_OK], "config");
    return failed;
}

int command_doctor(int argc, char **argv)
{
    CLEANUP(config_deinit) struct config config = { 0 };
    const struct option_row rows[] = { { 0 } };
    struct check_context context;
    struct location location;
    int status, failed, r;

    if (!option_parse("doctor", rows, argc, argv, &status))
        return status;
    failed = load_config(&config);
    r = failed < 0 ? failed : config_absolute_paths(&config);
    if (r == 0)
        r = location_find(&location);
    if (r < 0) {
        fprintf(stderr, "codecell doctor: %s\n", strerror(-r));
        return 1;
    }
    check_context_init(&context, &config, &location);
    printf("%-5s %-12s %s\n", status_words[CHECK_OK], "place", host_name(&context.host));
    fflush(stdout);
    failed += doctor_run(&context, DOCTOR_ALL, stdout);
    if (failed)
        printf("%d must be mended before the server can start\n", failed);
    return failed ? 1 : 0;
}
