/* SPDX-License-Identifier: Apache-2.0 */
/* bench_judge.c -- limits: what they mean and how they read. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "main/bench/bench_row.h"

static const char *const verdict_names[] = {
    [BENCH_MEASURED] = "measured", [BENCH_MET] = "met",
    [BENCH_MISSED] = "MISSED",     [BENCH_NOT_APPLICABLE] = "not applicable",
    [BENCH_FAILED] = "FAILED",
};

static const char *const metric_names[] = {
    [BENCH_NOTHING] = "", [BENCH_P50] = "p50", [BENCH_P99] = "p99", [BENCH_MAX] = "max", [BENCH_RATE] = "rate",
};

static const char *const reference_names[] = {
    [BENCH_AGAINST_BARE] = "bare",
    [BENCH_AGAINST_P50] = "p50",
};

void bench_result_deinit(struct bench_result *result)
{
    bench_samples_deinit(&result->server.samples);
    bench_samples_deinit(&result->bare.samples);
}

void bench_side_warm(struct bench_side *side, const char *word, unsigned n)
{
    struct bench_warm *warm = side->warm;

    while (warm < side->warm + BENCH_WARM_MAX && *warm->word && strcmp(warm->word, word) != 0)
        warm++;
    if (!*word || warm == side->warm + BENCH_WARM_MAX)
        return;
    snprintf(warm->word, sizeof(warm->word), "%s", word);
    warm->n += n;
}

static double figure(enum bench_metric metric, const struct bench_summary *summary, const struct bench_side *side)
{
    if (metric == BENCH_RATE)
        return side->rate_per_s > 0 ? side->rate_per_s : NAN;
    if (summary->n == 0)
        return NAN;
    return metric == BENCH_P99 ? summary->p99 : metric == BENCH_MAX ? summary->max : summary->p50;
}

static double reference_of(const struct bench_limit *limit, const struct bench_result *result)
{
    if (limit->reference == BENCH_AGAINST_NONE)
        return NAN;
    if (limit->reference == BENCH_AGAINST_P50)
        return figure(BENCH_P50, &result->server_summary, &result->server);
    return figure(limit->metric, &result->bare_summary, &result->bare);
}

static double bound_of(const struct bench_limit *limit, double reference)
{
    if (limit->metric == BENCH_NOTHING || limit->metric == BENCH_CORRECT)
        return NAN;
    if (limit->reference == BENCH_AGAINST_NONE)
        return limit->floor;
    return isnan(reference) ? NAN : fmax(limit->ratio * reference + limit->plus, limit->floor);
}

static bool holds(const struct bench_limit *limit, const struct bench_result *result)
{
    if (limit->metric == BENCH_CORRECT)
        return result->server_summary.n > 0;
    if (isnan(result->value) || isnan(result->bound))
        return false;
    return limit->metric == BENCH_RATE ? result->value >= result->bound : result->value <= result->bound;
}

static enum bench_verdict decide(const struct bench_row *row, int outcome, const struct bench_result *result)
{
    if (outcome == BENCH_E_ABSENT)
        return BENCH_NOT_APPLICABLE;
    if (outcome != 0)
        return BENCH_FAILED;
    if (result->server.errors || result->bare.errors)
        return row->limit.metric == BENCH_NOTHING ? BENCH_FAILED : BENCH_MISSED;
    if (row->limit.metric == BENCH_NOTHING)
        return BENCH_MEASURED;
    return holds(&row->limit, result) ? BENCH_MET : BENCH_MISSED;
}

int bench_judge(const struct bench_row *row, int outcome, struct bench_result *result)
{
    const struct bench_limit *limit = &row->limit;
    int r = bench_samples_summary(&result->server.samples, &result->server_summary);

    if (r == 0)
        r = bench_samples_summary(&result->bare.samples, &result->bare_summary);
    if (r < 0)
        return r;
    result->value = figure(limit->metric, &result->server_summary, &result->server);
    result->reference = reference_of(limit, result);
    result->bound = bound_of(limit, result->reference);
    result->verdict = decide(row, outcome, result);
    return 0;
}

const char *bench_verdict_name(enum bench_verdict verdict)
{
    return verdict_names[verdict];
}

const char *bench_value_unit(const struct bench_row *row)
{
    return row->limit.metric == BENCH_RATE ? "/s" : row->unit ? row->unit : "ms";
}

void bench_limit_text(const struct bench_row *row, char *ret_text, size_t size)
{
    const struct bench_limit *limit = &row->limit;
    const char *unit = bench_value_unit(row), *sign = limit->metric == BENCH_RATE ? ">=" : "<=";
    char plus[32] = "", floor[32] = "";

    if (limit->plus > 0)
        snprintf(plus, sizeof(plus), " + %g %s", limit->plus, unit);
    if (limit->floor > 0)
        snprintf(floor, sizeof(floor), " or %g %s", limit->floor, unit);
    if (limit->metric == BENCH_NOTHING)
        snprintf(ret_text, size, "-");
    else if (limit->metric == BENCH_CORRECT)
        snprintf(ret_text, size, "every answer right");
    else if (limit->reference == BENCH_AGAINST_NONE)
        snprintf(ret_text, size, "%s %s %g %s", metric_names[limit->metric], sign, limit->floor, unit);
    else
        snprintf(ret_text, size, "%s %s %g x %s%s%s", metric_names[limit->metric], sign, limit->ratio,
                 reference_names[limit->reference], plus, floor);
}
