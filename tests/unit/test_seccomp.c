/* SPDX-License-Identifier: Apache-2.0 */
/* The filters, loaded in forked children. Each row is one call with its arguments as the kernel sees them and the error
 * that it must give to a cell, and to the copy of a zygote that has both filters; an allowed call is recognised by the
 * error of its nonsensical arguments. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cell/seccomp.h"

#define X32_BIT 0x40000000

#define HIGH (1l << 32) /* a bit that the kernel ignores in an int, and the filter must too */

static const struct row {
    const char *name;
    long number;
    long arguments[6];
    int error; /* 0 = success */
} rows[] = {
    { "getpid", SYS_getpid, { 0 }, 0 },
    { "read", SYS_read, { -1 }, EBADF },
    { "openat", SYS_openat, { -1, (long)"x", 0 }, EBADF },
    { "sync, ignored", SYS_sync, { 0 }, 0 },
    { "syncfs, ignored", SYS_syncfs, { -1 }, 0 },
    /* known and refused */
    { "mount", SYS_mount, { 0 }, EPERM },
    { "umount2", SYS_umount2, { 0 }, EPERM },
    { "pivot_root", SYS_pivot_root, { 0 }, EPERM },
    { "fsopen", SYS_fsopen, { 0 }, EPERM },
    { "open_tree", SYS_open_tree, { 0 }, EPERM },
    { "move_mount", SYS_move_mount, { 0 }, EPERM },
    { "unshare", SYS_unshare, { CLONE_NEWUSER }, EPERM },
    { "setns", SYS_setns, { -1 }, EPERM },
    { "ptrace", SYS_ptrace, { 0 }, EPERM },
    { "process_vm_readv", SYS_process_vm_readv, { 1 }, EPERM },
    { "pidfd_getfd", SYS_pidfd_getfd, { -1 }, EPERM },
    { "bpf", SYS_bpf, { 0 }, EPERM },
    { "perf_event_open", SYS_perf_event_open, { 0 }, EPERM },
    { "userfaultfd", SYS_userfaultfd, { 0 }, EPERM },
    { "keyctl", SYS_keyctl, { 0 }, EPERM },
    { "add_key", SYS_add_key, { 0 }, EPERM },
    { "kexec_load", SYS_kexec_load, { 0 }, EPERM },
    { "init_module", SYS_init_module, { 0 }, EPERM },
    { "open_by_handle_at", SYS_open_by_handle_at, { -1 }, EPERM },
    { "chroot", SYS_chroot, { (long)"/" }, EPERM },
    { "sethostname", SYS_sethostname, { (long)"x", 1 }, EPERM },
    { "seccomp", SYS_seccomp, { 0 }, EPERM },
    { "reboot", SYS_reboot, { 0 }, EPERM },
    { "syslog", SYS_syslog, { 3 }, EPERM },
    /* unknown to the list: programs fall back */
    { "clone3", SYS_clone3, { 0 }, ENOSYS },
    { "io_uring_setup", SYS_io_uring_setup, { 1 }, ENOSYS },
    { "io_setup", SYS_io_setup, { 1 }, ENOSYS },
    { "a number of no call", 5000, { 0 }, ENOSYS },
    /* sockets */
    { "unix stream", SYS_socket, { AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0 }, 0 },
    { "tcp", SYS_socket, { AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP }, 0 },
    { "udp", SYS_socket, { AF_INET, SOCK_DGRAM, 0 }, 0 },
    { "packet", SYS_socket, { AF_PACKET, SOCK_RAW, 0 }, EAFNOSUPPORT },
    { "netlink", SYS_socket, { AF_NETLINK, SOCK_RAW, 0 }, EAFNOSUPPORT },
    { "kernel crypto", SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 }, EAFNOSUPPORT },
    { "vsock", SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 }, EAFNOSUPPORT },
    { "ax25", SYS_socket, { 3, SOCK_DGRAM, 0 }, EAFNOSUPPORT },
    { "raw inet", SYS_socket, { AF_INET, SOCK_RAW, IPPROTO_ICMP }, EPERM },
    { "raw inet6", SYS_socket, { AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 58 }, EPERM },
    { "sctp", SYS_socket, { AF_INET, SOCK_STREAM, 132 }, ENOSYS },
    { "mptcp", SYS_socket, { AF_INET, SOCK_STREAM, 262 }, ENOSYS },
    { "packet with a high bit", SYS_socket, { AF_PACKET | HIGH, SOCK_RAW, 0 }, EAFNOSUPPORT },
    { "mptcp with a high bit", SYS_socket, { AF_INET, SOCK_STREAM, 262 | HIGH }, ENOSYS },
    { "nodelay", SYS_setsockopt, { -1, IPPROTO_TCP, TCP_NODELAY }, EBADF },
    { "linger, ignored", SYS_setsockopt, { -1, SOL_SOCKET, SO_LINGER }, 0 },
    { "socket filter", SYS_setsockopt, { -1, SOL_SOCKET, SO_ATTACH_FILTER }, ENOSYS },
    { "upper layer protocol", SYS_setsockopt, { -1, IPPROTO_TCP, TCP_ULP }, ENOSYS },
    /* processes */
    { "clone into a user namespace", SYS_clone, { CLONE_NEWUSER | SIGCHLD }, EPERM },
    { "clone into a mount namespace", SYS_clone, { CLONE_NEWNS | SIGCHLD }, EPERM },
    { "clone into several", SYS_clone, { CLONE_NEWNET | CLONE_NEWPID | SIGCHLD }, EPERM },
    { "clone of nonsense", SYS_clone, { CLONE_SIGHAND }, EINVAL },
    { "prctl name", SYS_prctl, { PR_SET_NAME, (long)"x" }, 0 },
    { "prctl seccomp", SYS_prctl, { PR_SET_SECCOMP, 2 }, ENOSYS },
    { "prctl bounding set", SYS_prctl, { PR_CAPBSET_DROP, 63 }, ENOSYS },
    { "prctl secure bits", SYS_prctl, { PR_SET_SECUREBITS, 0 }, ENOSYS },
    { "prctl bounding set with a high bit", SYS_prctl, { PR_CAPBSET_DROP | HIGH, 63 }, ENOSYS },
    { "prctl secure bits with a high bit", SYS_prctl, { PR_SET_SECUREBITS | HIGH, 0 }, ENOSYS },
    { "prctl mm", SYS_prctl, { PR_SET_MM, 1 }, ENOSYS },
    { "prctl mm with a high bit", SYS_prctl, { PR_SET_MM | HIGH, 1 }, ENOSYS },
    { "personality query", SYS_personality, { 0xffffffff }, 0 },
    { "personality without randomisation", SYS_personality, { 0x0040000 }, ENOSYS },
    { "limit of files", SYS_prlimit64, { 0, RLIMIT_NOFILE, 0, 0 }, 0 },
    { "limit of cores, read", SYS_prlimit64, { 0, RLIMIT_CORE, 0, 0 }, 0 },
    { "limit of cores, set", SYS_prlimit64, { 0, RLIMIT_CORE, 8, 0 }, EPERM },
    { "futex wake", SYS_futex, { 0, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1 }, 0 },
    { "futex with inheritance", SYS_futex, { 0, FUTEX_LOCK_PI }, ENOSYS },
    { "futex requeue with inheritance", SYS_futex, { 0, FUTEX_CMP_REQUEUE_PI | FUTEX_PRIVATE_FLAG }, ENOSYS },
    /* descriptors */
    { "ioctl of a terminal", SYS_ioctl, { -1, TCGETS }, EBADF },
    { "ioctl that types", SYS_ioctl, { -1, TIOCSTI }, ENOSYS },
    { "ioctl that types, with a high bit", SYS_ioctl, { -1, TIOCSTI | HIGH }, ENOSYS },
    { "ioctl of a device", SYS_ioctl, { -1, 0x4c00 }, ENOSYS },
    { "fcntl dup", SYS_fcntl, { -1, F_DUPFD }, EBADF },
    { "larger pipe", SYS_fcntl, { 0, F_SETPIPE_SZ, 1 << 20 }, EPERM },
    { "larger pipe with a high bit", SYS_fcntl, { 0, F_SETPIPE_SZ | HIGH, 1 << 20 }, EPERM },
    { "fifo", SYS_mknodat, { -1, (long)"x", S_IFIFO | 0600 }, EBADF },
    { "character device", SYS_mknodat, { AT_FDCWD, (long)"x", S_IFCHR | 0600, 0 }, ENOSYS },
    { "block device", SYS_mknodat, { AT_FDCWD, (long)"x", S_IFBLK | 0600, 0x801 }, ENOSYS },
    /* memory */
    { "huge pages", SYS_mmap, { 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0 }, ENOMEM },
    { "huge memfd", SYS_memfd_create, { (long)"x", MFD_HUGETLB }, EINVAL },
    { "memfd", SYS_memfd_create, { (long)"x", MFD_CLOEXEC }, 0 },
};

