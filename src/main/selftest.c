/* SPDX-License-Identifier: Apache-2.0 */
/* selftest.c -- `codecell selftest --attack`: do the walls hold, here, of this installation? */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "main/ask/interrupt.h"
#include "main/ask/report_file.h"
#include "main/command.h"
#include "main/option.h"
#include "main/place/location.h"
#include "main/selftest/selftest.h"
#include "main/selftest/selftest_eye.h"
#include "main/selftest/selftest_judge.h"
#include "main/selftest/selftest_print.h"

#define EXIT_INCOMPLETE 3 /* no wall is seen down, but something could not be tried */
#define PROBE_WITHIN_MS 60000
#define WARM_WITHIN_US  (20 * 1000000LL)
#define WARM_PAUSE_US   200000
#define MARK_MASK       0xffffff
#define HTTP_OK         200
#define LOOPBACK_NET    127

/* What a server of its own takes over from the caller's environment: everything that makes cells what they are. */
static const char *const inherited[] = { "SANDBOX_", "MAX_", "HOT_SESSIONS_",
                                         "ALLOWED_FILE_EXTENSIONS=", "FILENAME_STRICT=" };

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "codecell selftest: %s: %s\n", what, why);
    return EXIT_INCOMPLETE;
}

static int usage(const char *message)
{
    fprintf(stderr, "codecell selftest: %s\n", message);
    return EXIT_USAGE;
}

static int check_options(struct selftest *test)
{
    struct selftest_options *options = &test->options;
    char name[64];

    if (!options->attack)
        return usage("give --attack to attack the server from inside its cells; see codecell selftest --help");
    if (options->only && selftest_unknown_name(options->only, name, sizeof(name))) {
        fprintf(stderr, "codecell selftest: --only: there is no case '%s'; see codecell selftest --list\n", name);
        return EXIT_USAGE;
    }
    if (options->url && caller_address_parse(options->url, &test->server.address) < 0)
        return usage("--url must be like http://127.0.0.1:8000");
    if (options->url && !options->key)
        options->key = getenv("API_KEY");
    if (options->url && (!options->key || strlen(options->key) >= CALLER_KEY_SIZE))
        return usage("--url needs the server's key, in --key or API_KEY");
    if (options->url)
        memcpy(test->server.address.key, options->key, strlen(options->key) + 1);
    return 0;
}

/* -- the server */

/* Fills settings, which holds OWN_SETTINGS_MAX + 1; master is what one of them points to. */
static void choose_settings(const char *master, const char **settings)
{
    size_t n = 0;

    settings[n++] = master;
    for (char **each = environ; *each && n < OWN_SETTINGS_MAX; each++)
        for (size_t i = 0; i < ARRAY_SIZE(inherited); i++)
            if (strncmp(*each, inherited[i], strlen(inherited[i])) == 0) {
                settings[n++] = *each;
                break;
            }
    settings[n] = NULL;
}

/* What is attacked has to be known, as it is of the environment: no file is read. */
static void tell_settings(const char *const *settings)
{
    fputs("codecell selftest: a server of its own, with ", stderr);
    if (!settings[1])
        fputs("the default settings", stderr);
    for (size_t i = 1; settings[i]; i++)
        fprintf(stderr, "%s%s", i > 1 ? " " : "", settings[i]);
    fputc('\n', stderr);
}

static int start_server(struct selftest *test)
{
    char master[CALLER_KEY_SIZE + 32];
    int r;

    if (test->options.url)
        return 0;
    if (geteuid() != 0)
        return fail("a server of its own", "needs root; or give --url and --key");
    snprintf(test->master, sizeof(test->master), "master-");
    id_generate(test->master + strlen(test->master));
    snprintf(master, sizeof(master), "MASTER_API_KEY=%s", test->master);
    choose_settings(master, test->settings);
    test->mounts = selftest_eye_mounts();
    test->groups = selftest_eye_all_groups();
    r = own_server_start(&test->server, test->program, test->settings);
    tell_settings(test->settings);
    test->settings[0] = "MASTER_API_KEY=***"; /* for the report; what it pointed to ends with this function */
    if (r == 0)
        r = own_server_wait(&test->server);
    return r < 0 ? fail("the server did not start", *test->server.error ? test->server.error : strerror(-r)) : 0;
}

