/* SPDX-License-Identifier: Apache-2.0 */
/* bench.c -- `codecell bench`: the ratios that the server promises, measured on this host. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/build_info.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "main/ask/report_file.h"
#include "main/bench/bench.h"
#include "main/bench/bench_report.h"
#include "main/command.h"
#include "main/option.h"
#include "main/place/location.h"

#define SVG_MAX_BYTES ((size_t)256 * 1024)
#define CPU_INFO_SIZE 4096
#define LOADS         3
#define HTTP_OK       200

/* A server that is ready may still be filling its stock of warm cells. How long that takes is for py-ready to tell;
 * here it is given the time. */
#define SETTLE_S 5

static int fail(const char *what, int error)
{
    fprintf(stderr, "codecell bench: %s: %s\n", what, strerror(-error));
    return 1;
}

static void list_rows(void)
{
    char limit[128];

    for (const struct bench_row *row = bench_rows; row->name; row++) {
        bench_limit_text(row, limit, sizeof(limit));
        printf("%-15s %-30s %s\n", row->name, limit, row->what);
    }
}

/* What --only and --svg ask for together. */
static bool wanted(const struct bench_options *options, const struct bench_row *row)
{
    return bench_selected(options->only, row->name) || (options->svg && strcmp(row->name, BENCH_ROW_CONCURRENCY) == 0);
}

static int check_options(struct bench *bench)
{
    struct bench_options *options = &bench->options;
    char name[64];

    if (options->only && bench_unknown_name(options->only, name, sizeof(name))) {
        fprintf(stderr, "codecell bench: --only: there is no measurement '%s'; see codecell bench --list\n", name);
        return EXIT_USAGE;
    }
    if (options->url && caller_address_parse(options->url, &bench->server.address) < 0) {
        fputs("codecell bench: --url must be like http://127.0.0.1:8000\n", stderr);
        return EXIT_USAGE;
    }
    if (options->url && !options->key)
        options->key = getenv("API_KEY");
    if (options->url && (!options->key || strlen(options->key) >= CALLER_KEY_SIZE)) {
        fputs("codecell bench: --url needs the server's key, in --key or API_KEY\n", stderr);
        return EXIT_USAGE;
    }
    if (options->url)
        memcpy(bench->server.address.key, options->key, strlen(options->key) + 1);
    return 0;
}

static int start_server(struct bench *bench)
{
    int r;

    if (bench->options.url)
        return 0;
    r = own_server_start(&bench->server, bench->program, NULL);
    if (r == 0)
        r = own_server_wait(&bench->server);
    if (r == 0 && !bench->options.quick)
        sleep(SETTLE_S);
    if (r < 0)
        fprintf(stderr, "codecell bench: the server did not start: %s\n",
                *bench->server.error ? bench->server.error : strerror(-r));
    return r < 0 ? 1 : 0;
}

static int ask_languages(struct bench *bench)
{
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&bench->server.address);
    int r = caller_get(&client, "/languages", &bench->languages);

    if (r == HTTP_OK && json_is_array(bench->languages))
        return 0;
    if (r < 0)
        return fail("the server", r);
    fprintf(stderr, "codecell bench: the server answers GET /languages with status %d\n", r);
    return 1;
}

/* True if the server has the row's language; else the note says why not. */
static bool has_language(const struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    const json_t *language;
    size_t i;

    if (!row->language)
        return true;
    json_array_foreach(bench->languages, i, language)
    {
        const char *code = json_string_value(json_object_get(language, "code"));
        const char *reason = json_string_value(json_object_get(language, "reason"));

        if (!code || strcmp(code, row->language) != 0)
            continue;
        if (json_is_true(json_object_get(language, "available")))
            return true;
        snprintf(result->note, sizeof(result->note), "%s", reason ? reason : "not available");
        return false;
    }
    snprintf(result->note, sizeof(result->note), "the server does not know %s", row->language);
    return false;
}

static int print_text(struct buffer *text)
{
    fputs(text->data, stdout);
    fflush(stdout);
    text->length = 0;
    return 0;
}

static int write_plot(const struct bench *bench, const struct bench_result *result, int svg_fd)
{
    CLEANUP(buffer_deinit) struct buffer svg = BUFFER_INIT(SVG_MAX_BYTES);
    char title[128];
    int r;

    snprintf(title, sizeof(title), "codecell %s: POST /exec of Python print(1), latency on %u processors",
             CODECELL_VERSION, bench->processors);
    r = bench_plot(result->points, result->n_points, title, &svg);
    return r < 0 ? r : report_file_write(svg_fd, svg.data, svg.length);
}

/* Measures one row, prints it, adds it to the list. Returns 0; 1 if an answer was wrong or it failed; a negative
 * errno. */
