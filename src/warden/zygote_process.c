/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/zygote_process.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "cell/credentials.h"
#include "cell/init.h"
#include "cell/mount_api.h"
#include "cell/namespaces.h"
#include "cell/rlimits.h"
#include "cell/rootfs.h"
#include "cell/runtime.h"
#include "wire/packet.h"
#include "wire/zygote.h"

#define NEAR_FD_MIN 16 /* keepers want lower numbers for themselves */

#define ARGUMENTS_MAX   16
#define ENVIRONMENT_MAX 16
#define WATCHED_MAX     8

#define FAILURES_TOLD       5 /* deaths without having been ready */
#define START_DOUBLINGS_MAX 4
#define LAST_PIECES         16
#define AWAITED_US          5000000
#define QUIET_US            3000000 /* after the last change of its files */

/* An interpreter and its agent, inside the root file system of cells. Whatever installs, updates or removes a library
 * touches one of the watched files. Awaited: to wait until it is ready pays more often than to start without. */
static const struct interpreter {
    const char *name;
    bool awaited;
    const char *command[ARGUMENTS_MAX + 1];
    const char *environment[ENVIRONMENT_MAX + 1];
    const char *watched[WATCHED_MAX + 1];
} interpreters[WARM_KINDS] = {
    [WARM_PYTHON] = {
        "python", true,
        { "/usr/bin/python3", "-S", "/opt/codecell/guest/python/zygote.py" },
        /* One thread for linear algebra: a thread is not copied, and a library that believes in threads it has not
         * would wait for them. */
        { RUNTIME_COMMON_ENVIRONMENT, "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1", "MPLBACKEND=Agg",
          "MPLCONFIGDIR=/tmp/matplotlib", "XDG_CACHE_HOME=/tmp/cache", "OPENBLAS_NUM_THREADS=1" },
        { "usr/bin/python3", "usr/lib/python3/dist-packages", "usr/local/lib", "usr/local/lib/python3*",
          "usr/local/lib/python3*/dist-packages", "usr/local/lib/python3*/site-packages" },
    },
    [WARM_PYTHON_PLAIN] = {
        "plain python", false,
        { "/usr/bin/python3", "-S", "/opt/codecell/guest/python/plain.py" },
        { RUNTIME_COMMON_ENVIRONMENT, "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1" },
        { "usr/bin/python3", "usr/lib/python3/dist-packages" },
    },
    [WARM_PHP] = {
        "php", false,
        { "/usr/bin/php", "-d", "display_errors=stderr", "-d", "log_errors=0", "-d", "memory_limit=-1", "-d",
          "include_path=/mnt/data:/usr/share/php", "-d", "sys_temp_dir=/tmp", "-d", "auto_append_file=/mnt/data/code.php", "-d",
          "auto_prepend_file=/opt/codecell/guest/php/zygote.php", "/opt/codecell/guest/php/run.php" },
        { RUNTIME_COMMON_ENVIRONMENT },
        { "usr/bin/php", "etc/alternatives", "usr/lib/php/2*", "etc/php/*/cli", "etc/php/*/cli/conf.d",
          "etc/php/*/mods-available" },
    },
};

static const struct interpreter *interpreter_of(const struct zygote_process *zygote)
{
    return &interpreters[zygote->kind];
}

/* The child between fork and exec. */
struct birth {
    const struct zygote_process *zygote;
    int input_fd, output_fd; /* what become its standard descriptors */
};

static int offer_as_victim(struct birth *birth)
{
    CLEANUP_CLOSE int dir_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char path[32];

    (void)birth;
    snprintf(path, sizeof(path), "%d/oom_score_adj", (int)getpid());
    return dir_fd < 0 ? error_from_errno() : fd_write_at(dir_fd, path, PROGRAM_VICTIM_SCORE);
}

static int take_descriptors(struct birth *birth)
{
    int far = fcntl(birth->zygote->far_fd, F_DUPFD_CLOEXEC, 16);
    int filter = fcntl(birth->zygote->filter_fd, F_DUPFD_CLOEXEC, 16);
    int input = fcntl(birth->input_fd, F_DUPFD_CLOEXEC, 16), output = fcntl(birth->output_fd, F_DUPFD_CLOEXEC, 16);

    if (far < 0 || filter < 0 || input < 0 || output < 0 || dup2(input, STDIN_FILENO) < 0 ||
        dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 || dup2(far, ZYGOTE_SOCKET_FD) < 0 ||
        dup2(filter, ZYGOTE_FILTER_FD) < 0 || close_range(ZYGOTE_FILTER_FD + 1, ~0U, 0) < 0)
        return error_from_errno();
    return 0;
}

