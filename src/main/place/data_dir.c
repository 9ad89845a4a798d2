/* SPDX-License-Identifier: Apache-2.0 */
#include "main/place/data_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"

#define KEY_PART DATA_DIR_KEY ".part"

/* What may be in a directory that is taken over: our own files, and what a fresh file system holds. */
static const char *const known_entries[] = { DATA_DIR_BLOBS,    DATA_DIR_WORK, DATA_DIR_AUDIT,      DATA_DIR_BUILDS,
                                             DATA_DIR_DATABASE, DATA_DIR_KEY,  DATA_DIR_GENERATION, "root",
                                             "api-key",         "lost+found" };

static const char *const children[] = { DATA_DIR_BLOBS, DATA_DIR_WORK, DATA_DIR_AUDIT, DATA_DIR_BUILDS };

static int make_parents(const char *path)
{
    char part[PATH_MAX];

    if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
        return -ENAMETOOLONG;
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return error_from_errno();
        *slash = '/';
    }
    return 0;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(known_entries); i++)
        if (strncmp(name, known_entries[i], strlen(known_entries[i])) == 0)
            return true;
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The first entry that is not the server's, or "" */
static int find_foreign(int dir_fd, char ret_name[static NAME_MAX + 1])
{
    int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;

    ret_name[0] = '\0';
    if (!dir) {
        int r = error_from_errno();

        cleanup_close_fd(&copy);
        return r;
    }
    while ((entry = readdir(dir)))
        if (!is_known(entry->d_name))
            snprintf(ret_name, NAME_MAX + 1, "%s", entry->d_name);
    closedir(dir);
    return 0;
}

/* Whether an open directory is owner's or may be given to owner: it is taken from nobody. */
static int judge(int fd, const char *path, uid_t owner, struct stat *ret_st, struct data_dir_refusal *ret_refusal)
{
    char foreign[NAME_MAX + 1];
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0)
        return error_from_errno();
    *ret_st = st;
    if (st.st_uid == owner)
        return 0;
    if (st.st_uid != geteuid()) {
        snprintf(ret_refusal->what, sizeof(ret_refusal->what), "%s belongs to user %u but the server uses %u", path,
                 st.st_uid, owner);
        snprintf(ret_refusal->mend, sizeof(ret_refusal->mend), "chown -R %u:%u %s", owner, owner, path);
        return DATA_DIR_E_REFUSED;
    }
    r = find_foreign(fd, foreign);
    if (r < 0)
        return r;
    if (*foreign) {
        snprintf(ret_refusal->what, sizeof(ret_refusal->what), "%s holds files that are not the server's (%s)", path,
                 foreign);
        snprintf(ret_refusal->mend, sizeof(ret_refusal->mend), "set DATA_DIR to a directory of its own");
        return DATA_DIR_E_REFUSED;
    }
    return 0;
}

static int adopt(int fd, const char *path, uid_t owner, struct data_dir_refusal *ret_refusal)
{
    struct stat st = { 0 };
    int r = judge(fd, path, owner, &st, ret_refusal);

    if (r != 0)
        return r;
    if (st.st_uid != owner && fchown(fd, owner, (gid_t)owner) < 0)
        return error_from_errno();
    if ((st.st_uid != owner || (st.st_mode & 07777) != 0700) && fchmod(fd, 0700) < 0)
        return error_from_errno();
    return 0;
}

/* The parent may belong to the unprivileged api: nothing in it is followed. */
static int open_child(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? error_from_errno() : fd;
}

static int prepare_child(int dir_fd, const char *path, const char *name, uid_t owner,
                         struct data_dir_refusal *ret_refusal)
{
    CLEANUP_CLOSE int fd = -1;
    char child[PATH_MAX + NAME_MAX];

    if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
        return error_from_errno();
    fd = open_child(dir_fd, name);
    if (fd < 0)
        return fd;
    snprintf(child, sizeof(child), "%s/%s", path, name);
    return adopt(fd, child, owner, ret_refusal);
}

static int judge_child(int dir_fd, const char *path, const char *name, uid_t owner,
                       struct data_dir_refusal *ret_refusal)
{
    CLEANUP_CLOSE int fd = open_child(dir_fd, name);
    char child[PATH_MAX + NAME_MAX];
    struct stat st;

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    snprintf(child, sizeof(child), "%s/%s", path, name);
    return judge(fd, child, owner, &st, ret_refusal);
}

int data_dir_check(const char *path, uid_t owner, struct data_dir_refusal *ret_refusal)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    int r = fd < 0 ? error_from_errno() : 0;

    if (r < 0) /* a link that leads nowhere is something */
        return r == -ENOENT && lstat(path, &st) < 0 ? 0 : r;
    r = judge(fd, path, owner, &st, ret_refusal);
    for (size_t i = 0; i < ARRAY_SIZE(children) && r == 0; i++)
        r = judge_child(fd, path, children[i], owner, ret_refusal);
    return r;
}

int data_dir_prepare(const char *path, uid_t owner, struct data_dir_refusal *ret_refusal)
{
    CLEANUP_CLOSE int fd = -1;
    int r = make_parents(path);

    if (r < 0)
        return r;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_from_errno();
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_from_errno();
    r = adopt(fd, path, owner, ret_refusal);
    for (size_t i = 0; i < ARRAY_SIZE(children) && r == 0; i++)
        r = prepare_child(fd, path, children[i], owner, ret_refusal);
    return r;
}

int data_dir_lock(const char *path, int wait_ms, int *ret_fd, char *reason, size_t reason_size)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return error_from_errno();
    r = fd_lock(fd, wait_ms);
    if (r == FD_E_BUSY) {
        snprintf(reason, reason_size, "another server uses %s: stop it, or set another DATA_DIR", path);
        return DATA_DIR_E_BUSY;
    }
    if (r < 0)
        return r;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* Complete or not there: a key that was cut would unbind every state made with it. */
static int make_key(int dir_fd, uint8_t *ret_key, size_t size)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, KEY_PART, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return error_from_errno();
    if (getrandom(ret_key, size, 0) != (ssize_t)size)
        return -EIO;
    r = fd_write_full(fd, ret_key, size);
    if (r == 0 && (fsync(fd) < 0 || renameat(dir_fd, KEY_PART, dir_fd, DATA_DIR_KEY) < 0 || fsync(dir_fd) < 0))
        r = error_from_errno();
    return r;
}

int data_dir_key(int dir_fd, uint8_t *ret_key, size_t size)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, DATA_DIR_KEY, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? make_key(dir_fd, ret_key, size) : error_from_errno();
    if (fstat(fd, &st) < 0)
        return error_from_errno();
    if (!S_ISREG(st.st_mode) || st.st_size != (off_t)size)
        return -EBADMSG;
    n = fd_read_full(fd, ret_key, size);
    return n < 0 ? (int)n : n == (ssize_t)size ? 0 : -EBADMSG;
}
