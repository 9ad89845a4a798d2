/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/execution.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/build_cache.h"
#include "engine/build_key.h"
#include "engine/carry.h"
#include "engine/cell_client.h"
#include "engine/display.h"
#include "engine/feed.h"
#include "engine/hot.h"
#include "engine/inputs.h"
#include "engine/live.h"
#include "engine/outcome.h"
#include "engine/outputs.h"
#include "engine/plain.h"
#include "engine/recipe.h"
#include "engine/running.h"
#include "engine/saver.h"
#include "engine/workdir.h"
#include "wire/built.h"

#define FLOOD_BYTES         (64ll << 20)  /* beyond what is kept; exec.md 10.8.5 */
#define ON_DISK_BYTES_MAX   (100ll << 20) /* exec.md 10.5 */
#define GRACE_US            60000000ll
#define HARVEST_ENTRIES_MAX 20000
#define CANNOT_EXECUTE      126

/* Beside the outcomes of execution_run(): the cell that a run was to continue in was gone. */
#define RUN_E_PARKED_GONE 100

/* One execution on its way through the steps. */
struct execution {
    struct engine *engine;
    const struct execution_request *request;
    struct execution_result *result;
    struct session session;
    bool session_is_due; /* to be written (session_resolve()) */
    struct inputs inputs;
    struct workdir workdir;
    struct outputs outputs;
    char build_key[DIGEST_HEX_SIZE]; /* "" = nothing is kept of this run */
    struct buffer built;             /* what an earlier run made; empty = this one compiles */
    struct carry carry;
    bool plain;          /* it needs no libraries (plain.h) */
    struct hot_cell hot; /* the parked cell that this run continues, if there is one */
    uint64_t states;     /* of the session, when this run looked for what it finds (hot_states()) */
    int parked_fd;       /* the channel by which its own cell is parked; -1 = it is dead */
    int program_fd;
    int display_fd; /* what the program showed; -1 = nothing */
    int64_t timeout_ms, memory_bytes, begun_us;
    double queue_ms;
    size_t step;       /* of steps[], the next one */
    bool without_cell; /* it was over before it had one (forgo_cell()) */
    struct cell_talk *talk;
    struct cell_outcome cell;
    char *error;
    size_t error_size;
};

/* exec.md 10.3, 10.5: the language's factor helps only a client that did not choose; the maximum binds the others. */
static int set_limits(struct execution *x)
{
    const struct engine *engine = x->engine;
    const struct language *language = x->request->language;

    if (x->request->timeout_ms > 0) {
        x->timeout_ms = (x->request->timeout_ms + 999) / 1000 * 1000;
        if (x->timeout_ms > engine->max_execution_ms)
            x->timeout_ms = engine->max_execution_ms;
    } else
        x->timeout_ms = (int64_t)((double)engine->max_execution_ms * language->time_factor);
    x->result->timeout_ms = x->timeout_ms;
    x->memory_bytes = (int64_t)((double)engine->max_memory_bytes * language->memory_factor);
    return 0;
}

/* A run with tools uses the session that it names, or a new one (ptc.md P3). */
static int resolve_named_session(struct execution *x)
{
    const struct execution_request *request = x->request;
    struct engine *engine = x->engine;
    int r = SESSION_E_NOT_FOUND;

    if (request->session_id)
        r = session_get(engine->kv, request->tenant, request->session_id, &x->session);
    if (r == 0)
        r = session_touch(engine->kv, x->session.id, engine->session_ttl_ms);
    if (r == SESSION_E_NOT_FOUND)
        r = session_create(engine->kv, request->tenant, request->entity_id, request->user_id, engine->session_ttl_ms,
                           &x->session);
    return r;
}

