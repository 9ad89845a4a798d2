/* SPDX-License-Identifier: Apache-2.0 */
/* check_files.c -- the server's own files, its data directory, and what it may open. */
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log_file.h"
#include "main/check/check.h"
#include "main/place/data_dir.h"
#include "main/place/ulimits.h"

#define SPACE_NEEDED_BYTES (64LL << 20)
#define SPACE_WANTED_BYTES (2LL << 30)
#define DESCRIPTORS_WANTED 16384
#define PROCESSES_WANTED   4096 /* of one user */

static int become(uid_t uid)
{
    if (geteuid() != 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        return error_from_errno();
    return 0;
}

/* From the share directory, as serve starts the api: what is above it may be closed. */
static int try_program_as_api(const void *argument)
{
    const struct check_context *context = argument;
    const char *program = location_program_from_share(context->location);
    int r;

    if (chdir(context->location->share) < 0)
        return error_from_errno();
    r = become(context->identity.api_uid);
    if (r < 0)
        return r;
    return access(program, X_OK) < 0 || access("languages", R_OK | X_OK) < 0 ? error_from_errno() : 0;
}

void check_program(const struct check_context *context, struct check_report *report)
{
    const struct location *location = context->location;
    const char *const parts[] = { location->warden, location->zygote, location->guest, location->languages };
    char mend[2 * PATH_MAX];
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (access(parts[i], F_OK) < 0) {
            check_say(report, CHECK_FAIL, "build and install it whole: ./run --build, or meson install -C build",
                      "%.300s is missing", parts[i]);
            return;
        }
    r = context->identity_result == 0 ? check_in_child(try_program_as_api, context) : 0;
    snprintf(mend, sizeof(mend), "chmod -R go+rX %.200s, or install it: meson install -C build", location->share);
    if (r == 0)
        check_ok(report, "%.300s", location->program);
    else
        check_say(report, CHECK_FAIL, mend, "user %u cannot run %.200s or read %.100s: %s", context->identity.api_uid,
                  location->program, location->languages, strerror(-r));
}

void check_rootfs(const struct check_context *context, struct check_report *report)
{
    const char *root = context->config->sandbox_rootfs;
    char shell[PATH_MAX];

    snprintf(shell, sizeof(shell), "%s/usr/bin/bash", strcmp(root, "/") == 0 ? "" : root);
    if (access(shell, X_OK) == 0)
        check_ok(report, "runtimes come from %.300s", root);
    else
        check_say(report, CHECK_FAIL, "set SANDBOX_ROOTFS to / or to the root of a Debian or Ubuntu tree",
                  "SANDBOX_ROOTFS=%.200s has no usr/bin/bash", root);
}

struct reach_try {
    uid_t uid;
    const char *directory;
};

static int try_reach(const void *argument)
{
    const struct reach_try *try = argument;
    int r = become(try->uid);

    if (r < 0)
        return r;
    return access(try->directory, X_OK) < 0 ? error_from_errno() : 0;
}

/* Every directory above the data directory must let the api through. */
static int reach_as_api(const struct check_context *context)
{
    char path[PATH_MAX], existing[PATH_MAX];
    const struct reach_try try = { .uid = context->identity.api_uid, .directory = existing };

    if (context->identity_result != 0)
        return 0;
    snprintf(path, sizeof(path), "%s", context->config->data_dir);
    check_existing(dirname(path), existing);
    return check_in_child(try_reach, &try);
}

void check_data_dir(const struct check_context *context, struct check_report *report)
{
    const char *path = context->config->data_dir;
    char existing[PATH_MAX], mend[PATH_MAX + 128];
    struct data_dir_refusal refusal;
    struct statvfs fs;
    int r = reach_as_api(context), refused = data_dir_check(path, context->identity.api_uid, &refusal);

    check_existing(path, existing);
    snprintf(mend, sizeof(mend), "chmod o+x on each directory above %.200s, or set DATA_DIR elsewhere", path);
    if (statvfs(existing, &fs) < 0)
        check_say(report, CHECK_FAIL, "set DATA_DIR to a directory on a local disk", "DATA_DIR=%.200s: %s", path,
                  strerror(errno));
    else if (fs.f_flag & ST_RDONLY)
        check_say(report, CHECK_FAIL, "set DATA_DIR to a directory on a writable file system",
                  "DATA_DIR=%.200s is read-only", path);
    else if (r < 0)
        check_say(report, CHECK_FAIL, mend, "user %u cannot reach DATA_DIR=%.200s: %s", context->identity.api_uid, path,
                  strerror(-r));
    else if (context->identity_result == 0 && refused == DATA_DIR_E_REFUSED)
        check_say(report, CHECK_FAIL, refusal.mend, "%.380s", refusal.what);
    else if (refused < 0)
        check_say(report, CHECK_FAIL, "set DATA_DIR to a directory of its own", "DATA_DIR=%.200s: %s", path,
                  strerror(-refused));
    else
        check_ok(report, "%.200s%s", path, access(path, F_OK) == 0 ? "" : " will be made at the start");
}

void check_space(const struct check_context *context, struct check_report *report)
{
    char existing[PATH_MAX];
    struct statvfs fs = { 0 };
    long long available;

    check_existing(context->config->data_dir, existing);
    if (statvfs(existing, &fs) < 0)
        return;
    available = (long long)fs.f_bavail * (long long)fs.f_frsize;
    report->may_pass = true;
    if (available < SPACE_NEEDED_BYTES)
        check_say(report, CHECK_FAIL, "free some space, or set DATA_DIR to a larger disk",
                  "only %lld MiB are free for DATA_DIR", available >> 20);
    else if (available < SPACE_WANTED_BYTES)
        check_say(report, CHECK_WARN, "free some space, or set DATA_DIR to a larger disk",
                  "only %lld MiB are free for DATA_DIR", available >> 20);
    else
        check_ok(report, "%lld GiB are free for DATA_DIR", available >> 30);
}

/* What serve would open and give to the api: NULL, or why it would not. */
static const char *log_file_fault(const struct check_context *context)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof(path), "%s", context->config->log_file);
    if (lstat(path, &st) < 0)
        return errno != ENOENT || stat(dirname(path), &st) < 0 ? strerror(errno) : NULL;
    if (S_ISLNK(st.st_mode))
        return "is a link, and none is followed";
    if (S_ISDIR(st.st_mode))
        return "is a directory";
    return log_file_refusal(&st, context->identity.api_uid);
}

