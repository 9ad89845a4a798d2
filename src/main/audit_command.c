/* SPDX-License-Identifier: Apache-2.0 */
/* audit_command.c -- `codecell audit verify`: is an audit log whole and unchanged? Exit status 0: yes; 1: no, or it
 * cannot be read. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "domain/audit_disk.h"
#include "domain/audit_verify.h"
#include "main/command.h"
#include "main/config/config.h"
#include "main/option.h"
#include "main/output.h"
#include "main/place/data_dir.h"

#define FILES_MAX    1002 /* LOG_BACKUP_COUNT and the one being written */
#define LOCK_WAIT_MS 5000

struct log {
    char *path; /* as it is told */
    int fd;     /* -1 = there is none */
};

struct files {
    struct log logs[FILES_MAX]; /* oldest first */
    size_t n;
    struct log head;          /* beside the newest */
    struct audit_chain ended; /* what it says */
    bool has_head;            /* a copy has none */
    char directory[PATH_MAX]; /* "" = names are paths */
    int dir_fd;               /* of it, borrowed while files are opened */
    int flags;                /* for opening them */
    enum audit_extent extent; /* chosen: they were named; else those of the configured server */
};

static void log_close(struct log *log)
{
    free(log->path);
    cleanup_close_fd(&log->fd);
}

static void files_close(struct files *files)
{
    for (size_t i = 0; i < files->n; i++)
        log_close(&files->logs[i]);
    log_close(&files->head);
}

static int fail(const char *path, const char *problem)
{
    fprintf(stderr, "codecell audit: %s: %s\n", path, problem);
    return 1;
}

/* ---- opening ---- */

/* What lies there may be there to keep this waiting for ever, or be a name for something else. Returns the exit status;
 * 0 also if there is none. */
static int open_log(const struct files *files, const char *name, struct log *log)
{
    const char *between = files->directory[0] ? "/" : "";
    struct stat st;

    *log = (struct log){ .fd = -1 };
    if (asprintf(&log->path, "%s%s%s", files->directory, between, name) < 0) {
        log->path = NULL;
        return fail(name, strerror(ENOMEM));
    }
    log->fd = openat(files->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | files->flags);
    if (log->fd < 0)
        return errno == ENOENT ? 0 : fail(log->path, strerror(errno));
    if (fstat(log->fd, &st) < 0)
        return fail(log->path, strerror(errno));
    return S_ISREG(st.st_mode) ? 0 : fail(log->path, "is no regular file");
}

/* It is read before the log: by the time that is read, a server at work has moved it on, not back. And before another
 * log can be begun, whose events it would tell of. */
static int read_head(struct files *files, const char *newest)
{
    char name[PATH_MAX];
    int status, r;

    snprintf(name, sizeof(name), "%s" AUDIT_HEAD_SUFFIX, newest);
    status = open_log(files, name, &files->head);
    if (status != 0)
        return status;
    r = files->head.fd < 0 ? -ENODATA : audit_disk_read_head(files->head.fd, &files->ended);
    files->has_head = r == 0;
    return r == 0 || r == -ENODATA ? 0 : fail(files->head.path, strerror(-r));
}

static int open_rotated(struct files *files, int64_t max_rotated)
{
    char name[AUDIT_ROTATED_SIZE];
    int status = 0;

    for (int64_t number = max_rotated; number > 0 && status == 0; number--) {
        struct log *log = &files->logs[files->n];

        audit_disk_rotated_name((uint64_t)number, name);
        status = open_log(files, name, log);
        if (log->fd < 0)
            log_close(log);
        else
            files->n++;
    }
    return status;
}

/* Whoever asks may believe in another number of rotated files than the server. */
static enum audit_extent find_extent(const struct files *files, int64_t max_rotated)
{
    char name[AUDIT_ROTATED_SIZE];
    struct stat st;

