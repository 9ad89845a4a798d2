/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_fixture.h"

#include "engine/build_key.h"

static char source_name[] = "code.c", tool[] = "/tool/cc", option[] = "-O2", run[] = "/run/build/code";
static char built[] = "/run/build/code", variable[] = "A=1";

struct place {
    struct bench *bench;
    struct build_key_base base;
    struct inputs inputs;
    struct input items[2];
    char code[32];
};

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static const char *in_scratch(const struct place *place, const char *name)
{
    return scratch_path(place->bench->fixture->scratch, name);
}

static void open_base(struct place *place)
{
    assert_int_equal(build_key_base_init(&place->base, in_scratch(place, "root"), in_scratch(place, "guest")), 0);
}

static int place_setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    void *bench;

    if (!place || bench_setup(&bench) < 0)
        return -1;
    place->bench = bench;
    assert_int_equal(mkdir(in_scratch(place, "root"), 0755), 0);
    assert_int_equal(mkdir(in_scratch(place, "root/tool"), 0755), 0);
    assert_int_equal(mkdir(in_scratch(place, "guest"), 0755), 0);
    assert_int_equal(mkdir(in_scratch(place, "guest/c"), 0755), 0);
    write_text(in_scratch(place, "root/tool/cc"), "compiler");
    write_text(in_scratch(place, "guest/c/header.h"), "header");
    place->bench->language = (struct language){
        .code = source_name,
        .source = source_name,
        .requires = { tool },
        .keep = { built },
        .env = { variable },
        .n_steps = 2,
        .steps = { { .argv = { tool, option }, .compile = true, .cwd = "build" },
                   { .argv = { run, (char *)"{args}" }, .cwd = "workspace" } },
    };
    strcpy(place->code, "int main;");
    place->bench->request.code = place->code;
    place->bench->request.code_length = strlen(place->code);
    strcpy(place->bench->request.queue, "key");
    place->inputs = INPUTS_INIT;
    place->inputs.items = place->items;
    for (int i = 0; i < 2; i++) {
        place->items[i].mounted = true;
        snprintf(place->items[i].record.name, sizeof(place->items[i].record.name), "in%d.h", i);
        snprintf(place->items[i].record.sha256, sizeof(place->items[i].record.sha256), "%064d", i);
    }
    open_base(place);
    *state = place;
    return 0;
}

static int place_teardown(void **state)
{
    struct place *place = *state;
    void *bench = place->bench;

    build_key_base_deinit(&place->base);
    free(place);
    return bench_teardown(&bench);
}

static const char *make(struct place *place)
{
    static char keys[2][DIGEST_HEX_SIZE];
    static unsigned next;
    char *key = keys[next++ % 2];

    assert_int_equal(build_key_make(&place->base, &place->bench->request, &place->inputs, 64 << 20, key), 0);
    return key;
}

/* Makes the key, applies the change, and expects another one; then undoes it and expects the first one. */
#define ASSERT_CHANGES(place, change, undo)                                                                            \
    do {                                                                                                               \
        char before_[DIGEST_HEX_SIZE];                                                                                 \
        strcpy(before_, make(place));                                                                                  \
        change;                                                                                                        \
        assert_string_not_equal(make(place), before_);                                                                 \
        undo;                                                                                                          \
        assert_string_equal(make(place), before_);                                                                     \
    } while (0)

static void all_that_the_compiler_sees_is_in_the_key(void **state)
{
    struct place *place = *state;
    struct language *language = &place->bench->language;
    struct execution_request *request = &place->bench->request;

    ASSERT_CHANGES(place, place->code[0] = 'I', place->code[0] = 'i');
    ASSERT_CHANGES(place, request->code_length--, request->code_length++);
    ASSERT_CHANGES(place, option[1] = 'g', option[1] = 'O');
    ASSERT_CHANGES(place, variable[2] = '2', variable[2] = '1');
    ASSERT_CHANGES(place, source_name[0] = 'k', source_name[0] = 'c');
    ASSERT_CHANGES(place, language->mirror = true, language->mirror = false);
    ASSERT_CHANGES(place, language->steps[0].cwd = "workspace", language->steps[0].cwd = "build");
    ASSERT_CHANGES(place, language->keep[0] = tool, language->keep[0] = built);
}

