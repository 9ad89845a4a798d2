/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_fixture.h"

#include <errno.h>
#include <sys/mman.h>

#include "engine/outputs.h"

/* One run after the other on the same bench: inputs are mounted, entries arrive, outputs are stored. */
struct harvest {
    struct bench *bench;
    struct inputs inputs;
    struct workdir workdir;
    struct outputs outputs;
    struct execution_result result;
};

static void begin(struct harvest *h, struct bench *bench)
{
    *h = (struct harvest){ .bench = bench, .inputs = INPUTS_INIT, .workdir = WORKDIR_INIT(bench->engine.work_dir_fd) };
    assert_int_equal(inputs_resolve(&bench->engine, &bench->request, bench->session.id, &h->inputs), 0);
    assert_int_equal(inputs_mount(&bench->engine, &bench->request, &h->inputs, &h->workdir), 0);
    assert_int_equal(outputs_init(&h->outputs, &bench->engine, &bench->request, &h->inputs, &h->result), 0);
}

static void found_bytes(struct harvest *h, const char *path, const void *data, size_t size)
{
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = WIRE_ENTRY_FILE, .size_bytes = size };
    int fd = memfd_create("entry", MFD_CLOEXEC);

    assert_true(fd >= 0);
    if (size)
        assert_int_equal(write(fd, data, size), size);
    lseek(fd, 0, SEEK_SET);
    snprintf(entry.path, sizeof(entry.path), "%s", path);
    assert_int_equal(outputs_entry(&h->outputs, &entry, fd), 0);
    assert_true(fcntl(fd, F_GETFD) < 0); /* taken over */
}

static void found(struct harvest *h, const char *path, const char *text)
{
    found_bytes(h, path, text, strlen(text));
}

static void found_kind(struct harvest *h, enum wire_entry_kind kind, const char *path)
{
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = kind };

    snprintf(entry.path, sizeof(entry.path), "%s", path);
    assert_int_equal(outputs_entry(&h->outputs, &entry, -1), 0);
}

