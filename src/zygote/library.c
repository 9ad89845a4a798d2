/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote/library.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
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
#include "zygote/mapping.h"
#include "zygote/pages.h"

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

size_t zygote_count(char **strings)
{
    size_t n = 0;

    while (strings[n])
        n++;
    return n;
}

/* Moves writable memory onto huge pages. Returns how many mebibytes. */
static int settle_mapping(const struct mapping *m)
{
    uintptr_t first = (m->from + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1), last = m->to & ~(HUGE_PAGE - 1);
    int moved = 0;

    if (!mapping_is_private(m, "rw-") || last <= first)
        return 0;
    (void)madvise((void *)m->from, m->to - m->from, MADV_HUGEPAGE);
    for (uintptr_t at = first; at < last; at += HUGE_PAGE)
        moved += madvise((void *)at, HUGE_PAGE, MADV_COLLAPSE) == 0 ? (int)(HUGE_PAGE >> 20) : 0;
    /* What is one stays one; but the kernel shall not make new ones in copies, of whole ones of the zygote's. */
    (void)madvise((void *)m->from, m->to - m->from, MADV_NOHUGEPAGE);
    return moved;
}

/* A library is mapped in pieces: its constants before and behind its code are mapped apart only to be not executable.
 * Each mapping is copied for each copy, so the three become one. What a program could execute thereby it may map
 * executable itself. */
static void join_constants(const struct mapping *mappings, int n)
{
    for (int i = 0; i < n; i++) {
        const struct mapping *m = &mappings[i], *before = i > 0 ? m - 1 : m, *behind = i + 1 < n ? m + 1 : m;
        const struct mapping *neighbours[] = { before, behind };

        if (!mapping_is_private(m, "r-x") || m->inode == 0)
            continue;
        for (size_t k = 0; k < ARRAY_SIZE(neighbours); k++)
            if (mapping_is_private(neighbours[k], "r--") && neighbours[k]->inode == m->inode &&
                neighbours[k]->offset - m->offset == neighbours[k]->from - m->from &&
                (neighbours[k]->to == m->from || neighbours[k]->from == m->to))
                (void)mprotect((void *)neighbours[k]->from, neighbours[k]->to - neighbours[k]->from,
                               PROT_READ | PROT_EXEC);
    }
}

/* The linker makes what it has relocated read-only, which splits a library's data in two. A program may make it
 * writable again, so no copy needs to have both. */
static void join_data(const struct mapping *mappings, int n)
{
    for (int i = 0; i + 1 < n; i++) {
        const struct mapping *m = &mappings[i], *data = m + 1;

        if (m->inode != 0 && m->inode == data->inode && mapping_is_private(m, "r--") &&
            mapping_is_private(data, "rw-") && m->to == data->from && data->offset - m->offset == data->from - m->from)
            (void)mprotect((void *)m->from, m->to - m->from, PROT_READ | PROT_WRITE);
    }
}

void zygote_prepare(void)
{
    arena_install();
    /* Large blocks come from the heap as well, as they do in every program that has freed a few. */
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

int zygote_settle(void)
{
    struct mapping *mappings;
    int n = mappings_read(&mappings), moved = 0;

    if (n < 0)
        return n;
    for (int i = 0; i < n; i++)
        moved += settle_mapping(&mappings[i]);
    join_constants(mappings, n);
    join_data(mappings, n);
    free(mappings);
    arena_settle();
    return moved;
}

int zygote_shared_mappings(void)
{
    struct mapping *mappings;
    int n = mappings_read(&mappings), shared = 0;

    if (n < 0)
        return n;
    for (int i = 0; i < n; i++)
        shared += mappings[i].rights[1] == 'w' && mappings[i].rights[3] == 's';
    free(mappings);
    return shared;
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
/* Elsewhere the parent of a moment is a whole copy too: slower, and right. */
#define CLONE_AS_VFORK(args, size, ret)                                                                                \
    ((args)->flags &= ~(uint64_t)(CLONE_VM | CLONE_VFORK), (ret) = syscall(SYS_clone3, (args), (size)))
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
        /* fork() would take a lock in the memory that is shared, and this process may be killed while it holds it. */
        switch (_Fork()) {
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

/* An order that its keeper has forgotten is not carried out: a program may run in that cell by now. */
static bool is_wanted(int socket_fd)
{
    struct pollfd p = { .fd = socket_fd };

    return poll(&p, 1, 0) == 0;
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
        if (is_sound(&order, n, n_fds) && is_wanted(fds[ZYGOTE_ORDER_SOCKET]) &&
            serve_order(&order, fds, own_pid_fd) == 0) {
            copy_become(&order, fds, &filter);
            pages_take();
            return 0;
        }
        for (size_t i = 0; i < n_fds; i++)
            close(fds[i]);
    }
}

int zygote_learn(void)
{
    return pages_learn();
}

void zygote_report(void)
{
    pages_report();
}

int zygote_await(void)
{
    copy_await(&the_program);
    return 0;
}

/* True if zygote_rest() is worth trying, once. */
int zygote_may_rest(void)
{
    return the_program.rests;
}

int zygote_rest(int unsaved)
{
    int r = copy_rest(&the_program, unsaved != 0);

    the_program.rests = r >= 0;
    return r;
}

static bool has_told; /* that it is ready, before it waits */

bool zygote_is_awaited(int socket_fd, int timeout_ms)
{
    struct pollfd p = { .fd = socket_fd, .events = POLLIN };

    if (!has_told && copy_tell_ready(socket_fd) < 0)
        return true;
    has_told = true;
    return poll(&p, 1, timeout_ms) != 0;
}

void zygote_forget(void)
{
    copy_forget(&the_program);
}

int zygote_await_started(int socket_fd)
{
    copy_await_started(socket_fd, has_told, &the_program);
    return 0;
}
