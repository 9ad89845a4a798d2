/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote/library.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/packet.h"
#include "wire/zygote.h"
#include "zygote/arena.h"
#include "zygote/copy.h"

#define HUGE_PAGE ((uintptr_t)2 << 20)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

static struct copy_program the_program; /* of a copy; interpreters ask for it piece by piece */

char **zygote_arguments(void)
{
    return the_program.arguments;
}

char **zygote_environment(void)
{
    return the_program.environment;
}

/* Calls use for each mapping of this process that is writable. */
static int each_writable(int (*use)(uintptr_t from, uintptr_t to, bool shared))
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[4096];
    int sum = 0;

    if (!maps)
        return error_from_errno();
    while (fgets(line, sizeof(line), maps)) {
        unsigned long from, to;
        char rights[8];

        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && rights[1] == 'w')
            sum += use(from, to, rights[3] == 's');
    }
    fclose(maps);
    return sum;
}

static int settle_mapping(uintptr_t from, uintptr_t to, bool shared)
{
    uintptr_t first = (from + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1), last = to & ~(HUGE_PAGE - 1);
    int moved = 0;

    if (shared || last <= first)
        return 0;
    (void)madvise((void *)first, last - first, MADV_HUGEPAGE);
    for (uintptr_t at = first; at < last; at += HUGE_PAGE)
        moved += madvise((void *)at, HUGE_PAGE, MADV_COLLAPSE) == 0 ? (int)(HUGE_PAGE >> 20) : 0;
    return moved;
}

void zygote_prepare(void)
{
    arena_install();
}

int zygote_settle(void)
{
    int moved = each_writable(settle_mapping);

    arena_settle();
    return moved;
}

static int count_shared(uintptr_t from, uintptr_t to, bool shared)
{
    (void)from;
    (void)to;
    return shared;
}

int zygote_shared_mappings(void)
{
    return each_writable(count_shared);
}

/* /proc/self/exe of every copy is one file, and its locks would be seen from one cell in another: they are all taken
 * here. A lock belongs to the open file, so the copies that close theirs do not give it back. */
static int lock_executable(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ||
        fcntl(fd, F_OFD_SETLK, &(struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET }) < 0)
        return error_from_errno();
    return 0;
}

/* The copy is to be born in the cell's PID namespace, and its parent there too, so that the cell's init inherits it. */
static int enter_pid_namespace(int fd)
{
    return setns(fd, CLONE_NEWPID) < 0 ? error_from_errno() : 0;
}

/* A clone like vfork(2), with arguments that the C library has no call for: the child runs on this stack, in this
 * memory, until it ends. Inline, because a function that returned in the child would have its return address
 * overwritten. */
#if defined(__x86_64__)
#define CLONE_AS_VFORK(args, size, ret)                                                                                \
    __asm__ volatile("syscall" : "=a"(ret) : "a"(SYS_clone3), "D"(args), "S"(size) : "rcx", "r11", "memory")
#elif defined(__aarch64__)
#define CLONE_AS_VFORK(args, size, ret)                                                                                \
    do {                                                                                                               \
        register long x8 __asm__("x8") = SYS_clone3;                                                                   \
        register long x0 __asm__("x0") = (long)(args);                                                                 \
        register long x1 __asm__("x1") = (long)(size);                                                                 \
        __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");                                           \
        (ret) = x0;                                                                                                    \
    } while (0)
#else
#error "clone3 on this processor"
#endif

/* The copy's parent lives for a moment: what it is, its copy is. It shares this process's memory, which is suspended
 * meanwhile, so it must not return from here. Returns 0 in the copy and 1 in the zygote, whether there is a copy or
 * not: the keeper sees that in its socket. */
static int make_copy(const struct zygote_order *order, const int *fds)
{
    struct clone_args args = { .flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD };
    int status;
    long parent;

    if (order->clone_into) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)fds[ZYGOTE_ORDER_FDS + order->n_doors];
    }
    CLONE_AS_VFORK(&args, sizeof(args), parent);
    if (parent == 0) {
        if (copy_enter(order, fds) < 0)
            _exit(1);
        switch (fork()) {
        case 0:
            return 0;
        case -1:
            _exit(1);
        default:
            _exit(0);
        }
    }
    while (parent > 0 && waitpid((pid_t)parent, &status, 0) < 0 && errno == EINTR)
        ;
    return 1;
}

static int serve_order(const struct zygote_order *order, const int *fds, int own_pid_fd)
{
    int who = 1;

    if (enter_pid_namespace(fds[ZYGOTE_ORDER_PID]) == 0)
        who = make_copy(order, fds);
    if (who != 0 && enter_pid_namespace(own_pid_fd) < 0)
        _exit(1); /* the next copy would be born in a stranger's cell */
    return who;
}

static bool is_sound(const struct zygote_order *order, ssize_t n, size_t n_fds)
{
    return n == sizeof(*order) && order->n_doors <= ZYGOTE_DOORS_MAX && order->clone_into <= 1 &&
           n_fds == ZYGOTE_ORDER_FDS + order->n_doors + order->clone_into;
}

int zygote_serve(void)
{
    int own_pid_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    struct copy_filter filter;

    if (own_pid_fd < 0 || lock_executable() < 0 || copy_filter_read(ZYGOTE_FILTER_FD, &filter) < 0 ||
        packet_send(ZYGOTE_SOCKET_FD, ZYGOTE_READY, sizeof(ZYGOTE_READY), NULL, 0) < 0)
        _exit(1);
    for (;;) {
        struct zygote_order order;
        int fds[PACKET_FDS_MAX];
        size_t n_fds;
        ssize_t n = packet_receive(ZYGOTE_SOCKET_FD, &order, sizeof(order), 0, fds, &n_fds);

        if (n <= 0 && n != -EMSGSIZE)
            _exit(0);
        if (is_sound(&order, n, n_fds) && serve_order(&order, fds, own_pid_fd) == 0) {
            copy_become(&order, fds, &filter);
            return 0;
        }
        for (size_t i = 0; i < n_fds; i++)
            close(fds[i]);
    }
}

int zygote_await(void)
{
    copy_await(&the_program);
    return 0;
}

int zygote_await_started(int socket_fd)
{
    copy_await_started(socket_fd, &the_program);
    return 0;
}
