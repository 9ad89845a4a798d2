/* SPDX-License-Identifier: Apache-2.0 */
/* engine_fixture.h -- an engine on a fresh embedded store, without a warden. */
#pragma once

#include "domain_fixture.h"

#include "base/cleanup.h"
#include "engine/execution.h"

struct bench {
    struct fixture *fixture;
    struct engine engine;
    struct language language;
    struct execution_request request;
    struct session session;
};

static inline int bench_setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    void *fixture;

    if (!bench || fixture_setup(&fixture) < 0)
        return -1;
    bench->fixture = fixture;
    bench->session = make_session(bench->fixture, NULL, NULL, TTL_MS);
    if (mkdir(scratch_path(bench->fixture->scratch, "work"), 0700) < 0)
        return -1;
    bench->engine = (struct engine){
        .kv = bench->fixture->kv,
        .blobs = bench->fixture->blobs,
        .work_dir_fd = open(scratch_path(bench->fixture->scratch, "work"), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        .max_file_bytes = 1000,
        .max_output_files = 3,
    };
    bench->request = (struct execution_request){ .language = &bench->language, .client_fd = -1 };
    strcpy(bench->request.tenant, TENANT);
    strcpy(bench->request.execution_id, "KJ3mJ0m5cUQ5w7l8r0Q2a");
    *state = bench;
    return 0;
}

static inline int bench_teardown(void **state)
{
    struct bench *bench = *state;
    void *fixture = bench->fixture;

    close(bench->engine.work_dir_fd);
    free(bench);
    return fixture_teardown(&fixture);
}

/* A stored file of this session. */
/* of: the file that it is an edition of; NULL = none */
static inline struct file_record store_edition(struct bench *bench, const char *session_id, const char *name,
                                               const char *text, const struct file_record *of)
{
    struct file_record record = { .origin = of ? FILE_OUTPUT : FILE_UPLOAD };
    struct blob_writer *writer;

    assert_int_equal(blob_writer_new(bench->engine.blobs, session_id, false, 1 << 20, &writer), 0);
    assert_int_equal(blob_writer_append(writer, text, strlen(text)), 0);
    assert_int_equal(blob_writer_commit(writer, record.blob, record.sha256, &record.size_bytes), 0);
    blob_writer_free(writer);
    snprintf(record.session_id, sizeof(record.session_id), "%s", session_id);
    snprintf(record.name, sizeof(record.name), "%s", name);
    snprintf(record.original_name, sizeof(record.original_name), "%s", name);
    snprintf(record.content_type, sizeof(record.content_type), "text/plain");
    snprintf(record.edition_of, sizeof(record.edition_of), "%s", of ? file_root(of) : "");
    assert_int_equal(file_add(bench->engine.kv, &record, 1), 0);
    return record;
}

static inline struct file_record store_file(struct bench *bench, const char *session_id, const char *name,
                                            const char *text)
{
    return store_edition(bench, session_id, name, text, NULL);
}

/* A reference as a client writes it; the strings must last. */
static inline struct execution_file reference(char *session_id, char *id, char *name)
{
    static char none[1];

    return (struct execution_file){
        .id = id,
        .storage_session_id = session_id,
        .name = name,
        .resource_id = none,
        .kind = none,
        .entity_id = none,
    };
}