static int resolve_any_session(struct execution *x)
{
    const struct execution_request *request = x->request;
    CLEANUP_FREE const char **sessions = calloc(request->n_files + 1, sizeof(*sessions));
    struct session_query query = {
        .tenant = request->tenant,
        .session_id = request->session_id,
        .user_id = request->user_id,
        .entity_id = request->entity_id,
        .file_session_ids = sessions,
        .n_file_sessions = (unsigned)request->n_files,
    };

    if (!sessions)
        return -ENOMEM;
    for (size_t i = 0; i < request->n_files; i++)
        sessions[i] = request->files[i].storage_session_id;
    return session_resolve(x->engine->kv, &query, x->engine->session_ttl_ms, &x->session, &x->session_is_due);
}

/* From now on anybody may be told of the session. */
static int record_session(struct execution *x)
{
    int r = x->session_is_due ? session_record(x->engine->kv, &x->session, x->engine->session_ttl_ms) : 0;

    x->session_is_due = false;
    if (r == 0)
        run_session(x->request->run, x->session.id);
    return r;
}

/* A session that is due is written while its cell begins, since that takes as long as all that the server does besides;
 * but one that gets aliases of files has to be there for them. */
static int resolve_session(struct execution *x)
{
    int r = x->request->tools ? resolve_named_session(x) : resolve_any_session(x);

    if (r == 0)
        snprintf(x->result->session_id, sizeof(x->result->session_id), "%s", x->session.id);
    if (r == 0 && x->request->n_files > 0)
        r = record_session(x);
    return r > 0 ? -EIO : r;
}

/* A program that calls tools is not started without its files (ptc.md P3); any other is. */
static int check_references(struct execution *x)
{
    const struct execution_request *request = x->request;
    struct file_record record;
    int r = 0;

    for (size_t i = 0; i < request->n_files && request->tools && r == 0; i++) {
        const struct execution_file *file = &request->files[i];

        r = file_resolve(x->engine->kv, request->tenant, file->storage_session_id, file->id, file->name, &record);
        if (r > 0)
            snprintf(x->error, x->error_size, "Referenced PTC file metadata could not be loaded: %s/%s",
                     file->storage_session_id, file->id);
    }
    return r > 0 ? EXECUTION_E_REFUSED : r;
}

static int prepare_inputs(struct execution *x)
{
    int r = inputs_resolve(x->engine, x->request, x->session.id, &x->inputs);

    return r ? r : inputs_mount(x->engine, x->request, &x->inputs, &x->workdir);
}

/* A cache that fails is no reason to fail: then the program is compiled. */
static int find_build(struct execution *x)
{
    struct engine *engine = x->engine;

    if (!engine->builds || !x->request->language->keep[0])
        return 0;
    if (build_key_make(engine->build_base, x->request, &x->inputs, x->memory_bytes, x->build_key) < 0)
        x->build_key[0] = '\0';
    else if (build_cache_get(engine->builds, x->build_key, &x->built) != 0)
        buffer_deinit(&x->built);
    return 0;
}

static bool is_built(const struct execution *x)
{
    return x->built.length > 0;
}

/* Whoever has gone shall not wait for what an earlier run of the session leaves. */
static bool is_given_up(void *context)
{
    const struct execution *x = context;
    struct pollfd client = { .fd = x->request->client_fd, .events = POLLRDHUP };

    return atomic_load(&x->engine->cancel_all) || run_is_cancelled(x->request->run) || poll(&client, 1, 0) > 0;
}

/* What the session's last program left, alive. To import libraries there takes many times as long as to begin in a copy
 * that has them. */
static bool find_hot(struct execution *x)
{
    struct engine *engine = x->engine;

    x->states = hot_states(engine->hot, x->session.id);
    if (!hot_take(engine->hot, &x->session, x->request->network, is_given_up, x, &x->hot))
        return false;
    if (x->hot.plain && plain_names_library(x->request->code, x->request->code_length))
        hot_cell_end(&x->hot);
    return x->hot.channel_fd >= 0;
}

/* What the session's last program left: alive, or as it was stored. */
static int find_state(struct execution *x)
{
    struct engine *engine = x->engine;

    x->plain = x->request->language->warm == WARM_PYTHON && plain_source(x->request->code, x->request->code_length);
    if (x->request->tools)
        return 0;
    if (carry_is_wanted(engine, x->request->language) && find_hot(x))
        x->carry = (struct carry){ .wanted = true, .was_found = true };
    else
        carry_find(engine, x->request->language, &x->session, &x->carry);
    x->plain = x->plain && (!x->carry.was_found || plain_was(&engine->plain_sessions, x->session.id));
    return 0;
}

