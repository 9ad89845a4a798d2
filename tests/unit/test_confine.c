/* SPDX-License-Identifier: Apache-2.0 */
/* What is left to somebody who has taken the api over: each row is tried in a forked child behind the same two walls.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main/confine/confine.h"
#include "wire/packet.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define HIGH   (1l << 32) /* a bit that the kernel ignores in an int, and the filter must too */
#define KILLED 1000       /* the process is gone, by SIGSYS */
#define PORT   18999

struct call {
    const char *name;
    long number;
    long arguments[6];
    int error;     /* 0 = success */
    bool loosened; /* in a sanitized build */
};

static const struct call calls[] = {
    { "getpid", SYS_getpid, { 0 }, 0 },
    { "read", SYS_read, { -1 }, EBADF },
    { "memfd", SYS_memfd_create, { (long)"x", MFD_CLOEXEC }, 0 },
    { "futex wake", SYS_futex, { 0, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1 }, 0 },
    { "futex with inheritance", SYS_futex, { 0, FUTEX_LOCK_PI }, ENOSYS },
    /* no program is started and no process made */
    { "execve", SYS_execve, { (long)"/bin/true" }, KILLED },
    { "execveat", SYS_execveat, { -1, (long)"/bin/true" }, KILLED },
#ifdef SYS_fork
    { "fork", SYS_fork, { 0 }, KILLED },
    { "vfork", SYS_vfork, { 0 }, KILLED },
#endif
    { "clone of a process", SYS_clone, { SIGCHLD }, ENOSYS, true },
    { "clone into a user namespace", SYS_clone, { CLONE_NEWUSER | SIGCHLD }, ENOSYS, true },
    { "clone of a thread, nonsensical",
      SYS_clone,
      { CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FS | CLONE_NEWNS },
      EINVAL },
    { "clone3", SYS_clone3, { 0 }, ENOSYS },
    /* other processes */
    { "ptrace", SYS_ptrace, { 0 }, KILLED, true },
    { "process_vm_readv", SYS_process_vm_readv, { 1 }, KILLED },
    { "process_vm_writev", SYS_process_vm_writev, { 1 }, KILLED },
    { "pidfd_open", SYS_pidfd_open, { 1 }, KILLED },
    { "pidfd_getfd", SYS_pidfd_getfd, { -1 }, KILLED },
    { "kill", SYS_kill, { 1, 0 }, ENOSYS, true },
    { "tgkill of init", SYS_tgkill, { 1, 1, 0 }, ENOSYS, true },
    { "another's limits", SYS_prlimit64, { 1, 0, 0, 0 }, ENOSYS, true },
    { "own limits, read", SYS_prlimit64, { 0, 7, 0, 0 }, 0 },
    { "own limits, set", SYS_prlimit64, { 0, 7, 8, 0 }, ENOSYS, true },
    /* rights */
    { "setuid", SYS_setuid, { 0 }, KILLED },
    { "setresgid", SYS_setresgid, { 0 }, KILLED },
    { "capset", SYS_capset, { 0 }, KILLED },
    { "unshare", SYS_unshare, { CLONE_NEWUSER }, KILLED },
    { "setns", SYS_setns, { -1 }, KILLED },
    { "mount", SYS_mount, { 0 }, KILLED },
    { "umount2", SYS_umount2, { 0 }, KILLED },
    { "fsopen", SYS_fsopen, { 0 }, KILLED },
    { "open_tree", SYS_open_tree, { 0 }, KILLED },
    { "move_mount", SYS_move_mount, { 0 }, KILLED },
    { "pivot_root", SYS_pivot_root, { 0 }, KILLED },
    { "chroot", SYS_chroot, { (long)"/" }, KILLED },
    { "open_by_handle_at", SYS_open_by_handle_at, { -1 }, KILLED },
    /* the rarely trodden kernel */
    { "bpf", SYS_bpf, { 0 }, KILLED },
    { "perf_event_open", SYS_perf_event_open, { 0 }, KILLED },
    { "userfaultfd", SYS_userfaultfd, { 0 }, KILLED },
    { "io_uring_setup", SYS_io_uring_setup, { 1 }, KILLED },
    { "add_key", SYS_add_key, { 0 }, KILLED },
    { "keyctl", SYS_keyctl, { 0 }, KILLED },
    { "init_module", SYS_init_module, { 0 }, KILLED },
    { "syslog", SYS_syslog, { 3 }, KILLED },
    { "mknodat", SYS_mknodat, { -1, (long)"x", S_IFIFO | 0600 }, KILLED },
    { "seccomp", SYS_seccomp, { 0 }, ENOSYS },
    { "inotify", SYS_inotify_init1, { 0 }, ENOSYS },
    { "symlink inside", SYS_symlinkat, { (long)"x", AT_FDCWD, (long)"link" }, 0 },
    { "symlink outside", SYS_symlinkat, { (long)"x", AT_FDCWD, (long)"../link" }, EACCES },
    { "a number of no call", 5000, { 0 }, ENOSYS },
    { "prctl mm", SYS_prctl, { PR_SET_MM, 1 }, ENOSYS, true },
    { "prctl mm with a high bit", SYS_prctl, { PR_SET_MM | HIGH, 1 }, ENOSYS, true },
    { "dumpable again", SYS_prctl, { PR_SET_DUMPABLE, 1 }, ENOSYS, true },
    { "thread name", SYS_prctl, { PR_SET_NAME, (long)"x" }, 0 },
    /* no memory becomes executable */
    { "mmap", SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 }, 0 },
    { "mmap of code", SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 }, ENOSYS, true },
    { "mprotect to code", SYS_mprotect, { 0, 0, PROT_EXEC }, ENOSYS, true },
    { "mprotect to code with a high bit", SYS_mprotect, { 0, 0, PROT_EXEC | HIGH }, ENOSYS, true },
    /* sockets */
    { "unix stream", SYS_socket, { AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0 }, 0 },
    { "tcp", SYS_socket, { AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0 }, 0 },
    { "udp", SYS_socket, { AF_INET6, SOCK_DGRAM, 0 }, 0 },
    { "raw inet", SYS_socket, { AF_INET, SOCK_RAW, IPPROTO_ICMP }, ENOSYS },
    { "netlink", SYS_socket, { AF_NETLINK, SOCK_RAW, 0 }, ENOSYS },
    { "packet", SYS_socket, { AF_PACKET, SOCK_RAW, 0 }, ENOSYS },
    { "packet with a high bit", SYS_socket, { AF_PACKET | HIGH, SOCK_RAW, 0 }, ENOSYS },
    { "kernel crypto", SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 }, ENOSYS },
    { "vsock", SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 }, ENOSYS },
    { "nodelay", SYS_setsockopt, { -1, IPPROTO_TCP, TCP_NODELAY }, EBADF },
    { "refused descriptors", SYS_setsockopt, { -1, SOL_SOCKET, SO_PASSRIGHTS }, EBADF },
    { "socket filter", SYS_setsockopt, { -1, SOL_SOCKET, SO_ATTACH_FILTER }, ENOSYS },
    { "linger, ignored", SYS_setsockopt, { -1, SOL_SOCKET, SO_LINGER }, 0 },
    { "unread bytes", SYS_ioctl, { -1, FIONREAD }, EBADF },
    { "ioctl that types", SYS_ioctl, { -1, TIOCSTI | HIGH }, ENOSYS },
};

