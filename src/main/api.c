/* SPDX-License-Identifier: Apache-2.0 */
/* api.c -- `codecell api`: the half of the server that speaks with the network, and has no privileges.
 *
 * The warden starts it as the api's user, in the share directory, with the sealed configuration and a channel to
 * itself. Before the first thread exists and the first foreign byte arrives it confines itself (confine.h). A failure
 * that a person has to mend exits with EX_CONFIG, which tells the warden not to try again; what waiting may mend (a
 * full disk, a port in use) with another status. */
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "api/api.h"
#include "api/audited.h"
#include "api/gate.h"
#include "api/ptc.h"
#include "base/build_info.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/title.h"
#include "engine/build_cache.h"
#include "engine/build_key.h"
#include "engine/hot.h"
#include "engine/running.h"
#include "engine/saver.h"
#include "engine/workdir.h"
#include "main/api/api_audit.h"
#include "main/api/api_house.h"
#include "main/api/api_http.h"
#include "main/api/api_log.h"
#include "main/api/api_rules.h"
#include "main/api/api_tls.h"
#include "main/api/api_versions.h"
#include "main/command.h"
#include "main/confine/confine.h"
#include "main/option.h"
#include "main/place/data_dir.h"
#include "main/place/handover.h"
#include "wire/message.h"
#include "wire/warm_counts.h"

/* The warden may need so long for its first cell before the start counts as failed. */
#define HELLO_WAIT_MS 60000
#define LOCK_WAIT_MS  5000
/* For states that are being left when the time for running programs is over. */
#define SAVE_GRACE_MS 500

#define HTTP_STOP_GRACE_MS 1000

struct process {
    struct handover handover;
    int config_fd, warden_fd, signal_fd, data_fd, work_fd;
    struct kv *kv;
    struct blob_store *blobs;
    struct audit *audit;
    struct key_store *keys;
    struct language_table languages;
    struct api_versions versions;
    struct build_cache *builds;
    struct build_key_base build_base;
    struct state_rules state;
    struct engine engine;
    struct saver *saver;
    struct running *running;
    struct admission *admission;
    struct filename_rules filename_rules;
    struct api api;
    bool api_ready;
    struct api_http http;
    struct http_server *server;
    struct api_house *house;
    char reason[512]; /* why a step failed, if errno is not enough */
};

static int step_harden(struct process *p)
{
    int r = confine_check_unprivileged();

    if (r < 0) {
        snprintf(p->reason, sizeof(p->reason), "it must be started by the warden, with no privileges");
        return r;
    }
    r = confine_memory();
    if (r < 0)
        return r;
    mallopt(M_ARENA_MAX, 2); /* one a core by default would hold many times what is in use */
    umask(077);
    return 0;
}

/* Blocked before the first thread exists; they are read from a descriptor. */
static int step_signals(struct process *p)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return error_from_errno();
    p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    return p->signal_fd < 0 ? error_from_errno() : 0;
}

static int step_configuration(struct process *p)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    int r;

    if (fcntl(p->config_fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(p->warden_fd, F_SETFD, FD_CLOEXEC) < 0)
        return error_from_errno();
    r = handover_open(&p->handover, p->config_fd, &problems);
    close(p->config_fd);
    p->config_fd = -1;
    if (r == CONFIG_E_INVALID) {
        snprintf(p->reason, sizeof(p->reason), "%s", problems.data);
        return -EINVAL;
    }
    if (r == 0)
        api_log_init(&p->handover.config);
    return r;
}