/* Nothing ran, and nothing was measured. */
static void forgo_cell(struct execution *x)
{
    x->without_cell = true;
    x->cell = (struct cell_outcome){
        .cancelled = true,
        .end = { .cpu_us = -1, .memory_peak_bytes = -1, .processes_peak = -1 },
        .state_fd = -1,
    };
}

/* As a shell answers for a program that execve() does not take. */
static int refuse_arguments(struct execution *x)
{
    static const char text[] = "[sandbox] the arguments are too long for a program\n";

    forgo_cell(x);
    x->cell.cancelled = false;
    x->cell.end.reason = WIRE_END_EXITED;
    x->cell.end.exit_code = CANNOT_EXECUTE;
    x->cell.end.step = (uint32_t)x->request->language->n_steps - 1;
    x->cell.err.kept = BUFFER_INIT(sizeof(text));
    return buffer_append(&x->cell.err.kept, text, sizeof(text) - 1);
}

/* What gave up waiting for the living interpreter has found an older state: it shall not run with that. */
static int look_for_client(struct execution *x)
{
    if (x->hot.channel_fd < 0 && is_given_up(x))
        forgo_cell(x);
    return 0;
}

static int make_program(struct execution *x)
{
    struct recipe_build build = {
        .keep = *x->build_key && !is_built(x),
        .built = is_built(x) ? &x->built : NULL,
    };

    const struct recipe_state state = {
        .bytes_max = x->carry.wanted ? x->engine->state.bytes_max : 0,
        .after_errors = x->carry.wanted && x->engine->state_after_errors,
        .found = &x->carry.found,
    };
    int r = recipe_make(x->request, x->memory_bytes, &build, &state, &x->program_fd);

    buffer_deinit(&x->carry.found);
    return r;
}

static int64_t file_bytes_max(const struct engine *engine)
{
    int64_t most = engine->max_file_bytes > ON_DISK_BYTES_MAX ? engine->max_file_bytes : ON_DISK_BYTES_MAX;

    return engine->state_enabled && engine->state.bytes_max >= most ? engine->state.bytes_max + 1 : most;
}

/* What a compile step made comes while the program runs, the rest after its end. */
static int on_entry(void *context, const struct wire_entry *entry, int fd)
{
    struct execution *x = context;

    if (entry->kind == WIRE_ENTRY_BUILT) {
        if (*x->build_key && !is_built(x))
            build_cache_put(x->engine->builds, x->build_key, TAKE_FD(fd));
        cleanup_close_fd(&fd);
        return 0;
    }
    if (x->request->display && entry->kind == WIRE_ENTRY_FILE && strcmp(entry->path, DISPLAY_PATH) == 0) {
        cleanup_close_fd(&x->display_fd);
        x->display_fd = fd;
        return 0;
    }
    return outputs_entry(&x->outputs, entry, fd);
}

static void on_started(void *context)
{
    struct execution *x = context;

    live_started(x->request->live, x->request->execution_id, x->session.id);
}

static void on_output(void *context, bool is_stderr, const char *data, size_t length)
{
    struct execution *x = context;

    on_started(x); /* the first output may be here before the news of the start */
    live_output(x->request->live, is_stderr ? LIVE_STDERR : LIVE_STDOUT, data, length);
}

static bool has_room(void *context)
{
    struct execution *x = context;

    return live_has_room(x->request->live);
}

static int64_t flush(void *context)
{
    struct execution *x = context;

    return live_flush(x->request->live);
}

static const struct cell_live cell_live = { on_started, on_output, has_room, flush };

static void note_said(const struct live *live, enum live_stream stream, struct cell_stream *of)
{
    struct live_said said = live_said(live, stream);

    of->elsewhere = true;
    of->anything = said.anything;
    of->cut = said.cut;
    of->last = said.last;
}

