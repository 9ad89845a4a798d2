/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/title.h"
#include "cell/credentials.h"
#include "cell/init.h"
#include "cell/mount_api.h"
#include "cell/namespaces.h"
#include "cell/paths.h"
#include "cell/proc.h"
#include "cell/rlimits.h"
#include "cell/scratch.h"
#include "wire/packet.h"

#define PROC_FD    4
#define CONTROL_FD 3 /* where an init keeps its end of the control socket */
#define DYING_NICE (-20)

#define RUNTIME_FDS_MAX 2 /* that come with an order: its socket, and the pipe to its transpiler */

/* The request that makes an armed cell run; its descriptors come with it. Not as large as struct runtime_order. */
struct run_request {
    uint64_t file_bytes_max;
    uint32_t present; /* bit n = descriptor CELL_FDS + n comes along */
    int32_t warm_pid;
    uint64_t rests; /* 0 or 1 */
};

/* The state of a cell's PID 1 while it puts up its walls. */
struct birth {
    const struct cell_options *options;
    const struct cell *cell; /* the keeper's, for the scratch mounts it made */
    int proc_fd;             /* writable proc of the new PID namespace; never attached, closed before the program */
    int victim_fd;           /* oom_score_adj of this process, open for writing */
    int namespace_fds[CELL_NAMESPACES];
    int fds[CELL_FDS_MAX];
    struct run_request request;
    struct init_transpiler transpiler; /* of the last order that was for one */
};

/* The keeper's death ends every cell; a parent in another PID namespace can kill even PID 1. */
static int die_with_keeper(struct birth *birth)
{
    (void)birth;
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? error_from_errno() : 0;
}

/* A namespace made by the clone itself would have the keeper's group as its root, not the cell's. */
static int hide_cgroup(struct birth *birth)
{
    (void)birth;
    return unshare(CLONE_NEWCGROUP) < 0 ? error_from_errno() : 0;
}

/* A keeper is more urgent than others; a cell is not, and cannot become so again. */
static int reset_priority(struct birth *birth)
{
    (void)birth;
    return setpriority(PRIO_PROCESS, 0, 0) < 0 ? error_from_errno() : 0;
}

static int set_hostname(struct birth *birth)
{
    return namespaces_name(birth->options->hostname);
}

static int mount_proc(struct birth *birth)
{
    return proc_mount(&birth->proc_fd);
}

static int mask_proc(struct birth *birth)
{
    (void)birth;
    return proc_mask();
}

static int attach_scratches(struct birth *birth)
{
    int r = 0;

    for (int i = 0; i < CELL_SCRATCHES && r == 0; i++)
        r = scratch_attach((enum cell_scratch)i, birth->cell->scratch_fds[i]);
    return r;
}

/* Nothing of the keeper's is left but the control socket; 0, 1 and 2 stay taken, so that no descriptor that arrives
 * later gets such a number by accident. proc_fd is put at its place. */
static int close_descriptors(struct birth *birth)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd < 0 || dup3(birth->proc_fd, PROC_FD, O_CLOEXEC) < 0)
        return error_from_errno();
    for (int fd = 0; fd <= 2; fd++)
        if (dup2(null_fd, fd) < 0)
            return error_from_errno();
    birth->proc_fd = PROC_FD;
    return close_range(PROC_FD + 1, ~0U, 0) < 0 ? error_from_errno() : 0;
}

static int report_armed(struct birth *birth)
{
    int r = packet_send(CONTROL_FD, &(struct cell_report){ .type = CELL_ARMED }, sizeof(struct cell_report),
                        birth->namespace_fds, CELL_NAMESPACES);

    for (int i = 0; i < CELL_NAMESPACES; i++)
        cleanup_close_fd(&birth->namespace_fds[i]);
    return r;
}

static void start_runtime(struct birth *birth, const struct runtime_order *order, const int *fds, size_t n_fds)
{
    (void)init_start_runtime(birth->victim_fd, order, fds[0]);
    if (n_fds > 1)
        (void)init_start_transpiler(birth->victim_fd, order, fds[1], &birth->transpiler);
    for (size_t i = 0; i < n_fds; i++)
        close(fds[i]);
}

/* Receives a request of the keeper's, or starts the runtime that it ordered instead. Returns the number of descriptors
 * of the request, 0 if it was an order, or a negative errno. End of file means that the keeper has no more use for this
 * cell. */