static int go_to_root(struct birth *birth)
{
    return fchdir(birth->zygote->options->root_fd) < 0 ? error_from_errno() : 0;
}

static int enter_root(struct birth *birth)
{
    (void)birth;
    return unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0 ? error_from_errno() : rootfs_enter();
}

/* An interpreter asks for the name when it loads its libraries, and its copies remember the answer. */
static int set_hostname(struct birth *birth)
{
    return namespaces_name(birth->zygote->options->hostname);
}

static int mount_one(const char *type, const char *path, const struct mount_option *options, size_t n)
{
    CLEANUP_CLOSE int fd = -1;
    int r = mount_new(type, options, n, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &fd);

    return r ? r : mount_attach(fd, AT_FDCWD, path);
}

/* /proc is that of the host's processes, of which it is shown its own alone; copies leave these mounts at once. */
static int mount_own(struct birth *birth)
{
    static const struct mount_option hidden[] = { { "hidepid", "2" } };
    static const struct mount_option scratch[] = { { "size", "64M" }, { "mode", "1777" } };
    int r = mount_one("proc", "/proc", hidden, ARRAY_SIZE(hidden));

    (void)birth;
    if (r == 0)
        r = mount_one("tmpfs", "/tmp", scratch, ARRAY_SIZE(scratch));
    return r ? r : mount_one("tmpfs", "/dev/shm", scratch, ARRAY_SIZE(scratch));
}

static int limit_resources(struct birth *birth)
{
    (void)birth;
    return rlimits_apply();
}

#define BIT(capability) (1u << (capability))

static uint32_t kept_capabilities(const struct birth *birth)
{
    return BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_CHROOT) |
           (birth->zygote->options->may_pass_groups ? BIT(CAP_DAC_OVERRIDE) : 0);
}

/* Inheritable and ambient too: nothing else survives an exec by one who is not root. */
static int keep_capabilities(uint32_t kept)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { .effective = kept, .permitted = kept, .inheritable = kept } };

    if (syscall(SYS_capset, &header, data) < 0)
        return error_from_errno();
    for (int cap = 0; cap < 32; cap++)
        if (kept & BIT(cap) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
            return error_from_errno();
    return 0;
}

static int become_user(struct birth *birth)
{
    uid_t uid = birth->zygote->options->uid;
    uint32_t kept = kept_capabilities(birth);
    int r = credentials_drop_bounding(kept);

    if (r < 0)
        return r;
    if (setgroups(0, NULL) < 0 || prctl(PR_SET_KEEPCAPS, 1) < 0 || syscall(SYS_setresgid, uid, uid, uid) < 0 ||
        syscall(SYS_setresuid, uid, uid, uid) < 0)
        return error_from_errno();
    r = keep_capabilities(kept);
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        r = error_from_errno();
    return r;
}

/* The death signal is set after the change of user, which clears it. */
static int die_with_warden(struct birth *birth)
{
    (void)birth;
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? error_from_errno() : 0;
}

static int load_filter(struct birth *birth)
{
    return seccomp_filter_load(birth->zygote->options->filter);
}

static const struct {
    const char *name;
    int (*run)(struct birth *birth);
} steps[] = {
    { "out-of-memory score", offer_as_victim },
    { "root directory", go_to_root },
    { "descriptors", take_descriptors },
    { "root file system", enter_root },
    { "host name", set_hostname },
    { "mounts", mount_own },
    { "rlimits", limit_resources },
    { "user", become_user },
    { "parent death signal", die_with_warden },
    { "system call filter", load_filter },
};

_Noreturn static void become_zygote(struct birth *birth)
{
    const struct interpreter *interpreter = interpreter_of(birth->zygote);
    char *const *command = (char *const *)interpreter->command;
    sigset_t none;

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        int r = steps[i].run(birth);

        if (r < 0) {
            dprintf(STDERR_FILENO, "%s: %s\n", steps[i].name, strerror(-r));
            _exit(126);
        }
    }
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(command[0], command, (char *const *)interpreter->environment);
    dprintf(STDERR_FILENO, "%s: %s\n", command[0], strerror(errno));
    _exit(127);
}