static int ask_languages(struct selftest *test)
{
    int r = caller_get(&test->caller, "/languages", &test->languages);
    char text[64];

    if (r == HTTP_OK && json_is_array(test->languages))
        return 0;
    snprintf(text, sizeof(text), "status %d", r);
    return fail("GET /languages", r < 0 ? strerror(-r) : text);
}

static bool has_language(const struct selftest *test, const char *wanted)
{
    const json_t *language;
    size_t i;

    json_array_foreach(test->languages, i, language)
    {
        const char *code = json_string_value(json_object_get(language, "code"));

        if (code && strcmp(code, wanted) == 0)
            return json_is_true(json_object_get(language, "available"));
    }
    return false;
}

static void choose_mark(struct selftest *test)
{
    snprintf(test->mark, sizeof(test->mark), "st%06llx%03u", (long long)clock_wall_ms() & MARK_MASK,
             ++test->number % 1000);
}

/* -- before and after each case */

/* The server still serves what anybody asks, and soon. */
static void probe(struct selftest *test, struct selftest_result *result)
{
    static const struct selftest_case row = { .language = "bash", .code = "echo still here\n" };
    CLEANUP_JSON json_t *body = NULL;
    double ms = 0;
    int status = selftest_exec(test, &test->caller, &row, NULL, NULL, &body, &ms);
    const char *out = json_string_value(json_object_get(body, "stdout"));

    if (status != HTTP_OK || !out || strcmp(out, "still here\n") != 0)
        selftest_note(result, SELFTEST_DOWN, "the next program does not run: status %d", status);
    else if (ms > PROBE_WITHIN_MS)
        selftest_note(result, SELFTEST_DOWN, "the next program took %.0f s", ms / 1000);
}

/* Where interpreters are copied, the walls of copies are to be tried, and those are not ready at once. */
static void warm_up(struct selftest *test)
{
    static const struct selftest_case row = { .language = "py", .code = "print(1)\n" };
    const char *pool = getenv("SANDBOX_POOL_ENABLED"), *warm = "";
    int64_t end_us = clock_monotonic_us() + (pool && strcmp(pool, "false") == 0 ? 0 : WARM_WITHIN_US);
    double ms;

    while (!test->options.url && !*warm && clock_monotonic_us() < end_us && !interrupt_came()) {
        CLEANUP_JSON json_t *body = NULL;

        if (selftest_exec(test, &test->caller, &row, NULL, NULL, &body, &ms) != HTTP_OK)
            return;
        warm = json_string_value(json_object_get(json_object_get(body, "usage"), "warm"));
        warm = warm && strcmp(warm, "started") != 0 ? "armed" : "";
        usleep(WARM_PAUSE_US);
    }
}

/* A marked program is seen from here if its processes are this host's. */
static void look_here(struct selftest *test)
{
    static const struct selftest_case row = { .language = "bash", .code = "exec -a @MARK@ sleep 0.7\n" };
    struct selftest_errand errand;

    choose_mark(test);
    if (geteuid() != 0 || selftest_errand_start(&errand, test, &row, NULL) < 0)
        return;
    while (!test->here && !errand.ended)
        test->here = selftest_eye_await(test->mark, 0) != 0;
    selftest_errand_join(&errand);
    json_decref(errand.body);
}

/* Why a case cannot be tried here, or NULL. */
static const char *why_not(const struct selftest *test, const struct selftest_case *row)
{
    const uint32_t address = ntohl(test->server.address.socket.sin_addr.s_addr);

    if (row->absent)
        return row->absent;
    if (row->flags & SELFTEST_ON_HOST && !test->here)
        return "needs root on the server's own host";
    if (row->flags & SELFTEST_OWN && test->options.url)
        return "would disturb a server in use: run it without --url";
    if (row->flags & SELFTEST_LOOPBACK && address >> 24 != LOOPBACK_NET)
        return "needs the server at a loopback address";
    if (row->language && !has_language(test, row->language))
        return "the server lacks the language";
    return NULL;
}