/* What was told as it came is not told again at the end. */
static void end_live(struct execution *x)
{
    struct live *live = x->request->live;

    if (!live)
        return;
    if (x->cell.started)
        on_started(x);
    live_output_end(live);
    note_said(live, LIVE_STDOUT, &x->cell.out);
    note_said(live, LIVE_STDERR, &x->cell.err);
}

static const enum wire_network networks[] = {
    [EXECUTION_NETWORK_OFF] = WIRE_NETWORK_OFF,
    [EXECUTION_NETWORK_ALLOWLIST] = WIRE_NETWORK_ALLOWLIST,
    [EXECUTION_NETWORK_WAN] = WIRE_NETWORK_WAN,
};

static int start_cell(struct execution *x)
{
    struct engine *engine = x->engine;
    struct cell_request request = {
        .warden_fd = engine->warden_fd,
        .program_fd = x->program_fd,
        .tools = x->request->tools,
        .paused_memory = &engine->paused_memory,
        .cancel = &engine->cancel_all,
        .cancel_own = run_cancelled(x->request->run),
        .live = x->request->live ? &cell_live : NULL,
        .feed = x->request->feed,
        .keep_bytes = (size_t)engine->max_output_bytes + 1,
        .flood_bytes = engine->max_output_bytes + FLOOD_BYTES,
        .grace_us = GRACE_US,
        .entry = on_entry,
        .context = x,
        .run = {
            .type = WIRE_RUN,
            .network = networks[x->request->network],
            .processes_max = engine->max_processes + x->request->language->processes_extra,
            .timeout_us = (uint64_t)x->timeout_ms * 1000,
            .memory_bytes = (uint64_t)x->memory_bytes,
            .disk_bytes = (uint64_t)engine->disk_bytes,
            .file_bytes_max = (uint64_t)file_bytes_max(engine),
            .cpu_millis = (uint32_t)(engine->max_cpus * 1000),
            .entries_max = HARVEST_ENTRIES_MAX,
            .zygote = x->plain ? WARM_PYTHON_PLAIN : recipe_warm(x->request, is_built(x)),
            .state_bytes_max = x->carry.wanted ? (uint64_t)engine->state.bytes_max : 0,
            .park = x->carry.wanted && engine->hot,
        },
    };
    int r = outputs_init(&x->outputs, x->engine, x->request, &x->inputs, x->result);

    if (r < 0)
        return r;
    snprintf(request.run.execution_id, sizeof(request.run.execution_id), "%s", x->request->execution_id);
    snprintf(request.run.workspace, sizeof(request.run.workspace), "%s", x->workdir.name);
    if (x->hot.channel_fd >= 0)
        snprintf(request.run.continues, sizeof(request.run.continues), "%s", x->hot.execution_id);
    r = cell_talk_begin(&request, &x->cell, x->error, x->error_size, &x->talk);
    if (r == 0) {
        cleanup_close_fd(&x->program_fd); /* the cell has it; a program may wait long for its client */
        x->program_fd = -1;
    }
    return r;
}

static struct outcome_limits limits_of(const struct execution *x)
{
    return (struct outcome_limits){
        .timeout_ms = x->timeout_ms,
        .memory_bytes = x->memory_bytes,
        .output_bytes = (size_t)x->engine->max_output_bytes,
        .bare = x->request->tools != NULL,
    };
}

static int run_cell(struct execution *x)
{
    const struct outcome_limits limits = limits_of(x);
    int r = cell_talk_go_on(x->talk, x->request->client_fd, x->request->wake_fd);

    if (r < 0 && x->hot.channel_fd >= 0 && !x->cell.started)
        return RUN_E_PARKED_GONE;
    if (r == CELL_CLIENT_E_PAUSED) {
        x->result->held_bytes = cell_talk_held(x->talk);
        r = outcome_texts(&x->cell, &limits, x->result);
        return r < 0 ? r : EXECUTION_E_PAUSED;
    }
    if (r == 0)
        x->parked_fd = cell_talk_take_parked(x->talk);
    if (r == 0 && x->parked_fd < 0)
        x->result->keeper_fd = cell_talk_take_channel(x->talk);
    x->talk = cell_talk_end(x->talk);
    if (r == 0)
        end_live(x);
    if (is_built(x))
        x->cell.end.step += (uint32_t)x->request->language->n_steps - 1; /* those before it were not needed */
    return r;
}