static int receive_request(struct birth *birth, int fds[static PACKET_FDS_MAX])
{
    union {
        struct run_request run;
        struct runtime_order order;
    } message;
    size_t n_fds;
    ssize_t n = packet_receive(CONTROL_FD, &message, sizeof(message), 0, fds, &n_fds);

    if (n == 0)
        _exit(0);
    if (n < 0)
        return (int)n;
    if (n == sizeof(message.order) && n_fds >= 1 && n_fds <= RUNTIME_FDS_MAX) {
        start_runtime(birth, &message.order, fds, n_fds);
        return 0;
    }
    if (n != sizeof(message.run) || n_fds != CELL_FDS + (size_t)__builtin_popcount(message.run.present))
        return -EBADMSG;
    birth->request = message.run;
    return (int)n_fds;
}

/* Says that the cell is armed and waits for its program. What dies meanwhile leaves nothing that counts as a process.
 */
static int wait_for_program(struct birth *birth)
{
    int fds[PACKET_FDS_MAX] = { -1 }, r = report_armed(birth);

    signal(SIGCHLD, SIG_IGN);
    while (r == 0)
        r = receive_request(birth, fds);
    signal(SIGCHLD, SIG_DFL);
    if (r < 0)
        return r;
    for (int i = 0, next = 0; i < CELL_FDS_MAX; i++)
        birth->fds[i] = i < CELL_FDS || birth->request.present & 1u << (i - CELL_FDS) ? fds[next++] : -1;
    return 0;
}

/* A device of the host's would be one file for all cells, whose times and locks carry messages between them: the cell's
 * own stands in for it. */
static int own_null_device(struct birth *birth)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat st;

    if (fstat(birth->fds[CELL_FD_STDIN], &st) < 0)
        return error_from_errno();
    if (!S_ISCHR(st.st_mode))
        return 0;
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || dup3(fd, birth->fds[CELL_FD_STDIN], O_CLOEXEC) < 0)
        return error_from_errno();
    return 0;
}

static int limit_file_size(struct birth *birth)
{
    return rlimits_file_size(birth->request.file_bytes_max);
}

static int apply_rlimits(struct birth *birth)
{
    (void)birth;
    return rlimits_apply();
}

/* The kernel's choice when the cell's memory is used up: first the program's processes, then this init, last the
 * keeper, which shares the cell's cgroup. Raising one's own score needs no right; a file of /proc opened now stays
 * writable. */
static int offer_as_victim(struct birth *birth)
{
    birth->victim_fd = openat(birth->proc_fd, "1/oom_score_adj", O_WRONLY | O_CLOEXEC);
    return birth->victim_fd < 0 ? error_from_errno() : init_set_victim(birth->victim_fd, INIT_VICTIM_SCORE);
}

static int become_user(struct birth *birth)
{
    return credentials_become(birth->proc_fd, birth->options->host_uid, birth->options->inside_uid);
}

/* For the keeper, which could not open them without the right to trace, now that this process is nobody's any more. */
static int open_namespaces(struct birth *birth)
{
    static const char *const paths[CELL_NAMESPACES] = {
        [CELL_NS_MOUNT] = "1/ns/mnt", [CELL_NS_PID] = "1/ns/pid",   [CELL_NS_IPC] = "1/ns/ipc",
        [CELL_NS_UTS] = "1/ns/uts",   [CELL_NS_USER] = "1/ns/user",
    };

    for (int i = 0; i < CELL_NAMESPACES; i++) {
        birth->namespace_fds[i] = openat(birth->proc_fd, paths[i], O_RDONLY | O_CLOEXEC);
        if (birth->namespace_fds[i] < 0)
            return error_from_errno();
    }
    close(birth->proc_fd);
    birth->proc_fd = -1;
    return 0;
}

static int drop_privileges(struct birth *birth)
{
    int r = credentials_drop();

    return r ? r : die_with_keeper(birth); /* the change of user cleared it */
}

static int confine_paths(struct birth *birth)
{
    (void)birth;
    return paths_confine(false);
}

static int load_filter(struct birth *birth)
{
    return seccomp_filter_load(birth->options->filter);
}

/* A cell's life up to its first foreign byte. From the wait on it is armed, with every wall up; the filter goes last.
 */
