/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cell/seccomp_calls.h"

/* prctl options by which a zygote's copy gives up its rights. */
static const int zygote_prctl_options[] = { PR_CAPBSET_DROP, PR_SET_SECUREBITS };

/* prctl options a program has use for. */
static const int prctl_options[] = {
    PR_SET_NAME,
    PR_GET_NAME,
    PR_SET_PDEATHSIG,
    PR_GET_PDEATHSIG,
    PR_GET_DUMPABLE,
    PR_SET_DUMPABLE,
    PR_CAPBSET_READ,
    PR_GET_NO_NEW_PRIVS,
    PR_SET_NO_NEW_PRIVS,
    PR_GET_SECCOMP,
    PR_GET_KEEPCAPS,
    PR_GET_SECUREBITS,
    PR_SET_TIMERSLACK,
    PR_GET_TIMERSLACK,
    PR_SET_CHILD_SUBREAPER,
    PR_GET_CHILD_SUBREAPER,
    PR_SET_THP_DISABLE,
    PR_GET_THP_DISABLE,
    PR_GET_TID_ADDRESS,
    PR_CAP_AMBIENT,
    PR_GET_SPECULATION_CTRL,
};

/* ioctl requests: what terminals checks, sockets and files need; none of a device driver. */
static const unsigned long ioctl_requests[] = {
    TCGETS,         TIOCGWINSZ,     TIOCGPGRP,     TIOCOUTQ,     FIONREAD,    FIONBIO,      FIOASYNC,
    FIOCLEX,        FIONCLEX,       SIOCGIFCONF,   SIOCGIFFLAGS, SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFADDR,
    SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFHWADDR, SIOCGIFMTU,   SIOCATMARK,
};

/* Every namespace flag of clone(2). CLONE_NEWTIME shares a bit with the exit signal and exists only in clone3 and
 * unshare. */
static const unsigned long namespace_flags[] = {
    CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,
};

/* futex operations without priority inheritance, whose kernel code has been a source of escapes. */
static const int futex_operations[] = {
    FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET,
};

/* setsockopt: what ordinary servers and clients set. Left out are socket filters and whatever else the kernel allocates
 * without charging the cell, and rarely trodden kernel code: upper layer protocols, encapsulation, flow labels. */
static const struct {
    int level, option;
} socket_options[] = {
    { SOL_SOCKET, SO_BROADCAST },
    { SOL_SOCKET, SO_DONTROUTE },
    { SOL_SOCKET, SO_KEEPALIVE },
    { SOL_SOCKET, SO_OOBINLINE },
    { SOL_SOCKET, SO_PASSCRED },
    { SOL_SOCKET, SO_RCVBUF },
    { SOL_SOCKET, SO_RCVLOWAT },
    { SOL_SOCKET, SO_RCVTIMEO },
    { SOL_SOCKET, SO_REUSEADDR },
    { SOL_SOCKET, SO_REUSEPORT },
    { SOL_SOCKET, SO_SNDBUF },
    { SOL_SOCKET, SO_SNDTIMEO },
    { SOL_SOCKET, SO_TIMESTAMP },
    { IPPROTO_IP, IP_MULTICAST_IF },
    { IPPROTO_IP, IP_MULTICAST_LOOP },
    { IPPROTO_IP, IP_MULTICAST_TTL },
    { IPPROTO_IP, IP_RECVERR }, /* resolvers want to know at once that nobody answers */
    { IPPROTO_IP, IP_TOS },
    { IPPROTO_IP, IP_TTL },
    { IPPROTO_IPV6, IPV6_MULTICAST_HOPS },
    { IPPROTO_IPV6, IPV6_MULTICAST_IF },
    { IPPROTO_IPV6, IPV6_MULTICAST_LOOP },
    { IPPROTO_IPV6, IPV6_TCLASS },
    { IPPROTO_IPV6, IPV6_UNICAST_HOPS },
    { IPPROTO_IPV6, IPV6_V6ONLY },
    { IPPROTO_TCP, TCP_CORK },
    { IPPROTO_TCP, TCP_DEFER_ACCEPT },
    { IPPROTO_TCP, TCP_KEEPCNT },
    { IPPROTO_TCP, TCP_KEEPIDLE },
    { IPPROTO_TCP, TCP_KEEPINTVL },
    { IPPROTO_TCP, TCP_MAXSEG },
    { IPPROTO_TCP, TCP_NODELAY },
    { IPPROTO_TCP, TCP_QUICKACK },
    { IPPROTO_TCP, TCP_SYNCNT },
    { IPPROTO_TCP, TCP_USER_TIMEOUT },
};