/* Files, relative ones below the data directory. access: as open(2) takes it. */
static const struct file {
    const char *path;
    int flags;
    int error;
    bool loosened;
} files[] = {
    { "new", O_RDWR | O_CREAT, 0 },
    { "old", O_RDONLY, 0 },
    { "old", O_RDWR | O_TRUNC, 0 },
    { ".", O_RDONLY | O_DIRECTORY, 0 },
    { "/dev/null", O_RDWR, 0 },
    { "/etc/nsswitch.conf", O_RDONLY, 0 },
    { "/etc/nsswitch.conf", O_WRONLY, EACCES },
    { "..", O_RDONLY | O_DIRECTORY, EACCES, true },
    { "../outside", O_RDONLY, EACCES, true },
    { "../outside", O_WRONLY, EACCES },
    { "link-outside", O_RDONLY, EACCES, true },
    { "../new", O_WRONLY | O_CREAT, EACCES },
    { "../log/new", O_WRONLY | O_CREAT, EACCES },
    { "/etc/shadow", O_RDONLY, EACCES, true },
    { "/etc/passwd", O_RDONLY, EACCES, true },
    { "/etc", O_RDONLY | O_DIRECTORY, EACCES, true },
    { "/", O_RDONLY | O_DIRECTORY, EACCES, true },
    { "/proc/self/mem", O_RDWR, EACCES },
    { "/proc/1/environ", O_RDONLY, EACCES, true },
    { "/proc/sys/vm/overcommit_memory", O_WRONLY, EACCES },
    { "/sys/kernel/uevent_helper", O_WRONLY | O_CREAT, EACCES },
    { "/tmp", O_RDWR | O_TMPFILE, EACCES },
    { "/bin/sh", O_RDONLY, EACCES, true },
};

static char place[] = "/tmp/confine-XXXXXX";
static char data_dir[64];

static void make(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(place));
    snprintf(data_dir, sizeof(data_dir), "%s/data", place);
    assert_int_equal(chdir(place), 0);
    assert_int_equal(mkdir("data", 0700), 0);
    assert_int_equal(mkdir("data/sub", 0700), 0);
    assert_int_equal(mkdir("log", 0700), 0);
    make("outside");
    make("data/old");
    assert_int_equal(symlink("../outside", "data/link-outside"), 0);
    return chdir("data");
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    assert_int_equal(chdir("/"), 0);
    snprintf(command, sizeof(command), "rm -rf %s", place);
    return system(command);
}