static struct seccomp_filter filters[SECCOMP_SUBJECTS];

/* What the filters of a life are, in the order of their loading. */
static const struct life {
    const char *name;
    enum seccomp_subject subjects[2];
    size_t n;
} cell = { "cell", { SECCOMP_CELL }, 1 }, copy = { "copy", { SECCOMP_ZYGOTE, SECCOMP_COPY }, 2 };

static const struct life *const lives[] = { &cell, &copy };

static int compile(void **state)
{
    int r = 0;

    (void)state;
    for (int subject = 0; subject < SECCOMP_SUBJECTS && r == 0; subject++)
        r = seccomp_filter_compile((enum seccomp_subject)subject, &filters[subject]);
    return r;
}

static int discard(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * SECCOMP_SUBJECTS; i++)
        seccomp_filter_deinit(&filters[i % SECCOMP_SUBJECTS]);
    return 0;
}

static void load(const struct life *life)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        _exit(255);
    for (size_t i = 0; i < life->n; i++)
        if (seccomp_filter_load(&filters[life->subjects[i]]) < 0)
            _exit(255);
}

/* Between the filter and the end there is nothing but the call: no sanitizer, no buffer. */
_Noreturn __attribute__((no_sanitize("address", "thread", "undefined"))) static void live(const struct life *life,
                                                                                          const struct row *row)
{
    const long *a = row->arguments;
    long r;

    load(life);
    r = syscall(row->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    syscall(SYS_exit_group, r < 0 ? errno : 0);
    __builtin_unreachable();
}

/* Wait status of a child that makes this call. */
static int status_of(const struct life *life, const struct row *row)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0)
        live(life, row);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_answers(const struct life *life)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int status = status_of(life, &rows[i]);

        if (WIFEXITED(status) && WEXITSTATUS(status) == rows[i].error)
            continue;
        print_error("%s, %s: status %#x, should be %s\n", life->name, rows[i].name, status, strerror(rows[i].error));
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void every_call_gets_its_answer(void **state)
{
    (void)state;
    assert_answers(&cell);
}