/* Allowed unless an argument has one of these bits: huge pages are a reserve of the host that no memory limit covers,
 * and a read that fails for pages not in memory tells what others have read. */
static const struct {
    const char *name;
    unsigned argument;
    uint32_t bits;
    int error;
} refused_bits[] = {
    { "memfd_create", 1, MFD_HUGETLB, EINVAL },
    { "mmap", 3, MAP_HUGETLB, ENOMEM },
    { "preadv2", 5, RWF_NOWAIT, EOPNOTSUPP },
    { "shmget", 2, SHM_HUGETLB, EPERM },
};

/* Commands of fcntl. Missing are F_SETPIPE_SZ, since larger pipes are memory that is charged to whoever made the pipe:
 * the server; and F_NOTIFY, which tells of others as inotify does. */
static const int fcntl_commands[] = {
    F_DUPFD,  F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,      F_GETFL,      F_SETFL,     F_GETLK,     F_SETLK,
    F_SETLKW, F_OFD_GETLK,     F_OFD_SETLK, F_OFD_SETLKW, F_GETOWN,     F_SETOWN,    F_GETOWN_EX, F_SETOWN_EX,
    F_GETSIG, F_SETSIG,        F_GETLEASE,  F_SETLEASE,   F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS,
};

static const int refused_fcntl[] = { F_SETPIPE_SZ, F_NOTIFY };

/* Every resource but RLIMIT_CORE. 1 is the one value of that at which the kernel does not hand the memory of a crashed
 * program to the host's core pattern, which often is a program that runs as root outside of every cell; 0 does not stop
 * that, so nobody may go back to it. */
static const int resources[] = {
    RLIMIT_CPU,        RLIMIT_FSIZE,    RLIMIT_DATA,    RLIMIT_STACK,  RLIMIT_RSS,
    RLIMIT_NPROC,      RLIMIT_NOFILE,   RLIMIT_MEMLOCK, RLIMIT_AS,     RLIMIT_LOCKS,
    RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE,    RLIMIT_RTPRIO, RLIMIT_RTTIME,
};

/* Advice about a file. The one missing throws the runtime's pages out of the memory that everybody shares. */
static const int file_advice[] = {
    POSIX_FADV_NORMAL, POSIX_FADV_RANDOM, POSIX_FADV_SEQUENTIAL, POSIX_FADV_WILLNEED, POSIX_FADV_NOREUSE,
};

/* Compares what the kernel looks at: most arguments are 32 bits wide there, and the rest of the register is ignored. A
 * comparison of the whole register could be passed with a bit above. */
#define EQUAL_32(argument, value) SCMP_CMP64((argument), SCMP_CMP_MASKED_EQ, 0xffffffffu, (uint32_t)(value))

#define SOCKET_TYPE_MASK 0xful /* the rest of the argument is SOCK_NONBLOCK and SOCK_CLOEXEC */

/* Families, types and protocols that a cell may open: local ones, and TCP and UDP inside its own network namespace. */
static const struct {
    int family, type, protocol; /* protocol -1 = any */
} sockets[] = {
    { AF_UNIX, SOCK_STREAM, -1 },         { AF_UNIX, SOCK_DGRAM, -1 },           { AF_UNIX, SOCK_SEQPACKET, -1 },
    { AF_INET, SOCK_STREAM, 0 },          { AF_INET, SOCK_STREAM, IPPROTO_TCP }, { AF_INET, SOCK_DGRAM, 0 },
    { AF_INET, SOCK_DGRAM, IPPROTO_UDP }, { AF_INET6, SOCK_STREAM, 0 },          { AF_INET6, SOCK_STREAM, IPPROTO_TCP },
    { AF_INET6, SOCK_DGRAM, 0 },          { AF_INET6, SOCK_DGRAM, IPPROTO_UDP },
};

/* Families below AF_INET6 that no row above names; those above it are refused by one comparison. */
static const int refused_families[] = { AF_UNSPEC, 3, 4, 5, 6, 7, 8, 9 };

/* Types that open raw access to a network even where the family is allowed. */
static const int refused_types[] = { SOCK_RAW, SOCK_RDM, SOCK_DCCP, SOCK_PACKET };

/* Kinds of node that mknod may make; devices need a capability besides. */
static const unsigned long node_types[] = { 0, S_IFREG, S_IFIFO, S_IFSOCK };