/* Stores, and gives the list as "=a +b ~c -d": inherited, new, modified, deleted. */
static const char *finish(struct harvest *h, bool complete)
{
    static const char marks[] = { '=', '+', '~' };
    static char text[4096];
    size_t used = 0;

    assert_int_equal(outputs_store(&h->outputs, h->bench->session.id, complete), 0);
    text[0] = '\0';
    for (size_t i = 0; i < h->result.n_files; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%c%s", used ? " " : "",
                                 marks[h->result.files[i].state], h->result.files[i].name);
    for (char **name = h->result.deleted_files; name && *name; name++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s-%s", used ? " " : "", *name);
    return text;
}

static void end(struct harvest *h)
{
    outputs_deinit(&h->outputs);
    inputs_deinit(&h->inputs);
    workdir_deinit(&h->workdir);
    execution_result_deinit(&h->result);
}

static void new_files_are_stored_and_sorted(void **state)
{
    struct bench *bench = *state;
    struct file_record record;
    struct harvest h;
    int64_t size;
    char text[16] = "";
    int fd;

    begin(&h, bench);
    found(&h, "z.txt", "z");
    found(&h, "charts/foo.png", "png");
    found(&h, "empty", "");
    assert_string_equal(finish(&h, true), "+charts/foo.png +empty +z.txt");
    assert_int_equal(h.result.delivery_attempted, 3);
    assert_int_equal(h.result.delivery_failed, 0);
    assert_int_equal(h.result.truncation.skipped, 0);
    assert_string_equal(h.result.files[0].session_id, bench->session.id);
    assert_int_equal(file_get(bench->engine.kv, TENANT, bench->session.id, h.result.files[0].id, &record), 0);
    assert_string_equal(record.name, "charts/foo.png");
    assert_string_equal(record.original_name, "charts/foo.png");
    assert_string_equal(record.content_type, "image/png");
    assert_int_equal(record.origin, FILE_OUTPUT);
    assert_false(record.read_only);
    assert_int_equal(blob_open(bench->engine.blobs, record.blob, &fd, &size), 0);
    assert_int_equal(size, 3);
    assert_int_equal(read(fd, text, sizeof(text)), 3);
    assert_string_equal(text, "png");
    close(fd);
    end(&h);
}

static void what_is_no_result_is_skipped(void **state)
{
    static const char *const skipped[] = {
        ".hidden",
        "a/.hidden",
        ".dir/file",
        "node_modules/x",
        "a/b/node_modules/c/d",
        "__pycache__/a.py",
        ".git/config",
        "venv/bin/python",
        "env/x",
        "target/x",
        "dist/x",
        "build/x",
        "vendor/x",
        "pkg/x",
        "Code.class",
        "CodeInner.class",
        "..file",
        "...",
    };
    struct bench *bench = *state;
    char *const hidden[] = { "Code*.class" };
    struct harvest h;

    bench->language.hidden[0] = hidden[0];
    begin(&h, bench);
    for (size_t i = 0; i < ARRAY_SIZE(skipped); i++)
        found(&h, skipped[i], "x");
    found(&h, "build", "a file of such a name is a result");
    found(&h, "sub/Code.class", "as is one below a directory");
    found(&h, "builds/x", "x");
    assert_string_equal(finish(&h, true), "+build +builds/x +sub/Code.class");
    assert_int_equal(h.result.truncation.skipped, 0);
    end(&h);
}

static void tool_directories_with_inputs_are_results(void **state)
{
    struct bench *bench = *state;
    struct harvest h;

    store_file(bench, bench->session.id, "build/in.txt", "in");
    begin(&h, bench);
    found(&h, "build/out.txt", "x");
    found(&h, "build/node_modules/x", "x");
    found(&h, "other/build/x", "x");
    assert_string_equal(finish(&h, true), "=build/in.txt +build/out.txt");
    end(&h);
}

static void beyond_the_cap_the_first_by_path_are_kept(void **state)
{
    struct bench *bench = *state;
    struct harvest h;

    store_file(bench, bench->session.id, "input", "in");
    begin(&h, bench);
    for (int i = 30; i > 0; i--) {
        char name[16];

        snprintf(name, sizeof(name), "f%02d", i);
        found(&h, name, "x");
    }
    assert_string_equal(finish(&h, true), "=input +f01 +f02 +f03");
    assert_int_equal(h.result.truncation.skipped, 27);
    assert_int_equal(h.result.truncation.max_files, 27);
    assert_int_equal(h.result.truncation.n_names, EXECUTION_SKIPPED_NAMES_MAX);
    assert_string_equal(h.result.truncation.names[0], "f04");
    assert_string_equal(h.result.truncation.names[19], "f23");
    end(&h);
}

static void the_order_of_arrival_does_not_matter(void **state)
{
    struct bench *bench = *state;
    struct harvest h;

    begin(&h, bench);
    for (unsigned i = 0; i < 64; i++) {
        char name[16];

        snprintf(name, sizeof(name), "f%02u", i * 37 % 64);
        found(&h, name, "x");
    }
    assert_string_equal(finish(&h, true), "+f00 +f01 +f02");
    assert_string_equal(h.result.truncation.names[0], "f03");
    assert_string_equal(h.result.truncation.names[19], "f22");
    end(&h);
}

static void files_too_large_are_named(void **state)
{
    static char block[1001];
    struct bench *bench = *state;
    struct harvest h;

    memset(block, 'x', sizeof(block));
    begin(&h, bench);
    found_bytes(&h, "exact", block, 1000);
    found_bytes(&h, "large", block, 1001);
    assert_string_equal(finish(&h, true), "+exact");
    assert_int_equal(h.result.truncation.max_size, 1);
    assert_string_equal(h.result.truncation.names[0], "large");
    end(&h);
}

static void names_are_sanitised_and_those_that_cannot_be_are_counted(void **state)
{
    struct bench *bench = *state;
    char deep[1025];
    struct harvest h;

    begin(&h, bench);
    found(&h, "my report.txt", "x");
    for (size_t i = 0; i < 1024; i += 4)
        memcpy(deep + i, "\xff\xff\xff/", 4);
    deep[1023] = '\0';
    found(&h, deep, "x");
    (void)finish(&h, true);
    assert_int_equal(h.result.n_files + h.result.truncation.bad_name, 2);
    for (size_t i = 0; i < h.result.n_files; i++)
        assert_null(strchr(h.result.files[i].name, ' '));
    end(&h);
}

static void inputs_are_judged_by_their_contents(void **state)
{
    struct bench *bench = *state;
    struct file_record changed = store_file(bench, bench->session.id, "changed", "old");
    struct harvest h;

    store_file(bench, bench->session.id, "deleted", "x");
    store_file(bench, bench->session.id, "touched", "same");
    store_file(bench, bench->session.id, "untouched", "x");
    begin(&h, bench);
    found(&h, "changed", "new");
    found(&h, "touched", "same");
    found_kind(&h, WIRE_ENTRY_WHITEOUT, "deleted");
    assert_string_equal(finish(&h, true), "=touched =untouched ~changed -deleted");
    assert_string_equal(h.result.files[2].modified_from_id, changed.id);
    assert_string_equal(h.result.files[2].modified_from_session_id, bench->session.id);
    assert_string_not_equal(h.result.files[2].id, changed.id);
    end(&h);
}

static void a_hidden_input_of_a_tools_name_counts_all_the_same(void **state)
{
    struct bench *bench = *state;
    struct harvest h;

    store_file(bench, bench->session.id, "node_modules/a", "old");
    begin(&h, bench);
    found(&h, "node_modules/a", "new");
    assert_string_equal(finish(&h, true), "~node_modules/a");
    end(&h);
}

static void hidden_directories_cover_their_inputs(void **state)
{
    struct bench *bench = *state;
    struct harvest h;

    bench->engine.max_output_files = 10;
    store_file(bench, bench->session.id, "d/kept", "same");
    store_file(bench, bench->session.id, "d/gone", "x");
    store_file(bench, bench->session.id, "d/e/gone", "x");
    store_file(bench, bench->session.id, "dd", "x");
    begin(&h, bench);
    found(&h, "d/kept", "same"); /* before the directory, as the file system may have it */
    found_kind(&h, WIRE_ENTRY_OPAQUE, "d");
    found(&h, "d/new", "x");
    assert_string_equal(finish(&h, true), "=d/kept =dd +d/new -d/e/gone -d/gone");
    end(&h);
    begin(&h, bench);
    found_kind(&h, WIRE_ENTRY_WHITEOUT, "d");
    (void)finish(&h, true);
    assert_non_null(h.result.deleted_files[3]); /* d/new of the run before is one of them */
    assert_null(h.result.deleted_files[4]);
    end(&h);
}

static void changes_of_infrastructure_files_are_dropped(void **state)
{
    struct bench *bench = *state;
    struct file_record record = store_file(bench, bench->session.id, "skill.md", "skill");
    struct harvest h;

    for (int deleted = 0; deleted <= 1; deleted++) {
        begin(&h, bench);
        assert_int_equal(h.inputs.n_items, 1);
        h.inputs.items[0].record.infrastructure = true;
        if (deleted)
            found_kind(&h, WIRE_ENTRY_WHITEOUT, "skill.md");
        else
            found(&h, "skill.md", "changed");
        assert_string_equal(finish(&h, true), deleted ? "" : "=skill.md");
        if (!deleted)
            assert_string_equal(h.result.files[0].id, record.id);
        end(&h);
    }
}

static void an_incomplete_harvest_reports_no_deletions(void **state)
{
    struct bench *bench = *state;
    struct harvest h;

    store_file(bench, bench->session.id, "a", "x");
    begin(&h, bench);
    found_kind(&h, WIRE_ENTRY_WHITEOUT, "a");
    assert_string_equal(finish(&h, false), "");
    assert_int_equal(h.result.truncation.max_scan, 1);
    assert_int_equal(h.result.truncation.skipped, 1);
    end(&h);
}

static void what_is_not_reached_matters_where_results_may_be(void **state)
{
    static const struct {
        const char *directory;
        bool matters;
    } rows[] = {
        { "a/b", true },      { "a/.b/c", false }, { "node_modules/b", false }, { "b/node_modules", false },
        { "build/in", true },
    };
    struct bench *bench = *state;

    store_file(bench, bench->session.id, "build/in/put", "x");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct harvest h;

        begin(&h, bench);
        found_kind(&h, WIRE_ENTRY_UNREACHED, rows[i].directory);
        (void)finish(&h, true);
        assert_int_equal(h.result.truncation.max_scan, rows[i].matters);
        end(&h);
    }
}