void check_log_file(const struct check_context *context, struct check_report *report)
{
    const char *path = context->config->log_file, *fault = *path ? log_file_fault(context) : NULL;

    if (fault)
        check_say(report, CHECK_FAIL,
                  "set LOG_FILE to a file of the server's own, in a directory that exists, or to nothing for stdout",
                  "LOG_FILE=%.200s: %s", path, fault);
    else if (*path)
        check_ok(report, "%.300s", path);
    else
        check_ok(report, "lines go to stdout");
}

void check_descriptors(const struct check_context *context, struct check_report *report)
{
    struct rlimit limit;

    (void)context;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max >= DESCRIPTORS_WANTED)
        check_ok(report, "%llu descriptors may be open", (unsigned long long)limit.rlim_max);
    else
        check_say(report, CHECK_WARN, "ulimit -n 65536 (systemd: LimitNOFILE=65536; docker run --ulimit nofile=65536)",
                  "only %llu descriptors may be open", (unsigned long long)limit.rlim_max);
}

/* Those that ulimits_raise() could not lift. */
static const struct {
    int resource;
    rlim_t least;
    const char *letter, *name;
} ends[] = {
    { RLIMIT_AS, RLIM_INFINITY, "v", "AS" },          { RLIMIT_CPU, RLIM_INFINITY, "t", "CPU" },
    { RLIMIT_DATA, RLIM_INFINITY, "d", "DATA" },      { RLIMIT_FSIZE, RLIM_INFINITY, "f", "FSIZE" },
    { RLIMIT_NPROC, PROCESSES_WANTED, "u", "NPROC" }, { RLIMIT_STACK, ULIMITS_STACK_BYTES, "s", "STACK" },
};

void check_limits(const struct check_context *context, struct check_report *report)
{
    char letters[64] = "", names[128] = "", mend[320];
    size_t n_letters = 0, n_names = 0;

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct rlimit limit;

        if (getrlimit(ends[i].resource, &limit) < 0 || limit.rlim_cur >= ends[i].least)
            continue;
        n_letters += (size_t)snprintf(letters + n_letters, sizeof(letters) - n_letters, " -%s", ends[i].letter);
        n_names += (size_t)snprintf(names + n_names, sizeof(names) - n_names, " Limit%s=infinity", ends[i].name);
    }
    snprintf(mend, sizeof(mend), "lift them before the start, as \"ulimit -f unlimited\" does as root (systemd:%s)",
             names);
    if (n_letters == 0)
        check_ok(report, "no limit of a shell or a login ends the server or its programs");
    else
        check_say(report, CHECK_WARN, mend, "limits that the server inherits may end it or its programs: ulimit%s",
                  letters);
}

void check_dotenv(const struct check_context *context, struct check_report *report)
{
    struct stat st;

    (void)context;
    if (stat(".env", &st) < 0)
        check_ok(report, "there is no .env here");
    else if (st.st_mode & 077)
        check_say(report, CHECK_WARN, "chmod 600 .env", ".env holds keys and other users may read it");
    else
        check_ok(report, ".env is closed to other users");
}
