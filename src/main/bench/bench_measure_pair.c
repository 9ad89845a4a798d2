/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "main/bench/bench_bare.h"
#include "main/bench/bench_measure.h"

#define USUAL_SECONDS 10.0
#define QUICK_SECONDS 1.0
#define LEAST_SAMPLES 5 /* of each side, however long they take */
#define MOST_SAMPLES  2000
#define MOST_ERRORS   5  /* without one right answer: there is nothing to measure */
#define BATCH_MS      50 /* one side keeps the machine for about so long */
#define BATCH_MOST    20
#define WARM_UP_MOST  20
#define US_PER_SECOND 1e6
#define HTTP_OK       200

/* Something that yields one sample a call. Returns 0, a positive number for a wrong answer, or a negative errno. */
struct source {
    int (*take)(struct source *self, double *ret_value, char *note, size_t note_size);
    struct bench *bench;
    const struct bench_program *program;
    bool same_source;
    struct caller *client;   /* sources that ask the server */
    struct bench_side *side; /* gets their words of usage.warm; NULL while warming up */
    struct bench_fork *loop; /* bare forks */
    const char *directory;   /* bare commands */
};

double bench_seconds(const struct bench *bench, double usual)
{
    if (bench->options.seconds > 0)
        return bench->options.seconds;
    return bench->options.quick ? QUICK_SECONDS : usual;
}

int bench_count(struct bench_side *side, struct bench_result *result, int r, double value, const char *note)
{
    if (r < 0 && r != -ECONNRESET && r != -ECONNREFUSED && r != -EPIPE && r != -EBADMSG)
        return r;
    if (r == 0)
        return bench_samples_add(&side->samples, value);
    if (!*result->note)
        snprintf(result->note, sizeof(result->note), "%s", note);
    side->errors++;
    return 0;
}

int bench_count_exec(struct caller *client, const struct bench_call *call, struct bench_side *side,
                     struct bench_result *result)
{
    struct bench_answer answer = { 0 };
    char note[BENCH_NOTE_SIZE] = "";
    int r = bench_exec(client, call, &answer, note, sizeof(note));

    if (r == 0)
        bench_side_warm(side, answer.warm, 1);
    return bench_count(side, result, r, answer.ms, note);
}

static bool hopeless(const struct bench_side *side)
{
    return side->samples.n == 0 && side->errors >= MOST_ERRORS;
}

static int take_batch(struct source *source, struct bench_side *side, struct bench_result *result, unsigned n)
{
    int r = 0;

    for (unsigned i = 0; i < n && r == 0 && !interrupt_came() && !hopeless(side); i++) {
        char note[BENCH_NOTE_SIZE] = "";
        double value = 0;

        source->side = side;
        r = source->take(source, &value, note, sizeof(note));
        r = bench_count(side, result, r, value, note);
    }
    return r;
}

/* Returns how many samples of the source make a batch. Errors are left to the samples that count. */
static unsigned warm_up(struct source *source, double seconds)
{
    int64_t end_us = clock_monotonic_us() + (int64_t)(seconds * US_PER_SECOND);
    double value = 0, least = INFINITY;
    char note[BENCH_NOTE_SIZE];

    for (int i = 0; i < WARM_UP_MOST && !interrupt_came(); i++) {
        if (source->take(source, &value, note, sizeof(note)) != 0)
            return 1;
        least = fmin(least, value);
        if (clock_monotonic_us() > end_us)
            break;
    }
    return (unsigned)fmax(1, fmin(BATCH_MOST, BATCH_MS / fmax(least, 1e-3)));
}

static unsigned most_samples(const struct bench_row *row)
{
    return row->count ? row->count : MOST_SAMPLES;
}

/* Samples of both sides in turn until there are enough of them or the time is over. bare may be NULL. */
static int interleave(const struct bench *bench, const struct bench_row *row, struct source *server,
                      struct source *bare, struct bench_result *result)
{
    struct source *const sources[] = { server, bare };
    struct bench_side *const sides[] = { &result->server, &result->bare };
    double seconds = bench_seconds(bench, USUAL_SECONDS);
    unsigned batch[] = { 0, 0 }, most = most_samples(row), least = bench->options.quick ? 2 : LEAST_SAMPLES;
    int64_t end_us;
    int r = 0;

