/* SPDX-License-Identifier: Apache-2.0 */
/* serve.c -- `codecell serve`: from settings to a running warden.
 *
 * Everything that can be wrong is found here, before anything starts, and told in the words of `codecell doctor`. Then
 * this process becomes the warden by exec, with an empty environment; what the api must know travels in sealed memory.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/log_file.h"
#include "domain/filename.h"
#include "main/check/check.h"
#include "main/command.h"
#include "main/doctor.h"
#include "main/option.h"
#include "main/place/capacity.h"
#include "main/place/data_dir.h"
#include "main/place/handover.h"
#include "main/place/ulimits.h"

/* How long a server that is being stopped may still hold the data directory. */
#define LOCK_WAIT_MS 3000

#define HOT_MEMORY_SHARE 4 /* parked cells have a quarter of the machine's memory, unless it is said */

#define NUMBER_SIZE   24
#define ARGUMENTS_MAX 128

struct serve {
    struct handover handover;
    struct location location;
    struct identity identity;
    unsigned slots, parked_slots;
    int config_fd, log_dir_fd;
    const char *log_name; /* borrowed from the configuration; NULL = there is no log file */
};

static int fail(const char *what, int error)
{
    fprintf(stderr, "codecell serve: %s: %s\n", what, strerror(-error));
    return 1;
}

/* Prints one problem a line, each with the program's name. Like every refusal that a person has to mend it ends in
 * EX_CONFIG; what waiting may mend ends in EX_TEMPFAIL. */
