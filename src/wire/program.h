/* SPDX-License-Identifier: Apache-2.0 */
/* program.h -- what a cell runs: files to write, environment, and a list of processes, packed into sealed memory.
 *
 * The api packs it (unprivileged); the cell's init unpacks it after the last wall is up, with no more rights than the
 * program itself will have. The warden passes the descriptor along and never looks inside. Both halves are here.
 *
 * Layout, all integers little endian as the host's: header, what was built, what to keep, then files, environment,
 * steps, each as its fields in order; strings are NUL-terminated, contents are length-prefixed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define PROGRAM_FILES_MAX 4
#define PROGRAM_ENV_MAX   64
#define PROGRAM_STEPS_MAX 4
#define PROGRAM_KEEP_MAX  4
#define PROGRAM_ARGV_MAX  (1u << 18)  /* arguments of one step */
#define PROGRAM_BYTES_MAX (64u << 20) /* without the state */
#define PROGRAM_STATE_MAX (1024u << 20)
#define PROGRAM_TOTAL_MAX (PROGRAM_BYTES_MAX + PROGRAM_STATE_MAX)

enum program_step_flags {
    PROGRAM_STEP_COMPILE = 1, /* its standard output goes to standard error; a failure ends the program */
    PROGRAM_STEP_WARM = 2,    /* may be run by the copy of a zygote that waits in the cell, instead of its argv[0] */
    PROGRAM_STEP_TRY = 4, /* compiles: nobody sees what it prints. If it succeeds the next step is left out, else that
                             one does its work instead */
    PROGRAM_STEP_TRANSPILER = 8, /* may be run by the transpiler that waits in the cell */
    PROGRAM_STEP_FLAGS = PROGRAM_STEP_COMPILE | PROGRAM_STEP_WARM | PROGRAM_STEP_TRY | PROGRAM_STEP_TRANSPILER,
};

enum program_flags {
    PROGRAM_MIRROR = 1, /* link every entry of /mnt/data into the build directory before the first step */
    PROGRAM_BUILT = 2,  /* carries what an earlier compile step made (wire/built.h), unpacked before the first step */
    PROGRAM_KEEP = 4,   /* lists what to keep of the files that the step before the last one makes */
    PROGRAM_FLAGS = PROGRAM_MIRROR | PROGRAM_BUILT | PROGRAM_KEEP,
};

/* Packing, in this order: begin, what was built and what to keep (if their flags are set), every file, begin_env, every
 * variable, then each step with its arguments. */
struct program_packer {
    struct buffer bytes;
    int error; /* the first failure; later calls do nothing */
    size_t step_count_at, argc_at;
    uint32_t n_steps, argc;
};

void program_pack_begin(struct program_packer *packer, uint32_t flags, uint32_t n_files, uint32_t n_env);
void program_pack_built(struct program_packer *packer, const void *bytes, size_t size);
/* Absolute paths, NULL-terminated; one with a slash at its end stands for all files below it. */
void program_pack_keep(struct program_packer *packer, char *const *paths);
void program_pack_file(struct program_packer *packer, const char *path, const void *data, size_t size);
/* A file that counts against PROGRAM_STATE_MAX instead of PROGRAM_BYTES_MAX. At most one. */
void program_pack_state(struct program_packer *packer, const char *path, const void *data, size_t size);
void program_pack_env(struct program_packer *packer, const char *assignment);
void program_pack_step(struct program_packer *packer, uint32_t flags, const char *cwd);
void program_pack_argument(struct program_packer *packer, const char *argument);
/* Returns 0 and the finished bytes in packer->bytes (the caller deinits them), or a negative errno: -E2BIG above
 * PROGRAM_BYTES_MAX or one of the counts. */
int program_pack_end(struct program_packer *packer);

struct program_file {
    const char *path; /* absolute, inside the cell */
    const void *data;
    size_t size;
};

struct program_step {
    uint32_t flags;
    const char *cwd;
    char **argv; /* NULL-terminated */
};

/* An unpacked program; strings point into the packed bytes, which must stay mapped. */
struct program {
    uint32_t flags;
    const void *built; /* not yet checked; NULL = nothing */
    size_t built_size;
    char *keep[PROGRAM_KEEP_MAX + 1]; /* NULL-terminated */
    struct program_file files[PROGRAM_FILES_MAX];
    size_t n_files;
    char *env[PROGRAM_ENV_MAX + 1];
    struct program_step steps[PROGRAM_STEPS_MAX];
    size_t n_steps;
};

/* Unpacks; checks every count and length. Returns 0, -EBADMSG or -ENOMEM. Free with program_deinit(), also after a
 * failure. */
int program_unpack(struct program *program, const void *bytes, size_t size);
void program_deinit(struct program *program);
