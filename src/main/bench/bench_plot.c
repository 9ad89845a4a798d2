/* SPDX-License-Identifier: Apache-2.0 */
/* bench_plot.c -- latency against concurrency as SVG, readable on light and on dark paper. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "main/bench/bench_report.h"

#define WIDTH  720
#define HEIGHT 440
#define LEFT   84
#define RIGHT  640 /* the names of the lines stand behind it */
#define TOP    50
#define BOTTOM 380

struct series {
    const char *name, *colour;
    double (*value)(const struct bench_summary *summary);
};

static double p50(const struct bench_summary *summary)
{
    return summary->p50;
}

static double p90(const struct bench_summary *summary)
{
    return summary->p90;
}

static double p99(const struct bench_summary *summary)
{
    return summary->p99;
}

static const struct series series[] = {
    { "p99", "#c2410c", p99 },
    { "p90", "#ca8a04", p90 },
    { "p50", "#2563eb", p50 },
};

struct axes {
    double clients_low, clients_high; /* log2 */
    double ms_low, ms_high;           /* log10, whole decades */
};

static bool drawable(const struct bench_point *point)
{
    return point->clients > 0 && point->latency.n > 0 && point->latency.p50 > 0;
}

/* False without a point to draw. */
static bool fit(const struct bench_point *points, size_t n, struct axes *ret_axes)
{
    struct axes axes = { INFINITY, -INFINITY, INFINITY, -INFINITY };

    for (size_t i = 0; i < n; i++) {
        if (!drawable(&points[i]))
            continue;
        axes.clients_low = fmin(axes.clients_low, log2(points[i].clients));
        axes.clients_high = fmax(axes.clients_high, log2(points[i].clients));
        axes.ms_low = fmin(axes.ms_low, floor(log10(points[i].latency.p50)));
        axes.ms_high = fmax(axes.ms_high, ceil(log10(points[i].latency.p99)));
    }
    if (!isfinite(axes.clients_low))
        return false;
    axes.clients_high = fmax(axes.clients_high, axes.clients_low + 1);
    axes.ms_high = fmax(axes.ms_high, axes.ms_low + 1);
    *ret_axes = axes;
    return true;
}

static double x_of(const struct axes *axes, unsigned clients)
{
    return LEFT + (RIGHT - LEFT) * (log2(clients) - axes->clients_low) / (axes->clients_high - axes->clients_low);
}

static double y_of(const struct axes *axes, double ms)
{
    return BOTTOM - (BOTTOM - TOP) * (log10(ms) - axes->ms_low) / (axes->ms_high - axes->ms_low);
}

static int draw_label(struct buffer *svg, double x, double y, const char *anchor, const char *colour, const char *label)
{
    return bench_text_add(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n", x, y, anchor,
                          colour, label);
}

static int draw_rule(struct buffer *svg, double x1, double y1, double x2, double y2)
{
    return bench_text_add(
        svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#888\" stroke-opacity=\"0.35\"/>\n", x1,
        y1, x2, y2);
}

static int draw_axes(struct buffer *svg, const struct axes *axes, const struct bench_point *points, size_t n)
{
    char label[32];
    int r = 0;

    for (double decade = axes->ms_low; decade <= axes->ms_high && r == 0; decade++) {
        double y = y_of(axes, pow(10, decade));

        snprintf(label, sizeof(label), "%g ms", pow(10, decade));
        r = draw_rule(svg, LEFT, y, RIGHT, y);
        if (r == 0)
            r = draw_label(svg, LEFT - 8, y + 4, "end", "#888", label);
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        if (!drawable(&points[i]))
            continue;
        snprintf(label, sizeof(label), "%u", points[i].clients);
        r = draw_rule(svg, x_of(axes, points[i].clients), TOP, x_of(axes, points[i].clients), BOTTOM);
        if (r == 0)
            r = draw_label(svg, x_of(axes, points[i].clients), BOTTOM + 20, "middle", "#888", label);
    }
    return r == 0 ? draw_label(svg, (LEFT + RIGHT) / 2.0, BOTTOM + 44, "middle", "#888", "clients at once") : r;
}

static int draw_series(struct buffer *svg, const struct axes *axes, const struct series *line,
                       const struct bench_point *points, size_t n)
{
    double x = LEFT, y = BOTTOM;
    int r = bench_text_add(svg, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"", line->colour);

    for (size_t i = 0; i < n && r == 0; i++) {
        if (!drawable(&points[i]))
            continue;
        x = x_of(axes, points[i].clients);
        y = y_of(axes, line->value(&points[i].latency));
        r = bench_text_add(svg, "%.1f,%.1f ", x, y);
    }
    if (r == 0)
        r = bench_text_add(svg, "\"/>\n");
    return r == 0 ? draw_label(svg, x + 8, y + 4, "start", line->colour, line->name) : r;
}

int bench_plot(const struct bench_point *points, size_t n, const char *title, struct buffer *svg)
{
    struct axes axes;
    bool any = fit(points, n, &axes);
    int r = bench_text_add(svg,
                           "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                           "font-family=\"sans-serif\" font-size=\"13\">\n",
                           WIDTH, HEIGHT);

    if (r == 0)
        r = draw_label(svg, LEFT, TOP - 22, "start", "#888", title);
    if (r == 0 && !any)
        r = draw_label(svg, LEFT, TOP, "start", "#888", "nothing was measured");
    if (r == 0 && any)
        r = draw_axes(svg, &axes, points, n);
    for (size_t i = 0; i < ARRAY_SIZE(series) && r == 0 && any; i++)
        r = draw_series(svg, &axes, &series[i], points, n);
    return r == 0 ? bench_text_add(svg, "</svg>\n") : r;
}