static int fail_problems(const struct buffer *problems)
{
    const char *line = problems->data;

    while (line && *line) {
        int length = (int)strcspn(line, "\n");

        fprintf(stderr, "codecell serve: %.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
    return EX_CONFIG;
}

static int load(struct serve *serve)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    struct config *config = &serve->handover.config;
    int r = config_load(config, environ, ".env", &problems);

    if (r == 0)
        r = config_absolute_paths(config);
    if (r == 0)
        r = handover_read_tls(&serve->handover, &problems);
    if (r == CONFIG_E_INVALID)
        return fail_problems(&problems);
    return r < 0 ? fail("configuration", r) : 0;
}

static void warn_without_effect(const struct config *config)
{
    const char *hint;

    for (int i = 0; i < CONFIG_COUNT; i++)
        if (config_param((enum config_id)i)->unused && config->origins[i] != CONFIG_FROM_DEFAULT)
            log_warning("%s has no effect in this version", config_param((enum config_id)i)->name);
    if (config->enable_wan_access && config->enable_sandbox_network)
        log_warning("ENABLE_WAN_ACCESS wins over ENABLE_SANDBOX_NETWORK, but for keys with the network allowlist");
    for (size_t cursor = 0; (hint = config_hint_next(config, &cursor));)
        log_warning("%s", hint);
    if (!config->auth_enabled)
        log_warning("AUTH_ENABLED=false: every request is accepted without a key");
    if (config->api_debug)
        log_warning("API_DEBUG=true: debug answers are on");
}

static int check_host(struct serve *serve)
{
    struct check_context context;
    int failed, lasting;

    check_context_init(&context, &serve->handover.config, &serve->location);
    context.starting = true;
    serve->identity = context.identity;
    failed = doctor_run(&context, DOCTOR_AT_START, stderr, &lasting);
    return failed == 0 ? 0 : lasting > 0 ? EX_CONFIG : EX_TEMPFAIL;
}

static int prepare_data(const struct serve *serve)
{
    const char *path = serve->handover.config.data_dir;
    CLEANUP_CLOSE int lock_fd = -1;
    struct data_dir_refusal refusal;
    char reason[1024];
    int r = data_dir_prepare(path, serve->identity.api_uid, &refusal);

    if (r == DATA_DIR_E_REFUSED) {
        fprintf(stderr, "codecell serve: DATA_DIR: %s: %s\n", refusal.what, refusal.mend);
        return EX_CONFIG;
    }
    if (r == 0)
        r = data_dir_lock(path, LOCK_WAIT_MS, &lock_fd, reason, sizeof(reason));
    if (r == DATA_DIR_E_BUSY) {
        fprintf(stderr, "codecell serve: DATA_DIR: %s\n", reason);
        return EX_TEMPFAIL;
    }
    return r < 0 ? fail(path, r) : 0;
}

/* What lies below DATA_DIR is the api's to replace by links: there none is followed. */
static int open_log_directory(const struct config *config, const char *directory)
{
    size_t length = strlen(config->data_dir);
    struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC };
    CLEANUP_CLOSE int data_fd = -1;

    if (strncmp(directory, config->data_dir, length) == 0 && directory[length] == '/') {
        directory += length + strspn(directory + length, "/");
        data_fd = open(config->data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (data_fd < 0)
            return -1;
        how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    }
    return (int)syscall(SYS_openat2, data_fd >= 0 ? data_fd : AT_FDCWD, directory, &how, sizeof(how));
}

/* The warden keeps the directory, to open the file in it again. */
static int open_log(struct serve *serve, int *ret_fd)
{
    const char *path = serve->handover.config.log_file;
    char directory[PATH_MAX];

    serve->log_name = filename_base(path);
    if (*serve->log_name == '\0')
        return -EISDIR;
    snprintf(directory, sizeof(directory), "%.*s", (int)(serve->log_name - path), path);
    serve->log_dir_fd = open_log_directory(&serve->handover.config, directory);
    if (serve->log_dir_fd < 0 || fcntl(serve->log_dir_fd, F_SETFD, 0) < 0)
        return error_from_errno();
    return log_file_open(serve->log_dir_fd, serve->log_name, serve->identity.api_uid, ret_fd);
}

/* The warden writes to stdout and stderr, the api to stdout: LOG_FILE is both. */
static int redirect_output(struct serve *serve)
{
    const char *path = serve->handover.config.log_file;
    CLEANUP_CLOSE int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), log_fd = -1;
    int r;

    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
        return fail("/dev/null", error_from_errno());
    if (*path == '\0') {
        fd_stop_waiting(STDOUT_FILENO);
        fd_stop_waiting(STDERR_FILENO);
        return 0;
    }
    r = open_log(serve, &log_fd);
    if (r == 0)
        r = log_file_use(log_fd);
    if (r == 0)
        return 0;
    fprintf(stderr, "codecell serve: LOG_FILE=%s: %s\n", path, strerror(-r));
    return error_may_pass(r) ? EX_TEMPFAIL : EX_CONFIG;
}

static int override(struct config *config, enum config_id id, long long value, struct buffer *problems)
{
    char number[NUMBER_SIZE];

    snprintf(number, sizeof(number), "%lld", value);
    return config_override(config, id, number, problems);
}

static void warn_if_cut(const char *name, int64_t configured, unsigned given)
{
    if (given < configured)
        log_warning("%s=%lld is %u here: programs that run and wait and hot sessions together may be %d", name,
                    (long long)configured, given, CAPACITY_CELLS_MAX);
}