static void try_case(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    const char *reason = why_not(test, row);
    int64_t start_us = clock_monotonic_us();

    if (reason) {
        selftest_note(result, SELFTEST_NOT_HERE, "%s", reason);
        return;
    }
    choose_mark(test);
    test->port = 0;
    test->sessions->n = 0;
    if (row->way)
        row->way(test, row, result);
    else
        selftest_program(test, row, result);
    selftest_rest_look(test, result);
    if (test->options.url || test->server.pid > 0)
        probe(test, result);
    result->ms = (double)(clock_monotonic_us() - start_us) / 1000;
}

/* -- the whole */

static int run_cases(struct selftest *test, struct selftest_count *count, json_t *list)
{
    selftest_print_head(stdout);
    for (const struct selftest_case *row = selftest_cases; row->id; row++) {
        struct selftest_result result = { 0 };

        if (!selftest_selected(test->options.only, row->id))
            continue;
        try_case(test, row, &result);
        if (interrupt_came())
            return -EINTR;
        count->of[result.verdict]++;
        selftest_print_row(stdout, row, &result);
        if (json_array_append_new(list, selftest_json_row(row, &result)) < 0)
            return -ENOMEM;
    }
    return 0;
}

static enum selftest_verdict worst_of(const struct selftest_count *count)
{
    enum selftest_verdict worst = SELFTEST_DOWN;

    while (worst > SELFTEST_HELD && count->of[worst] == 0)
        worst--;
    return worst;
}

static int attack(struct selftest *test, int json_fd)
{
    CLEANUP_JSON json_t *list = json_array(), *report = NULL;
    struct selftest_count count = { 0 };
    int64_t start_us = clock_monotonic_us();
    char started[CLOCK_ISO_SIZE];
    double seconds;
    int r = start_server(test);

    clock_format_iso(clock_wall_ms(), started);
    if (r == 0)
        r = ask_languages(test);
    if (r != 0)
        return r;
    look_here(test);
    if (has_language(test, "py"))
        warm_up(test);
    r = run_cases(test, &count, list);
    seconds = (double)(clock_monotonic_us() - start_us) / 1e6;
    if (r == 0)
        selftest_print_count(stdout, &count, seconds);
    if (r == 0 && json_fd >= 0) {
        report = selftest_json_report(test->options.url, started, seconds, test->settings, &count, list);
        r = report ? report_file_write_json(json_fd, report) : -ENOMEM;
    }
    if (r < 0)
        fail("stopped", strerror(-r));
    return r == 0 || count.of[SELFTEST_DOWN] > 0 ? selftest_exit_status(worst_of(&count)) : EXIT_INCOMPLETE;
}

static void selftest_deinit(struct selftest *test)
{
    own_server_stop(&test->server);
    caller_deinit(&test->caller);
    json_decref(test->languages);
    json_decref(test->mounts);
    json_decref(test->groups);
}

int command_selftest(int argc, char **argv)
{
    struct selftest_sessions sessions = { .lock = PTHREAD_MUTEX_INITIALIZER };
    CLEANUP(selftest_deinit)
    struct selftest test = {
        .caller = CALLER_INIT(&test.server.address),
        .sessions = &sessions,
    };
    struct selftest_options *options = &test.options;
    CLEANUP_CLOSE int json_fd = -1;
    const struct option_row rows[] = {
        { "--attack", .flag = &options->attack },
        { "--list", .flag = &options->list },
        { "--only", "list of cases", .text = &options->only },
        { "--url", "URL", .text = &options->url },
        { "--key", "key", .text = &options->key },
        { "--json", "file name", .text = &options->json },
        { 0 },
    };
    struct location location;
    int status;

    if (!option_parse("selftest", rows, argc, argv, &status))
        return status;
    if (options->list) {
        selftest_print_list(stdout);
        return 0;
    }
    status = check_options(&test);
    if (status == 0 && report_file_open("selftest", options->json, &json_fd) < 0)
        status = EXIT_INCOMPLETE;
    if (status != 0)
        return status;
    if (location_find(&location) < 0)
        return fail("start", "this executable is not to be found");
    snprintf(test.directory, sizeof(test.directory), "%s", location.selftest);
    test.program = location.program;
    interrupt_catch();
    return attack(&test, json_fd);
}
