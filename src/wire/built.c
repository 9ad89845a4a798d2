/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/built.h"

#include <errno.h>
#include <string.h>

bool built_path_is_valid(const char *path)
{
    const char *segment = path + strlen(BUILT_DIR);

    if (strncmp(path, BUILT_DIR, strlen(BUILT_DIR)) != 0 || strlen(path) >= BUILT_PATH_SIZE)
        return false;
    for (;;) {
        size_t length = strcspn(segment, "/");

        if (length == 0 || (length == 1 && segment[0] == '.') || (length == 2 && memcmp(segment, "..", 2) == 0))
            return false;
        if (segment[length] == '\0')
            return true;
        segment += length + 1;
    }
}

static const void *take(struct built_reader *reader, size_t size)
{
    const char *at = reader->at;

    if (size > reader->left)
        return NULL;
    reader->at += size;
    reader->left -= size;
    return at;
}

static bool take_u32(struct built_reader *reader, uint32_t *ret_value)
{
    const void *at = take(reader, sizeof(*ret_value));

    if (at)
        memcpy(ret_value, at, sizeof(*ret_value));
    return at != NULL;
}

static const char *take_path(struct built_reader *reader)
{
    const char *end = reader->left ? memchr(reader->at, '\0', reader->left) : NULL;
    const char *path = end ? take(reader, (size_t)(end - reader->at) + 1) : NULL;

    return path && built_path_is_valid(path) ? path : NULL;
}

int built_begin(struct built_reader *reader, const void *bytes, size_t size)
{
    uint32_t magic;

    *reader = (struct built_reader){ .at = bytes, .left = size };
    if (size > BUILT_BYTES_MAX || !take_u32(reader, &magic) || magic != BUILT_MAGIC ||
        !take_u32(reader, &reader->n_files) || reader->n_files == 0 || reader->n_files > BUILT_FILES_MAX)
        return -EBADMSG;
    return 0;
}

int built_next(struct built_reader *reader, struct built_file *ret_file)
{
    uint32_t executable, size;

    if (reader->n_files == 0)
        return reader->left == 0 ? 0 : -EBADMSG;
    ret_file->path = take_path(reader);
    if (!ret_file->path || !take_u32(reader, &executable) || executable > 1 || !take_u32(reader, &size))
        return -EBADMSG;
    ret_file->data = take(reader, size);
    if (!ret_file->data)
        return -EBADMSG;
    ret_file->executable = executable;
    ret_file->size = size;
    reader->n_files--;
    return 1;
}

int built_check(const void *bytes, size_t size)
{
    struct built_reader reader;
    struct built_file file;
    int r = built_begin(&reader, bytes, size);

    if (r < 0)
        return r;
    do
        r = built_next(&reader, &file);
    while (r > 0);
    return r;
}