static int add(scmp_filter_ctx context, uint32_t action, const char *name, unsigned n,
               const struct scmp_arg_cmp *compare)
{
    int number = seccomp_syscall_resolve_name(name);

    /* Unknown to this libseccomp: the default action covers it. */
    if (number == __NR_SCMP_ERROR)
        return 0;
    return seccomp_rule_add_array(context, action, number, n, compare);
}

static int add_calls(scmp_filter_ctx context, uint32_t action, const struct seccomp_calls *calls)
{
    int r = 0;

    for (size_t i = 0; i < calls->n && r == 0; i++)
        r = add(context, action, calls->names[i], 0, NULL);
    return r;
}

/* One rule for each value of a 32-bit argument. */
static int add_values(scmp_filter_ctx context, uint32_t action, const char *name, unsigned argument, const int *values,
                      size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++)
        r = add(context, action, name, 1, &EQUAL_32(argument, values[i]));
    return r;
}

static bool is_among(const char *name, const struct seccomp_calls *calls)
{
    for (size_t i = 0; i < calls->n; i++)
        if (strcmp(name, calls->names[i]) == 0)
            return true;
    return false;
}

static int add_granted(scmp_filter_ctx context)
{
    int r = add_calls(context, SCMP_ACT_ALLOW, &seccomp_granted);

    return r ? r
             : add_values(context, SCMP_ACT_ALLOW, "prctl", 0, zygote_prctl_options, ARRAY_SIZE(zygote_prctl_options));
}

/* The errors are those that a cell gets. */
static int take_granted_back(scmp_filter_ctx context)
{
    int r =
        add_values(context, SCMP_ACT_ERRNO(ENOSYS), "prctl", 0, zygote_prctl_options, ARRAY_SIZE(zygote_prctl_options));

    for (size_t i = 0; i < seccomp_granted.n && r == 0; i++) {
        const char *name = seccomp_granted.names[i];
        int error = is_among(name, &seccomp_refused) ? EPERM : ENOSYS;

        r = add(context, SCMP_ACT_ERRNO((uint16_t)error), name, 0, NULL);
    }
    return r;
}

static int add_refused(scmp_filter_ctx context, bool but_granted)
{
    int r = 0;

    for (size_t i = 0; i < seccomp_refused.n && r == 0; i++)
        if (!but_granted || !is_among(seccomp_refused.names[i], &seccomp_granted))
            r = add(context, SCMP_ACT_ERRNO(EPERM), seccomp_refused.names[i], 0, NULL);
    return r;
}

static int add_clone(scmp_filter_ctx context)
{
    unsigned long all = 0;
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(namespace_flags) && r == 0; i++) {
        all |= namespace_flags[i];
        r = add(context, SCMP_ACT_ERRNO(EPERM), "clone", 1,
                &SCMP_A0(SCMP_CMP_MASKED_EQ, namespace_flags[i], namespace_flags[i]));
    }
    return r ? r : add(context, SCMP_ACT_ALLOW, "clone", 1, &SCMP_A0(SCMP_CMP_MASKED_EQ, all, 0));
}

static int add_sockets(scmp_filter_ctx context)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(sockets) && r == 0; i++) {
        struct scmp_arg_cmp compare[3] = {
            EQUAL_32(0, sockets[i].family),
            SCMP_A1_32(SCMP_CMP_MASKED_EQ, SOCKET_TYPE_MASK, sockets[i].type),
            EQUAL_32(2, sockets[i].protocol),
        };

        r = add(context, SCMP_ACT_ALLOW, "socket", sockets[i].protocol < 0 ? 2 : 3, compare);
        if (r == 0 && sockets[i].family == AF_UNIX)
            r = add(context, SCMP_ACT_ALLOW, "socketpair", 2, compare);
    }
    return r;
}

static int refuse_sockets(scmp_filter_ctx context)
{
    static const char *const calls[] = { "socket", "socketpair" };
    int r = 0;

    for (size_t c = 0; c < ARRAY_SIZE(calls) && r == 0; c++) {
        r = add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), calls[c], 1, &SCMP_A0_32(SCMP_CMP_GT, AF_INET6));
        for (size_t i = 0; i < ARRAY_SIZE(refused_families) && r == 0; i++)
            r = add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), calls[c], 1, &EQUAL_32(0, refused_families[i]));
    }
    for (size_t i = 0; i < ARRAY_SIZE(refused_types) && r == 0; i++) {
        r = add(context, SCMP_ACT_ERRNO(EPERM), "socket", 2,
                (struct scmp_arg_cmp[]){ EQUAL_32(0, AF_INET), SCMP_A1_32(SCMP_CMP_MASKED_EQ, SOCKET_TYPE_MASK,
                                                                          (uint32_t)refused_types[i]) });
        if (r == 0)
            r = add(context, SCMP_ACT_ERRNO(EPERM), "socket", 2,
                    (struct scmp_arg_cmp[]){ EQUAL_32(0, AF_INET6), SCMP_A1_32(SCMP_CMP_MASKED_EQ, SOCKET_TYPE_MASK,
                                                                               (uint32_t)refused_types[i]) });
    }
    return r;
}