static int decide_outcome(struct execution *x)
{
    const struct outcome_limits limits = limits_of(x);
    struct execution_usage *usage = &x->result->usage;
    int r = outcome_decide(&x->cell, x->request->language, &limits, &x->inputs.notes, x->result);

    if (is_built(x))
        usage->warm = "cached";
    if (!x->cell.started)
        usage->warm = NULL;
    usage->queue_ms = x->queue_ms;
    usage->prepare_ms = x->cell.started ? (double)(x->cell.started_us - x->begun_us) / 1000 : -1;
    return r;
}

static int read_display(struct execution *x)
{
    struct execution_result *result = x->result;

    if (!x->request->display)
        return 0;
    if (x->display_fd >= 0)
        return display_read(x->display_fd, &result->shown, &result->shown_cut);
    result->shown = json_array();
    return result->shown ? 0 : -ENOMEM;
}

/* What was left out may have been a result or have hidden an input. */
static bool saw_everything(const struct cell_outcome *cell)
{
    return cell->harvested && cell->done.complete && cell->done.skipped == 0;
}

static int store_outputs(struct execution *x)
{
    if (x->cell.cancelled && !run_is_cancelled(x->request->run))
        return 0; /* nobody is left to be told their names */
    return outputs_store(&x->outputs, x->session.id, saw_everything(&x->cell));
}

/* Parks the cell of a program that has succeeded. Another one of the session is out of date once a state was left. */
static void keep_cell(struct execution *x)
{
    struct hot_cell cell = {
        .session = x->session,
        .network = x->request->network,
        .plain = x->hot.channel_fd >= 0 ? x->hot.plain : x->plain,
        .bytes = x->cell.end.parked_bytes,
        .bytes_max = (uint64_t)x->memory_bytes,
        .channel_fd = TAKE_FD(x->parked_fd),
        .had_state = x->carry.was_found,
        .unsaved = x->cell.end.unsaved != 0,
        .left = x->cell.state_fd >= 0 || x->cell.state_bytes > 0,
        .is_late = hot_states(x->engine->hot, x->session.id) != x->states,
    };

    memcpy(cell.execution_id, x->request->execution_id, sizeof(cell.execution_id));
    memcpy(cell.queue, x->request->queue, sizeof(cell.queue));
    if (x->carry.wanted && (cell.left || cell.unsaved))
        hot_note_state(x->engine->hot, x->session.id);
    if (cell.channel_fd >= 0 && x->result->outcome == OUTCOME_OK)
        saver_park(x->engine, &cell);
    else if (x->cell.state_fd >= 0 && carry_counts(x->engine, x->result->outcome))
        hot_drop(x->engine->hot, x->session.id);
    hot_cell_end(&cell);
}

static int keep_state(struct execution *x)
{
    hot_lock_session(x->engine->hot, x->session.id);
    carry_keep(x->engine, &x->session, &x->carry, &x->cell, x->result->outcome);
    keep_cell(x);
    if (x->carry.wanted)
        plain_note(&x->engine->plain_sessions, x->session.id, x->plain);
    hot_unlock_session(x->engine->hot, x->session.id);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct execution *x);
    bool without_cell; /* also for what was over before it had one */
} steps[] = {
    { "limits", set_limits, true },
    { "session", resolve_session, true },
    { "references", check_references, false },
    { "input files", prepare_inputs, false },
    { "build", find_build, false },
    { "state", find_state, false },
    { "client", look_for_client, false },
    { "program", make_program, false },
    { "sandbox", start_cell, false },
    { "session record", record_session, true },
    { "run", run_cell, false },
    { "outcome", decide_outcome, true },
    { "display", read_display, true },
    { "output files", store_outputs, false },
    { "state to keep", keep_state, false },
};

