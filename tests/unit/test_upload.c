/* SPDX-License-Identifier: Apache-2.0 */
/* The upload routes over a real store; the HTTP library is replaced by the few calls they make. */
#include "fake_http.h"
#include "scratch.h"

#include "api/handlers.h"
#include "api/offload.h"
#include "domain/file.h"
#include "domain/session.h"

#define FILE_MAX_BYTES (1 << 20)
#define FILES_MAX      4

/* ---- a server without HTTP ---- */

struct house {
    struct scratch *scratch;
    struct engine engine;
    struct filename_rules rules;
    struct api api;
};

static int house_open(void **state)
{
    struct house *house = calloc(1, sizeof(*house));
    char error[128];

    assert_int_equal(scratch_setup((void **)&house->scratch), 0);
    assert_int_equal(kv_open_sqlite(scratch_path(house->scratch, "db"), &house->engine.kv, error, sizeof(error)), 0);
    assert_int_equal(blob_store_open_directory(scratch_path(house->scratch, "blobs"), &house->engine.blobs), 0);
    house->engine.session_ttl_ms = 3600000;
    assert_int_equal(filename_rules_init(&house->rules, "@seed", "*.exe", error, sizeof(error)), 0);
    house->rules.strict = true;
    house->rules.max_segment_characters = 255;
    house->api = (struct api){ .engine = &house->engine,
                               .filename_rules = &house->rules,
                               .max_file_bytes = FILE_MAX_BYTES,
                               .max_upload_files = FILES_MAX,
                               .agent_bypass_extensions = true };
    *state = house;
    return 0;
}

static int house_close(void **state)
{
    struct house *house = *state;

    kv_free(house->engine.kv);
    blob_store_free(house->engine.blobs);
    filename_rules_deinit(&house->rules);
    scratch_teardown((void **)&house->scratch);
    free(house);
    return 0;
}

static unsigned n_blobs;

static int count_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)where;
    n_blobs += kind == FTW_F && strstr(path, "/blobs/") != NULL;
    return 0;
}

/* Files of the blob store, finished or not. */
static unsigned blob_count(const struct house *house)
{
    n_blobs = 0;
    nftw(house->scratch->path, count_entry, 8, FTW_PHYS);
    return n_blobs;
}

/* ---- a form on its way ---- */

struct form {
    struct house *house;
    const struct http_upload *receiver;
    struct http_request request;
    int stopped; /* what the receiver said to end the reading */
};

static struct form form_begin(struct house *house, const struct http_upload *receiver)
{
    struct form form = { .house = house, .receiver = receiver, .request.data = &house->api };

    assert_int_equal(receiver->open(&form.request, &form.request.upload), 0);
    return form;
}

static void form_bytes(struct form *form, const struct http_part *part, const char *data, size_t length)
{
    void *context = form->request.upload;

    if (form->stopped)
        return;
    form->stopped = form->receiver->part_begin(context, part);
    for (size_t at = 0; at < length && !form->stopped; at += 700) {
        size_t n = length - at < 700 ? length - at : 700;

        form->stopped = form->receiver->part_data(context, data + at, n);
    }
    if (!form->stopped)
        form->stopped = form->receiver->part_end(context);
    assert_true(form->stopped >= 0);
}

static void form_file(struct form *form, const char *name, const char *filename, const char *data)
{
    const struct http_part part = {
        .name = name, .filename = filename, .filename_length = strlen(filename), .content_type = "text/csv"
    };

    form_bytes(form, &part, data, strlen(data));
}

static void form_large(struct form *form, const char *name, const char *filename, size_t length)
{
    const struct http_part part = { .name = name, .filename = filename, .filename_length = strlen(filename) };
    char *data = calloc(1, length);

    form_bytes(form, &part, data, length);
    free(data);
}

static void form_text(struct form *form, const char *name, const char *text)
{
    const struct http_part part = { .name = name };

    form_bytes(form, &part, text, strlen(text));
}

static void form_answer(struct form *form, void (*handle)(struct http_request *request), unsigned status)
{
    struct api *api = &form->house->api;

    assert_int_equal(offload_new(1, 8, &api->offload), 0);
    handle(&form->request);
    api->offload = offload_free(api->offload);
    assert_int_equal(form->request.n_answers, 1);
    if (form->request.status != status)
        fail_msg("status %u: %s", form->request.status, json_dumps(form->request.answer, JSON_COMPACT));
}

