/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/recipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "wire/program.h"

#define BUILD_DIR     "/run/build"
#define WORKSPACE_DIR "/mnt/data"
#define STATE_PATH    BUILD_DIR "/.state.in"   /* guest/python/run.py */
#define TOOLS_PATH    BUILD_DIR "/.tools.json" /* guest/python/tools.py and others */

/* All that a program finds in its environment besides its language's own variables. Nothing of the server's. */
static const char *const common_env[] = {
    "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "TMPDIR=/tmp", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "USER=sandbox",
};

static uint32_t count_env(const struct execution_request *request)
{
    uint32_t n = ARRAY_SIZE(common_env);

    for (char *const *e = request->language->env; *e; e++)
        n++;
    for (const char *const *e = request->environment; e && *e; e++)
        n++;
    return n;
}

static void pack_env(struct program_packer *packer, const struct execution_request *request)
{
    for (size_t i = 0; i < ARRAY_SIZE(common_env); i++)
        program_pack_env(packer, common_env[i]);
    for (char *const *e = request->language->env; *e; e++)
        program_pack_env(packer, *e);
    for (const char *const *e = request->environment; e && *e; e++)
        program_pack_env(packer, *e);
}

/* Only the copy of a zygote can call tools. */
enum warm_kind recipe_warm(const struct execution_request *request, bool built)
{
    enum warm_kind warm = request->language->warm;

    if (request->cold || (built && warm_traits(warm)->is_compiler))
        return WARM_NONE;
    if (request->tools && warm != WARM_PYTHON)
        return WARM_NONE;
    if (!built && warm_traits(warm)->unbuilt != WARM_NONE)
        return warm_traits(warm)->unbuilt;
    return warm;
}

static uint32_t step_flags(const struct execution_request *request, const struct language_step *step)
{
    enum warm_kind warm = recipe_warm(request, false);
    bool is_warm = warm != WARM_NONE && warm_traits(warm)->is_compiler == step->compile;

    return (step->compile ? PROGRAM_STEP_COMPILE : 0) | (is_warm ? PROGRAM_STEP_WARM : 0) |
           (step->attempt ? PROGRAM_STEP_TRY : 0) |
           (step->attempt && warm_traits(warm)->has_transpiler ? PROGRAM_STEP_TRANSPILER : 0);
}

_Static_assert(EXECUTION_ARGS_MAX + 1000 <= PROGRAM_ARGV_MAX, "those of the runtime come before them");

static int pack_step(struct program_packer *packer, const struct execution_request *request,
                     const struct language_step *step, const struct language_values *values)
{
    bool in_build = strcmp(step->cwd, "build") == 0, calls_tools = request->tools && !step->compile;

    program_pack_step(packer, step_flags(request, step), in_build ? BUILD_DIR : WORKSPACE_DIR);
    for (char *const *element = calls_tools ? request->language->tools : step->argv; *element; element++) {
        CLEANUP_FREE char *argument = NULL;

        if (strcmp(*element, "{args}") == 0) {
            for (size_t i = 0; i < request->n_args; i++)
                program_pack_argument(packer, request->args[i]);
            continue;
        }
        argument = language_argument(*element, values);
        if (!argument)
            return -ENOMEM;
        program_pack_argument(packer, argument);
    }
    return 0;
}

static uint32_t flags_of(const struct language *language, const struct recipe_build *build)
{
    return (language->mirror ? PROGRAM_MIRROR : 0) | (build->built ? PROGRAM_BUILT : 0) |
           (build->keep ? PROGRAM_KEEP : 0);
}

/* Packs the steps from first to before end. */
static int pack(const struct execution_request *request, int64_t memory_bytes, const struct recipe_build *build,
                const struct recipe_state *state, size_t first, size_t end, struct program_packer *packer)
{
    const struct language *language = request->language;
    char source[LANGUAGE_SOURCE_SIZE], path[LANGUAGE_SOURCE_SIZE + sizeof(BUILD_DIR) + 1], state_text[64];
    bool found = state->found && state->found->length > 0;
    struct language_values values = {
        .source = source,
        .build = BUILD_DIR,
        .memory_mb = (uint64_t)memory_bytes >> 20,
        .state = state_text,
    };
    int r = 0;

    snprintf(state_text, sizeof(state_text), "%lld,%lld%s%s", (long long)state->bytes_max, (long long)memory_bytes,
             state->after_errors ? "+" : "", request->display ? "!" : "");
    language_source_name(language, request->code, request->code_length, source);
    snprintf(path, sizeof(path), BUILD_DIR "/%s", source);
    program_pack_begin(packer, flags_of(language, build), 1 + found + (request->tools != NULL), count_env(request));
    if (build->built)
        program_pack_built(packer, build->built->data, build->built->length);
    if (build->keep)
        program_pack_keep(packer, language->keep);
    program_pack_file(packer, path, request->code, request->code_length);
    if (request->tools)
        program_pack_file(packer, TOOLS_PATH, request->tools->manifest, request->tools->manifest_length);
    if (found)
        program_pack_state(packer, STATE_PATH, state->found->data, state->found->length);
    pack_env(packer, request);
    for (size_t i = first; i < end && r == 0; i++)
        r = pack_step(packer, request, &language->steps[i], &values);
    return r ? r : program_pack_end(packer);
}

int recipe_make(const struct execution_request *request, int64_t memory_bytes, const struct recipe_build *build,
                const struct recipe_state *state, int *ret_program_fd)
{
    size_t n_steps = request->language->n_steps;
    struct program_packer packer;
    int r = pack(request, memory_bytes, build, state, build->built ? n_steps - 1 : 0, n_steps, &packer);

    if (r == 0)
        r = fd_sealed_memory("program", packer.bytes.data, packer.bytes.length, ret_program_fd);
    buffer_deinit(&packer.bytes);
    return r;
}

int recipe_pack_build(const struct execution_request *request, int64_t memory_bytes, struct buffer *ret_program)
{
    const struct recipe_build build = { .keep = true };
    const struct recipe_state state = { 0 };
    struct program_packer packer;
    int r = pack(request, memory_bytes, &build, &state, 0, request->language->n_steps - 1, &packer);

    if (r < 0)
        buffer_deinit(&packer.bytes);
    else
        *ret_program = packer.bytes;
    return r;
}