/* Nothing ran: the run takes the way from its state on that it would have taken without a parked cell. */
static void go_back(struct execution *x)
{
    x->talk = cell_talk_end(x->talk);
    hot_cell_end(&x->hot);
    outputs_deinit(&x->outputs);
    cell_outcome_deinit(&x->cell);
    x->error[0] = '\0';
    while (steps[x->step].run != find_state)
        x->step--;
}

static int run_steps(struct execution *x)
{
    int r = 0;

    if (!x->talk && run_is_cancelled(x->request->run))
        forgo_cell(x);
    else if (x->request->args_too_long)
        r = refuse_arguments(x);
    while (r == 0 && x->step < ARRAY_SIZE(steps)) {
        if (!x->without_cell || steps[x->step].without_cell)
            r = steps[x->step].run(x);
        if (r == 0)
            x->step++;
        else if (r == RUN_E_PARKED_GONE) {
            go_back(x);
            r = 0;
        }
    }
    if (r < 0 && x->error[0] == '\0')
        snprintf(x->error, x->error_size, "%s: %s", steps[x->step].name, strerror(-r));
    return r;
}

static struct execution *execution_new(struct engine *engine, const struct execution_request *request,
                                       struct execution_result *result)
{
    struct execution *x = malloc(sizeof(*x));

    if (!x)
        return NULL;
    *x = (struct execution){
        .engine = engine,
        .request = request,
        .result = result,
        .inputs = INPUTS_INIT,
        .workdir = WORKDIR_INIT(engine->work_dir_fd),
        .built = BUFFER_INIT(BUILT_BYTES_MAX),
        .hot = HOT_CELL_NONE,
        .parked_fd = -1,
        .program_fd = -1,
        .display_fd = -1,
        .cell.state_fd = -1,
        .begun_us = clock_monotonic_us(),
    };
    return x;
}

struct execution *execution_drop(struct execution *paused)
{
    struct execution *x = paused;

    if (!x)
        return NULL;
    cell_talk_end(x->talk);
    cleanup_close_fd(&x->parked_fd);
    hot_cell_end(&x->hot);
    outputs_deinit(&x->outputs);
    cell_outcome_deinit(&x->cell);
    inputs_deinit(&x->inputs);
    buffer_deinit(&x->carry.found);
    workdir_deinit(&x->workdir);
    buffer_deinit(&x->built);
    cleanup_close_fd(&x->program_fd);
    cleanup_close_fd(&x->display_fd);
    free(x);
    return NULL;
}

/* A program that calls tools may be at work for longer than a session rests. */
static void renew_session(const struct execution *x)
{
    int r = session_touch(x->engine->kv, x->session.id, x->engine->session_ttl_ms);

    if (r < 0)
        log_warning("execution %s: its session is not renewed: %s", x->request->execution_id, strerror(-r));
}

int execution_run(struct engine *engine, const struct execution_request *request, struct execution_result *result,
                  char *error, size_t error_size, struct execution **paused)
{
    struct execution *x = *paused ? *paused : execution_new(engine, request, result);
    int r;

    if (*paused)
        renew_session(x);
    *paused = NULL;
    error[0] = '\0';
    if (!x)
        return -ENOMEM;
    x->error = error;
    x->error_size = error_size;
    x->queue_ms += (double)(clock_monotonic_us() - request->received_us) / 1000; /* of this round */
    run_begin(request->run, request->wake_fd);
    live_attach(request->live, request->wake_fd);
    feed_attach(request->feed, request->wake_fd);
    r = run_steps(x);
    feed_close(request->feed);
    live_attach(request->live, -1);
    run_leave(request->run);
    if (r < 0)
        log_error("execution %s: %s", request->execution_id, error);
    if (r == EXECUTION_E_PAUSED)
        *paused = x;
    else
        execution_drop(x);
    return r;
}