static int step_data(struct process *p)
{
    const char *path = p->handover.config.data_dir;
    int r = data_dir_lock(path, LOCK_WAIT_MS, &p->data_fd, p->reason, sizeof(p->reason));

    if (r == DATA_DIR_E_BUSY)
        return -EBUSY;
    if (r < 0)
        return r;
    p->work_fd = openat(p->data_fd, DATA_DIR_WORK, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return p->work_fd < 0 ? error_from_errno() : workdir_clean(p->work_fd);
}

static int step_stores(struct process *p)
{
    char path[PATH_MAX];
    int r;

    snprintf(path, sizeof(path), "%s/%s", p->handover.config.data_dir, DATA_DIR_DATABASE);
    r = kv_open_sqlite(path, &p->kv, p->reason, sizeof(p->reason));
    if (r == 0)
        r = key_store_open(p->kv, p->data_fd, &p->keys);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/%s", p->handover.config.data_dir, DATA_DIR_BLOBS);
    return blob_store_open_directory(path, &p->blobs);
}

/* Relative on purpose, see serve.c. */
static int step_languages(struct process *p)
{
    return language_table_load(&p->languages, "languages", p->handover.config.sandbox_rootfs, p->reason,
                               sizeof(p->reason));
}

static int step_tool_chains(struct process *p)
{
    return build_key_base_init(&p->build_base, p->handover.config.sandbox_rootfs, "guest");
}

static int step_versions(struct process *p)
{
    return api_versions_start(&p->versions, &p->languages);
}

/* Reads the lists of the configuration and counts processors. */
static int step_options(struct process *p)
{
    return api_http_init(&p->http, &p->handover);
}

/* Everything below is done behind these walls, and no byte of a client was read before. */
static int step_confine(struct process *p)
{
    const struct config *config = &p->handover.config;
    const struct confine_options options = {
        .data_dir = config->data_dir,
        .port = (uint16_t)config->api_port,
    };
    int r = confine_files(&options);

    if (r == -EOPNOTSUPP)
        log_warning("this kernel cannot confine the api to its files (Landlock is missing or off); "
                    "`codecell doctor` tells more");
    else if (r < 0)
        return r;
    return confine_calls();
}

/* It has a thread, which shall be behind the walls too. */
static int step_builds(struct process *p)
{
    int fd = openat(p->data_fd, DATA_DIR_BUILDS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return error_from_errno();
    return build_cache_open(fd, p->handover.config.compile_cache_mb << 20, &p->builds);
}

static int step_state(struct process *p)
{
    const struct config *config = &p->handover.config;
    int r = data_dir_key(p->data_fd, p->state.key, sizeof(p->state.key));

    if (r == -EBADMSG)
        snprintf(p->reason, sizeof(p->reason), "%s/" DATA_DIR_KEY " is damaged: remove it, and Python states are lost",
                 config->data_dir);
    api_rules_state(config, &p->state);
    return r;
}

static int step_audit(struct process *p)
{
    int r = api_audit_start(&p->handover.config, &p->audit);

    if (r < 0)
        snprintf(p->reason, sizeof(p->reason), "DATA_DIR/" DATA_DIR_AUDIT ": %s", strerror(-r));
    return r;
}

static int new_hot(struct process *p)
{
    struct hot_limits limits;
    int r;

    if (!api_rules_hot(&p->handover.config, &limits))
        return 0;
    r = hot_new(&limits, &p->engine.hot);
    return r ? r : saver_new(&p->engine, &p->saver);
}

static int step_engine(struct process *p)
{
    const struct config *config = &p->handover.config;
    int r;

    p->engine = (struct engine){
        .kv = p->kv,
        .blobs = p->blobs,
        .languages = &p->languages,
        .audit = p->audit,
        .warden_fd = p->warden_fd,
        .work_dir_fd = p->work_fd,
        .builds = config->compile_cache_mb > 0 ? p->builds : NULL,
        .build_base = &p->build_base,
        .state = p->state,
    };
    api_rules_engine(config, &p->engine);
    r = running_new(api_rules_runs(config), &p->running);
    if (r < 0)
        return r;
    p->engine.running = p->running;
    r = new_hot(p);
    return r ? r : admission_new(&p->engine, &p->admission);
}

static int step_api(struct process *p)
{
    const struct config *config = &p->handover.config;
    int r = api_rules_names(config, &p->filename_rules, p->reason, sizeof(p->reason));

    if (r < 0)
        return r;
    p->api.filename_rules = &p->filename_rules;
    p->api.engine = &p->engine;
    p->api.admission = p->admission;
    api_rules_handlers(config, &p->api);
    r = api_init(&p->api);
    p->api_ready = r == 0;
    return r;
}

/* The keys of the environment are hashed here, and those of the store looked up when they are presented. */
static int step_gate(struct process *p)
{
    p->api.keys = p->keys;
    p->engine.key_is_gone = gate_key_is_gone;
    p->engine.key_data = &p->api;
    return api_gate_new(&p->handover.config, p->keys, &p->api.gate);
}

static int step_http(struct process *p)
{
    int r;

    p->http.options.routes = api_routes(&p->http.options.n_routes);
    p->http.options.upload_prefixes = api_upload_prefixes;
    p->http.options.data = &p->api;
    p->http.options.attempted = audited_attempt;
    r = http_server_start(&p->http.options, &p->server, p->reason, sizeof(p->reason));
    if (r == 0)
        http_server_refuse(p->server, "Service is starting up");
    return r;
}

/* Returns true if the server is told to stop. */
static bool take_signal(struct process *p)
{
    struct signalfd_siginfo info;

    if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info))
        return false;
    return info.ssi_signo != SIGHUP; /* which the warden answers, also when somebody sends it to all */
}