static void a_session_that_is_gone_delivers_nothing(void **state)
{
    struct bench *bench = *state;
    struct harvest h;

    begin(&h, bench);
    found(&h, "a", "x");
    found(&h, "b", "x");
    expire_session(bench->fixture, bench->session.id);
    assert_string_equal(finish(&h, true), "");
    assert_int_equal(h.result.delivery_attempted, 2);
    assert_int_equal(h.result.delivery_failed, 2);
    end(&h);
}

static int count_blob(void *context, const char *key)
{
    (void)key;
    ++*(unsigned *)context;
    return 0;
}

static unsigned n_blobs(struct bench *bench)
{
    unsigned n = 0;

    assert_int_equal(blob_visit_older(bench->engine.blobs, -1000, count_blob, &n), 0);
    return n;
}

/* The disk may be full of what nobody can name. */
static void outputs_that_cannot_be_recorded_leave_no_bytes(void **state)
{
    struct bench *bench = *state;
    struct harvest h;

    begin(&h, bench);
    found(&h, "a", "first");
    assert_string_equal(finish(&h, true), "+a");
    end(&h);
    assert_int_equal(n_blobs(bench), 1);
    begin(&h, bench);
    found(&h, "b", "second");
    found(&h, "c", "third");
    expire_session(bench->fixture, bench->session.id);
    assert_string_equal(finish(&h, true), "=a");
    end(&h);
    assert_int_equal(n_blobs(bench), 1);
}

