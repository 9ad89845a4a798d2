/* SPDX-License-Identifier: Apache-2.0 */
/* Packed programs, as the cell's init unpacks them. What unpacks packs to something that unpacks to the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static uint32_t count(char *const *list)
{
    uint32_t n = 0;

    while (list[n])
        n++;
    return n;
}

static void pack(const struct program *program, struct program_packer *packer)
{
    program_pack_begin(packer, program->flags, (uint32_t)program->n_files, count(program->env));
    if (program->flags & PROGRAM_BUILT)
        program_pack_built(packer, program->built, program->built_size);
    if (program->flags & PROGRAM_KEEP)
        program_pack_keep(packer, program->keep);
    for (size_t i = 0; i < program->n_files; i++)
        program_pack_file(packer, program->files[i].path, program->files[i].data, program->files[i].size);
    for (uint32_t i = 0; program->env[i]; i++)
        program_pack_env(packer, program->env[i]);
    for (size_t i = 0; i < program->n_steps; i++) {
        program_pack_step(packer, program->steps[i].flags, program->steps[i].cwd);
        for (uint32_t a = 0; program->steps[i].argv[a]; a++)
            program_pack_argument(packer, program->steps[i].argv[a]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program_packer packer;
    struct program program;

    if (program_unpack(&program, data, size) == 0) {
        require(program.n_steps > 0);
        for (size_t i = 0; i < program.n_steps; i++)
            require(program.steps[i].argv[0] != NULL);
        pack(&program, &packer);
        require(program_pack_end(&packer) == 0);
        require(packer.bytes.length == size && memcmp(packer.bytes.data, data, size) == 0);
        buffer_deinit(&packer.bytes);
    }
    program_deinit(&program);
    return 0;
}
