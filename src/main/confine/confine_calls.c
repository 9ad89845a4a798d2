/* SPDX-License-Identifier: Apache-2.0 */
/* confine_calls.c -- which system calls the api may make. */
#include <errno.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "main/confine/confine.h"
#include "wire/packet.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* the leak checker is a process that traces its own, and reports load libraries */
#else
#define SANITIZED 0
#endif

/* Whatever the arguments. What is in no table is ENOSYS, so that the C library falls back. */
static const char *const allowed[] = {
    /* files: which, is Landlock's matter */
    "access",
    "chmod",
    "close",
    "close_range",
    "copy_file_range",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fcntl",
    "fdatasync",
    "flock",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "getcwd",
    "getdents64",
    "link",
    "linkat",
    "lseek",
    "lstat",
    "mkdir",
    "mkdirat",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "pread64",
    "preadv",
    "pwrite64",
    "pwritev",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "stat",
    "statfs",
    "statx",
    "symlinkat",
    "sync_file_range",
    "truncate",
    "umask",
    "unlink",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
    /* waiting */
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd2",
    "pipe2",
    "poll",
    "ppoll",
    "pselect6",
    "select",
    "signalfd4",
    "timerfd_create",
    "timerfd_settime",
    /* memory */
    "brk",
    "madvise",
    "membarrier",
    "memfd_create",
    "mremap",
    "msync",
    "munmap",
    /* threads, and the one child that was made before (api_versions.c) */
    "exit",
    "exit_group",
    "get_robust_list",
    "getcpu",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getppid",
    "getrlimit",
    "getrusage",
    "gettid",
    "getuid",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
    "sysinfo",
    "times",
    "uname",
    "wait4",
    "waitid",
    /* time, randomness */
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "getrandom",
    "gettimeofday",
    "nanosleep",
    "time",
    /* sockets, once made */
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "shutdown",
#if SANITIZED
    "clone",
    "getdents",
    "getpgrp",
    "kill",
    "mincore",
    "mmap",
    "mprotect",
    "pipe",
    "prctl",
    "prlimit64",
    "ptrace",
    "sched_getparam",
    "sched_getscheduler",
    "tgkill",
#endif
};

/* No code of ours ever makes these: whoever does has taken the process over, and it ends. */
static const char *const deadly[] = {
    "acct",
    "add_key",
    "bpf",
    "capset",
    "chroot",
    "delete_module",
    "execve",
    "execveat",
    "fanotify_init",
    "finit_module",
    "fork",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "mknod",
    "mknodat",
    "mount",
    "mount_setattr",
    "move_mount",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "personality",
    "pidfd_getfd",
    "pidfd_open",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "quotactl",
    "reboot",
    "request_key",
    "setfsgid",
    "setfsuid",
    "setgid",
    "setgroups",
    "setns",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setuid",
    "swapoff",
    "swapon",
    "syslog",
    "umount2",
    "unshare",
    "userfaultfd",
    "vfork",
    "vmsplice",
#if !SANITIZED
    "ptrace",
#endif
};

/* The kernel looks at 32 bits of most arguments; a comparison of the whole register could be passed with a bit above.
 */
#define EQUAL_32(argument, value) SCMP_CMP64((argument), SCMP_CMP_MASKED_EQ, 0xffffffffu, (uint32_t)(value))

#define SOCKET_TYPE_MASK 0xfu /* the rest of the argument is SOCK_NONBLOCK and SOCK_CLOEXEC */

static const struct {
    int family, type;
} sockets[] = {
    { AF_UNIX, SOCK_STREAM }, { AF_UNIX, SOCK_DGRAM },   { AF_UNIX, SOCK_SEQPACKET }, { AF_INET, SOCK_STREAM },
    { AF_INET, SOCK_DGRAM },  { AF_INET6, SOCK_STREAM }, { AF_INET6, SOCK_DGRAM },
};

/* What the HTTP library, TLS and clients of stores set. */
static const struct {
    int level, option;
} socket_options[] = {
    { SOL_SOCKET, SO_KEEPALIVE },    { SOL_SOCKET, SO_PASSRIGHTS },  { SOL_SOCKET, SO_RCVBUF },
    { SOL_SOCKET, SO_RCVTIMEO },     { SOL_SOCKET, SO_REUSEADDR },   { SOL_SOCKET, SO_SNDBUF },
    { SOL_SOCKET, SO_SNDTIMEO },     { IPPROTO_IP, IP_RECVERR },     { IPPROTO_IP, IP_TOS },
    { IPPROTO_IP, IP_MULTICAST_IF }, { IPPROTO_IPV6, IPV6_RECVERR }, { IPPROTO_IPV6, IPV6_TCLASS },
    { IPPROTO_IPV6, IPV6_V6ONLY },   { IPPROTO_TCP, TCP_CORK },      { IPPROTO_TCP, TCP_FASTOPEN },
    { IPPROTO_TCP, TCP_KEEPCNT },    { IPPROTO_TCP, TCP_KEEPIDLE },  { IPPROTO_TCP, TCP_KEEPINTVL },
    { IPPROTO_TCP, TCP_NODELAY },    { IPPROTO_TCP, TCP_QUICKACK },  { IPPROTO_TCP, TCP_USER_TIMEOUT },
};