static int run_row(struct bench *bench, const struct bench_row *row, json_t *list, int svg_fd)
{
    CLEANUP(bench_result_deinit) struct bench_result result = { 0 };
    CLEANUP(buffer_deinit) struct buffer line = BUFFER_INIT(BENCH_REPORT_MAX_BYTES);
    int measured = has_language(bench, row, &result) ? row->measure(bench, row, &result) : BENCH_E_ABSENT, r;

    if (interrupt_came())
        return -EINTR;
    if (measured < 0 && !*result.note)
        snprintf(result.note, sizeof(result.note), "%s", strerror(-measured));
    r = bench_judge(row, measured, &result);
    if (r == 0)
        r = bench_report_row(&line, row, &result);
    if (r == 0)
        r = print_text(&line);
    if (r == 0 && json_array_append_new(list, bench_report_json(row, &result)) < 0)
        r = -ENOMEM;
    if (r == 0 && svg_fd >= 0 && strcmp(row->name, BENCH_ROW_CONCURRENCY) == 0)
        r = write_plot(bench, &result, svg_fd);
    return r < 0 ? r : measured < 0 || result.server.errors || result.bare.errors;
}

/* Returns 0, 1 if any answer was wrong, or a negative errno. */
static int run_rows(struct bench *bench, json_t *list, int svg_fd)
{
    CLEANUP(buffer_deinit) struct buffer head = BUFFER_INIT(BENCH_REPORT_MAX_BYTES);
    int r = bench_report_head(&head), wrong = 0;

    if (r == 0)
        r = print_text(&head);
    for (const struct bench_row *row = bench_rows; row->name && r >= 0; row++) {
        if (!wanted(&bench->options, row))
            continue;
        r = run_row(bench, row, list, svg_fd);
        wrong |= r == 1;
    }
    return r < 0 ? r : wrong;
}

/* The first "model name" of /proc/cpuinfo. */
static json_t *processor_name(void)
{
    char text[CPU_INFO_SIZE];
    const char *at;

    if (fd_read_at(AT_FDCWD, "/proc/cpuinfo", text, sizeof(text)) <= 0 || !(at = strstr(text, "model name")) ||
        !(at = strstr(at, ": ")))
        return json_null();
    return json_stringn(at + 2, strcspn(at + 2, "\n"));
}

static json_t *host_json(const struct bench *bench)
{
    struct utsname name = { 0 };
    double loads[LOADS] = { 0 };

    uname(&name);
    getloadavg(loads, LOADS);
    return json_pack("{s:i, s:o, s:s, s:f, s:f, s:f}", "processors", (int)bench->processors, "processor",
                     processor_name(), "kernel", name.release, "memory_gib",
                     (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1 << 30), "load_1_min",
                     loads[0], "load_5_min", loads[1]);
}

static int write_json(const struct bench *bench, const char *started, json_t *host, json_t *list, int json_fd)
{
    CLEANUP_JSON
    json_t *report =
        json_pack("{s:s, s:s, s:s, s:b, s:O, s:O}", "version", CODECELL_VERSION, "started", started, "server",
                  bench->options.url ? bench->options.url : "its own, every setting at its default", "quick",
                  bench->options.quick, "host", host, "rows", list);

    return report ? report_file_write_json(json_fd, report) : -ENOMEM;
}

static int measure(struct bench *bench, int json_fd, int svg_fd)
{
    CLEANUP_JSON json_t *list = json_array(), *host = host_json(bench);
    char started[CLOCK_ISO_SIZE];
    int status, r;

    clock_format_iso(clock_wall_ms(), started);
    status = start_server(bench);
    if (status == 0)
        status = ask_languages(bench);
    if (status != 0)
        return status;
    status = r = run_rows(bench, list, svg_fd);
    if (r >= 0 && json_fd >= 0)
        r = write_json(bench, started, host, list, json_fd);
    if (r == -EINTR)
        fputs("codecell bench: interrupted\n", stderr);
    else if (r < 0)
        return fail("report", r);
    return status != 0;
}

static unsigned count_processors(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static void bench_deinit(struct bench *bench)
{
    own_server_stop(&bench->server);
    own_directory_remove(bench->home);
    json_decref(bench->languages);
}

int command_bench(int argc, char **argv)
{
    CLEANUP(bench_deinit) struct bench bench = { .next_number = clock_wall_ms() * 1000 };
    struct bench_options *options = &bench.options;
    CLEANUP_CLOSE int json_fd = -1, svg_fd = -1;
    const struct option_row rows[] = {
        { "--list", .flag = &options->list },
        { "--quick", .flag = &options->quick },
        { "--only", "list of names", .text = &options->only },
        { "--seconds", "number of seconds", .number = &options->seconds },
        { "--url", "URL", .text = &options->url },
        { "--key", "key", .text = &options->key },
        { "--json", "file name", .text = &options->json },
        { "--svg", "file name", .text = &options->svg },
        { 0 },
    };
    struct location location;
    int status, r;

    if (!option_parse("bench", rows, argc, argv, &status))
        return status;
    if (options->list) {
        list_rows();
        return 0;
    }
    status = check_options(&bench);
    if (status == 0)
        status = report_file_open("bench", options->json, &json_fd) < 0;
    if (status == 0)
        status = report_file_open("bench", options->svg, &svg_fd) < 0;
    if (status != 0)
        return status;
    r = location_find(&location);
    if (r == 0)
        r = own_directory_make(bench.home);
    if (r < 0)
        return fail("start", r);
    interrupt_catch();
    bench.program = location.program;
    bench.processors = count_processors();
    return measure(&bench, json_fd, svg_fd);
}
