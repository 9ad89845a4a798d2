/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "zygote/mapping.h"

#define PAGE          ((uintptr_t)4096)
#define OWN_MAX       8192
#define LEARNT_MAX    512
#define ENTRIES_CHUNK 512

/* A larger mapping is address space that something has reserved. */
#define MAPPING_BYTES_MAX ((uintptr_t)8 << 30)

/* Of an entry of /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst). */
#define ENTRY_PRESENT   (1ULL << 63)
#define ENTRY_FILE      (1ULL << 61) /* or shared memory */
#define ENTRY_EXCLUSIVE (1ULL << 56) /* mapped by nobody else */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

struct page_list {
    size_t n;
    uintptr_t pages[OWN_MAX]; /* addresses, ascending */
};

/* Shared by a trial with its parent. */
struct trial {
    struct page_list before, after;
};

static struct trial *trial;

static uintptr_t learnt[LEARNT_MAX];
static size_t n_learnt;

static void note_own(int pagemap_fd, const struct mapping *m, struct page_list *list)
{
    uint64_t entries[ENTRIES_CHUNK];

    for (uintptr_t at = m->from; at < m->to; at += ENTRIES_CHUNK * PAGE) {
        ssize_t size = pread(pagemap_fd, entries, sizeof(entries), (off_t)(at / PAGE * sizeof(entries[0])));

        for (size_t i = 0; i < ENTRIES_CHUNK && (ssize_t)((i + 1) * sizeof(entries[0])) <= size; i++)
            if (at + i * PAGE < m->to && list->n < OWN_MAX && (entries[i] & ENTRY_PRESENT) &&
                (entries[i] & ENTRY_EXCLUSIVE) && !(entries[i] & ENTRY_FILE))
                list->pages[list->n++] = at + i * PAGE;
    }
}

static void list_own(struct page_list *ret_list)
{
    CLEANUP_CLOSE int pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE struct mapping *mappings = NULL;
    int n = pagemap_fd < 0 ? 0 : mappings_read(&mappings);

    for (int i = 0; i < n; i++)
        if (mapping_is_private(&mappings[i], "rw-") && mappings[i].to - mappings[i].from <= MAPPING_BYTES_MAX)
            note_own(pagemap_fd, &mappings[i], ret_list);
}

/* Both lists ascend. */
static void learn_difference(const struct page_list *before, const struct page_list *after)
{
    size_t k = 0;

    n_learnt = 0;
    for (size_t i = 0; i < after->n && n_learnt < LEARNT_MAX; i++) {
        while (k < before->n && before->pages[k] < after->pages[i])
            k++;
        if (k == before->n || before->pages[k] != after->pages[i])
            learnt[n_learnt++] = after->pages[i];
    }
}

int pages_learn(void)
{
    pid_t pid;

    trial = mmap(NULL, sizeof(*trial), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trial == MAP_FAILED)
        return error_from_errno();
    pid = fork();
    if (pid == 0)
        return 0;
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (pid > 0)
        learn_difference(&trial->before, &trial->after);
    munmap(trial, sizeof(*trial));
    trial = NULL;
    return pid > 0 ? 1 : -EAGAIN;
}

void pages_mark(void)
{
    if (trial)
        list_own(&trial->before);
}

void pages_report(void)
{
    if (trial)
        list_own(&trial->after);
    _exit(0);
}

void pages_take(void)
{
    for (size_t i = 0; i < n_learnt; i++)
        (void)madvise((void *)learnt[i], PAGE, MADV_POPULATE_WRITE);
}