static void every_call_of_a_copy_gets_it_too(void **state)
{
    (void)state;
    assert_answers(&copy);
}

/* What the kernel would do with a call: the instructions that libseccomp writes, and no others. */
static uint32_t verdict(const struct seccomp_filter *filter, const struct seccomp_data *data)
{
    const struct sock_filter *code = filter->program.filter;
    uint32_t accumulator = 0;

    for (size_t at = 0; at < filter->program.len; at++) {
        const struct sock_filter *i = &code[at];

        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            assert_true(i->k + sizeof(accumulator) <= sizeof(*data));
            memcpy(&accumulator, (const uint8_t *)data + i->k, sizeof(accumulator));
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            accumulator &= i->k;
            break;
        case BPF_JMP | BPF_JA:
            at += i->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            at += accumulator == i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            at += accumulator > i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            at += accumulator >= i->k ? i->jt : i->jf;
            break;
        case BPF_RET | BPF_K:
            return i->k;
        default:
            fail_msg("instruction %zu: code %#x", at, i->code);
        }
    }
    fail_msg("no verdict");
    return SECCOMP_RET_KILL_PROCESS;
}

/* The kernel takes the stricter of two verdicts, which has the smaller number as a signed one, and the younger of two
 * that are alike. */
static uint32_t verdict_on(const struct life *life, const struct seccomp_data *data)
{
    uint32_t strictest = SECCOMP_RET_ALLOW;

    for (size_t i = life->n; i-- > 0;) {
        uint32_t each = verdict(&filters[life->subjects[i]], data);

        if ((int32_t)(each & SECCOMP_RET_ACTION_FULL) < (int32_t)(strictest & SECCOMP_RET_ACTION_FULL))
            strictest = each;
    }
    return strictest;
}

