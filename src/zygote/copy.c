/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cell/credentials.h"
#include "cell/paths.h"
#include "cell/rlimits.h"
#include "wire/packet.h"

#define SOCKET_FD 3   /* where a copy keeps its socket, until it is told what to run */
#define REST_FD   255 /* and after that, if it may rest: out of the program's way, and below its limit of 256 */

#define PARENT_LOOK_US 50

/* Exit code of a copy that cannot run its step, as shells have it. */
#define CANNOT_RUN 127

struct copy {
    const struct zygote_order *order;
    const int *fds; /* of the order */
    const struct copy_filter *filter;
    struct copy_program *program;
    int socket_fd; /* where it waits */
    bool told;     /* that it is ready */
    bool unsaved;  /* the program has yet to leave its state */
    bool over;     /* nothing more will come, or not a program */
    bool saves;    /* but the order to leave the state */
    struct zygote_start start;
    int start_fds[PACKET_FDS_MAX];
    size_t n_start_fds;
};

int copy_filter_read(int fd, struct copy_filter *ret_filter)
{
    struct stat st;
    void *bytes;

    if (fstat(fd, &st) < 0)
        return error_from_errno();
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return error_from_errno();
    ret_filter->program = (struct sock_fprog){
        .len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter)),
        .filter = bytes,
    };
    return 0;
}

/* A process without threads that moves itself takes no lock of the kernel's if it writes to "tasks". */
static int enter_groups(const struct zygote_order *order, const int *fds)
{
    for (uint32_t i = 0; i < order->n_doors; i++)
        if (write(fds[ZYGOTE_ORDER_FDS + i], "0", 1) < 0)
            return error_from_errno();
    return 0;
}

/* The cell's own namespace of groups has that of its init as its root, and a copy may be in one below it
 * (cgroup_slot_let_rest()). */
static int hide_groups(void)
{
    return unshare(CLONE_NEWCGROUP) < 0 ? error_from_errno() : 0;
}

int copy_enter(const struct zygote_order *order, const int *fds)
{
    static const struct {
        enum zygote_order_fd fd;
        int type;
    } namespaces[] = {
        { ZYGOTE_ORDER_NETWORK, CLONE_NEWNET },
        { ZYGOTE_ORDER_IPC, CLONE_NEWIPC },
        { ZYGOTE_ORDER_UTS, CLONE_NEWUTS },
        { ZYGOTE_ORDER_MOUNT, CLONE_NEWNS },
    };
    int r = enter_groups(order, fds);

    for (size_t i = 0; i < ARRAY_SIZE(namespaces) && r == 0; i++)
        if (setns(fds[namespaces[i].fd], namespaces[i].type) < 0)
            r = error_from_errno();
    return r ? r : hide_groups();
}

/* The zygote's pipes are not for a cell. What takes their numbers is the cell's own. */
static int take_descriptors(struct copy *copy)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int user_fd = fcntl(copy->fds[ZYGOTE_ORDER_USER], F_DUPFD_CLOEXEC, PACKET_FDS_MAX * 2);

    if (null_fd < 0 || user_fd < 0 || dup3(copy->fds[ZYGOTE_ORDER_SOCKET], SOCKET_FD, O_CLOEXEC) < 0)
        return error_from_errno();
    for (int fd = 0; fd <= 2; fd++)
        if (dup2(null_fd, fd) < 0)
            return error_from_errno();
    if (dup3(user_fd, SOCKET_FD + 1, O_CLOEXEC) < 0 || close_range(SOCKET_FD + 2, ~0U, 0) < 0)
        return error_from_errno();
    return 0;
}

/* The rights that the copy has over the cell's user namespace are its last, and go with the next step. */
static int become_user(struct copy *copy)
{
    uid_t uid = copy->order->inside_uid;

    if (setns(SOCKET_FD + 1, CLONE_NEWUSER) < 0 || close(SOCKET_FD + 1) < 0)
        return error_from_errno();
    if (syscall(SYS_setresgid, uid, uid, uid) < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0)
        return error_from_errno();
    return 0;
}

static int drop_privileges(struct copy *copy)
{
    (void)copy;
    return credentials_drop();
}

static int confine_paths(struct copy *copy)
{
    (void)copy;
    return paths_confine(true);
}

/* It takes back what the zygote's own filter allows beyond a cell's, and is nothing without that. */
static int load_filter(struct copy *copy)
{
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
        return -EPERM;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &copy->filter->program) < 0)
        return error_from_errno();
    return munmap(copy->filter->program.filter, copy->filter->program.len * sizeof(struct sock_filter));
}