/* A close that waits for the peer would be the server's, if the socket came to it in a message. */
static int ignore_linger(scmp_filter_ctx context)
{
    return add(context, SCMP_ACT_ERRNO(0), "setsockopt", 2,
               (struct scmp_arg_cmp[]){ EQUAL_32(1, SOL_SOCKET), EQUAL_32(2, SO_LINGER) });
}

static int add_socket_options(scmp_filter_ctx context)
{
    int r = ignore_linger(context);

    for (size_t i = 0; i < ARRAY_SIZE(socket_options) && r == 0; i++)
        r = add(context, SCMP_ACT_ALLOW, "setsockopt", 2,
                (struct scmp_arg_cmp[]){ EQUAL_32(1, socket_options[i].level), EQUAL_32(2, socket_options[i].option) });
    return r;
}

static int add_refused_bits(scmp_filter_ctx context)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(refused_bits) && r == 0; i++) {
        uint64_t bits = refused_bits[i].bits;
        unsigned argument = refused_bits[i].argument;

        r = add(context, SCMP_ACT_ALLOW, refused_bits[i].name, 1,
                &SCMP_CMP32(argument, SCMP_CMP_MASKED_EQ, (uint32_t)bits, 0));
        if (r == 0)
            r = add(context, SCMP_ACT_ERRNO((uint16_t)refused_bits[i].error), refused_bits[i].name, 1,
                    &SCMP_CMP32(argument, SCMP_CMP_MASKED_EQ, (uint32_t)bits, (uint32_t)bits));
    }
    return r;
}

static int add_fcntl(scmp_filter_ctx context)
{
    int r = add_values(context, SCMP_ACT_ALLOW, "fcntl", 1, fcntl_commands, ARRAY_SIZE(fcntl_commands));

    return r ? r : add_values(context, SCMP_ACT_ERRNO(EPERM), "fcntl", 1, refused_fcntl, ARRAY_SIZE(refused_fcntl));
}

static int add_resource_limits(scmp_filter_ctx context)
{
    static const int core[] = { RLIMIT_CORE };
    int r = add_values(context, SCMP_ACT_ALLOW, "prlimit64", 1, resources, ARRAY_SIZE(resources));

    if (r == 0)
        r = add(context, SCMP_ACT_ALLOW, "prlimit64", 2,
                (struct scmp_arg_cmp[]){ EQUAL_32(1, RLIMIT_CORE), SCMP_A2_64(SCMP_CMP_EQ, 0) });
    if (r == 0)
        r = add(context, SCMP_ACT_ERRNO(EPERM), "prlimit64", 2,
                (struct scmp_arg_cmp[]){ EQUAL_32(1, RLIMIT_CORE), SCMP_A2_64(SCMP_CMP_NE, 0) });
    if (r == 0)
        r = add_values(context, SCMP_ACT_ALLOW, "setrlimit", 0, resources, ARRAY_SIZE(resources));
    return r ? r : add_values(context, SCMP_ACT_ERRNO(EPERM), "setrlimit", 0, core, ARRAY_SIZE(core));
}

static int add_file_advice(scmp_filter_ctx context)
{
    static const int ignored_advice[] = { POSIX_FADV_DONTNEED };
    int r = add_values(context, SCMP_ACT_ALLOW, "fadvise64", 3, file_advice, ARRAY_SIZE(file_advice));

    return r ? r : add_values(context, SCMP_ACT_ERRNO(0), "fadvise64", 3, ignored_advice, ARRAY_SIZE(ignored_advice));
}