static unsigned differences(uint32_t arch, int number)
{
    unsigned n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rows) + 64; i++) {
        struct seccomp_data data = { .nr = number, .arch = arch };

        for (size_t a = 0; a < ARRAY_SIZE(data.args); a++)
            data.args[a] = i < ARRAY_SIZE(rows) ? (uint64_t)rows[i].arguments[a] : i - ARRAY_SIZE(rows);
        n += verdict_on(&cell, &data) != verdict_on(&copy, &data);
    }
    return n;
}

/* Every call with the arguments of every row, and with small numbers, as this machine's programs make it and as those
 * of others do: there is nothing that copies may and cells may not, and nothing the other way round. */
static void copies_may_what_cells_may(void **state)
{
    const uint32_t archs[] = { seccomp_arch_native(), AUDIT_ARCH_I386, AUDIT_ARCH_ARM, 0 };
    unsigned wrong = 0;

    (void)state;
    for (int number = -1; number < 1024; number++)
        for (size_t i = 0; i < ARRAY_SIZE(archs); i++)
            wrong += differences(archs[i], number) + differences(archs[i], number | X32_BIT);
    assert_int_equal(wrong, 0);
}

#ifdef __x86_64__
static void the_x32_abi_kills(void **state)
{
    const struct row row = { "x32 getpid", X32_BIT | SYS_getpid, { 0 }, 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lives); i++) {
        int status = status_of(lives[i], &row);

        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    }
}

__attribute__((no_sanitize("address", "thread", "undefined"))) static int status_of_32_bit_call(const struct life *life)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        long r = 20; /* getpid of that table, writev of ours */

        load(life);
        __asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
        syscall(SYS_exit_group, 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void the_32_bit_abi_kills(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lives); i++) {
        int status = status_of_32_bit_call(lives[i]);

        /* A kernel without that table answers with SIGSEGV. */
        assert_true(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV));
    }
}
#endif

static void a_filter_needs_no_new_privs(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        /* Without rights, as inside a cell. */
        if (getuid() == 0 && (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
            _exit(255);
        _exit(seccomp_filter_load(&filters[SECCOMP_CELL]) == -EACCES ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_gets_its_answer),  cmocka_unit_test(every_call_of_a_copy_gets_it_too),
        cmocka_unit_test(copies_may_what_cells_may),
#ifdef __x86_64__
        cmocka_unit_test(the_x32_abi_kills),           cmocka_unit_test(the_32_bit_abi_kills),
#endif
        cmocka_unit_test(a_filter_needs_no_new_privs),
    };

    return cmocka_run_group_tests(tests, compile, discard);
}
