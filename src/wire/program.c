/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/built.h"

#define PROGRAM_MAGIC     0x4c4c4543u /* "CELL" */
#define AFTER_STATE_BYTES (64 * 1024)

static void put(struct program_packer *packer, const void *data, size_t size)
{
    if (packer->error == 0)
        packer->error = buffer_append(&packer->bytes, data, size);
}

static void put_u32(struct program_packer *packer, uint32_t value)
{
    put(packer, &value, sizeof(value));
}

static void put_text(struct program_packer *packer, const char *text)
{
    put(packer, text, strlen(text) + 1);
}

static void patch_u32(struct program_packer *packer, size_t at, uint32_t value)
{
    if (packer->error == 0)
        memcpy(packer->bytes.data + at, &value, sizeof(value));
}

void program_pack_begin(struct program_packer *packer, uint32_t flags, uint32_t n_files, uint32_t n_env)
{
    *packer = (struct program_packer){ .bytes = BUFFER_INIT(PROGRAM_BYTES_MAX) };
    if (n_files > PROGRAM_FILES_MAX || n_env > PROGRAM_ENV_MAX)
        packer->error = -E2BIG;
    put_u32(packer, PROGRAM_MAGIC);
    put_u32(packer, flags);
    put_u32(packer, n_files);
    put_u32(packer, n_env);
    packer->step_count_at = packer->bytes.length;
    put_u32(packer, 0);
}

void program_pack_built(struct program_packer *packer, const void *bytes, size_t size)
{
    if (size > BUILT_BYTES_MAX) {
        packer->error = packer->error ? packer->error : -E2BIG;
        return;
    }
    put_u32(packer, (uint32_t)size);
    put(packer, bytes, size);
}

void program_pack_keep(struct program_packer *packer, char *const *paths)
{
    uint32_t n = 0;

    while (paths[n])
        n++;
    if (n > PROGRAM_KEEP_MAX)
        packer->error = packer->error ? packer->error : -E2BIG;
    put_u32(packer, n);
    for (; *paths; paths++)
        put_text(packer, *paths);
}

void program_pack_file(struct program_packer *packer, const char *path, const void *data, size_t size)
{
    if (size > PROGRAM_BYTES_MAX) {
        packer->error = packer->error ? packer->error : -E2BIG;
        return;
    }
    put_text(packer, path);
    put_u32(packer, (uint32_t)size);
    put(packer, data, size);
}

void program_pack_state(struct program_packer *packer, const char *path, const void *data, size_t size)
{
    if (size > PROGRAM_STATE_MAX) {
        packer->error = packer->error ? packer->error : -E2BIG;
        return;
    }
    packer->bytes.ceiling += size;
    /* With room for what follows, so that it need not be moved to twice as much. */
    (void)buffer_reserve(&packer->bytes, size + AFTER_STATE_BYTES);
    put_text(packer, path);
    put_u32(packer, (uint32_t)size);
    put(packer, data, size);
}

void program_pack_env(struct program_packer *packer, const char *assignment)
{
    put_text(packer, assignment);
}

static void finish_step(struct program_packer *packer)
{
    if (packer->n_steps > 0)
        patch_u32(packer, packer->argc_at, packer->argc);
}

void program_pack_step(struct program_packer *packer, uint32_t flags, const char *cwd)
{
    finish_step(packer);
    if (++packer->n_steps > PROGRAM_STEPS_MAX)
        packer->error = packer->error ? packer->error : -E2BIG;
    packer->argc = 0;
    put_u32(packer, flags);
    put_text(packer, cwd);
    packer->argc_at = packer->bytes.length;
    put_u32(packer, 0);
}

void program_pack_argument(struct program_packer *packer, const char *argument)
{
    if (++packer->argc > PROGRAM_ARGV_MAX)
        packer->error = packer->error ? packer->error : -E2BIG;
    put_text(packer, argument);
}