static int add_arguments(scmp_filter_ctx context)
{
    int r = add_clone(context);

    if (r == 0)
        r = add_sockets(context);
    if (r == 0)
        r = refuse_sockets(context);
    if (r == 0)
        r = add_values(context, SCMP_ACT_ALLOW, "prctl", 0, prctl_options, ARRAY_SIZE(prctl_options));
    for (size_t i = 0; i < ARRAY_SIZE(ioctl_requests) && r == 0; i++)
        r = add(context, SCMP_ACT_ALLOW, "ioctl", 1, &EQUAL_32(1, ioctl_requests[i]));
    for (size_t i = 0; i < ARRAY_SIZE(futex_operations) && r == 0; i++)
        r = add(context, SCMP_ACT_ALLOW, "futex", 1,
                &SCMP_A1_32(SCMP_CMP_MASKED_EQ, (uint32_t)FUTEX_CMD_MASK, (uint32_t)futex_operations[i]));
    for (size_t i = 0; i < ARRAY_SIZE(node_types) && r == 0; i++) {
        r = add(context, SCMP_ACT_ALLOW, "mknod", 1, &SCMP_A1_32(SCMP_CMP_MASKED_EQ, S_IFMT, (uint32_t)node_types[i]));
        if (r == 0)
            r = add(context, SCMP_ACT_ALLOW, "mknodat", 1,
                    &SCMP_A2_32(SCMP_CMP_MASKED_EQ, S_IFMT, (uint32_t)node_types[i]));
    }
    if (r == 0)
        r = add_fcntl(context);
    if (r == 0)
        r = add_resource_limits(context);
    if (r == 0)
        r = add_file_advice(context);
    if (r == 0)
        r = add_socket_options(context);
    if (r == 0)
        r = add_refused_bits(context);
    if (r == 0)
        r = add(context, SCMP_ACT_ALLOW, "personality", 1, &EQUAL_32(0, 0xffffffff));
    if (r == 0)
        r = add(context, SCMP_ACT_ALLOW, "personality", 1, &EQUAL_32(0, PER_LINUX));
    return r;
}

/* libseccomp writes the finished filter to a descriptor. */
static int export_program(scmp_filter_ctx context, struct seccomp_filter *ret_filter)
{
    CLEANUP_CLOSE int fd = memfd_create("filter", MFD_CLOEXEC);
    struct sock_filter *instructions;
    struct stat st;
    int r;

    if (fd < 0)
        return error_from_errno();
    r = seccomp_export_bpf(context, fd);
    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return error_from_errno();
    instructions = malloc((size_t)st.st_size);
    if (!instructions)
        return -ENOMEM;
    if (fd_read_full(fd, instructions, (size_t)st.st_size) != st.st_size) {
        free(instructions);
        return -EIO;
    }
    ret_filter->program = (struct sock_fprog){
        .len = (unsigned short)((size_t)st.st_size / sizeof(*instructions)),
        .filter = instructions,
    };
    return 0;
}

static int add_common(scmp_filter_ctx context)
{
    int r = add_calls(context, SCMP_ACT_ALLOW, &seccomp_allowed);

    if (r == 0)
        r = add_calls(context, SCMP_ACT_ERRNO(EOPNOTSUPP), &seccomp_unsupported);
    if (r == 0)
        r = add_calls(context, SCMP_ACT_ERRNO(0), &seccomp_ignored);
    return r ? r : add_arguments(context);
}

static int add_cell(scmp_filter_ctx context)
{
    int r = add_common(context);

    return r ? r : add_refused(context, false);
}

static int add_zygote(scmp_filter_ctx context)
{
    int r = add_common(context);

    if (r == 0)
        r = add_refused(context, true);
    return r ? r : add_granted(context);
}

static const struct {
    uint32_t unnamed; /* what becomes of calls that no rule names */
    int (*add)(scmp_filter_ctx context);
} filters[SECCOMP_SUBJECTS] = {
    [SECCOMP_CELL] = { SCMP_ACT_ERRNO(ENOSYS), add_cell },
    [SECCOMP_ZYGOTE] = { SCMP_ACT_ERRNO(ENOSYS), add_zygote },
    [SECCOMP_COPY] = { SCMP_ACT_ALLOW, take_granted_back },
};

int seccomp_filter_compile(enum seccomp_subject subject, struct seccomp_filter *ret_filter)
{
    scmp_filter_ctx context = seccomp_init(filters[subject].unnamed);
    int r;

    if (!context)
        return -ENOMEM;
    r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        (void)seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree; libseccomp 2.5 and later */
    if (r == 0)
        r = filters[subject].add(context);
    if (r == 0)
        r = export_program(context, ret_filter);
    seccomp_release(context);
    return r;
}

void seccomp_filter_deinit(struct seccomp_filter *filter)
{
    free(filter->program.filter);
    filter->program = (struct sock_fprog){ 0 };
}

int seccomp_filter_load(const struct seccomp_filter *filter)
{
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter->program) < 0)
        return error_from_errno();
    return 0;
}