/* Further calls with one argument of a list. */
static const struct {
    const char *call;
    unsigned argument;
    uint32_t mask;
    uint32_t value;
} values[] = {
    { "ioctl", 1, UINT32_MAX, FIONBIO },
    { "ioctl", 1, UINT32_MAX, FIONREAD },
    { "futex", 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_WAIT },
    { "futex", 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_WAKE },
    { "futex", 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_REQUEUE },
    { "futex", 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_CMP_REQUEUE },
    { "futex", 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_WAKE_OP },
    { "futex", 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_WAIT_BITSET },
    { "futex", 1, (uint32_t)FUTEX_CMD_MASK, FUTEX_WAKE_BITSET },
#if !SANITIZED
    { "prctl", 0, UINT32_MAX, PR_GET_DUMPABLE },
    { "prctl", 0, UINT32_MAX, PR_SET_NAME },
    { "prctl", 0, UINT32_MAX, 0x53564d41 }, /* PR_SET_VMA: newer C libraries name their memory */
    /* No memory becomes executable any more, so what an attacker brings along stays data. */
    { "mmap", 2, PROT_EXEC, 0 },
    { "mprotect", 2, PROT_EXEC, 0 },
#endif
};

/* Names that this libseccomp does not know are covered by the default. */
static int add(scmp_filter_ctx context, uint32_t action, const char *name, unsigned n,
               const struct scmp_arg_cmp *compare)
{
    int number = seccomp_syscall_resolve_name(name);

    return number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(context, action, number, n, compare);
}

static int add_names(scmp_filter_ctx context, uint32_t action, const char *const *names, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++)
        r = add(context, action, names[i], 0, NULL);
    return r;
}

static int add_sockets(scmp_filter_ctx context)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(sockets) && r == 0; i++) {
        const struct scmp_arg_cmp compare[] = {
            EQUAL_32(0, sockets[i].family),
            SCMP_A1_32(SCMP_CMP_MASKED_EQ, SOCKET_TYPE_MASK, (uint32_t)sockets[i].type),
        };

        r = add(context, SCMP_ACT_ALLOW, sockets[i].family == AF_UNIX ? "socketpair" : "socket", 2, compare);
        if (r == 0 && sockets[i].family == AF_UNIX)
            r = add(context, SCMP_ACT_ALLOW, "socket", 2, compare);
    }
    for (size_t i = 0; i < ARRAY_SIZE(socket_options) && r == 0; i++)
        r = add(context, SCMP_ACT_ALLOW, "setsockopt", 2,
                (struct scmp_arg_cmp[]){ EQUAL_32(1, socket_options[i].level), EQUAL_32(2, socket_options[i].option) });
    /* Does nothing: the warden closes what it is sent, and no close of its may wait. */
    if (r == 0)
        r = add(context, SCMP_ACT_ERRNO(0), "setsockopt", 2,
                (struct scmp_arg_cmp[]){ EQUAL_32(1, SOL_SOCKET), EQUAL_32(2, SO_LINGER) });
    return r;
}

static int add_values(scmp_filter_ctx context)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(values) && r == 0; i++)
        r = add(context, SCMP_ACT_ALLOW, values[i].call, 1,
                &SCMP_CMP64(values[i].argument, SCMP_CMP_MASKED_EQ, values[i].mask, values[i].value));
    return r;
}

/* Threads, but no processes; signals to itself, but to nobody else; limits may be read. */
static int add_own_process(scmp_filter_ctx context)
{
    const uint64_t thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
    int r;

    if (SANITIZED)
        return 0;
    r = add(context, SCMP_ACT_ALLOW, "clone", 1, &SCMP_A0_64(SCMP_CMP_MASKED_EQ, thread, thread));
    if (r == 0)
        r = add(context, SCMP_ACT_ALLOW, "tgkill", 1, &EQUAL_32(0, getpid()));
    if (r == 0)
        r = add(context, SCMP_ACT_ALLOW, "prlimit64", 2,
                (struct scmp_arg_cmp[]){ EQUAL_32(0, 0), SCMP_A2_64(SCMP_CMP_EQ, 0) });
    return r;
}

int confine_calls(void)
{
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int r;

    if (!context)
        return -ENOMEM;
    r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = seccomp_attr_set(context, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        (void)seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree; libseccomp 2.5 and later */
    if (r == 0)
        r = add_names(context, SCMP_ACT_ALLOW, allowed, ARRAY_SIZE(allowed));
    if (r == 0)
        r = add_names(context, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_SIZE(deadly));
    if (r == 0)
        r = add_sockets(context);
    if (r == 0)
        r = add_values(context);
    if (r == 0)
        r = add_own_process(context);
    if (r == 0)
        r = seccomp_load(context);
    seccomp_release(context);
    return r;
}