/* Returns 0, -ETIMEDOUT, or -EINTR if the server is told to stop. */
static int wait_for_warden(struct process *p)
{
    struct pollfd events[] = { { .fd = p->warden_fd, .events = POLLIN }, { .fd = p->signal_fd, .events = POLLIN } };

    for (;;) {
        int n = poll(events, ARRAY_SIZE(events), HELLO_WAIT_MS);

        if (n == 0)
            return -ETIMEDOUT;
        if (n > 0 && events[0].revents)
            return 0;
        if (n > 0 && take_signal(p))
            return -EINTR;
    }
}

/* Executions need the warden, which says hello when its first cell is armed. */
static int step_warden(struct process *p)
{
    union wire_message message;
    int fds[WIRE_FDS_MAX], r = wait_for_warden(p);

    if (r < 0)
        return r;
    r = wire_receive(p->warden_fd, WIRE_FROM_WARDEN, 0, &message, fds);
    if (r == 0 && message.type != WIRE_HELLO)
        r = -EPROTO;
    if (r == 0)
        r = warm_counts_open(fds[0], &p->engine.warm);
    cleanup_close_fd(&fds[0]);
    if (r == 0)
        http_server_refuse(p->server, NULL);
    return r > 0 ? -EPIPE : r;
}

static int step_house(struct process *p)
{
    return api_house_new(&p->api, &p->handover.config, &p->versions, &p->house);
}

/* In this order; stop() undoes what was done. Nothing above the confinement may start a thread, since Landlock binds
 * only the one that asks for it. again: a new start may succeed whatever was wrong. */
static const struct {
    const char *name;
    int (*run)(struct process *p);
    bool again;
} steps[] = {
    { "privileges", step_harden, false },
    { "signals", step_signals, false },
    { "configuration", step_configuration, false },
    { "data directory", step_data, false },
    { "languages", step_languages, false },
    { "versions of languages", step_versions, false },
    { "tool chains", step_tool_chains, false },
    { "HTTP options", step_options, false },
    { "confinement", step_confine, false },
    { "stores", step_stores, false },
    { "builds", step_builds, false },
    { "state", step_state, false },
    { "audit log", step_audit, false },
    { "engine", step_engine, false },
    { "request handlers", step_api, false },
    { "keys", step_gate, false },
    { "HTTP server", step_http, false },
    { "warden", step_warden, true },
    { "housekeeping", step_house, false },
};

static int start(struct process *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        int r = steps[i].run(p);

        if (r == 0)
            continue;
        if (r == -EINTR && steps[i].again)
            return 0; /* told to stop while starting */
        log_error("cannot start: %s: %s", steps[i].name, *p->reason ? p->reason : strerror(-r));
        return steps[i].again || error_may_pass(r) ? EXIT_FAILURE : EX_CONFIG;
    }
    return -1;
}