static void whose_build_it_is_is_in_the_key(void **state)
{
    struct place *place = *state;
    struct execution_request *request = &place->bench->request;

    ASSERT_CHANGES(place, strcpy(request->queue, "other"), strcpy(request->queue, "key"));
    ASSERT_CHANGES(place, strcpy(request->tenant, "other"), strcpy(request->tenant, TENANT));
}

static void every_mounted_input_is_in_the_key(void **state)
{
    struct place *place = *state;
    static struct execution_file named = { .name = (char *)"other.h" };

    ASSERT_CHANGES(place, place->inputs.n_items = 1, place->inputs.n_items = 0);
    place->inputs.n_items = 2;
    ASSERT_CHANGES(place, place->items[1].record.sha256[0] = 'f', place->items[1].record.sha256[0] = '0');
    ASSERT_CHANGES(place, place->items[1].record.name[0] = 'x', place->items[1].record.name[0] = 'i');
    ASSERT_CHANGES(place, place->items[1].mounted = false, place->items[1].mounted = true);
    place->items[1].reference = &named;
    ASSERT_CHANGES(place, place->items[1].linked = true, place->items[1].linked = false);
    place->items[1].mounted = false; /* a link to what another mounted */
    ASSERT_CHANGES(place, place->items[1].linked = true, place->items[1].linked = false);
    place->items[1].linked = true;
    ASSERT_CHANGES(place, named.name = (char *)"third.h", named.name = (char *)"other.h");
}

static void the_tool_chain_is_in_the_key(void **state)
{
    struct place *place = *state;
    char before[DIGEST_HEX_SIZE];

    strcpy(before, make(place));
    write_text(in_scratch(place, "root/tool/cc"), "compiler 2");
    assert_string_not_equal(make(place), before);
    strcpy(before, make(place));
    assert_int_equal(unlink(in_scratch(place, "root/tool/cc")), 0);
    assert_string_not_equal(make(place), before);
    strcpy(before, make(place));
    assert_int_equal(mkdir(in_scratch(place, "root/var"), 0755), 0);
    assert_int_equal(mkdir(in_scratch(place, "root/var/lib"), 0755), 0);
    assert_int_equal(mkdir(in_scratch(place, "root/var/lib/dpkg"), 0755), 0);
    write_text(in_scratch(place, "root/var/lib/dpkg/status"), "packages");
    assert_string_not_equal(make(place), before);
}

static void the_guests_files_are_in_the_key(void **state)
{
    struct place *place = *state;
    char before[DIGEST_HEX_SIZE];

    strcpy(before, make(place));
    write_text(in_scratch(place, "guest/c/header.h"), "HEADER");
    build_key_base_deinit(&place->base);
    open_base(place);
    assert_string_not_equal(make(place), before);
    write_text(in_scratch(place, "guest/c/header.h"), "header");
    build_key_base_deinit(&place->base);
    open_base(place);
    assert_string_equal(make(place), before);
    assert_int_equal(symlink("/nowhere", in_scratch(place, "guest/link")), 0);
    build_key_base_deinit(&place->base);
    open_base(place);
    assert_string_not_equal(make(place), before);
}

static void what_only_the_program_sees_is_not(void **state)
{
    struct place *place = *state;
    struct execution_request *request = &place->bench->request;
    static char *args[] = { (char *)"a" };
    char before[DIGEST_HEX_SIZE];

    strcpy(before, make(place));
    request->args = args;
    request->n_args = 1;
    request->timeout_ms = 5000;
    strcpy(request->execution_id, "AJ3mJ0m5cUQ5w7l8r0Q2a");
    assert_string_equal(make(place), before);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        CASE(all_that_the_compiler_sees_is_in_the_key), CASE(whose_build_it_is_is_in_the_key),
        CASE(every_mounted_input_is_in_the_key),        CASE(the_tool_chain_is_in_the_key),
        CASE(the_guests_files_are_in_the_key),          CASE(what_only_the_program_sees_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
