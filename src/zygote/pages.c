/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "zygote/mapping.h"

#define PAGE          ((uintptr_t)4096)
#define ENTRIES_CHUNK 512
#define RANGES_MAX    2048

/* A trial that hangs is not waited for: it has the rights of its zygote, which has no copies until it is over. */
#define TRIAL_SECONDS_MAX 60

/* Pages of a file are mapped by so many at a time: fault_around_bytes of the kernel, unless somebody changed it. */
#define AROUND ((uintptr_t)64 << 10)

/* A larger mapping is address space that something has reserved. */
#define MAPPING_BYTES_MAX ((uintptr_t)8 << 30)

/* Of an entry of /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst). */
#define ENTRY_PRESENT   (1ULL << 63)
#define ENTRY_FILE      (1ULL << 61) /* or shared memory */
#define ENTRY_EXCLUSIVE (1ULL << 56) /* mapped by nobody else */

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22 /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

struct page_list {
    size_t n;
    struct range {
        uintptr_t from, to;
        int advice;
    } ranges[RANGES_MAX]; /* ascending */
};

static struct page_list *trial; /* shared by a trial with its parent */
static struct page_list learnt;

static void note(struct page_list *list, uintptr_t from, uintptr_t to, int advice)
{
    struct range *last = list->n > 0 ? &list->ranges[list->n - 1] : NULL;

    if (last && last->advice == advice && from <= last->to)
        last->to = to;
    else if (list->n < RANGES_MAX)
        list->ranges[list->n++] = (struct range){ from, to, advice };
}

static void note_page(struct page_list *list, const struct mapping *m, uintptr_t at, uint64_t entry)
{
    uintptr_t around = at & ~(AROUND - 1), from = around > m->from ? around : m->from;
    uintptr_t to = around + AROUND < m->to ? around + AROUND : m->to;

    if (!(entry & ENTRY_PRESENT))
        return;
    if (mapping_is_private(m, "rw-")) {
        if ((entry & ENTRY_EXCLUSIVE) && !(entry & ENTRY_FILE))
            note(list, at, at + PAGE, MADV_POPULATE_WRITE);
    } else if (entry & ENTRY_FILE)
        note(list, from, to, MADV_POPULATE_READ);
}

static void note_mapping(struct page_list *list, const struct mapping *m, int pagemap_fd)
{
    uint64_t entries[ENTRIES_CHUNK];

    for (uintptr_t at = m->from; at < m->to; at += ENTRIES_CHUNK * PAGE) {
        ssize_t size = pread(pagemap_fd, entries, sizeof(entries), (off_t)(at / PAGE * sizeof(entries[0])));

        for (size_t i = 0; i < ENTRIES_CHUNK && (ssize_t)((i + 1) * sizeof(entries[0])) <= size; i++)
            if (at + i * PAGE < m->to)
                note_page(list, m, at + i * PAGE, entries[i]);
    }
}

static bool is_looked_at(const struct mapping *m)
{
    return m->to - m->from <= MAPPING_BYTES_MAX &&
           (mapping_is_private(m, "rw-") || mapping_is_private(m, "r-x") || mapping_is_private(m, "r--"));
}

void pages_report(void)
{
    CLEANUP_CLOSE int pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE struct mapping *mappings = NULL;
    int n = pagemap_fd < 0 ? 0 : mappings_read(&mappings);

    for (int i = 0; i < n; i++)
        if (is_looked_at(&mappings[i]))
            note_mapping(trial, &mappings[i], pagemap_fd);
    _exit(0);
}

int pages_learn(void)
{
    pid_t pid;

    trial = mmap(NULL, sizeof(*trial), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trial == MAP_FAILED)
        return error_from_errno();
    pid = fork();
    if (pid == 0) {
        alarm(TRIAL_SECONDS_MAX);
        return 0;
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    learnt = *trial;
    munmap(trial, sizeof(*trial));
    return pid > 0 ? 1 : -EAGAIN;
}

void pages_take(void)
{
    for (size_t i = 0; i < learnt.n; i++)
        (void)madvise((void *)learnt.ranges[i].from, learnt.ranges[i].to - learnt.ranges[i].from,
                      learnt.ranges[i].advice);
}