static const char *answer_text(const struct form *form, const char *key)
{
    return fake_http_text(&form->request, key);
}

static const char *file_text(const struct form *form, size_t index, const char *key)
{
    return json_string_value(
        json_object_get(json_array_get(json_object_get(form->request.answer, "files"), index), key));
}

static size_t file_count(const struct form *form)
{
    return json_array_size(json_object_get(form->request.answer, "files"));
}

static struct file_record stored(const struct form *form, size_t index)
{
    struct file_record record;

    assert_int_equal(file_get(form->house->engine.kv, "tenant", answer_text(form, "session_id"),
                              file_text(form, index, "fileId"), &record),
                     0);
    return record;
}

static void form_end(struct form *form)
{
    form->receiver->close(form->request.upload);
    fake_http_deinit(&form->request);
    assert_int_equal(atomic_load(&form->house->api.open_writers), 0);
}

/* ---- POST /upload ---- */

static void test_a_file_is_stored(void **state)
{
    struct form form = form_begin(*state, &upload_reception);
    struct file_record record;
    char bytes[16];
    int64_t size;
    int fd;

    form_text(&form, "id", "u-17");
    form_text(&form, "kind", "user");
    form_text(&form, "version", "7");
    form_file(&form, "file", "My Report (2024).csv", "a,b\n1,2\n");
    form_answer(&form, handle_upload, 200);
    assert_true(form.request.suspended);
    assert_string_equal(answer_text(&form, "message"), "success");
    assert_string_equal(answer_text(&form, "session_id"), answer_text(&form, "storage_session_id"));
    assert_int_equal(file_count(&form), 1);
    assert_string_equal(file_text(&form, 0, "filename"), "My_Report__2024_.csv");
    record = stored(&form, 0);
    assert_string_equal(record.original_name, "My Report (2024).csv");
    assert_string_equal(record.content_type, "text/csv");
    assert_string_equal(record.resource_id, "u-17");
    assert_string_equal(record.kind, "user");
    assert_true(record.has_version);
    assert_int_equal(record.version, 7);
    assert_false(record.read_only);
    assert_int_equal(record.origin, FILE_UPLOAD);
    assert_int_equal(blob_open(form.house->engine.blobs, record.blob, &fd, &size), 0);
    assert_int_equal(size, 8);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), 8);
    assert_memory_equal(bytes, "a,b\n1,2\n", 8);
    close(fd);
    form_end(&form);
    assert_int_equal(blob_count(*state), 1);
}

static void test_equal_and_empty_files(void **state)
{
    struct form form = form_begin(*state, &upload_reception);
    struct file_record first, second;

    form_file(&form, "files[]", "a.txt", "same");
    form_file(&form, "files", "a.txt", "same");
    form_file(&form, "files", "empty", "");
    form_answer(&form, handle_upload, 200);
    assert_int_equal(file_count(&form), 3);
    first = stored(&form, 0);
    second = stored(&form, 1);
    assert_string_equal(first.blob, second.blob);
    assert_string_not_equal(first.id, second.id);
    assert_int_equal(stored(&form, 2).size_bytes, 0);
    form_end(&form);
}

static void test_marks(void **state)
{
    static const struct {
        const char *part, *value;
        bool read_only, infrastructure;
    } cases[] = {
        { "entity_id", "agent-77", true, false }, { "kind", "agent", true, false },   { "kind", "SKILL", true, true },
        { "read_only", "Yes", true, true },       { "read_only", "0", false, false }, { "kind", "other", false, false },
        { "version", "1x", false, false },        { "entity_id", "", false, false },
    };

    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct form form = form_begin(*state, &upload_reception);
        struct file_record record;
        bool field_first = i % 2;
        int64_t size;
        struct stat info;
        int fd;

        if (field_first)
            form_text(&form, cases[i / 2].part, cases[i / 2].value);
        form_file(&form, "file", "x.txt", "x");
        if (!field_first)
            form_text(&form, cases[i / 2].part, cases[i / 2].value);
        form_answer(&form, handle_upload, 200);
        record = stored(&form, 0);
        assert_int_equal(record.read_only, cases[i / 2].read_only);
        assert_int_equal(record.infrastructure, cases[i / 2].infrastructure);
        assert_false(record.has_version);
        assert_int_equal(blob_open(form.house->engine.blobs, record.blob, &fd, &size), 0);
        assert_int_equal(fstat(fd, &info), 0);
        assert_int_equal(info.st_mode & 0777, cases[i / 2].read_only ? 0444 : 0644);
        close(fd);
        form_end(&form);
    }
}