static int seal(struct serve *serve)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    struct config *config = &serve->handover.config;
    struct capacity capacity;
    unsigned paused_slots, hot_slots;
    int r;

    capacity_measure(&capacity);
    serve->slots = capacity_slots(&capacity, config->max_concurrent_executions, config->max_memory_mb);
    paused_slots = capacity_parked(config->ptc_max_paused, serve->slots);
    hot_slots = capacity_parked(config->hot_sessions_max, serve->slots + paused_slots);
    serve->parked_slots = paused_slots + hot_slots;
    warn_if_cut("PTC_MAX_PAUSED", config->ptc_max_paused, paused_slots);
    warn_if_cut("HOT_SESSIONS_MAX", config->hot_sessions_max, hot_slots);
    r = override(config, CONFIG_MAX_CONCURRENT_EXECUTIONS, serve->slots, &problems);
    if (r == 0)
        r = override(config, CONFIG_PTC_MAX_PAUSED, paused_slots, &problems);
    if (r == 0 && config->ptc_memory_mb == 0)
        r = override(config, CONFIG_PTC_MEMORY_MB, capacity_paused_mb(&capacity, serve->slots, config->max_memory_mb),
                     &problems);
    if (r == 0)
        r = override(config, CONFIG_HOT_SESSIONS_MAX, hot_slots, &problems);
    if (r == 0 && config->hot_sessions_memory_mb == 0)
        r = override(config, CONFIG_HOT_SESSIONS_MEMORY_MB, capacity.memory_bytes / HOT_MEMORY_SHARE >> 20, &problems);
    if (r == 0)
        r = handover_seal(&serve->handover, &serve->config_fd);
    if (r == 0 && fcntl(serve->config_fd, F_SETFD, 0) < 0)
        r = error_from_errno();
    return r == 0 ? 0 : fail("configuration", r);
}

/* The warden's command line. Numbers are copied, texts borrowed. */
struct arguments {
    const char *items[ARGUMENTS_MAX + 1];
    char numbers[ARGUMENTS_MAX][NUMBER_SIZE];
    size_t n;
};

static void add_text(struct arguments *arguments, const char *name, const char *value)
{
    if (arguments->n + 2 > ARGUMENTS_MAX)
        return; /* the table below fits */
    arguments->items[arguments->n++] = name;
    arguments->items[arguments->n++] = value;
}

static void add_number(struct arguments *arguments, const char *name, long long value)
{
    char *text = arguments->numbers[arguments->n / 2];

    snprintf(text, NUMBER_SIZE, "%lld", value);
    add_text(arguments, name, text);
}

static void add_wan(struct arguments *arguments, const struct config *config)
{
    if (!config->enable_wan_access) {
        add_text(arguments, "--wan-name-before", config->wan_network_name);
        return;
    }
    add_text(arguments, "--wan-name", config->wan_network_name);
    add_text(arguments, "--wan-name-servers", *config->wan_dns_servers ? config->wan_dns_servers : ",");
    add_text(arguments, "--wan-closed-ports", *config->wan_closed_ports ? config->wan_closed_ports : ",");
    add_number(arguments, "--wan-connections-per-second", config->wan_connections_per_second);
    add_number(arguments, "--wan-connections-max", config->wan_max_connections);
    add_number(arguments, "--wan-mbit-per-second", config->wan_mbit_per_second);
}

/* The last of the ids that are ours alone; slots begin at the first. */
static void add_proxy(struct arguments *arguments, const struct serve *serve)
{
    const struct config *config = &serve->handover.config;

    if (!config->enable_sandbox_network)
        return;
    add_text(arguments, "--proxy-hosts", *config->sandbox_egress_allowlist ? config->sandbox_egress_allowlist : ",");
    add_number(arguments, "--proxy-port", config->sandbox_egress_port);
    add_number(arguments, "--proxy-uid", (long long)serve->identity.cell_base + IDENTITY_CELL_IDS - 1);
}

/* One that is made later is seen after the next start: check_skill_deps() has to look at it first. */
static void add_packages(struct arguments *arguments, const struct config *config)
{
    if (access(config->skill_deps_path, F_OK) == 0)
        add_text(arguments, "--packages-dir", config->skill_deps_path);
}

static void add_zygote(struct arguments *arguments, const struct serve *serve)
{
    const struct config *config = &serve->handover.config;

    if (!config->sandbox_pool_enabled || !config->repl_enabled)
        return;
    add_text(arguments, "--zygote-library", serve->location.zygote);
    add_number(arguments, "--pool-python", config->sandbox_pool_py);
    add_number(arguments, "--zygote-seconds", config->repl_warmup_timeout_seconds);
}

