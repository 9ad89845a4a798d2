/* SPDX-License-Identifier: Apache-2.0 */
/* audit_command.c -- `codecell audit verify`: is an audit log whole and unchanged? Exit status 0: yes; 1: no, or it
 * cannot be read. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "domain/audit_file.h"
#include "domain/audit_verify.h"
#include "main/command.h"
#include "main/config/config.h"
#include "main/option.h"
#include "main/output.h"
#include "main/place/data_dir.h"

#define FILES_MAX 1002 /* LOG_BACKUP_COUNT and the one being written */

struct files {
    const char *paths[FILES_MAX];
    size_t n;
    char *own[FILES_MAX]; /* of paths, those to be freed */
    bool of_server;       /* none was named: those of the configured server */
};

static void files_deinit(struct files *files)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        free(files->own[i]);
}

static int fail(const char *path, int error)
{
    fprintf(stderr, "codecell audit: %s: %s\n", path, strerror(-error));
    return 1;
}

static int verify_one(const char *path, struct audit_verdict *verdict)
{
    FILE *file = fopen(path, "re");
    int r = file ? audit_verify_file(file, verdict) : error_from_errno();

    if (file)
        fclose(file);
    return r;
}

/* The head lies beside the file that is being written. Returns 1 if there is none, as with a copy. */
static int read_head(const char *path, struct audit_chain *ret_head)
{
    CLEANUP_CLOSE int fd = -1;
    char head[PATH_MAX];
    int r;

    snprintf(head, sizeof(head), "%s.head", path);
    fd = open(head, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    r = fd < 0 ? error_from_errno() : audit_file_read_head(fd, ret_head);
    return r == -ENOENT || r == -ENODATA ? 1 : r;
}

static void check_last(const char *last, struct audit_verdict *verdict)
{
    if (!verdict->sound || strcmp(last, verdict->chain.hash) == 0)
        return;
    verdict->sound = false;
    snprintf(verdict->problem, sizeof(verdict->problem), "the last event, %" PRIu64 ", has another hash than --last",
             verdict->chain.seq);
}

static int conclude(const char *path, const struct audit_verdict *verdict, bool end_is_known)
{
    if (!verdict->sound) {
        printf("%s: %s\n", path, verdict->problem);
        return 1;
    }
    printf("events %" PRIu64 " to %" PRIu64 " are whole and unchanged%s\nlast hash %s\n", verdict->first_seq,
           verdict->last_seq, end_is_known ? "" : "; whether more followed cannot be told (no head file, no --last)",
           verdict->chain.hash);
    if (verdict->end == AUDIT_END_TORN)
        printf("behind them is the beginning of a line, as while a server writes\n");
    return 0;
}

/* A server keeps a head beside its log from the first event on: that it is gone tells something. */
static int conclude_headless(const char *path, const char *newest, const struct audit_verdict *verdict, bool has_last)
{
    if (verdict->end == AUDIT_END_EMPTY && verdict->last_seq == 0 && !has_last) {
        printf("%s: is empty: no event was written yet\n", newest);
        return 0;
    }
    if (!verdict->sound)
        return conclude(path, verdict, false);
    printf("%s.head: is missing or damaged: whether the end of the log is missing too cannot be told\n", newest);
    return 1;
}

/* Stops at the first file that is not sound: *ret_path. */
static int verify_all(const struct files *files, struct audit_verdict *verdict, const char **ret_path)
{
    int r = 0;

    audit_verdict_init(verdict);
    for (size_t i = 0; i < files->n && verdict->sound && r == 0; i++) {
        *ret_path = files->paths[i];
        r = verify_one(*ret_path, verdict);
    }
    return r;
}

/* The head is read first: by the time the log is read, a server at work has moved it on, not back. */
static int verify(const struct files *files, const char *last)
{
    const char *newest = files->paths[files->n - 1], *path = newest;
    struct audit_verdict verdict;
    struct audit_chain head;
    int h = read_head(newest, &head), r;

    if (h < 0)
        return fail(newest, h);
    r = verify_all(files, &verdict, &path);
    if (r < 0)
        return fail(path, r);
    if (h == 0 && path == newest)
        audit_verify_end(&head, &verdict);
    if (last)
        check_last(last, &verdict);
    if (h != 0 && files->of_server)
        return conclude_headless(path, newest, &verdict, last != NULL);
    return conclude(path, &verdict, h == 0 || last);
}

static int add_own(struct files *files, const char *directory, unsigned number)
{
    char *path;

    if (number == 0 ? asprintf(&path, "%s/" AUDIT_FILE_NAME, directory) < 0
                    : asprintf(&path, "%s/" AUDIT_FILE_NAME ".%u", directory, number) < 0)
        return -ENOMEM;
    if (number > 0 && access(path, F_OK) < 0) {
        free(path);
        return 0;
    }
    files->own[files->n] = path;
    files->paths[files->n++] = path;
    return 0;
}

/* Those of the configured server, oldest first. Works without a valid configuration: of it only two values matter. */
static int find_files(struct files *files)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    CLEANUP(config_deinit) struct config config = { 0 };
    char directory[PATH_MAX];
    int r = config_load(&config, environ, ".env", &problems);

    if (r < 0)
        return r;
    r = 0;
    files->of_server = true;
    snprintf(directory, sizeof(directory), "%s/%s", config.data_dir, DATA_DIR_AUDIT);
    for (int64_t number = config.log_backup_count; number >= 0 && r == 0; number--)
        r = add_own(files, directory, (unsigned)number);
    return r;
}

/* How many words of "verify [OPTIONS] [FILE...]" come before the first file. */
static int count_options(int argc, char **argv)
{
    int n = 1;

    while (n < argc && argv[n][0] == '-')
        n += strcmp(argv[n], "--last") == 0 ? 2 : 1;
    return n < argc ? n : argc;
}

static int take_files(struct files *files, int argc, char **argv)
{
    if (argc == 0)
        return find_files(files);
    if (argc > FILES_MAX)
        return -E2BIG;
    for (int i = 0; i < argc; i++)
        files->paths[files->n++] = argv[i];
    return 0;
}

int command_audit(int argc, char **argv)
{
    static struct files files; /* static: too large for a stack */
    const char *last = NULL;
    const struct option_row rows[] = { { "--last", .value = "hash", .text = &last }, { 0 } };
    bool named = argc > 1 && strcmp(argv[1], "verify") == 0;
    int n, status, r;

    argc -= named;
    argv += named;
    n = count_options(argc, argv);
    if (!option_parse("audit", rows, named ? n : argc, argv, &status))
        return status;
    if (!named) {
        fprintf(stderr, "codecell audit: say what to do: codecell audit verify [FILE...]\n");
        return EXIT_USAGE;
    }
    r = take_files(&files, argc - n, argv + n);
    status = r < 0 ? fail("audit logs", r) : verify(&files, last);
    files_deinit(&files);
    return output_end("audit") == 0 ? status : 1;
}
