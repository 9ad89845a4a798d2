/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_fixture.h"

#include "engine/inputs.h"

struct mounted {
    struct inputs inputs;
    struct workdir workdir;
};

static struct mounted mount_inputs(struct bench *bench, struct execution_file *files, size_t n_files)
{
    struct mounted m = { .inputs = INPUTS_INIT, .workdir = WORKDIR_INIT(bench->engine.work_dir_fd) };

    bench->request.files = files;
    bench->request.n_files = n_files;
    assert_int_equal(inputs_resolve(&bench->engine, &bench->request, bench->session.id, &m.inputs), 0);
    assert_int_equal(inputs_mount(&bench->engine, &bench->request, &m.inputs, &m.workdir), 0);
    return m;
}

static void unmount(struct mounted *m)
{
    inputs_deinit(&m->inputs);
    workdir_deinit(&m->workdir);
}

/* The bytes under this path, "" if there is nothing. */
static const char *contents(const struct mounted *m, const char *path)
{
    static char text[64];
    int fd = m->workdir.fd < 0 ? -1 : openat(m->workdir.fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    cleanup_close_fd(&fd);
    return text;
}

static void a_session_without_files_has_no_directory(void **state)
{
    struct bench *bench = *state;
    struct mounted m = mount_inputs(bench, NULL, 0);

    assert_int_equal(m.inputs.n_items, 0);
    assert_int_equal(m.workdir.fd, -1);
    unmount(&m);
}

static void files_of_the_session_are_mounted_unasked_and_the_newest_wins(void **state)
{
    struct bench *bench = *state;
    struct mounted m;

    store_file(bench, bench->session.id, "a", "old");
    store_file(bench, bench->session.id, "a", "new");
    store_file(bench, bench->session.id, "d/b", "b");
    m = mount_inputs(bench, NULL, 0);
    assert_string_equal(contents(&m, "a"), "new");
    assert_string_equal(contents(&m, "d/b"), "b");
    assert_int_equal(m.inputs.n_items, 3);
    assert_non_null(inputs_find(&m.inputs, "d/b"));
    assert_null(inputs_find(&m.inputs, "d"));
    unmount(&m);
}

static void an_explicit_reference_wins_over_newer_files(void **state)
{
    struct bench *bench = *state;
    struct file_record old = store_file(bench, bench->session.id, "a", "old");
    struct execution_file files[] = { reference(bench->session.id, old.id, "a") };
    struct mounted m;

    store_file(bench, bench->session.id, "a", "new");
    m = mount_inputs(bench, files, 1);
    assert_string_equal(contents(&m, "a"), "old");
    assert_ptr_equal(inputs_find(&m.inputs, "a")->reference, &files[0]);
    unmount(&m);
}

static void references_are_found_by_name_and_unknown_ones_skipped(void **state)
{
    struct bench *bench = *state;
    struct session other = make_session(bench->fixture, NULL, NULL, TTL_MS);
    struct execution_file files[] = {
        reference(other.id, "AAAAAAAAAAAAAAAAAAAAA", "a"),
        reference(other.id, "AAAAAAAAAAAAAAAAAAAAA", "none"),
        reference("BBBBBBBBBBBBBBBBBBBBB", "AAAAAAAAAAAAAAAAAAAAA", "a"),
        reference("", "", ""),
        reference("../..", "../../etc/passwd", "../../etc/passwd"),
    };
    struct mounted m;

    store_file(bench, other.id, "a", "one");
    store_file(bench, other.id, "a", "two");
    m = mount_inputs(bench, files, ARRAY_SIZE(files));
    assert_string_equal(contents(&m, "a"), "two");
    assert_ptr_equal(inputs_find(&m.inputs, "a")->reference, &files[0]);
    unmount(&m);
}

static void a_foreign_reference_leaves_one_alias_that_later_runs_see(void **state)
{
    struct bench *bench = *state;
    struct session other = make_session(bench->fixture, NULL, NULL, TTL_MS);
    struct file_record source = store_file(bench, other.id, "a", "foreign");
    struct execution_file files[] = { reference(other.id, source.id, "a"), reference(other.id, source.id, "a") };
    struct mounted m = mount_inputs(bench, files, 2);

    assert_string_equal(inputs_find(&m.inputs, "a")->record.id, source.id);
    unmount(&m);
    m = mount_inputs(bench, files, 2);
    unmount(&m);
    m = mount_inputs(bench, NULL, 0);
    assert_int_equal(m.inputs.n_items, 1);
    assert_int_equal(m.inputs.items[0].group, INPUT_ALIAS);
    assert_string_not_equal(m.inputs.items[0].record.id, source.id);
    assert_string_equal(contents(&m, "a"), "foreign");
    unmount(&m);
    /* A file of the session's own goes before the alias, even an older one. */
    store_file(bench, bench->session.id, "a", "native");
    m = mount_inputs(bench, NULL, 0);
    assert_string_equal(contents(&m, "a"), "native");
    unmount(&m);
}

static void a_file_where_another_needs_a_directory_is_skipped(void **state)
{
    struct bench *bench = *state;
    struct file_record file = store_file(bench, bench->session.id, "d", "file");
    struct execution_file files[] = { reference(bench->session.id, file.id, "d") };
    struct mounted m;

    store_file(bench, bench->session.id, "d/e", "below");
    m = mount_inputs(bench, files, 1);
    assert_string_equal(contents(&m, "d"), "file");
    assert_null(inputs_find(&m.inputs, "d/e"));
    unmount(&m);
    m = mount_inputs(bench, NULL, 0); /* the newer wins */
    assert_string_equal(contents(&m, "d/e"), "below");
    assert_null(inputs_find(&m.inputs, "d"));
    unmount(&m);
}

static void the_name_of_the_request_becomes_a_link(void **state)
{
    static const struct {
        char *name;
        const char *text;
    } rows[] = {
        { "my file.txt", "text" }, { "deep/er/x", "text" },   { "../out", "" }, { "/etc/passwd", "" }, { "a\\b", "" },
        { "other", "other text" }, { "my_file.txt", "text" }, { "", "" },
    };
    struct bench *bench = *state;
    struct file_record file = store_file(bench, bench->session.id, "my_file.txt", "text");

    store_file(bench, bench->session.id, "other", "other text");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct execution_file files[] = { reference(bench->session.id, file.id, rows[i].name) };
        struct mounted m = mount_inputs(bench, files, 1);

        assert_string_equal(rows[i].name[0] == '/' || rows[i].name[0] == '.' ? "" : contents(&m, rows[i].name),
                            rows[i].text);
        assert_string_equal(contents(&m, "my_file.txt"), "text");
        unmount(&m);
    }
    assert_int_equal(access(scratch_path(bench->fixture->scratch, "work/out"), F_OK), -1);
}

