/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "domain/audit_disk.h"
#include "domain/audit_event.h"
#include "store/room.h"

#define SETTLE_MS     1000
#define LOCK_WAIT_MS  5000
#define BEGIN_WAIT_MS 5000 /* for others to begin a log again, which they look at once a second */
#define BEGIN_LOOK_MS 20
#define NEXT_NAME     AUDIT_FILE_NAME ".next" /* a log before it is one */

static int lock(const struct audit_file *file, int wait_ms)
{
    int r = fd_lock(file->dir_fd, wait_ms);

    return r == FD_E_BUSY ? -EBUSY : r;
}

static void unlock(const struct audit_file *file)
{
    flock(file->dir_fd, LOCK_UN);
}

static int open_to_write(int dir_fd, const char *name, int flags)
{
    int fd = openat(dir_fd, name, flags | O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

    return fd < 0 ? error_from_errno() : fd;
}

static int open_log(int dir_fd)
{
    return open_to_write(dir_fd, AUDIT_FILE_NAME, 0);
}

/* The lines are written already: a head that stays behind proves less, and is no reason to write them again. */
static void write_head(struct audit_file *file)
{
    file->head_lags = audit_disk_write_head(file->head_fd, &file->chain) != 0;
}

/* A head on the disk whose lines are not would make a power failure look like tampering: so the log comes first. */
static int sync_both(struct audit_file *file)
{
    if (fdatasync(file->fd) < 0)
        return error_from_errno();
    if (file->head_lags)
        write_head(file);
    return 0;
}

static int cut_off(struct audit_file *file, int64_t torn_bytes)
{
    snprintf(file->note, sizeof(file->note), "a torn line at the end of the audit log was cut off");
    if (ftruncate(file->fd, file->size_bytes - torn_bytes) < 0)
        return error_from_errno();
    file->size_bytes -= torn_bytes;
    return 0;
}

/* Cuts off all that is behind the last newline and reads the last whole line. Returns 0, AUDIT_CHAIN_E_FORM or a
 * negative errno; an empty file has no last line. */
static int read_last_line(struct audit_file *file, struct audit_chain *ret_last)
{
    int r;

    do {
        int64_t torn_bytes;

        r = audit_disk_read_end(file->fd, file->size_bytes, ret_last, &torn_bytes);
        if (r >= 0 && torn_bytes > 0) {
            int cut = cut_off(file, torn_bytes);

            if (cut < 0)
                return cut;
        }
    } while (r == AUDIT_DISK_E_TORN);
    return r;
}

/* What is found first is told: the rest may follow from it. */
static void notice(struct audit_file *file, const char *what)
{
    if (file->damage[0])
        return;
    snprintf(file->damage, sizeof(file->damage), "the audit log %s (event %" PRIu64 " was the last)", what,
             file->chain.seq);
    memcpy(file->note, file->damage, sizeof(file->note));
}

/* ---- other files than the log that is written ---- */

static bool has_rotated(const struct audit_file *file, unsigned number)
{
    char name[AUDIT_ROTATED_SIZE];
    struct stat st;

    audit_disk_rotated_name(number, name);
    return fstatat(file->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_rotated(const struct audit_file *file, unsigned number)
{
    char name[AUDIT_ROTATED_SIZE];

    audit_disk_rotated_name(number, name);
    return openat(file->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* The last line of a file that was rotated. Returns false if there is none that is whole. */
static bool read_rotated_end(int fd, struct audit_chain *ret_last)
{
    int64_t torn_bytes;
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           audit_disk_read_end(fd, st.st_size, ret_last, &torn_bytes) == 0 && torn_bytes == 0;
}

/* What the file says that is open, unless this process has let go of more since. */
static void learn_kept(struct audit_file *file, int fd)
{
    struct audit_opening opening;

    if (audit_disk_read_opening(fd, &opening) == 0 && opening.kept_seq > file->kept_seq)
        file->kept_seq = opening.kept_seq;
}

/* Files that this let go are no longer missed; those that somebody took away are. */
static void forget_oldest(struct audit_file *file)
{
    CLEANUP_CLOSE int fd = open_rotated(file, file->max_rotated);
    struct audit_opening opening;

    file->kept_seq = audit_disk_read_opening(fd, &opening) == 0 ? opening.before.seq + 1 : 0;
}

/* An empty log goes on behind the newest rotated one if the chain ended there, or later: then somebody rotated, and
 * wrote no more. Returns false if it does not. */
static bool follow_rotated(struct audit_file *file, const struct audit_chain *known)
{
    CLEANUP_CLOSE int fd = open_rotated(file, 1);
    struct audit_chain last;

    if (!read_rotated_end(fd, &last) || (last.seq <= known->seq && !audit_chain_equal(&last, known)))
        return false;
    file->chain = last;
    file->reason = AUDIT_REASON_ROTATED;
    learn_kept(file, fd);
    return true;
}

/* ---- where the chain stands ---- */

/* Of a log without a line. The head tells where its end was. */
static void find_chain_of_empty(struct audit_file *file, const struct audit_chain *head)
{
    CLEANUP_CLOSE int newest = open_rotated(file, 1);
    struct audit_chain last;

    if (head && follow_rotated(file, head)) {
        if (file->max_rotated > 0 && has_rotated(file, file->max_rotated))
            forget_oldest(file); /* who rotated did so as well */
        return;
    }
    if (head) {
        file->chain = *head;
        notice(file, "is gone");
    } else if (read_rotated_end(newest, &last))
        notice(file, "is gone, and its head");
}

/* The later one of what log and head say. */
static int find_chain(struct audit_file *file)
{
    struct audit_chain last = { 0 }, head = { 0 };
    int r = AUDIT_CHAIN_E_FORM, h = audit_disk_read_head(file->head_fd, &head);

    audit_chain_init(&file->chain);
    if (file->size_bytes > 0)
        r = read_last_line(file, &last);
    if (r < 0 || (h < 0 && h != -ENODATA))
        return r < 0 ? r : h;
    if (file->size_bytes == 0) {
        find_chain_of_empty(file, h == 0 ? &head : NULL);
        return 0;
    }
    learn_kept(file, file->fd);
    if (r == 0)
        file->chain = last;
    if (h == 0 && (r != 0 || head.seq > last.seq || (head.seq == last.seq && !audit_chain_equal(&head, &last)))) {
        file->chain = head;
        notice(file, "does not end where it should");
    } else if (r != 0)
        notice(file, "has an end that is none of its lines");
    return 0;
}

/* Takes fd: the open log. */
static int take_log(struct audit_file *file, int fd)
{
    struct stat st;

    if (fd < 0)
        return fd;
    cleanup_close_fd(&file->fd);
    file->fd = fd;
    if (fstat(fd, &st) < 0)
        return error_from_errno();
    file->size_bytes = st.st_size;
    return 0;
}

static bool was_emptied(const struct audit_file *file)
{
    struct audit_chain head;

    return file->size_bytes == 0 && audit_disk_read_head(file->head_fd, &head) == 0;
}

/* With the lock, which is free meanwhile. Whoever has the log open holds the head, too: if nobody does there is nothing
 * to wait for, and the head says all that can be known. */
static int await_beginning(struct audit_file *file)
{
    int64_t until_us = clock_monotonic_us() + (int64_t)BEGIN_WAIT_MS * 1000;
    int r = 0;

    while (r == 0 && was_emptied(file) && flock(file->head_fd, LOCK_EX | LOCK_NB) < 0 &&
           clock_monotonic_us() < until_us) {
        unlock(file);
        usleep(BEGIN_LOOK_MS * 1000);
        r = lock(file, LOCK_WAIT_MS);
        if (r == 0)
            r = take_log(file, open_log(file->dir_fd));
    }
    return r;
}

/* With the lock: what audit_file_open() leaves to do. */
static int open_files(struct audit_file *file)
{
    int r;

    file->head_fd = openat(file->dir_fd, AUDIT_FILE_HEAD, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->head_fd < 0)
        return error_from_errno();
    r = take_log(file, open_log(file->dir_fd));
    if (r == 0)
        r = await_beginning(file);
    (void)flock(file->head_fd, LOCK_SH | LOCK_NB);
    return r ? r : find_chain(file);
}

int audit_file_open(struct audit_file *file, const struct audit_file_options *options)
{
    int r;

    *file = AUDIT_FILE_INIT;
    file->max_bytes = options->max_bytes;
    file->max_rotated = options->max_rotated;
    file->dir_fd = open(options->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (file->dir_fd < 0)
        return error_from_errno();
    r = lock(file, LOCK_WAIT_MS);
    if (r < 0)
        return r;
    r = open_files(file);
    unlock(file);
    return r;
}

/* Keeps what others wrote, from the byte where this process knew the end to be. What does not fit is in the file. */
static void keep_others(struct audit_file *file, int64_t from)
{
    size_t length = (size_t)(file->size_bytes - from);
    ssize_t n;

    if (buffer_reserve(&file->others, length) < 0)
        return;
    n = pread(file->fd, file->others.data + file->others.length, length, from);
    if (n == (ssize_t)length)
        file->others.length += length;
    file->others.data[file->others.length] = '\0';
}

/* What the end of a log of another size than known means, r being what read_last_line() said. */
static void take_up_end(struct audit_file *file, int64_t known_bytes, int r, const struct audit_chain *last)
{
    if (r == 0 && last->seq > file->chain.seq) {
        keep_others(file, file->size_bytes > known_bytes ? known_bytes : 0);
        file->chain = *last;
        file->head_lags = true;
    } else if (file->size_bytes == 0 && known_bytes > 0)
        notice(file, "was emptied");
    else if (r != 0 && file->size_bytes > 0)
        notice(file, "has an end that is none of its lines");
    else if (r == 0 && !audit_chain_equal(last, &file->chain))
        notice(file, file->size_bytes < known_bytes ? "was cut" : "was replaced");
}

/* With the lock: goes on where other processes left the chain, which never goes back. In a log that is shorter than it
 * was somebody cut: its chain stays what it was, so that the gap can be seen. One that was emptied, as a tool does that
 * rotates by copying, begins again like a new file. Whoever found that before has told it. */
static int catch_up(struct audit_file *file)
{
    int64_t known_bytes = file->size_bytes;
    struct audit_chain last;
    struct stat st;
    int r;

    if (fstat(file->fd, &st) < 0)
        return error_from_errno();
    file->size_bytes = st.st_size;
    if (st.st_size == known_bytes)
        return 0;
    r = read_last_line(file, &last);
    if (r < 0)
        return r;
    take_up_end(file, known_bytes, r, &last);
    return 0;
}

/* Takes the lock and knows the chain; unlock() afterwards if it returns 0. */
static int enter(struct audit_file *file, int wait_ms)
{
    int r = lock(file, wait_ms);

    if (r < 0)
        return r;
    r = catch_up(file);
    if (r < 0)
        unlock(file);
    return r;
}

int64_t audit_file_settle(struct audit_file *file)
{
    int64_t now_us = clock_monotonic_us(), passed_ms = (now_us - file->settled_us) / 1000;

    if (!file->head_lags)
        return 0;
    if (file->settled_us != 0 && passed_ms < SETTLE_MS)
        return SETTLE_MS - passed_ms;
    file->settled_us = now_us;
    if (enter(file, 0) < 0)
        return SETTLE_MS;
    (void)sync_both(file); /* if it failed, the head stays behind and this is tried again */
    unlock(file);
    return file->head_lags ? SETTLE_MS : 0;
}

/* A head that lags behind what another process wrote proves less, and is no lie: so this does not wait for the lock. */
void audit_file_close(struct audit_file *file)
{
    int locked = file->fd >= 0 ? enter(file, 0) : -EBADF;

    if (file->fd >= 0)
        (void)sync_both(file);
    if (locked == 0)
        unlock(file);
    buffer_deinit(&file->others);
    buffer_deinit(&file->told);
    cleanup_close_fd(&file->fd);
    cleanup_close_fd(&file->head_fd);
    cleanup_close_fd(&file->dir_fd);
    file->fd = file->head_fd = file->dir_fd = -1;
}

static int move_to(struct audit_file *file, const char *from, unsigned number)
{
    bool falls_off = number == file->max_rotated && has_rotated(file, number);
    char to[AUDIT_ROTATED_SIZE];

    audit_disk_rotated_name(number, to);
    if (renameat(file->dir_fd, from, file->dir_fd, to) < 0)
        return error_from_errno();
    if (falls_off)
        forget_oldest(file);
    return 0;
}

/* audit.log.2 -> .3, audit.log.1 -> .2, audit.log -> .1; the last one falls off. The new log is there before: without
 * descriptors or inodes for it nothing is moved. */
static int rotate(struct audit_file *file)
{
    CLEANUP_CLOSE int fd = open_to_write(file->dir_fd, NEXT_NAME, O_TRUNC);
    char from[AUDIT_ROTATED_SIZE];
    int r = fd < 0 ? fd : sync_both(file);

    for (unsigned i = file->max_rotated; i > 1 && r == 0; i--) {
        audit_disk_rotated_name(i - 1, from);
        r = move_to(file, from, i);
        if (r == -ENOENT)
            r = 0;
    }
    if (r == 0)
        r = move_to(file, AUDIT_FILE_NAME, 1);
    if (r == 0 && renameat(file->dir_fd, NEXT_NAME, file->dir_fd, AUDIT_FILE_NAME) < 0)
        r = error_from_errno();
    if (r < 0)
        return r;
    file->reason = AUDIT_REASON_ROTATED;
    return take_log(file, TAKE_FD(fd));
}

static bool was_moved(const struct audit_file *file)
{
    struct stat named, opened;

    if (fstatat(file->dir_fd, AUDIT_FILE_NAME, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT;
    return fstat(file->fd, &opened) == 0 && (named.st_ino != opened.st_ino || named.st_dev != opened.st_dev);
}

/* Another process that begins a log again does so behind all that was written. */
static bool begins_before(const struct audit_file *file, const struct audit_chain *known)
{
    struct audit_opening opening;

    return audit_disk_read_opening(file->fd, &opening) != 0 || opening.before.seq < known->seq;
}

/* Of the new file nothing is known yet: another process may have begun it. */
static int take_new_log(struct audit_file *file)
{
    struct audit_chain known = file->chain;
    struct stat st;
    bool removed = fstat(file->fd, &st) == 0 && st.st_nlink == 0;
    int r;

    (void)sync_both(file); /* an old file that cannot be synced must not hold up the new one */
    r = take_log(file, open_log(file->dir_fd));
    if (r < 0)
        return r;
    file->size_bytes = 0;
    r = catch_up(file);
    if (r < 0)
        return r;
    if (file->size_bytes > 0) {
        learn_kept(file, file->fd);
        if (removed && begins_before(file, &known))
            notice(file, "was replaced");
    } else if (!follow_rotated(file, &file->chain)) {
        file->reason = AUDIT_REASON_MOVED;
        if (removed)
            notice(file, "was removed");
    }
    return 0;
}

/* To write about length bytes. A rotation lets go of the oldest lines, so it waits until there is room for new ones. */
static int renew(struct audit_file *file, size_t length)
{
    if (was_moved(file)) {
        int r = take_new_log(file);

        if (r < 0)
            return r;
    }
    if (file->max_rotated == 0 || file->size_bytes < file->max_bytes)
        return 0;
    return room_is_left(file->fd, ROOM_OF_AUDIT, length + AUDIT_LINE_MAX_BYTES) ? rotate(file) : -ENOSPC;
}

static int make_lines(struct audit_chain *chain, const struct buffer *events, struct buffer *lines)
{
    const char *at = events->data, *end = at + events->length;
    int r = 0;

    while (at < end && r == 0) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        r = audit_chain_append(chain, at, (size_t)(newline - at), lines);
        at = newline + 1;
    }
    return r;
}

/* A part of a batch, left by a full disk, is taken back: the batch is written again later. */
static int append(struct audit_file *file, const char *bytes, size_t length)
{
    int r;

    if (!room_is_left(file->fd, ROOM_OF_AUDIT, length))
        return -ENOSPC;
    r = fd_write_full(file->fd, bytes, length);
    if (r < 0)
        return ftruncate(file->fd, file->size_bytes) < 0 ? error_from_errno() : r;
    file->size_bytes += (int64_t)length;
    return 0;
}

static int make_opening(const struct audit_file *file, struct audit_chain *chain, struct buffer *lines)
{
    struct audit_opening opening = { .reason = file->damage[0] ? AUDIT_REASON_LOST : file->reason,
                                     .kept_seq = file->kept_seq };

    if (chain->seq == 0)
        opening = (struct audit_opening){ .reason = AUDIT_REASON_FIRST, .kept_seq = 1 };
    return audit_chain_append_opening(chain, &opening, lines);
}

static int make_damage(const struct audit_file *file, struct audit_chain *chain, struct buffer *lines)
{
    struct audit_event event;

    audit_begin(&event, "audit", AUDIT_CRITICAL);
    audit_text(&event, "operation", "log_damaged");
    audit_text(&event, "message", file->damage);
    audit_end(&event);
    return audit_chain_append(chain, event.text, event.length, lines);
}

/* What is to be said before the events, if anything. */
static int make_first_lines(const struct audit_file *file, struct audit_chain *chain, struct buffer *lines,
                            size_t *ret_opening_length)
{
    size_t start = lines->length;
    int r = file->size_bytes == 0 ? make_opening(file, chain, lines) : 0;

    *ret_opening_length = lines->length - start;
    return r == 0 && file->damage[0] ? make_damage(file, chain, lines) : r;
}

/* With the lock. */
static int write_lines(struct audit_file *file, const struct buffer *events, struct buffer *ret_lines)
{
    size_t start = ret_lines->length, opening_length, n_first = 0;
    struct audit_chain chain;
    int r = renew(file, events->length);

    if (r < 0)
        return r;
    chain = file->chain;
    r = make_first_lines(file, &chain, ret_lines, &opening_length);
    if (r == 0) {
        n_first = ret_lines->length - start;
        r = make_lines(&chain, events, ret_lines);
    }
    if (r == 0 && ret_lines->length > start)
        r = append(file, ret_lines->data + start, ret_lines->length - start);
    if (r < 0) {
        ret_lines->length = start;
        return r;
    }
    if (n_first > opening_length)
        (void)buffer_append(&file->told, ret_lines->data + start + opening_length, n_first - opening_length);
    if (file->chain.seq == 0 && opening_length > 0)
        file->kept_seq = 1;
    file->damage[0] = '\0';
    file->head_lags = file->head_lags || ret_lines->length > start;
    file->chain = chain;
    return 0;
}

int audit_file_write(struct audit_file *file, const struct buffer *events, struct buffer *ret_lines)
{
    int r = enter(file, LOCK_WAIT_MS);

    if (r < 0)
        return r;
    r = write_lines(file, events, ret_lines);
    unlock(file);
    return r;
}

static bool has_news(const struct audit_file *file)
{
    struct stat opened;

    return was_moved(file) || (fstat(file->fd, &opened) == 0 && opened.st_size != file->size_bytes);
}

bool audit_file_follow(struct audit_file *file)
{
    if (has_news(file) && enter(file, 0) >= 0) {
        if (was_moved(file))
            (void)take_new_log(file);
        unlock(file);
    }
    return file->damage[0] || (file->size_bytes == 0 && file->chain.seq > 0);
}