static int confine(void)
{
    const struct confine_options options = { .data_dir = data_dir, .port = PORT };
    int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : confine_files(&options);

    return r ? r : confine_calls();
}

static int wait_for(pid_t child)
{
    int status;

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return KILLED;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Between the walls and the end there is nothing but the call: no sanitizer, no buffer. */
_Noreturn __attribute__((no_sanitize("address", "thread", "undefined"))) static void attempt(const struct call *call)
{
    const long *a = call->arguments;
    long r;

    if (confine() < 0)
        _exit(255);
    r = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    syscall(SYS_exit_group, r < 0 ? errno : 0);
    __builtin_unreachable();
}

static int result_of(const struct call *call)
{
    pid_t child = fork();

    if (child == 0)
        attempt(call);
    return wait_for(child);
}

static bool skipped(bool loosened)
{
    return SANITIZED && loosened;
}

static void every_call_has_its_answer(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        int error = skipped(calls[i].loosened) ? calls[i].error : result_of(&calls[i]);

        if (error != calls[i].error) {
            fprintf(stderr, "%s: %d, expected %d\n", calls[i].name, error, calls[i].error);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void every_file_has_its_answer(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        const struct call call = {
            .number = SYS_openat,
            .arguments = { AT_FDCWD, (long)files[i].path, files[i].flags | O_CLOEXEC, 0600 },
        };
        int error = skipped(files[i].loosened) ? files[i].error : result_of(&call);

        if (error != files[i].error) {
            fprintf(stderr, "%s: %d, expected %d\n", files[i].path, error, files[i].error);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void names_move_only_inside(void **state)
{
    const struct {
        const char *from, *to;
        int error;
    } rows[] = {
        { "old", "sub/moved", 0 },
        { "sub/moved", "old", 0 },
        { "old", "../moved", EXDEV },
        { "../outside", "moved", EXDEV },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct call call = {
            .number = SYS_renameat2,
            .arguments = { AT_FDCWD, (long)rows[i].from, AT_FDCWD, (long)rows[i].to },
        };
        int error = result_of(&call);

        /* The kernel calls it EXDEV or EACCES, whichever it finds first. */
        assert_int_equal(error == EACCES ? EXDEV : error, rows[i].error);
    }
}

_Noreturn static void bind_to(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (confine() < 0)
        _exit(255);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    _exit(bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0);
}

static void only_one_port_may_be_bound(void **state)
{
    pid_t child;
    int error;

    (void)state;
    if (confine_landlock_abi() < 4)
        skip();
    child = fork();
    if (child == 0)
        bind_to(PORT + 1);
    assert_int_equal(wait_for(child), EACCES);
    child = fork();
    if (child == 0)
        bind_to(PORT);
    error = wait_for(child);
    assert_true(error == 0 || error == EADDRINUSE);
}

static pthread_barrier_t barrier;

static void *other_thread(void *result)
{
    pthread_barrier_wait(&barrier); /* both exist */
    pthread_barrier_wait(&barrier); /* the filter is loaded */
    *(long *)result = syscall(SYS_seccomp, 0, 0, 0) < 0 ? errno : 0;
    return NULL;
}

_Noreturn static void confine_with_threads(void)
{
    long result = 0;
    pthread_t thread;

    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, other_thread, &result);
    pthread_barrier_wait(&barrier);
    if (confine_calls() < 0)
        _exit(255);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    _exit(result == ENOSYS ? 0 : 1);
}

static void threads_that_exist_are_held_too(void **state)
{
    pid_t child = fork();

    (void)state;
    if (child == 0)
        confine_with_threads();
    assert_int_equal(wait_for(child), 0);
}

static void *sum(void *number)
{
    char *memory = malloc(1 << 20);

    memset(memory, 1, 1 << 20);
    *(int *)number += memory[77];
    free(memory);
    return NULL;
}

/* What the server itself needs goes on. */
_Noreturn static void go_on(void)
{
    pthread_t threads[8];
    int numbers[8] = { 0 }, total = 0;

    if (confine() < 0)
        _exit(255);
    for (int i = 0; i < 8; i++)
        if (pthread_create(&threads[i], NULL, sum, &numbers[i]) != 0)
            _exit(1);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        total += numbers[i];
    }
    _exit(total == 8 ? 0 : 2);
}

static void threads_and_memory_are_still_to_be_had(void **state)
{
    pid_t child = fork();

    (void)state;
    if (child == 0)
        go_on();
    assert_int_equal(wait_for(child), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_has_its_answer),       cmocka_unit_test(every_file_has_its_answer),
        cmocka_unit_test(names_move_only_inside),          cmocka_unit_test(only_one_port_may_be_bound),
        cmocka_unit_test(threads_that_exist_are_held_too), cmocka_unit_test(threads_and_memory_are_still_to_be_had),
    };

    if (confine_landlock_abi() < CONFINE_LANDLOCK_ABI_MIN)
        return 77; /* skipped: this kernel has no Landlock */
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
