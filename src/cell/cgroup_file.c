/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/cgroup_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"

#define TEXT_SIZE 2048

bool cgroup_list_has(const char *list, const char *name)
{
    size_t length = strlen(name);

    for (const char *p = list; (p = strstr(p, name)); p += length)
        if ((p == list || p[-1] == ',' || p[-1] == ' ') && (p[length] == '\0' || p[length] == ',' || p[length] == ' '))
            return true;
    return false;
}

void cgroup_copy_path(char to[static CGROUP_PATH_SIZE], const char *from)
{
    size_t length = strnlen(from, CGROUP_PATH_SIZE - 1);

    memcpy(to, from, length);
    to[length] = '\0';
}

int64_t cgroup_read_number(int dir_fd, const char *name)
{
    char text[64];
    ssize_t n;

    if (dir_fd < 0)
        return -ENOENT;
    n = fd_read_at(dir_fd, name, text, sizeof(text));
    return n < 0 ? n : strtoll(text, NULL, 10);
}

static int64_t find_keyed(const char *text, const char *key)
{
    size_t length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            return strtoll(line + length + 1, NULL, 10);
    return -ENOENT;
}

int64_t cgroup_read_keyed(int dir_fd, const char *file, const char *key)
{
    char text[TEXT_SIZE];
    ssize_t n = dir_fd < 0 ? -ENOENT : fd_read_at(dir_fd, file, text, sizeof(text));

    return n < 0 ? n : find_keyed(text, key);
}

static ssize_t reread(int fd, char *ret_text, size_t size)
{
    ssize_t n = pread(fd, ret_text, size - 1, 0);

    if (n < 0)
        return error_from_errno();
    ret_text[n] = '\0';
    return n;
}

int64_t cgroup_reread_number(int fd)
{
    char text[64];
    ssize_t n = reread(fd, text, sizeof(text));

    return n < 0 ? n : strtoll(text, NULL, 10);
}

int64_t cgroup_reread_keyed(int fd, const char *key)
{
    char text[TEXT_SIZE];
    ssize_t n = reread(fd, text, sizeof(text));

    return n < 0 ? n : find_keyed(text, key);
}

int cgroup_open_below(int dir_fd, const char *name)
{
    int fd;

    if (dir_fd < 0 || (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST))
        return -1;
    fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fd_write_at(fd, "cgroup.freeze", "0");
    return fd;
}

int cgroup_remove_group(int parent_fd, const char *name, unsigned levels)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    while (dir && levels > 0 && (entry = readdir(dir)))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            (void)cgroup_remove_group(fd, entry->d_name, levels - 1);
    if (dir)
        closedir(dir);
    else
        cleanup_close_fd(&fd);
    return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 ? error_from_errno() : 0;
}