static void test_entity_finds_the_session(void **state)
{
    struct form form = form_begin(*state, &upload_reception);
    const struct session_query query = { .tenant = "tenant", .entity_id = "agent-9" };
    struct session session;
    bool due;

    form_text(&form, "entity_id", "agent-9");
    form_file(&form, "file", "x.txt", "x");
    form_answer(&form, handle_upload, 200);
    assert_int_equal(session_resolve(form.house->engine.kv, &query, 60000, &session, &due), 0);
    assert_string_equal(session.id, answer_text(&form, "session_id"));
    form_end(&form);
}

static void test_file_hides_files(void **state)
{
    for (int primary_first = 0; primary_first < 2; primary_first++) {
        struct form form = form_begin(*state, &upload_reception);

        if (primary_first)
            form_file(&form, "file", "good.txt", "x");
        form_file(&form, "files", "bad.exe", "x");
        form_file(&form, "files", "other.txt", "y");
        for (int i = 0; i < FILES_MAX; i++)
            form_file(&form, "files", "more.txt", "y");
        if (!primary_first)
            form_file(&form, "file", "good.txt", "x");
        form_answer(&form, handle_upload, 200);
        assert_int_equal(file_count(&form), 1);
        assert_string_equal(file_text(&form, 0, "filename"), "good.txt");
        form_end(&form);
    }
    assert_int_equal(blob_count(*state), 2);
}

static void expect_refusal(struct house *house, const char *filename, size_t length, unsigned status, const char *error)
{
    struct form form = form_begin(house, &upload_reception);
    const struct http_part part = { .name = "file", .filename = filename, .filename_length = length };
    unsigned before = blob_count(house);

    form_file(&form, "file", "fine.txt", "fine");
    form_bytes(&form, &part, "x", 1);
    form_file(&form, "file", "also-fine.txt", "fine");
    form_answer(&form, handle_upload, status);
    assert_string_equal(answer_text(&form, "error"), error);
    form_end(&form);
    assert_int_equal(blob_count(house), before);
}

static void test_bad_names_fail_the_request(void **state)
{
    expect_refusal(*state, "../x.txt", 8, 400, "Invalid filename: path traversal");
    expect_refusal(*state, "a\\b.txt", 7, 400, "Invalid filename: path traversal");
    expect_refusal(*state, "x\0.txt", 6, 400, "Invalid filename: null byte");
    expect_refusal(*state, "a<b.txt", 7, 400, "Invalid filename: suspicious characters");
    expect_refusal(*state, "", 0, 400, "Invalid filename: empty");
    expect_refusal(*state, "tool.exe", 8, 415, "File type not allowed: tool.exe");
    expect_refusal(*state, "x.zip", 5, 415, "File type not allowed: x.zip");
}

static void test_sizes(void **state)
{
    struct form form = form_begin(*state, &upload_reception);

    form_large(&form, "file", "exact.txt", FILE_MAX_BYTES);
    form_answer(&form, handle_upload, 200);
    form_end(&form);

    form = form_begin(*state, &upload_reception);
    form_file(&form, "file", "bad<.txt", "x");
    form_large(&form, "file", "large.txt", FILE_MAX_BYTES + 1);
    form_file(&form, "file", "x.txt", "x");
    assert_true(form.stopped > 0);
    form_answer(&form, handle_upload, 413);
    assert_string_equal(answer_text(&form, "error"), "File large.txt exceeds maximum size of 1MB");
    form_end(&form);
    assert_int_equal(blob_count(*state), 1);
}

static void test_counts(void **state)
{
    static const char *const names[] = { "file", "files" };

    for (size_t i = 0; i < 2; i++)
        for (int n = FILES_MAX; n <= FILES_MAX + 1; n++) {
            struct form form = form_begin(*state, &upload_reception);

            form_file(&form, names[i], "", "");
            for (int k = 0; k < n; k++)
                form_file(&form, names[i], "x.txt", "x");
            form_answer(&form, handle_upload, n > FILES_MAX ? 413 : 200);
            if (n > FILES_MAX)
                assert_string_equal(answer_text(&form, "error"), "Too many files. Maximum 4 files allowed");
            form_end(&form);
        }
}