static int watch_files(const struct zygote_process *zygote)
{
    const char *const *patterns = interpreter_of(zygote)->watched;
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    for (size_t i = 0; fd >= 0 && patterns[i]; i++) {
        char pattern[PATH_MAX];
        glob_t found;

        snprintf(pattern, sizeof(pattern), "%s/%s", zygote->options->source, patterns[i]);
        if (glob(pattern, 0, NULL, &found) != 0)
            continue;
        for (size_t k = 0; k < found.gl_pathc; k++)
            (void)inotify_add_watch(fd, found.gl_pathv[k],
                                    IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB | IN_DELETE_SELF | IN_MODIFY);
        globfree(&found);
    }
    return fd;
}

bool zygote_process_possible(enum warm_kind kind, const struct zygote_options *options)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s%s", options->source, interpreters[kind].command[0]);
    return access(path, X_OK) == 0;
}

int zygote_process_open(struct zygote_process *zygote, enum warm_kind kind, const struct zygote_options *options,
                        struct zygote_state *state)
{
    const struct sock_fprog *program = &options->copy_filter->program;
    int sockets[2];

    *zygote = ZYGOTE_PROCESS_INIT;
    zygote->options = options;
    zygote->kind = kind;
    zygote->state = state;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_from_errno();
    zygote->near_fd = fcntl(sockets[0], F_DUPFD_CLOEXEC, NEAR_FD_MIN);
    zygote->far_fd = sockets[1];
    close(sockets[0]);
    if (zygote->near_fd < 0)
        return error_from_errno();
    /* Not the other end: a zygote waits for its orders. */
    if (fcntl(zygote->near_fd, F_SETFL, O_NONBLOCK) < 0)
        return error_from_errno();
    zygote->files_fd = watch_files(zygote);
    return fd_sealed_memory("filter", program->filter, program->len * sizeof(*program->filter), &zygote->filter_fd);
}

int64_t zygote_process_changed(struct zygote_process *zygote)
{
    char events[4096];

    while (read(zygote->files_fd, events, sizeof(events)) > 0)
        ;
    return clock_monotonic_us() + QUIET_US;
}

/* The watch on a file that was replaced is gone with it. */
bool zygote_process_renew(struct zygote_process *zygote, const char *why)
{
    bool runs = zygote->pid > 0;

    log_info("zygote: %s is started again: %s", interpreter_of(zygote)->name, why);
    zygote->restart = (struct restart){ 0 };
    zygote->renewing = runs;
    if (runs)
        kill(zygote->pid, SIGKILL);
    cleanup_close_fd(&zygote->files_fd);
    zygote->files_fd = watch_files(zygote);
    return runs;
}

/* A machine may be slow, or busy: after the second try there is more time. */
static unsigned start_seconds(const struct zygote_process *zygote)
{
    unsigned doublings = zygote->restart.unready > 0 ? zygote->restart.unready - 1 : 0;

    return zygote->options->start_seconds << (doublings < START_DOUBLINGS_MAX ? doublings : START_DOUBLINGS_MAX);
}

/* One that has failed may fail again. */
static int64_t awaited_us(const struct zygote_process *zygote)
{
    return interpreter_of(zygote)->awaited && zygote->restart.unready == 0 ? zygote->started_us + AWAITED_US : 0;
}

int zygote_process_start(struct zygote_process *zygote)
{
    struct birth birth = { .zygote = zygote };
    int input[2], output[2], r = 0;

    if (pipe2(input, O_CLOEXEC) < 0)
        return error_from_errno();
    if (pipe2(output, O_CLOEXEC) < 0) {
        r = error_from_errno();
        close(input[0]);
        close(input[1]);
        return r;
    }
    birth.input_fd = input[0];
    birth.output_fd = output[1];
    zygote->pid = fork();
    if (zygote->pid == 0)
        become_zygote(&birth);
    if (zygote->pid < 0)
        r = error_from_errno();
    close(input[0]);
    close(input[1]);
    close(output[1]);
    if (r < 0) {
        close(output[0]);
        return r;
    }
    zygote->output_fd = output[0];
    zygote->started_us = clock_monotonic_us();
    zygote->ready_by_us = zygote->started_us + (int64_t)start_seconds(zygote) * 1000000;
    atomic_store(&zygote->state->awaited_us, awaited_us(zygote));
    return fcntl(output[0], F_SETFL, O_NONBLOCK) < 0 ? error_from_errno() : 0;
}

