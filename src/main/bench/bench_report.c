/* SPDX-License-Identifier: Apache-2.0 */
#include "main/bench/bench_report.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define FIGURE_SIZE 24
#define LINE_SIZE   512

int bench_text_add(struct buffer *text, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    return n < 0 || n >= (int)sizeof(line) ? -EOVERFLOW : buffer_append(text, line, (size_t)n);
}

/* Three significant digits or all before the point; "-" for what was not measured. */
static const char *figure(char text[static FIGURE_SIZE], double value)
{
    int decimals = !isfinite(value) ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;

    if (isfinite(value))
        snprintf(text, FIGURE_SIZE, "%.*f", decimals, value);
    else
        snprintf(text, FIGURE_SIZE, "-");
    return text;
}

static double unless_empty(const struct bench_summary *summary, double value)
{
    return summary->n ? value : NAN;
}

static double ratio(const struct bench_result *result)
{
    return isfinite(result->reference) && result->reference > 0 ? result->value / result->reference : NAN;
}

/* What a row without a limit compares with is at least shown. */
static double shown_reference(const struct bench_row *row, const struct bench_result *result)
{
    if (row->limit.metric == BENCH_NOTHING)
        return unless_empty(&result->bare_summary, result->bare_summary.p50);
    return result->reference;
}

int bench_report_head(struct buffer *table)
{
    return bench_text_add(table, "%-15s %8s %8s %8s %8s %6s %6s | %8s %8s %8s %6s  %-30s %s\n", "", "p50", "p90", "p99",
                          "max", "count", "errors", "compared", "measured", "limit", "ratio", "must be", "verdict");
}

/* On one line, whatever a program printed. */
static int add_note(struct buffer *table, const char *note)
{
    char line[BENCH_NOTE_SIZE];
    size_t n = 0;

    for (; n < sizeof(line) - 1 && note[n]; n++)
        line[n] = (unsigned char)note[n] < ' ' || note[n] == 0x7f ? ' ' : note[n];
    line[n] = '\0';
    return bench_text_add(table, "%-15s %s\n", "", line);
}

static int add_figures(struct buffer *table, const char *name, const struct bench_summary *s, unsigned errors)
{
    const double figures[] = { s->p50, s->p90, s->p99, s->max };
    char text[FIGURE_SIZE];
    int r = bench_text_add(table, "%-15s", name);

    for (size_t i = 0; i < ARRAY_SIZE(figures) && r == 0; i++)
        r = bench_text_add(table, " %8s", figure(text, unless_empty(s, figures[i])));
    return r == 0 ? bench_text_add(table, " %6zu %6u |", s->n, errors) : r;
}

static int add_point(struct buffer *table, const struct bench_point *point)
{
    char name[FIGURE_SIZE];
    int r;

    snprintf(name, sizeof(name), "  %u client%s", point->clients, point->clients == 1 ? "" : "s");
    r = add_figures(table, name, &point->latency, point->errors);
    return r == 0 ? bench_text_add(table, " %.0f/s\n", point->rate_per_s) : r;
}

int bench_report_row(struct buffer *table, const struct bench_row *row, const struct bench_result *result)
{
    char text[FIGURE_SIZE], limit[LINE_SIZE / 4];
    int r = add_figures(table, row->name, &result->server_summary, result->server.errors + result->bare.errors);

    if (r == 0)
        r = bench_text_add(table, " %8s", figure(text, shown_reference(row, result)));
    if (r == 0)
        r = bench_text_add(table, " %8s", figure(text, row->limit.metric == BENCH_CORRECT ? NAN : result->value));
    if (r == 0)
        r = bench_text_add(table, " %8s", figure(text, result->bound));
    if (r == 0)
        r = bench_text_add(table, " %6s", figure(text, ratio(result)));
    bench_limit_text(row, limit, sizeof(limit));
    if (r == 0)
        r = bench_text_add(table, "  %-30s %s\n", limit, bench_verdict_name(result->verdict));
    for (size_t i = 0; i < result->n_points && r == 0; i++)
        r = add_point(table, &result->points[i]);
    if (r == 0 && *result->note)
        r = add_note(table, result->note);
    return r;
}

/* JSON has no NAN: what was not measured is null. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(round(value * 1000) / 1000) : json_null();
}

static json_t *summary_json(const struct bench_summary *s)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I}", "p50", number(unless_empty(s, s->p50)), "p90",
                     number(unless_empty(s, s->p90)), "p99", number(unless_empty(s, s->p99)), "max",
                     number(unless_empty(s, s->max)), "mean", number(unless_empty(s, s->mean)), "count",
                     (json_int_t)s->n);
}

static json_t *warm_json(const struct bench_side *side)
{
    json_t *object = json_object();

    for (size_t i = 0; i < BENCH_WARM_MAX && *side->warm[i].word; i++)
        json_object_set_new(object, side->warm[i].word, json_integer(side->warm[i].n));
    return object;
}

static json_t *side_json(const struct bench_side *side, const struct bench_summary *summary)
{
    json_t *object = summary_json(summary);

    if (object && json_object_set_new(object, "errors", json_integer(side->errors)) == 0 && side->rate_per_s > 0)
        json_object_set_new(object, "per_second", number(side->rate_per_s));
    if (object && *side->warm[0].word)
        json_object_set_new(object, "warm", warm_json(side));
    return object;
}

static json_t *points_json(const struct bench_result *result)
{
    json_t *list = json_array();

    for (size_t i = 0; i < result->n_points; i++) {
        const struct bench_point *point = &result->points[i];
        json_t *object = summary_json(&point->latency);

        json_object_set_new(object, "clients", json_integer(point->clients));
        json_object_set_new(object, "errors", json_integer(point->errors));
        json_object_set_new(object, "per_second", number(point->rate_per_s));
        json_array_append_new(list, object);
    }
    return list;
}

/* A note may hold half a character of a program's output, which JSON must not. */
static json_t *note_json(const char *note)
{
    json_t *text = json_string(note);

    return text ? text : json_string("an answer that is not UTF-8");
}

json_t *bench_report_json(const struct bench_row *row, const struct bench_result *result)
{
    char limit[LINE_SIZE / 4];
    json_t *object;

    bench_limit_text(row, limit, sizeof(limit));
    object =
        json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "name", row->name, "what", row->what, "unit",
                  row->unit ? row->unit : "ms", "server", side_json(&result->server, &result->server_summary),
                  "must_be", limit, "verdict", bench_verdict_name(result->verdict), "measured",
                  number(row->limit.metric == BENCH_CORRECT ? NAN : result->value), "compared",
                  number(shown_reference(row, result)), "limit", number(result->bound), "ratio", number(ratio(result)));
    if (object && (result->bare_summary.n || result->bare.errors || result->bare.rate_per_s > 0))
        json_object_set_new(object, "bare", side_json(&result->bare, &result->bare_summary));
    if (object && row->bare)
        json_object_set_new(object, "bare_is", json_string(row->bare));
    if (object && result->n_points)
        json_object_set_new(object, "points", points_json(result));
    if (object && *result->note)
        json_object_set_new(object, "note", note_json(result->note));
    return object;
}