    for (int i = 0; i < 2; i++)
        if (sources[i])
            batch[i] = warm_up(sources[i], seconds / 10);
    end_us = clock_monotonic_us() + (int64_t)(seconds * US_PER_SECOND);
    for (size_t n = 0; r == 0 && n < most && (n < least || clock_monotonic_us() < end_us);) {
        for (int i = 0; i < 2 && r == 0; i++)
            if (sources[i])
                r = take_batch(sources[i], sides[i], result, batch[i]);
        if (interrupt_came() || hopeless(sides[0]) || hopeless(sides[1]))
            break;
        n = result->server.samples.n + result->server.errors;
    }
    return r;
}

static int take_health(struct source *self, double *ret_value, char *note, size_t note_size)
{
    const char *body = NULL;
    size_t length = 0;
    int r = caller_prepare(self->client, "GET", "/health", NULL);

    if (r == 0)
        r = caller_send(self->client, ret_value, &body, &length);
    if (r != HTTP_OK)
        snprintf(note, note_size, "GET /health: %d", r);
    return r < 0 ? r : r != HTTP_OK;
}

static int take_exec(struct source *self, double *ret_value, char *note, size_t note_size)
{
    char code[BENCH_CODE_MAX_SIZE];
    const struct bench_call call = {
        .language = self->program->language,
        .code = code,
        .expected = self->program->expected,
    };
    struct bench_answer answer = { 0 };
    int r;

    bench_program_code(self->program, self->same_source ? -1 : self->bench->next_number++, code);
    r = bench_exec(self->client, &call, &answer, note, note_size);
    *ret_value = answer.ms;
    if (r == 0 && self->side)
        bench_side_warm(self->side, answer.warm, 1);
    return r;
}

static int take_fork(struct source *self, double *ret_value, char *note, size_t note_size)
{
    return bench_fork_once(self->loop, self->program, ret_value, note, note_size);
}

static int take_command(struct source *self, double *ret_value, char *note, size_t note_size)
{
    return bench_bare_run(self->program, self->same_source ? -1 : self->bench->next_number++, self->directory,
                          self->bench->home, ret_value, note, note_size);
}

static struct source server_source(struct bench *bench, const struct bench_row *row,
                                   const struct bench_program *program, struct caller *client)
{
    return (struct source){
        .take = take_exec, .bench = bench, .program = program, .same_source = row->same_source, .client = client
    };
}

int bench_measure_health(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&bench->server.address);
    struct source source = { .take = take_health, .client = &client };

    return interleave(bench, row, &source, NULL, result);
}

int bench_measure_spawn(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    static const struct bench_program program = {
        .language = "true", .file = "none", .source = "", .comment = "", .expected = "", .steps = { { "/bin/true" } }
    };
    struct source source = {
        .take = take_command, .bench = bench, .program = &program, .same_source = true, .directory = bench->home
    };

    return interleave(bench, row, &source, NULL, result);
}

int bench_measure_alone(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&bench->server.address);
    struct source source = server_source(bench, row, row->program, &client);

    return interleave(bench, row, &source, NULL, result);
}

int bench_measure_fork(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&bench->server.address);
    CLEANUP(bench_fork_stop) struct bench_fork loop = BENCH_FORK_NONE;
    struct source server = server_source(bench, row, row->program, &client);
    struct source bare = { .take = take_fork, .bench = bench, .program = row->program, .loop = &loop };
    int r = bench_fork_start(&loop, bench->home);

    if (r < 0) {
        snprintf(result->note, sizeof(result->note), "python3 of the host: %s", strerror(-r));
        return BENCH_E_ABSENT;
    }
    return interleave(bench, row, &server, &bare, result);
}

static void cleanup_directory(char (*path)[PATH_MAX])
{
    own_directory_remove(*path);
}

int bench_measure_command(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&bench->server.address);
    CLEANUP(cleanup_directory) char directory[PATH_MAX] = "";
    const struct bench_program *program = bench_program_hello(row->language);
    struct source server = server_source(bench, row, program, &client);
    struct source bare = { .take = take_command, .bench = bench, .program = program, .directory = directory };
    int r;

    if (bench_bare_missing(program)) {
        snprintf(result->note, sizeof(result->note), "%s is not installed", bench_bare_missing(program));
        return BENCH_E_ABSENT;
    }
    r = own_directory_make(directory);
    return r < 0 ? r : interleave(bench, row, &server, &bare, result);
}