void zygote_process_late(struct zygote_process *zygote)
{
    log_warning("zygote: %s is not ready after %u s and is ended", interpreter_of(zygote)->name, start_seconds(zygote));
    zygote->ready_by_us = 0;
    if (zygote->pid > 0)
        kill(zygote->pid, SIGKILL);
}

bool zygote_process_heard(struct zygote_process *zygote)
{
    char text[sizeof(ZYGOTE_READY)];
    ssize_t n = recv(zygote->near_fd, text, sizeof(text), MSG_DONTWAIT);

    if (n != sizeof(text) || memcmp(text, ZYGOTE_READY, sizeof(text)) != 0)
        return false;
    restart_ready(&zygote->restart);
    zygote->ready_by_us = 0;
    zygote->ready_us = clock_monotonic_us();
    atomic_store(&zygote->state->generation, ++zygote->generations);
    log_info("zygote: %s is ready after %lld ms", interpreter_of(zygote)->name,
             (long long)(zygote->ready_us - zygote->started_us) / 1000);
    return true;
}

/* Returns what read(2) did. */
static ssize_t log_piece(const struct zygote_process *zygote)
{
    char text[1024];
    ssize_t n = read(zygote->output_fd, text, sizeof(text) - 1);

    if (n > 0) {
        text[n] = '\0';
        log_warning("zygote: %s: %s", interpreter_of(zygote)->name, text);
    }
    return n;
}

static void close_output(struct zygote_process *zygote)
{
    cleanup_close_fd(&zygote->output_fd);
    zygote->output_fd = -1;
}

void zygote_process_log(struct zygote_process *zygote)
{
    if (zygote->output_fd >= 0 && log_piece(zygote) == 0)
        close_output(zygote);
}

/* Returns how long it had been ready, -1 = it never was. */
static int64_t take_ready_ms(struct zygote_process *zygote)
{
    int64_t ready_us = zygote->ready_us;

    zygote->ready_us = 0;
    return ready_us ? (clock_monotonic_us() - ready_us) / 1000 : -1;
}

/* In one line for each death, so that a log of many of them still says what comes of it. */
static void tell_death(const struct zygote_process *zygote, int pause_ms)
{
    const char *name = interpreter_of(zygote)->name;

    if (zygote->restart.unready == FAILURES_TOLD)
        log_error("zygote: %s dies each time it is started; programs start their own interpreter", name);
    if (pause_ms == 0)
        log_warning("zygote: %s died and is started again", name);
    else if (zygote->restart.unready > 1)
        log_warning("zygote: %s died before it was ready and is started again in %d s", name, pause_ms / 1000);
    else
        log_warning("zygote: %s died, %u times in a row soon after it was ready, and is started again in %d s; until "
                    "then programs start their own interpreter",
                    name, zygote->restart.brief, pause_ms / 1000);
}

/* What a zygote said that is dead must not pass for the next one's word. */
static void forget_words(const struct zygote_process *zygote)
{
    char text[sizeof(ZYGOTE_READY)];

    while (recv(zygote->near_fd, text, sizeof(text), MSG_DONTWAIT) > 0)
        ;
}

int zygote_process_died(struct zygote_process *zygote)
{
    int64_t ready_for_ms = take_ready_ms(zygote);
    int pause_ms;

    zygote->pid = -1;
    zygote->ready_by_us = 0;
    forget_words(zygote);
    atomic_store(&zygote->state->generation, 0);
    atomic_store(&zygote->state->awaited_us, 0);
    /* Its last words. A copy that is just being made may hold the other end still. */
    for (int i = 0; i < LAST_PIECES && zygote->output_fd >= 0 && log_piece(zygote) > 0; i++)
        ;
    close_output(zygote);
    atomic_store(&zygote->state->unanswered, 0);
    if (zygote->renewing) {
        zygote->renewing = false;
        return 0;
    }
    pause_ms = restart_pause_ms(&zygote->restart, ready_for_ms);
    tell_death(zygote, pause_ms);
    return pause_ms;
}

void zygote_process_close(struct zygote_process *zygote)
{
    if (zygote->pid > 0) {
        kill(zygote->pid, SIGKILL);
        waitpid(zygote->pid, NULL, 0);
    }
    cleanup_close_fd(&zygote->far_fd);
    cleanup_close_fd(&zygote->near_fd);
    cleanup_close_fd(&zygote->output_fd);
    cleanup_close_fd(&zygote->filter_fd);
    cleanup_close_fd(&zygote->files_fd);
    *zygote = ZYGOTE_PROCESS_INIT;
}