/* Stored once only, so that the record alone protects them. */
static void bytes_that_a_record_names_stay(void **state)
{
    struct bench *bench = *state;
    struct file_record record = store_file(bench, bench->session.id, "a", "first");

    file_take_back(bench->engine.kv, bench->engine.blobs, &record, 1);
    assert_int_equal(n_blobs(bench), 1);
}

/* More than the size that the harvest saw cannot come; if it does, the writer's ceiling holds. */
static void a_file_larger_than_it_said_is_not_delivered(void **state)
{
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = WIRE_ENTRY_FILE, .size_bytes = 1, .path = "a" };
    struct bench *bench = *state;
    struct harvest h;
    int fd = memfd_create("entry", MFD_CLOEXEC);

    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    begin(&h, bench);
    assert_int_equal(outputs_entry(&h.outputs, &entry, fd), 0);
    found(&h, "b", "x");
    assert_string_equal(finish(&h, true), "+b");
    assert_int_equal(h.result.delivery_failed, 1);
    end(&h);
}

static void as_many_files_as_may_be_configured_are_delivered(void **state)
{
    struct bench *bench = *state;
    struct harvest h;

    bench->engine.max_output_files = 100;
    begin(&h, bench);
    for (int i = 0; i < 100; i++) {
        char name[16];

        snprintf(name, sizeof(name), "f%02d", i);
        found(&h, name, name);
    }
    (void)finish(&h, true);
    assert_int_equal(h.result.n_files, 100);
    assert_int_equal(h.result.delivery_failed, 0);
    end(&h);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(new_files_are_stored_and_sorted),
        WITH_BENCH(what_is_no_result_is_skipped),
        WITH_BENCH(tool_directories_with_inputs_are_results),
        WITH_BENCH(beyond_the_cap_the_first_by_path_are_kept),
        WITH_BENCH(the_order_of_arrival_does_not_matter),
        WITH_BENCH(files_too_large_are_named),
        WITH_BENCH(names_are_sanitised_and_those_that_cannot_be_are_counted),
        WITH_BENCH(inputs_are_judged_by_their_contents),
        WITH_BENCH(a_hidden_input_of_a_tools_name_counts_all_the_same),
        WITH_BENCH(hidden_directories_cover_their_inputs),
        WITH_BENCH(changes_of_infrastructure_files_are_dropped),
        WITH_BENCH(an_incomplete_harvest_reports_no_deletions),
        WITH_BENCH(what_is_not_reached_matters_where_results_may_be),
        WITH_BENCH(a_session_that_is_gone_delivers_nothing),
        WITH_BENCH(outputs_that_cannot_be_recorded_leave_no_bytes),
        WITH_BENCH(bytes_that_a_record_names_stay),
        WITH_BENCH(a_file_larger_than_it_said_is_not_delivered),
        WITH_BENCH(as_many_files_as_may_be_configured_are_delivered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