    audit_disk_rotated_name((uint64_t)max_rotated + 1, name);
    if (files->n == (size_t)max_rotated && fstatat(files->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return AUDIT_EXTENT_PART;
    return max_rotated > 0 && files->n == (size_t)max_rotated ? AUDIT_EXTENT_FULL : AUDIT_EXTENT_ALL;
}

/* Those of the configured server. Files are moved under the lock of their directory only: while it is held they are
 * those of one moment, and once open they stay what they are, however often the server rotates while they are read. */
static int open_all(struct files *files, int64_t max_rotated)
{
    CLEANUP_CLOSE int dir_fd = open(files->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r = dir_fd < 0 ? error_from_errno() : fd_lock(dir_fd, LOCK_WAIT_MS), status;

    if (r != 0)
        return fail(files->directory, r == FD_E_BUSY ? "another process holds the log; try again" : strerror(-r));
    files->dir_fd = dir_fd;
    files->flags = O_NOFOLLOW;
    status = open_rotated(files, max_rotated);
    files->extent = find_extent(files, max_rotated);
    if (status == 0)
        status = open_log(files, AUDIT_FILE_NAME, &files->logs[files->n++]);
    return status == 0 ? read_head(files, AUDIT_FILE_NAME) : status;
}

/* Works without a valid configuration: of it only two values matter. Returns the exit status. */
static int open_of_server(struct files *files)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    CLEANUP(config_deinit) struct config config = { 0 };
    int r = config_load(&config, environ, ".env", &problems);

    if (r < 0)
        return fail("configuration", strerror(-r));
    if (config.file_unread) {
        problems.data[strcspn(problems.data, "\n")] = '\0'; /* the first: DATA_DIR may stand behind it */
        return fail("configuration", problems.data);
    }
    if ((size_t)snprintf(files->directory, sizeof(files->directory), "%s/%s", config.data_dir, DATA_DIR_AUDIT) >=
        sizeof(files->directory))
        return fail(config.data_dir, strerror(ENAMETOOLONG));
    return open_all(files, config.log_backup_count);
}

static int open_named(struct files *files, int argc, char **argv)
{
    int status = 0;

    if (argc > FILES_MAX)
        return fail("audit logs", strerror(E2BIG));
    files->extent = AUDIT_EXTENT_CHOSEN;
    files->dir_fd = AT_FDCWD;
    for (int i = 0; i < argc && status == 0; i++)
        status = open_log(files, argv[i], &files->logs[files->n++]);
    return status == 0 ? read_head(files, argv[argc - 1]) : status;
}

/* ---- verifying ---- */

static int verify_one(struct log *log, struct audit_verdict *verdict)
{
    FILE *file;
    int r;

    if (log->fd < 0)
        return -ENOENT;
    file = fdopen(log->fd, "r");
    if (!file)
        return error_from_errno();
    log->fd = -1; /* it is the file's now */
    r = audit_verify_file(file, verdict);
    fclose(file);
    return r;
}

/* How much of what is here the hash of --last vouches for. */
static void print_noted(const struct audit_verdict *verdict)
{
    if (verdict->noted_seq < verdict->first_seq)
        printf("event %" PRIu64 ", right before them, has the hash of --last\n", verdict->noted_seq);
    else
        printf("event %" PRIu64 " has the hash of --last: unchanged up to there; %" PRIu64 " more follow\n",
               verdict->noted_seq, verdict->last_seq - verdict->noted_seq);
}

static int conclude(const char *path, const struct audit_verdict *verdict, bool end_is_known)
{
    if (!verdict->sound) {
        printf("%s: %s\n", path, verdict->problem);
        return 1;
    }
    printf("events %" PRIu64 " to %" PRIu64 " are whole and unchanged%s\nlast hash %s\n", verdict->first_seq,
           verdict->last_seq, end_is_known ? "" : "; whether more followed cannot be told (no head file)",
           verdict->chain.hash);
    if (verdict->first_seq > 1)
        printf("events 1 to %" PRIu64 " were in older files\n", verdict->first_seq - 1);
    if (verdict->noted_hash)
        print_noted(verdict);
    if (verdict->end == AUDIT_END_TORN)
        printf("behind them is the beginning of a line, as while a server writes\n");
    return 0;
}

/* A server keeps a head beside its log from the first event on: that it is gone tells something. */
static int conclude_headless(const char *path, const char *newest, const struct audit_verdict *verdict)
{
    if (verdict->end == AUDIT_END_EMPTY && verdict->last_seq == 0 && !verdict->noted_hash) {
        printf("%s: is empty: no event was written yet\n", newest);
        return 0;
    }
    if (!verdict->sound)
        return conclude(path, verdict, false);
    printf("%s.head: is missing or damaged: whether the end of the log is missing too cannot be told\n", newest);
    return 1;
}

/* Stops at the first file that is not sound: *ret_log. */
static int verify_all(struct files *files, struct audit_verdict *verdict, const struct log **ret_log)
{
    int r = 0;

    for (size_t i = 0; i < files->n && verdict->sound && r == 0; i++) {
        *ret_log = &files->logs[i];
        r = verify_one(&files->logs[i], verdict);
    }
    return r;
}

static int verify(struct files *files, const char *last)
{
    const struct log *newest = &files->logs[files->n - 1], *log = newest;
    struct audit_verdict verdict;
    int r;

    audit_verdict_init(&verdict, last);
    r = verify_all(files, &verdict, &log);
    if (r < 0)
        return fail(log->path, strerror(-r));
    if (files->has_head && log == newest)
        audit_verify_end(&files->ended, &verdict);
    audit_verify_noted(&verdict);
    if (verdict.sound) {
        log = &files->logs[0];
        audit_verify_beginning(files->extent, &verdict);
    }
    if (!files->has_head && files->extent != AUDIT_EXTENT_CHOSEN)
        return conclude_headless(log->path, newest->path, &verdict);
    return conclude(log->path, &verdict, files->has_head || (last && verdict.noted_seq == verdict.last_seq));
}

/* ---- the command line ---- */

/* How many words of "verify [OPTIONS] [FILE...]" come before the first file. */
static int count_options(int argc, char **argv)
{
    int n = 1;

    while (n < argc && argv[n][0] == '-')
        n += strcmp(argv[n], "--last") == 0 ? 2 : 1;
    return n < argc ? n : argc;
}

int command_audit(int argc, char **argv)
{
    static struct files files = { .head.fd = -1 }; /* static: too large for a stack */
    const char *last = NULL;
    const struct option_row rows[] = { { "--last", .value = "hash", .text = &last }, { 0 } };
    bool named = argc > 1 && strcmp(argv[1], "verify") == 0;
    int n, status;

    argc -= named;
    argv += named;
    n = count_options(argc, argv);
    if (!option_parse("audit", rows, named ? n : argc, argv, &status))
        return status;
    for (int i = n; i < argc; i++)
        if (named && strncmp(argv[i], "--", 2) == 0) {
            fprintf(stderr, "codecell audit: %s comes before the files\n", argv[i]);
            return EXIT_USAGE;
        }
    if (!named) {
        fprintf(stderr, "codecell audit: say what to do: codecell audit verify [FILE...]\n");
        return EXIT_USAGE;
    }
    status = argc > n ? open_named(&files, argc - n, argv + n) : open_of_server(&files);
    if (status == 0)
        status = verify(&files, last);
    files_close(&files);
    return output_end("audit") == 0 ? status : 1;
}
