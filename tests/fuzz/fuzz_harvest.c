/* SPDX-License-Identifier: Apache-2.0 */
/* The tree that a program leaves in its /mnt/data, which the keeper walks: each input is a list of things to make. What
 * is reported lies in the tree under a path without tricks, and is a regular file of it; nothing outside is reached. */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cell/workspace.h"

#define DEPTH_MAX   80 /* deeper than the harvest goes */
#define STEPS_MAX   200
#define ENTRIES_MAX 40
#define FILE_MAX    1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    char path[64];
    int tree; /* what is walked; beside it lies "bait", which must not be reached */
    ino_t bait;
} place;

struct input {
    const uint8_t *at, *end;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void remove_place(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/bait", place.path);
    unlink(path);
    snprintf(path, sizeof(path), "%s/tree", place.path);
    rmdir(path);
    rmdir(place.path);
}

static void make_place(void)
{
    struct stat st;
    char path[128];
    int fd;

    snprintf(place.path, sizeof(place.path), "/tmp/codecell-fuzz-XXXXXX");
    require(mkdtemp(place.path) != NULL);
    atexit(remove_place);
    snprintf(path, sizeof(path), "%s/bait", place.path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    require(fd >= 0 && fstat(fd, &st) == 0);
    place.bait = st.st_ino;
    close(fd);
    snprintf(path, sizeof(path), "%s/tree", place.path);
    require(mkdir(path, 0700) == 0);
    place.tree = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(place.tree >= 0);
}

static uint8_t take(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* Any bytes but NUL and, in a name, the slash. */
static void take_text(struct input *input, bool is_name, char ret_text[static 256])
{
    size_t length = take(input), n = 0;

    while (n < length && input->at < input->end) {
        char c = (char)take(input);

        ret_text[n++] = c == '\0' || (is_name && c == '/') ? '_' : c;
    }
    ret_text[n] = '\0';
}

static void make_file(int dir, const char *name, unsigned bytes)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

    if (fd < 0)
        return;
    (void)!ftruncate(fd, bytes);
    close(fd);
}

/* Never through a link: the fuzzer may run as root. */
static void set_mode(int dir, const char *name, mode_t mode)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return;
    if (name[0] != '.')
        (void)!fchmod(fd, mode);
    close(fd);
}

/* Goes down into name, or stays where that is no directory. */
static void enter(int dirs[static DEPTH_MAX], unsigned *depth, const char *name)
{
    int fd = *depth + 1 < DEPTH_MAX ? openat(dirs[*depth], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

    if (fd >= 0 && strcmp(name, "..") != 0 && strcmp(name, ".") != 0)
        dirs[++*depth] = fd;
    else if (fd >= 0)
        close(fd);
}

static void step(struct input *input, int dirs[static DEPTH_MAX], unsigned *depth)
{
    uint8_t what = take(input);
    char name[256], text[256];
    int dir = dirs[*depth];

    take_text(input, true, name);
    switch (what % 10) {
    case 0:
        make_file(dir, name, take(input) * 8u);
        break;
    case 1:
        (void)mkdirat(dir, name, 0700);
        enter(dirs, depth, name);
        break;
    case 2:
        if (*depth > 0)
            close(dirs[(*depth)--]);
        break;
    case 3:
        take_text(input, false, text);
        (void)!symlinkat(what & 16 ? text : "../bait", dir, name);
        break;
    case 4:
        (void)mknodat(dir, name, S_IFIFO | 0600, 0);
        break;
    case 5:
        (void)mknodat(dir, name, what & 16 ? S_IFCHR : S_IFSOCK, 0);
        break;
    case 6:
        take_text(input, true, text);
        (void)!linkat(dir, name, dir, text, 0);
        break;
    case 7:
        (void)fsetxattr(dir, "trusted.overlay.opaque", what & 16 ? "y" : name, 1, 0);
        break;
    case 8:
        set_mode(dir, name, take(input) * 2u);
        break;
    default:
        take_text(input, true, text);
        (void)renameat(dir, name, dir, text);
        break;
    }
}

static void make_tree(struct input *input)
{
    int dirs[DEPTH_MAX] = { dup(place.tree) };
    unsigned depth = 0;

    for (unsigned n = 0; n < STEPS_MAX && input->at < input->end; n++)
        step(input, dirs, &depth);
    for (;; depth--) {
        close(dirs[depth]);
        if (depth == 0)
            return;
    }
}

/* Takes fd. */
static void clear(int fd)
{
    DIR *dir = fdopendir(fd);
    struct dirent *entry;

    require(dir != NULL);
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) == 0)
            continue;
        (void)!fchmodat(dirfd(dir), entry->d_name, 0700, 0); /* a directory that root can enter anyhow */
        clear(openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        require(unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) == 0);
    }
    closedir(dir);
}

static bool is_plain(const char *path)
{
    size_t length = strlen(path);

    return length > 0 && path[0] != '/' && path[length - 1] != '/' && !strstr(path, "//") && strcmp(path, "..") != 0 &&
           strncmp(path, "../", 3) != 0 && !strstr(path, "/../") &&
           (length < 3 || strcmp(path + length - 3, "/..") != 0);
}

static int look(void *context, enum harvest_kind kind, const char *path, int fd, uint64_t size_bytes)
{
    unsigned *n = context;
    struct stat st;

    require(is_plain(path));
    require(++*n <= ENTRIES_MAX);
    require((kind == HARVEST_FILE) == (fd >= 0));
    if (kind != HARVEST_FILE)
        return 0;
    require(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino != place.bait);
    require((uint64_t)st.st_size == size_bytes);
    require((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
    return 0;
}

static void walk(bool has_lower)
{
    const struct workspace workspace = { -1, place.tree, -1, has_lower };
    unsigned n = 0;
    const struct harvest_options options = {
        .entries_max = ENTRIES_MAX, .file_bytes_max = FILE_MAX, .entry = look, .context = &n
    };
    struct harvest_result result;
    uint64_t bytes = 0;
    int fd = -1;

    require(workspace_harvest(&workspace, &options, &result) == 0);
    if (harvest_state(place.tree, FILE_MAX, &fd, &bytes) == 0) {
        struct stat st;

        require(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino != place.bait && bytes <= FILE_MAX);
        close(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { data, data + size };

    if (!place.bait)
        make_place();
    make_tree(&input);
    walk(size % 2);
    (void)fremovexattr(place.tree, "trusted.overlay.opaque");
    clear(openat(place.tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return 0;
}