static int lead_session(struct copy *copy)
{
    (void)copy;
    umask(022);
    return setsid() < 0 ? error_from_errno() : 0;
}

/* As after an exec, which a program started in the ordinary way went through: its own files of /proc are its own. */
static int become_dumpable(struct copy *copy)
{
    (void)copy;
    return prctl(PR_SET_DUMPABLE, 1) < 0 ? error_from_errno() : 0;
}

/* Until its parent of a moment is dead, the copy is not a child of the init, which would wait for it in vain. */
static int await_init(struct copy *copy)
{
    (void)copy;
    while (getppid() != 1)
        usleep(PARENT_LOOK_US);
    return 0;
}

int copy_tell_ready(int socket_fd)
{
    struct zygote_copy_ready ready = { .pid = (int32_t)getpid() };

    return packet_send(socket_fd, &ready, sizeof(ready), NULL, 0);
}

static int wait_for_program(struct copy *copy)
{
    ssize_t n = copy->told ? 0 : copy_tell_ready(copy->socket_fd);

    if (n == 0)
        n = packet_receive(copy->socket_fd, &copy->start, sizeof(copy->start), 0, copy->start_fds, &copy->n_start_fds);
    if (n == 0)
        _exit(0);
    if (n < 0)
        return (int)n;
    return n == sizeof(copy->start) && copy->n_start_fds >= ZYGOTE_START_FDS &&
                   copy->n_start_fds <= ZYGOTE_START_FDS_MAX
               ? 0
               : -EBADMSG;
}

static int limit_file_size(struct copy *copy)
{
    return rlimits_file_size(copy->start.file_bytes_max);
}

static int unpack_program(struct copy *copy)
{
    struct program *program = &copy->program->program;
    int fd = copy->start_fds[ZYGOTE_START_PROGRAM];
    struct stat st;
    void *bytes;
    int r;

    if (fstat(fd, &st) < 0)
        return error_from_errno();
    if (st.st_size <= 0 || st.st_size > PROGRAM_TOTAL_MAX)
        return -EBADMSG;
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return error_from_errno();
    copy->program->bytes = bytes;
    copy->program->size = (size_t)st.st_size;
    r = program_unpack(program, bytes, (size_t)st.st_size);
    if (r == 0 && copy->start.step >= program->n_steps)
        r = -EBADMSG;
    if (r < 0)
        return r;
    copy->program->arguments = program->steps[copy->start.step].argv;
    copy->program->environment = program->env;
    return 0;
}

/* They came with numbers above those that they take. */
static int take_program_descriptors(struct copy *copy)
{
    unsigned n = (unsigned)copy->n_start_fds - ZYGOTE_START_STDIN, last = ~0U;

    if (copy->start.rests) {
        if (dup3(SOCKET_FD, REST_FD, O_CLOEXEC) < 0 || close_range(REST_FD + 1, ~0U, 0) < 0)
            return error_from_errno();
        last = REST_FD - 1;
    }
    for (unsigned i = 0; i < n; i++)
        if (dup2(copy->start_fds[ZYGOTE_START_STDIN + i], (int)i) < 0)
            return error_from_errno();
    return close_range(n, last, 0) < 0 ? error_from_errno() : 0;
}

/* The program may have closed those that come get the numbers of. */
static int occupy_standard_numbers(struct copy *copy)
{
    (void)copy;
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            return error_from_errno();
    return 0;
}

/* The copy says once more that it is ready, and then that it has taken what came. What it ran before is not needed any
 * more. */
static int rest(struct copy *copy)
{
    struct zygote_copy_ready ready = { .pid = (int32_t)getpid(), .unsaved = copy->unsaved };
    ssize_t n = packet_send(copy->socket_fd, &ready, sizeof(ready), NULL, 0);

    copy_forget(copy->program);
    if (n == 0)
        n = packet_receive(copy->socket_fd, &copy->start, sizeof(copy->start), 0, copy->start_fds, &copy->n_start_fds);
    copy->saves = n == sizeof(copy->start) && copy->n_start_fds == 0 && copy->start.saves;
    copy->over = n != sizeof(copy->start) || copy->n_start_fds != ZYGOTE_START_FDS;
    return copy->over ? -EPIPE : packet_send(copy->socket_fd, &ready, sizeof(ready), NULL, 0);
}

