/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/build_key.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "engine/recipe.h"

/* Changes whenever what is kept, or how, is no longer what it was. */
#define FORMAT "codecell build 1"

/* Headers, libraries and the compilers behind the drivers that a language names change with this one. */
#define PACKAGE_DATABASE "/var/lib/dpkg/status"

#define GUEST_DEPTH_MAX 4

/* Larger files are archives of classes, which tools/prepare makes: their time stands for their contents. */
#define GUEST_READ_MAX (1 << 20)

/* With its NUL, so that the parts of the digest cannot run into each other. */
static void add_text(struct digest *digest, const char *text)
{
    digest_update(digest, text, strlen(text) + 1);
}

static int digest_tree(struct digest *digest, int parent_fd, const char *name, unsigned depth);

static int digest_link(struct digest *digest, int directory_fd, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(directory_fd, name, target, sizeof(target));

    if (n < 0)
        return error_from_errno();
    digest_update(digest, target, (size_t)n);
    return 0;
}

static int digest_contents(struct digest *digest, int directory_fd, const char *name)
{
    CLEANUP_CLOSE int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char contents[DIGEST_HEX_SIZE];
    int64_t size;
    int r;

    if (fd < 0)
        return error_from_errno();
    r = digest_file_hex(fd, contents, &size);
    if (r == 0)
        add_text(digest, contents);
    return r;
}

static int digest_entry(struct digest *digest, int directory_fd, const char *name, unsigned depth)
{
    struct stat st;

    if (fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_from_errno();
    add_text(digest, name);
    if (S_ISDIR(st.st_mode))
        return digest_tree(digest, directory_fd, name, depth + 1);
    if (S_ISLNK(st.st_mode))
        return digest_link(digest, directory_fd, name);
    if (st.st_size <= GUEST_READ_MAX)
        return digest_contents(digest, directory_fd, name);
    digest_update(digest, &st.st_size, sizeof(st.st_size));
    digest_update(digest, &st.st_mtim, sizeof(st.st_mtim));
    return 0;
}

static int digest_tree(struct digest *digest, int parent_fd, const char *name, unsigned depth)
{
    CLEANUP_CLOSE int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent **entries = NULL;
    int n, r = 0;

    if (depth > GUEST_DEPTH_MAX)
        return -ELOOP;
    if (fd < 0)
        return error_from_errno();
    n = scandirat(fd, ".", &entries, NULL, alphasort);
    if (n < 0)
        return error_from_errno();
    for (int i = 0; i < n; i++) {
        if (r == 0 && entries[i]->d_name[0] != '.')
            r = digest_entry(digest, fd, entries[i]->d_name, depth);
        free(entries[i]);
    }
    free(entries);
    return r;
}

int build_key_base_init(struct build_key_base *base, const char *rootfs, const char *guest_directory)
{
    struct digest digest;
    int r;

    *base = (struct build_key_base){ .root_fd = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC) };
    if (base->root_fd < 0)
        return error_from_errno();
    digest_init(&digest);
    r = digest_tree(&digest, AT_FDCWD, guest_directory, 0);
    digest_finish(&digest, base->guest);
    if (r < 0)
        build_key_base_deinit(base);
    return r;
}

void build_key_base_deinit(struct build_key_base *base)
{
    cleanup_close_fd(&base->root_fd);
    base->root_fd = -1;
}

/* A file of the tool chain, its links followed as a cell would. One that is missing is part of the key too. */
static int add_tool(struct digest *digest, int root_fd, const char *path)
{
    CLEANUP_CLOSE int fd = fd_open_in_root(root_fd, path);
    int64_t fields[5] = { 0 };
    struct stat st;

    if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR)
        return fd;
    if (fd >= 0) {
        if (fstat(fd, &st) < 0)
            return error_from_errno();
        fields[0] = 1;
        fields[1] = (int64_t)st.st_ino;
        fields[2] = st.st_size;
        fields[3] = st.st_mtim.tv_sec;
        fields[4] = st.st_mtim.tv_nsec;
    }
    add_text(digest, path);
    digest_update(digest, fields, sizeof(fields));
    return 0;
}

static int add_tool_chain(struct digest *digest, const struct build_key_base *base, const struct language *language)
{
    struct utsname machine = { 0 };
    int r = add_tool(digest, base->root_fd, PACKAGE_DATABASE);

    (void)uname(&machine);
    add_text(digest, machine.machine);
    digest_update(digest, base->guest, sizeof(base->guest));
    for (char *const *path = language->requires; *path && r == 0; path++)
        r = add_tool(digest, base->root_fd, *path);
    for (size_t i = 0; i + 1 < language->n_steps && r == 0; i++)
        if (language->steps[i].argv[0][0] == '/')
            r = add_tool(digest, base->root_fd, language->steps[i].argv[0]);
    return r;
}

static void add_inputs(struct digest *digest, const struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->n_items; i++) {
        const struct input *input = &inputs->items[i];

        if (!input->mounted && !input->linked)
            continue;
        add_text(digest, input->record.name);
        add_text(digest, input->mounted ? input->record.sha256 : "");
        add_text(digest, input->linked ? input->reference->name : "");
    }
}

int build_key_make(const struct build_key_base *base, const struct execution_request *request,
                   const struct inputs *inputs, int64_t memory_bytes, char ret_key[static DIGEST_HEX_SIZE])
{
    CLEANUP(buffer_deinit) struct buffer program = { 0 };
    struct digest digest;
    int r = recipe_pack_build(request, memory_bytes, &program);

    if (r < 0)
        return r;
    digest_init(&digest);
    add_text(&digest, FORMAT);
    add_text(&digest, request->tenant);
    add_text(&digest, request->queue);
    add_text(&digest, request->language->code);
    r = add_tool_chain(&digest, base, request->language);
    digest_update(&digest, &program.length, sizeof(program.length));
    digest_update(&digest, program.data, program.length);
    add_inputs(&digest, inputs);
    digest_finish_hex(&digest, ret_key);
    return r;
}