int program_pack_end(struct program_packer *packer)
{
    finish_step(packer);
    patch_u32(packer, packer->step_count_at, packer->n_steps);
    if (packer->error)
        buffer_deinit(&packer->bytes);
    return packer->error;
}

/* The only way to reach the bytes: everything taken is checked against what is left. */
struct reader {
    const char *at;
    size_t left;
    int error;
};

static const void *take(struct reader *reader, size_t size)
{
    const char *at = reader->at;

    if (reader->error || size > reader->left) {
        reader->error = -EBADMSG;
        return NULL;
    }
    reader->at += size;
    reader->left -= size;
    return at;
}

static uint32_t take_u32(struct reader *reader, uint32_t most)
{
    const void *at = take(reader, sizeof(uint32_t));
    uint32_t value = 0;

    if (!at)
        return 0;
    memcpy(&value, at, sizeof(value));
    if (value > most) {
        reader->error = -EBADMSG;
        return 0;
    }
    return value;
}

static const char *take_text(struct reader *reader)
{
    const char *end = reader->error || reader->left == 0 ? NULL : memchr(reader->at, '\0', reader->left);

    if (!end) {
        reader->error = -EBADMSG;
        return NULL;
    }
    return take(reader, (size_t)(end - reader->at) + 1);
}

static void take_built(struct reader *reader, struct program *program)
{
    program->built_size = take_u32(reader, BUILT_BYTES_MAX);
    program->built = take(reader, program->built_size);
}

static void take_keep(struct reader *reader, struct program *program)
{
    uint32_t n = take_u32(reader, PROGRAM_KEEP_MAX);

    for (uint32_t i = 0; i < n && !reader->error; i++)
        program->keep[i] = (char *)take_text(reader);
}

static void take_step(struct reader *reader, struct program_step *step)
{
    uint32_t argc;

    step->flags = take_u32(reader, PROGRAM_STEP_FLAGS);
    step->cwd = take_text(reader);
    argc = take_u32(reader, PROGRAM_ARGV_MAX);
    if (reader->error)
        return;
    if (argc == 0 || argc > reader->left) {
        reader->error = -EBADMSG;
        return;
    }
    step->argv = calloc((size_t)argc + 1, sizeof(*step->argv));
    if (!step->argv) {
        reader->error = -ENOMEM;
        return;
    }
    for (uint32_t i = 0; i < argc; i++)
        step->argv[i] = (char *)take_text(reader);
}

int program_unpack(struct program *program, const void *bytes, size_t size)
{
    struct reader reader = { .at = bytes, .left = size };
    size_t n_env;

    memset(program, 0, sizeof(*program));
    if (take_u32(&reader, UINT32_MAX) != PROGRAM_MAGIC)
        return -EBADMSG;
    program->flags = take_u32(&reader, PROGRAM_FLAGS);
    program->n_files = take_u32(&reader, PROGRAM_FILES_MAX);
    n_env = take_u32(&reader, PROGRAM_ENV_MAX);
    program->n_steps = take_u32(&reader, PROGRAM_STEPS_MAX);
    if (program->flags & PROGRAM_BUILT)
        take_built(&reader, program);
    if (program->flags & PROGRAM_KEEP)
        take_keep(&reader, program);
    for (size_t i = 0; i < program->n_files && !reader.error; i++) {
        program->files[i].path = take_text(&reader);
        program->files[i].size = take_u32(&reader, PROGRAM_STATE_MAX);
        program->files[i].data = take(&reader, program->files[i].size);
    }
    for (size_t i = 0; i < n_env && !reader.error; i++)
        program->env[i] = (char *)take_text(&reader);
    for (size_t i = 0; i < program->n_steps && !reader.error; i++)
        take_step(&reader, &program->steps[i]);
    if (!reader.error && (program->n_steps == 0 || reader.left != 0))
        return -EBADMSG;
    return reader.error;
}

void program_deinit(struct program *program)
{
    for (size_t i = 0; i < PROGRAM_STEPS_MAX; i++)
        free(program->steps[i].argv);
    memset(program, 0, sizeof(*program));
}