static void test_no_file(void **state)
{
    struct form form = form_begin(*state, &upload_reception);
    struct http_request bare = { .data = &((struct house *)*state)->api };

    form_text(&form, "kind", "user");
    form_text(&form, "file", "no file but a text");
    form_file(&form, "file", "", "");
    form_file(&form, "document", "x.txt", "under another name");
    form_answer(&form, handle_upload, 422);
    assert_string_equal(answer_text(&form, "field"), "body -> files");
    assert_string_equal(answer_text(&form, "code"), "missing");
    form_end(&form);

    handle_upload(&bare);
    assert_int_equal(bare.status, 422);
    fake_http_deinit(&bare);
}

static void test_bad_fields(void **state)
{
    static const struct {
        const char *part, *field, *code;
        size_t length; /* of a text of 'a', or the next */
        const char *text;
    } cases[] = {
        { "entity_id", "body -> entity_id", "string_pattern_mismatch", 0, "a b" },
        { "entity_id", "body -> entity_id", "string_too_long", 41, NULL },
        { "entity_id", "body -> entity_id", "string_too_long", 100000, NULL },
        { "id", "body -> id", "string_too_long", 256, NULL },
        { "id", "body -> id", "string_too_long", 100000, NULL },
        { "id", "body -> id", "value_error", 0, "\xff" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct form form = form_begin(*state, &upload_reception);
        char *text = calloc(1, cases[i].length + 1);

        memset(text, 'a', cases[i].length);
        form_file(&form, "file", "x.txt", "x");
        form_text(&form, cases[i].part, cases[i].text ? cases[i].text : text);
        form_answer(&form, handle_upload, 422);
        assert_string_equal(answer_text(&form, "field"), cases[i].field);
        assert_string_equal(answer_text(&form, "code"), cases[i].code);
        form_end(&form);
        free(text);
    }
    assert_int_equal(blob_count(*state), 0);
}

static void test_a_client_that_goes_away_leaves_nothing(void **state)
{
    struct form form = form_begin(*state, &upload_reception);
    const struct http_part part = { .name = "file", .filename = "x.txt", .filename_length = 5 };

    form_file(&form, "file", "a.txt", "complete");
    assert_int_equal(form.receiver->part_begin(form.request.upload, &part), 0);
    assert_int_equal(form.receiver->part_data(form.request.upload, "half", 4), 0);
    form_end(&form);
    form = form_begin(*state, &upload_reception);
    assert_int_equal(form.receiver->part_begin(form.request.upload, &part), 0);
    form_end(&form);
    assert_int_equal(blob_count(*state), 0);
}

/* Beyond OPEN_WRITERS_MAX files are finished early; what is then refused must still go. */
static void test_crowded_writers(void **state)
{
    struct house *house = *state;
    struct form form;

    atomic_store(&house->api.open_writers, 1000);
    form = form_begin(house, &upload_reception);
    form_file(&form, "file", "a.txt", "early");
    form_file(&form, "file", "b.exe", "refused");
    form_answer(&form, handle_upload, 415);
    atomic_fetch_sub(&house->api.open_writers, 1000);
    form_end(&form);
    assert_int_equal(blob_count(house), 0);

    atomic_store(&house->api.open_writers, 1000);
    form = form_begin(house, &upload_batch_reception);
    form_file(&form, "file", "a.txt", "equal");
    form_file(&form, "file", "a.exe", "equal");
    form_file(&form, "file", "c.exe", "other");
    form_answer(&form, handle_upload_batch, 200);
    assert_string_equal(answer_text(&form, "message"), "partial");
    atomic_fetch_sub(&house->api.open_writers, 1000);
    form_end(&form);
    assert_int_equal(blob_count(house), 1);
}

/* ---- POST /upload/batch ---- */

static void test_batch_has_a_result_for_each_file(void **state)
{
    struct form form = form_begin(*state, &upload_batch_reception);

    form_file(&form, "file", "skills/weather_lookup/SKILL.md", "# x");
    form_file(&form, "file", "tool.exe", "x");
    form_file(&form, "file", "a/../b.txt", "x");
    form_large(&form, "file", "large.txt", FILE_MAX_BYTES + 1);
    form_answer(&form, handle_upload_batch, 200);
    assert_string_equal(answer_text(&form, "message"), "partial");
    assert_int_equal(file_count(&form), 4);
    assert_string_equal(file_text(&form, 0, "status"), "success");
    assert_string_equal(file_text(&form, 0, "filename"), "skills/weather_lookup/SKILL.md");
    assert_string_equal(stored(&form, 0).name, "skills/weather_lookup/SKILL.md");
    assert_string_equal(file_text(&form, 1, "status"), "error");
    assert_string_equal(file_text(&form, 1, "filename"), "tool.exe");
    assert_string_equal(file_text(&form, 1, "error"), "File type not allowed: tool.exe");
    assert_string_equal(file_text(&form, 2, "error"), "Invalid filename: path traversal");
    assert_string_equal(file_text(&form, 3, "error"), "File exceeds 1MB limit");
    assert_int_equal(json_integer_value(json_object_get(form.request.answer, "succeeded")), 1);
    assert_int_equal(json_integer_value(json_object_get(form.request.answer, "failed")), 3);
    form_end(&form);
    assert_int_equal(blob_count(*state), 1);
}

static void test_batch_of_failures_has_a_session(void **state)
{
    struct form form = form_begin(*state, &upload_batch_reception);
    struct session session;

    form_file(&form, "file", "tool.exe", "x");
    form_answer(&form, handle_upload_batch, 200);
    assert_string_equal(answer_text(&form, "message"), "error");
    assert_int_equal(session_get(form.house->engine.kv, "tenant", answer_text(&form, "session_id"), &session), 0);
    form_end(&form);
}

static void test_batch_of_agents_may_ship_any_type(void **state)
{
    for (int bypass = 0; bypass < 2; bypass++) {
        struct form form = form_begin(*state, &upload_batch_reception);

        form.house->api.agent_bypass_extensions = bypass;
        form_file(&form, "file", "schema.xsd", "x");
        form_file(&form, "file", "tool.exe", "x");
        form_text(&form, "kind", "skill"); /* after the files: they must wait for the verdict */
        form_answer(&form, handle_upload_batch, 200);
        assert_string_equal(answer_text(&form, "message"), bypass ? "success" : "error");
        form_end(&form);
    }
}

static void test_batch_names_unnamed_files(void **state)
{
    struct form form = form_begin(*state, &upload_batch_reception);
    const struct http_part part = { .name = "file" };

    form_bytes(&form, &part, "x", 1);
    form_file(&form, "file", "", "y");
    form_file(&form, "file", "", "");
    form_answer(&form, handle_upload_batch, 200);
    assert_int_equal(file_count(&form), 2);
    assert_string_equal(file_text(&form, 0, "filename"), "unknown");
    assert_string_equal(file_text(&form, 1, "filename"), "unknown");
    form_end(&form);
}

static void test_batch_wants_the_name_file(void **state)
{
    struct form form = form_begin(*state, &upload_batch_reception);

    form_file(&form, "files", "x.txt", "x");
    form_answer(&form, handle_upload_batch, 422);
    assert_string_equal(answer_text(&form, "field"), "body -> file");
    form_end(&form);

    form = form_begin(*state, &upload_batch_reception);
    for (int i = 0; i <= FILES_MAX; i++)
        form_file(&form, "file", "x.txt", "x");
    form_answer(&form, handle_upload_batch, 413);
    assert_string_equal(answer_text(&form, "error"), "Too many files in batch. Maximum 4 files allowed per upload.");
    form_end(&form);
    assert_int_equal(blob_count(*state), 0);
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, house_open, house_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOUSE(test_a_file_is_stored),
        WITH_HOUSE(test_equal_and_empty_files),
        WITH_HOUSE(test_marks),
        WITH_HOUSE(test_entity_finds_the_session),
        WITH_HOUSE(test_file_hides_files),
        WITH_HOUSE(test_bad_names_fail_the_request),
        WITH_HOUSE(test_sizes),
        WITH_HOUSE(test_counts),
        WITH_HOUSE(test_no_file),
        WITH_HOUSE(test_bad_fields),
        WITH_HOUSE(test_a_client_that_goes_away_leaves_nothing),
        WITH_HOUSE(test_crowded_writers),
        WITH_HOUSE(test_batch_has_a_result_for_each_file),
        WITH_HOUSE(test_batch_of_failures_has_a_session),
        WITH_HOUSE(test_batch_of_agents_may_ship_any_type),
        WITH_HOUSE(test_batch_names_unnamed_files),
        WITH_HOUSE(test_batch_wants_the_name_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