static const struct {
    const char *name;
    int (*run)(struct birth *birth);
} steps[] = {
    { "parent death signal", die_with_keeper },
    { "cgroup namespace", hide_cgroup },
    { "priority", reset_priority },
    { "host name", set_hostname },
    { "proc", mount_proc },
    { "proc masks", mask_proc },
    { "scratch mounts", attach_scratches },
    { "descriptors", close_descriptors },
    { "rlimits", apply_rlimits },
    { "out-of-memory score", offer_as_victim },
    { "user", become_user },
    { "namespaces", open_namespaces },
    { "privileges", drop_privileges },
    { "paths", confine_paths },
    { "system call filter", load_filter },
    { "wait", wait_for_program },
    { "standard input", own_null_device },
    { "size of files", limit_file_size },
};

static void report_failure(const char *name, int error)
{
    struct cell_report report = { .type = CELL_FAILED, .error = -error };

    snprintf(report.name, sizeof(report.name), "%s", name);
    init_report(CONTROL_FD, &report);
}

_Noreturn static void be_init(const struct cell_options *options, const struct cell *cell, int control_fd)
{
    struct birth birth = {
        .options = options, .cell = cell, .proc_fd = -1, .victim_fd = -1, .transpiler = INIT_TRANSPILER_NONE
    };
    char name[CELL_STEP_NAME_SIZE];
    int r = 0;

    prctl(PR_SET_NAME, "init");
    title_set("init");
    /* The keeper holds 3 and 4 for itself (cell.h), so nothing that is needed here is overwritten. */
    if (control_fd != CONTROL_FD && dup3(control_fd, CONTROL_FD, O_CLOEXEC) < 0)
        _exit(1);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        r = steps[i].run(&birth);
        if (r < 0) {
            report_failure(steps[i].name, r);
            _exit(1);
        }
    }
    r = init_run(
        &(struct init_context){
            .control_fd = CONTROL_FD,
            .victim_fd = birth.victim_fd,
            .fds = birth.fds,
            .warm_pid = birth.request.warm_pid,
            .transpiler = birth.transpiler,
            .file_bytes_max = birth.request.file_bytes_max,
            .rests = birth.request.rests != 0,
        },
        name, sizeof(name));
    if (r < 0)
        report_failure(name, r);
    _exit(r < 0);
}

static int clone_init(const struct cell_options *options, struct cell *cell)
{
    CLEANUP_CLOSE int inner = -1;
    int sockets[2];
    struct clone_args args = {
        .flags = (uint64_t)namespaces_clone_flags() | CLONE_PIDFD,
        .pidfd = (uintptr_t)&cell->pid_fd,
        .exit_signal = SIGCHLD,
    };

    if (options->cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)options->cgroup_fd;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_from_errno();
    cell->control_fd = sockets[0];
    inner = sockets[1];
    cell->pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (cell->pid == 0)
        be_init(options, cell, inner);
    return cell->pid < 0 ? error_from_errno() : 0;
}

static int make_scratches(const struct cell_options *options, struct cell *cell)
{
    int r = 0;

    for (int i = 0; i < CELL_SCRATCHES && r == 0; i++)
        r = scratch_make((enum cell_scratch)i, options->host_uid, options->tmp_bytes, &cell->scratch_fds[i]);
    return r;
}

int cell_arm(const struct cell_options *options, struct cell *ret_cell)
{
    struct cell cell = CELL_INIT;
    int r = make_scratches(options, &cell);

    if (r == 0)
        r = clone_init(options, &cell);
    if (r < 0)
        cell_close(&cell);
    else
        *ret_cell = cell;
    return r;
}

int cell_attach(const struct cell *cell, int home_fd, int mount_fd)
{
    int r;

    if (setns(cell->namespace_fds[CELL_NS_MOUNT], CLONE_NEWNS) < 0)
        return error_from_errno();
    r = mount_replace(mount_fd, "/mnt/data");
    return setns(home_fd, CLONE_NEWNS) < 0 ? -ENOTRECOVERABLE : r;
}

/* In the mount namespace of the cell. After a failure there is no descriptor that could pass for what lies there. */
static int empty_scratch(struct cell *cell, const struct cell_options *options, enum cell_scratch scratch)
{
    CLEANUP_CLOSE int fd = -1;
    int r;

    if (scratch_is_untouched(scratch, cell->scratch_fds[scratch]))
        return 0;
    cleanup_close_fd(&cell->scratch_fds[scratch]);
    cell->scratch_fds[scratch] = -1;
    r = scratch_make(scratch, options->host_uid, options->tmp_bytes, &fd);
    if (r == 0)
        r = scratch_replace(scratch, fd);
    if (r == 0)
        cell->scratch_fds[scratch] = TAKE_FD(fd);
    return r;
}