static void write_arguments(const struct serve *serve, struct arguments *arguments)
{
    const struct config *config = &serve->handover.config;

    arguments->items[arguments->n++] = "codecell-warden";
    add_text(arguments, "--data-dir", config->data_dir);
    add_text(arguments, "--rootfs", config->sandbox_rootfs);
    add_text(arguments, "--guest-dir", serve->location.guest);
    add_number(arguments, "--slots", serve->slots);
    add_number(arguments, "--parked-slots", serve->parked_slots);
    add_number(arguments, "--hot", config->hot_sessions_max > 0);
    add_number(arguments, "--give-back-seconds", config->sandbox_pool_replenish_interval);
    add_number(arguments, "--drain-seconds", config->drain_seconds);
    add_number(arguments, "--api-uid", serve->identity.api_uid);
    add_number(arguments, "--uid-base", serve->identity.cell_base);
    add_number(arguments, "--sandbox-uid", config->sandbox_uid);
    add_text(arguments, "--hostname", config->container_generic_hostname);
    add_number(arguments, "--mask-host-info", config->container_mask_host_info);
    add_number(arguments, "--tmp-mb", config->sandbox_tmpfs_size_mb);
    add_text(arguments, "--log-level", config->texts[CONFIG_LOG_LEVEL]);
    add_text(arguments, "--log-format", config->texts[CONFIG_LOG_FORMAT]);
    add_number(arguments, "--config-fd", serve->config_fd);
    if (serve->log_name) {
        add_number(arguments, "--log-dir-fd", serve->log_dir_fd);
        add_text(arguments, "--log-name", serve->log_name);
    }
    add_text(arguments, "--api-program", location_program_from_share(&serve->location));
    add_wan(arguments, config);
    add_proxy(arguments, serve);
    add_zygote(arguments, serve);
    add_packages(arguments, config);
    if (serve->handover.tls_certificate) {
        add_text(arguments, "--tls-certificate", config->ssl_cert_file);
        add_text(arguments, "--tls-key", config->ssl_key_file);
    }
}

static int become_warden(struct serve *serve)
{
    static const char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                               "LANG=C.UTF-8", NULL };
    struct arguments arguments = { 0 };

    write_arguments(serve, &arguments);
    if (chdir(serve->location.share) < 0)
        return fail(serve->location.share, error_from_errno());
    execve(serve->location.warden, (char *const *)arguments.items, (char *const *)environment);
    return fail(serve->location.warden, error_from_errno());
}

static void start_log(const struct config *config)
{
    const struct log_options options = {
        .level = (enum log_level)config->log_level,
        .json = config->log_format == 0,
        .fd = STDOUT_FILENO,
        .process = "serve",
    };

    log_init(&options);
}

/* A wish to reload that comes before there is anything to reload waits: the warden keeps the mask and reads it then. */
static void hold_reloads(void)
{
    sigset_t reload;

    sigemptyset(&reload);
    sigaddset(&reload, SIGHUP);
    sigprocmask(SIG_BLOCK, &reload, NULL);
}

int command_serve(int argc, char **argv)
{
    struct serve serve = { .config_fd = -1, .log_dir_fd = -1 };
    const struct option_row rows[] = { { 0 } };
    int status, r;

    if (!option_parse("serve", rows, argc, argv, &status))
        return status;
    umask(022);
    ulimits_raise();
    hold_reloads();
    status = load(&serve);
    r = location_find(&serve.location);
    if (status == 0 && r < 0)
        status = fail("/proc/self/exe", r);
    if (status == 0)
        status = check_host(&serve);
    if (status == 0)
        status = prepare_data(&serve);
    if (status == 0)
        status = redirect_output(&serve);
    if (status == 0) {
        start_log(&serve.handover.config);
        warn_without_effect(&serve.handover.config);
        status = seal(&serve);
    }
    if (status == 0)
        status = become_warden(&serve);
    handover_deinit(&serve.handover);
    return status;
}