/* Returns false if the warden is gone. */
static bool take_message(struct process *p)
{
    union wire_message message;
    int fds[WIRE_FDS_MAX];
    int r = wire_receive(p->warden_fd, WIRE_FROM_WARDEN, MSG_DONTWAIT, &message, fds);

    if (r == 0 && message.type == WIRE_TLS)
        api_tls_renew(p->server, fds[WIRE_TLS_CERTIFICATE], fds[WIRE_TLS_KEY]);
    if (r == 0 && message.type == WIRE_LOG)
        api_log_use(fds[0]);
    wire_close_fds(fds);
    return r == 0 || r == -EAGAIN || r == -EINTR;
}

/* Until told to stop, or until the warden is gone: then nothing can run any more. Returns true for an orderly stop. */
static bool serve_until_told(struct process *p)
{
    struct pollfd events[] = { { .fd = p->warden_fd, .events = POLLIN }, { .fd = p->signal_fd, .events = POLLIN } };

    for (;;) {
        if (poll(events, ARRAY_SIZE(events), -1) < 0)
            continue;
        if (events[0].revents && !take_message(p))
            return false;
        if (events[1].revents && take_signal(p))
            return true;
    }
}

static void stop(struct process *p)
{
    int64_t begun_us = clock_monotonic_us(), left_ms;

    if (p->api_ready) {
        api_stopping(&p->api);
        ptc_stop(&p->api);
    }
    if (p->admission)
        admission_drain(p->admission, p->handover.config.drain_seconds * 1000);
    left_ms = p->handover.config.drain_seconds * 1000 - (clock_monotonic_us() - begun_us) / 1000;
    p->saver = saver_stop(p->saver, left_ms > SAVE_GRACE_MS ? left_ms : SAVE_GRACE_MS);
    p->house = api_house_free(p->house);
    api_versions_stop(&p->versions);
    if (p->server)
        http_server_stop(p->server, HTTP_STOP_GRACE_MS);
    if (p->api_ready)
        api_deinit(&p->api);
    if (p->server)
        p->server = http_server_free(p->server);
    if (p->admission)
        p->admission = admission_free(p->admission);
    p->engine.hot = hot_free(p->engine.hot);
    p->running = running_free(p->running);
    p->audit = audit_free(p->audit);
    api_http_deinit(&p->http);
    filename_rules_deinit(&p->filename_rules);
    language_table_deinit(&p->languages);
    p->api.gate = gate_free(p->api.gate);
    p->keys = key_store_free(p->keys);
    p->builds = build_cache_free(p->builds);
    build_key_base_deinit(&p->build_base);
    p->blobs = blob_store_free(p->blobs);
    p->kv = kv_free(p->kv);
    cleanup_close_fd(&p->work_fd);
    cleanup_close_fd(&p->data_fd);
    cleanup_close_fd(&p->signal_fd);
    handover_deinit(&p->handover);
}

static int run(struct process *p)
{
    int status = start(p);

    if (status < 0) {
        const struct config *config = &p->handover.config;

        log_info("codecell %s listens on %s port %u, %lld executions at once", CODECELL_VERSION, config->api_host,
                 http_server_port(p->server), (long long)config->max_concurrent_executions);
        if (!serve_until_told(p)) {
            log_error("the warden is gone");
            _exit(EXIT_FAILURE); /* and with it every cell; there is nothing to drain */
        }
        log_info("stopping");
        status = 0;
    }
    stop(p);
    return status;
}

int command_api(int argc, char **argv)
{
    struct process process = {
        .config_fd = -1,
        .warden_fd = -1,
        .signal_fd = -1,
        .data_fd = -1,
        .work_fd = -1,
        .versions.fd = -1,
        .build_base.root_fd = -1,
    };
    const struct option_row rows[] = {
        { "--config-fd", .value = "number", .number = &process.config_fd },
        { "--warden-fd", .value = "number", .number = &process.warden_fd },
        { 0 },
    };
    int status;

    if (!option_parse("api", rows, argc, argv, &status))
        return status;
    if (process.config_fd < 0 || process.warden_fd < 0) {
        fprintf(stderr, "codecell api: it is started by the warden; use codecell serve\n");
        return EXIT_USAGE;
    }
    title_init(argc, argv);
    return run(&process);
}