static int replace_mounts(struct cell *cell, const struct cell_options *options, int mount_fd)
{
    int r = mount_replace(mount_fd, "/mnt/data");

    if (r == 0)
        r = empty_scratch(cell, options, CELL_SCRATCH_TMP);
    return r ? r : empty_scratch(cell, options, CELL_SCRATCH_SHM);
}

int cell_replace_mounts(struct cell *cell, const struct cell_options *options, int home_fd, int mount_fd)
{
    int r;

    if (setns(cell->namespace_fds[CELL_NS_MOUNT], CLONE_NEWNS) < 0)
        return error_from_errno();
    r = replace_mounts(cell, options, mount_fd);
    return setns(home_fd, CLONE_NEWNS) < 0 ? -ENOTRECOVERABLE : r;
}

int cell_run(struct cell *cell, const int fds[static CELL_FDS_MAX], uint64_t file_bytes_max,
             const struct cell_warm *warm)
{
    struct run_request request = { .file_bytes_max = file_bytes_max, .warm_pid = warm->pid, .rests = warm->rests };
    int sent[CELL_FDS_MAX], n = CELL_FDS;

    memcpy(sent, fds, CELL_FDS * sizeof(int));
    for (int i = CELL_FDS; i < CELL_FDS_MAX; i++) {
        if (fds[i] < 0)
            continue;
        sent[n++] = fds[i];
        request.present |= 1u << (i - CELL_FDS);
    }
    return packet_send(cell->control_fd, &request, sizeof(request), sent, (size_t)n);
}

int cell_start_runtime(const struct cell *cell, const struct runtime_order *order, int socket_fd, int source_fd)
{
    const int fds[RUNTIME_FDS_MAX] = { socket_fd, source_fd };

    return packet_send(cell->control_fd, order, sizeof(*order), fds, source_fd < 0 ? 1 : 2);
}

int cell_report(struct cell *cell, struct cell_report *ret_report, int *ret_fd)
{
    int fds[PACKET_FDS_MAX];
    size_t n_fds;
    ssize_t n = packet_receive(cell->control_fd, ret_report, sizeof(*ret_report), MSG_DONTWAIT, fds, &n_fds);

    bool whole = n == sizeof(*ret_report), built = whole && ret_report->type == CELL_BUILT && n_fds == 1;
    bool armed = whole && ret_report->type == CELL_ARMED && n_fds == CELL_NAMESPACES && cell->namespace_fds[0] < 0;

    *ret_fd = built ? fds[0] : -1;
    for (size_t i = 0; i < n_fds && !built && !armed; i++)
        close(fds[i]);
    if (armed)
        memcpy(cell->namespace_fds, fds, sizeof(cell->namespace_fds));
    if (n == 0 || n == -ECONNRESET)
        return -EPIPE;
    if (n < 0)
        return (int)n;
    if (n != sizeof(*ret_report) || ret_report->type >= CELL_REPORTS || built != (ret_report->type == CELL_BUILT) ||
        armed != (ret_report->type == CELL_ARMED))
        return -EBADMSG;
    ret_report->name[sizeof(ret_report->name) - 1] = '\0';
    return 0;
}

/* Its PID 1 passes the death on to all others, once it has a processor among them. */
void cell_kill(struct cell *cell)
{
    if (cell->pid > 0)
        (void)setpriority(PRIO_PROCESS, (id_t)cell->pid, DYING_NICE);
    if (cell->pid_fd >= 0)
        (void)syscall(SYS_pidfd_send_signal, cell->pid_fd, SIGKILL, NULL, 0);
}

void cell_reap(struct cell *cell)
{
    if (cell->pid < 0)
        return;
    while (waitpid(cell->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    cell->pid = -1;
}

unsigned cell_scratch_full(const struct cell *cell)
{
    unsigned full = 0;

    for (int i = 0; i < CELL_SCRATCHES; i++)
        if (cell->scratch_fds[i] >= 0 && mount_is_full(cell->scratch_fds[i]))
            full |= 1u << i;
    return full;
}

void cell_close(struct cell *cell)
{
    cleanup_close_fd(&cell->pid_fd);
    cleanup_close_fd(&cell->control_fd);
    for (int i = 0; i < CELL_SCRATCHES; i++)
        cleanup_close_fd(&cell->scratch_fds[i]);
    for (int i = 0; i < CELL_NAMESPACES; i++)
        cleanup_close_fd(&cell->namespace_fds[i]);
    *cell = CELL_INIT;
}