static void the_name_of_what_gave_way_becomes_a_link_too(void **state)
{
    struct bench *bench = *state;
    struct session other = make_session(bench->fixture, NULL, NULL, TTL_MS);
    struct file_record upload = store_file(bench, other.id, "my_file.txt", "upload");
    struct file_record alike = store_file(bench, other.id, "my_file.txt", "another");
    struct file_record first = store_edition(bench, bench->session.id, "my_file.txt", "first", &upload);
    struct file_record edition = store_edition(bench, bench->session.id, "my_file.txt", "edition", &first);
    struct file_record file = store_file(bench, other.id, "d", "file");
    struct file_record below = store_file(bench, other.id, "d/e", "below");
    struct execution_file files[] = {
        reference(other.id, upload.id, "my file.txt"),           reference(other.id, upload.id, "My File.txt"),
        reference(bench->session.id, edition.id, "my_file.txt"), reference(other.id, below.id, "d/e"),
        reference(other.id, file.id, "gave way to a directory"), reference(other.id, alike.id, "my<file>.txt"),
    };
    struct mounted m = mount_inputs(bench, files, ARRAY_SIZE(files));

    assert_string_equal(contents(&m, "my_file.txt"), "edition");
    assert_string_equal(contents(&m, "my file.txt"), "edition");
    assert_string_equal(contents(&m, "My File.txt"), "edition");
    assert_ptr_equal(inputs_find(&m.inputs, "my_file.txt")->reference, &files[2]);
    assert_string_equal(contents(&m, "d/e"), "below");
    assert_int_equal(faccessat(m.workdir.fd, "gave way to a directory", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(faccessat(m.workdir.fd, "my<file>.txt", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    unmount(&m);
}

static void lost_bytes_leave_one_note_and_the_path_to_others(void **state)
{
    struct bench *bench = *state;
    struct file_record lost = store_file(bench, bench->session.id, "a", "lost");
    struct execution_file files[] = { reference(bench->session.id, lost.id, "other name") };
    struct stat st;
    struct mounted m;
    char path[128];

    store_file(bench, bench->session.id, "a", "there");
    snprintf(path, sizeof(path), "blobs/objects/%.2s/%s", lost.blob, lost.blob);
    assert_int_equal(stat(scratch_path(bench->fixture->scratch, path), &st), 0);
    assert_int_equal(unlink(scratch_path(bench->fixture->scratch, path)), 0);
    m = mount_inputs(bench, files, 1);
    assert_string_equal(contents(&m, "a"), "there");
    assert_string_equal(m.inputs.notes.data, "[sandbox] input file unavailable: a\n");
    assert_null(inputs_find(&m.inputs, "a")->reference);
    unmount(&m);
}

static void notes_are_bounded(void **state)
{
    struct bench *bench = *state;
    struct file_record file = store_file(bench, bench->session.id, "a", "x");
    struct inputs inputs = INPUTS_INIT;
    struct workdir workdir = WORKDIR_INIT(bench->engine.work_dir_fd);
    size_t n = 100;

    inputs.items = calloc(n, sizeof(*inputs.items));
    inputs.n_items = n;
    for (size_t i = 0; i < n; i++) {
        inputs.items[i].record = file;
        memset(inputs.items[i].record.blob, 'a', BLOB_KEY_SIZE - 1);
        memset(inputs.items[i].record.name, 'n', FILE_NAME_SIZE - 1);
    }
    assert_int_equal(inputs_mount(&bench->engine, &bench->request, &inputs, &workdir), 0);
    assert_true(inputs.notes.length <= inputs.notes.ceiling);
    inputs_deinit(&inputs);
    workdir_deinit(&workdir);
}

static void what_a_deletion_covers_is_marked(void **state)
{
    struct bench *bench = *state;
    struct mounted m;

    store_file(bench, bench->session.id, "d/a", "1");
    store_file(bench, bench->session.id, "d/e/b", "2");
    store_file(bench, bench->session.id, "dd/c", "3");
    m = mount_inputs(bench, NULL, 0);
    assert_true(inputs_below(&m.inputs, "d", 1));
    assert_true(inputs_below(&m.inputs, "d/e", 3));
    assert_false(inputs_below(&m.inputs, "d/e/b", 5));
    assert_false(inputs_below(&m.inputs, "x", 1));
    inputs_cover(&m.inputs, "d");
    assert_true(inputs_find(&m.inputs, "d/a")->covered);
    assert_true(inputs_find(&m.inputs, "d/e/b")->covered);
    assert_false(inputs_find(&m.inputs, "dd/c")->covered);
    unmount(&m);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(a_session_without_files_has_no_directory),
        WITH_BENCH(files_of_the_session_are_mounted_unasked_and_the_newest_wins),
        WITH_BENCH(an_explicit_reference_wins_over_newer_files),
        WITH_BENCH(references_are_found_by_name_and_unknown_ones_skipped),
        WITH_BENCH(a_foreign_reference_leaves_one_alias_that_later_runs_see),
        WITH_BENCH(a_file_where_another_needs_a_directory_is_skipped),
        WITH_BENCH(the_name_of_the_request_becomes_a_link),
        WITH_BENCH(the_name_of_what_gave_way_becomes_a_link_too),
        WITH_BENCH(lost_bytes_leave_one_note_and_the_path_to_others),
        WITH_BENCH(notes_are_bounded),
        WITH_BENCH(what_a_deletion_covers_is_marked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