/* What the init does before a copy's first program. */
static int write_files(struct copy *copy)
{
    const struct program *program = &copy->program->program;

    for (size_t i = 0; i < program->n_files; i++) {
        const struct program_file *file = &program->files[i];
        CLEANUP_CLOSE int fd = -1;
        int r;

        (void)unlink(file->path);
        fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        r = fd < 0 ? error_from_errno() : fd_write_full(fd, file->data, file->size);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Those that came, and the socket, have no number that the program would find free otherwise. */
static int take_standard_descriptors(struct copy *copy)
{
    for (int i = 0; i <= 2; i++)
        if (dup2(copy->start_fds[ZYGOTE_START_STDIN + i], i) < 0)
            return error_from_errno();
    for (size_t i = 0; i < copy->n_start_fds; i++)
        close(copy->start_fds[i]);
    return 0;
}

static int close_socket(struct copy *copy)
{
    close(copy->socket_fd);
    return 0;
}

/* For interpreters that look at the environment of the C library; what they have put there themselves stays. Python is
 * told (zygote_environment()). */
static int take_environment(struct copy *copy)
{
    for (char **assignment = copy->program->environment; *assignment; assignment++)
        if (putenv(*assignment) != 0)
            return error_from_errno();
    return 0;
}

static int change_directory(struct copy *copy)
{
    return chdir(copy->program->program.steps[copy->start.step].cwd) < 0 ? error_from_errno() : 0;
}

struct step {
    const char *name;
    int (*run)(struct copy *copy);
};

static const struct step walls[] = {
    { "descriptors", take_descriptors },   { "user", become_user },
    { "privileges", drop_privileges },     { "paths", confine_paths },
    { "system call filter", load_filter }, { "session", lead_session },
    { "dumpable", become_dumpable },
};

/* The first foreign byte comes with the first of these. */
static const struct step start_steps[] = {
    { "parent", await_init },
    { "wait", wait_for_program },
    { "size of files", limit_file_size },
    { "program", unpack_program },
    { "descriptors of the program", take_program_descriptors },
    { "directory", change_directory },
};

static const struct step started_steps[] = {
    { "wait", wait_for_program },
    { "size of files", limit_file_size },
    { "program", unpack_program },
    { "environment", take_environment },
    { "descriptors of the program", take_standard_descriptors },
    { "socket", close_socket },
    { "directory", change_directory },
};

static const struct step rest_steps[] = {
    { "numbers of descriptors", occupy_standard_numbers },
    { "wait", rest },
    { "size of files", limit_file_size },
    { "program", unpack_program },
    { "files of the program", write_files },
    { "descriptors of the program", take_standard_descriptors },
    { "directory", change_directory },
};

static void say(const char *name, int error)
{
    char text[128];
    int n = snprintf(text, sizeof(text), "cannot start: %s: %s\n", name, strerror(-error));

    if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
        return;
}

static void take_steps(const struct step *steps, size_t n, struct copy *copy)
{
    for (size_t i = 0; i < n; i++) {
        int r = steps[i].run(copy);

        if (copy->over)
            return;
        if (r < 0) {
            say(steps[i].name, r);
            _exit(CANNOT_RUN);
        }
    }
}

void copy_become(const struct zygote_order *order, const int *fds, const struct copy_filter *filter)
{
    struct copy copy = { .order = order, .fds = fds, .filter = filter };

    take_steps(walls, ARRAY_SIZE(walls), &copy);
}

void copy_await(struct copy_program *ret_program)
{
    struct copy copy = { .program = ret_program, .socket_fd = SOCKET_FD };

    take_steps(start_steps, ARRAY_SIZE(start_steps), &copy);
    ret_program->rests = copy.start.rests != 0;
}

void copy_await_started(int socket_fd, bool told, struct copy_program *ret_program)
{
    struct copy copy = { .program = ret_program, .socket_fd = socket_fd, .told = told };

    take_steps(started_steps, ARRAY_SIZE(started_steps), &copy);
}

void copy_forget(struct copy_program *program)
{
    program_deinit(&program->program);
    if (program->bytes)
        (void)munmap(program->bytes, program->size);
    program->bytes = NULL;
    program->arguments = program->environment = NULL;
}

int copy_rest(struct copy_program *program, bool unsaved)
{
    struct copy copy = { .program = program, .socket_fd = REST_FD, .unsaved = unsaved };

    take_steps(rest_steps, ARRAY_SIZE(rest_steps), &copy);
    if (!copy.over)
        return 0;
    if (copy.saves)
        return COPY_E_SAVE;
    close(REST_FD);
    return -EPIPE;
}
