/* SPDX-License-Identifier: Apache-2.0 */
/* POST /exec between a request and the admission, both played by the test. */
#include "fake_http.h"

#include "api/handlers.h"

static struct {
    int verdict;
    unsigned retry_after_seconds;
    struct execution_job *job; /* taken over, if the verdict is 0 */
    unsigned n_jobs;           /* alive */
} admission;

struct execution_job *execution_job_new(void)
{
    struct execution_job *job = calloc(1, sizeof(*job));

    job->request.client_fd = -1;
    job->result.keeper_fd = -1;
    admission.n_jobs++;
    return job;
}

struct execution_job *execution_job_free(struct execution_job *job)
{
    if (!job)
        return NULL;
    execution_request_deinit(&job->request);
    execution_result_deinit(&job->result);
    free(job);
    admission.n_jobs--;
    return NULL;
}

int admission_submit(struct admission *unused, struct execution_job *job, unsigned *ret_retry_after_seconds)
{
    (void)unused;
    if (admission.verdict == 0)
        admission.job = job;
    *ret_retry_after_seconds = admission.retry_after_seconds;
    return admission.verdict;
}

static struct language_table languages = { .languages = { { .code = "py", .available = true } }, .n_languages = 1 };
static struct engine engine = { .languages = &languages };
static struct api api = { .engine = &engine, .readiness = READINESS_INIT };

#define GOOD_BODY "{\"lang\":\"py\",\"code\":\"x\"}"

static struct http_request submit(const char *body, int verdict)
{
    struct http_request request = { .data = &api, .body = body };

    memset(&admission, 0, sizeof(admission));
    admission.verdict = verdict;
    admission.retry_after_seconds = 17;
    handle_exec(&request);
    return request;
}

/* The job's context points to the request that handle_exec() saw. */
static void follow(struct http_request *request)
{
    memset(&admission, 0, sizeof(admission));
    admission.retry_after_seconds = 17;
    handle_exec(request);
    assert_non_null(admission.job);
    assert_true(request->suspended);
    assert_int_equal(request->n_answers, 0);
}

static void finish(struct http_request *request)
{
    assert_int_equal(request->n_answers, 1);
    assert_int_equal(admission.n_jobs, 0);
    fake_http_deinit(request);
}

static void test_a_short_run_is_an_ordinary_answer(void **state)
{
    struct http_request request = { .data = &api, .body = GOOD_BODY };
    char id_header[64], reason[READINESS_REASON_SIZE];
    int64_t age_us;

    (void)state;
    assert_false(readiness_check(&api.readiness, reason, &age_us));
    follow(&request);
    assert_string_equal(admission.job->request.tenant, "tenant");
    assert_string_equal(admission.job->request.queue, "key");
    assert_int_equal(admission.job->request.received_us, 4711);
    assert_true(admission.job->request.client_fd >= 0);
    assert_true(id_is_ours(admission.job->request.execution_id));
    snprintf(id_header, sizeof(id_header), "X-Execution-Id: %s\n", admission.job->request.execution_id);
    strcpy(admission.job->result.session_id, "the-session");
    admission.job->done(admission.job, ADMISSION_DONE);
    assert_int_equal(request.status, 200);
    assert_false(request.streaming);
    assert_string_equal(request.header, id_header);
    assert_string_equal(fake_http_text(&request, "session_id"), "the-session");
    assert_int_equal(strlen(fake_http_text(&request, "execution_id")), ID_LENGTH);
    assert_true(readiness_check(&api.readiness, reason, &age_us));
    finish(&request);
}

static void test_a_long_run_sends_spaces(void **state)
{
    struct http_request request = { .data = &api, .body = GOOD_BODY };

    (void)state;
    follow(&request);
    admission.job->tick(admission.job);
    assert_string_equal(request.streamed, " ");
    assert_int_equal(request.status, 200);
    assert_non_null(strstr(request.header, "X-Execution-Id: "));
    admission.job->tick(admission.job);
    assert_string_equal(request.streamed, "  ");
    admission.job->done(admission.job, ADMISSION_DONE);
    assert_string_equal(fake_http_text(&request, "outcome"), "ok");
    finish(&request);
}

static void test_a_fault_of_the_infrastructure(void **state)
{
    for (int ticks = 0; ticks < 2; ticks++) {
        struct http_request request = { .data = &api, .body = GOOD_BODY };

        (void)state;
        follow(&request);
        if (ticks)
            admission.job->tick(admission.job);
        strcpy(admission.job->error, "no cell could be built");
        admission.job->done(admission.job, ADMISSION_FAILED);
        assert_int_equal(request.status, ticks ? 200 : 503);
        assert_string_equal(fake_http_text(&request, "error"),
                            "Unexpected error during code execution: no cell could be built");
        assert_int_equal(json_integer_value(json_object_get(request.answer, "status")), 503);
        finish(&request);
    }
}

static void test_jobs_that_never_ran(void **state)
{
    static const struct {
        enum admission_end end;
        const char *error;
    } cases[] = {
        { ADMISSION_OVERDUE, "Server is at capacity" },
        { ADMISSION_CANCELLED, "Service is shutting down" },
        { ADMISSION_FORBIDDEN, "Invalid API key" },
    };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
        struct http_request request = { .data = &api, .body = GOOD_BODY };
        int status = cases[i / 2].end == ADMISSION_FORBIDDEN ? 401 : 503;
        bool streaming = i % 2;

        follow(&request);
        if (streaming)
            admission.job->tick(admission.job);
        admission.job->done(admission.job, cases[i / 2].end);
        assert_int_equal(request.status, streaming ? 200 : status);
        assert_string_equal(fake_http_text(&request, "error"), cases[i / 2].error);
        if (cases[i / 2].end == ADMISSION_OVERDUE)
            assert_true(json_integer_value(json_object_get(request.answer, "retry_after_seconds")) > 0);
        finish(&request);
    }
}

static void test_a_result_that_cannot_be_told(void **state)
{
    struct http_request request = { .data = &api, .body = GOOD_BODY };

    (void)state;
    follow(&request);
    admission.job->result.out = BUFFER_INIT(16);
    assert_int_equal(buffer_append(&admission.job->result.out, "\xff", 1), 0);
    admission.job->done(admission.job, ADMISSION_DONE);
    assert_int_equal(request.status, 500);
    finish(&request);
}

static void test_a_full_server(void **state)
{
    struct http_request request = submit(GOOD_BODY, ADMISSION_E_FULL);

    (void)state;
    assert_int_equal(request.status, 503);
    assert_string_equal(request.header, "Retry-After: 17\n");
    assert_string_equal(fake_http_text(&request, "error"), "Server is at capacity");
    assert_int_equal(json_integer_value(json_object_get(request.answer, "retry_after_seconds")), 17);
    finish(&request);
}

static void test_a_stopping_server(void **state)
{
    struct http_request request = submit(GOOD_BODY, ADMISSION_E_STOPPING);

    (void)state;
    assert_int_equal(request.status, 503);
    assert_string_equal(fake_http_text(&request, "error"), "Service is shutting down");
    finish(&request);
}

static void test_a_bad_body_never_gets_there(void **state)
{
    struct http_request request = submit("{\"lang\":\"cobol\"}", 0);

    (void)state;
    assert_int_equal(request.status, 422);
    assert_false(request.suspended);
    assert_null(admission.job);
    assert_int_equal(json_array_size(json_object_get(request.answer, "details")), 1);
    finish(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_short_run_is_an_ordinary_answer),
        cmocka_unit_test(test_a_long_run_sends_spaces),
        cmocka_unit_test(test_a_fault_of_the_infrastructure),
        cmocka_unit_test(test_jobs_that_never_ran),
        cmocka_unit_test(test_a_result_that_cannot_be_told),
        cmocka_unit_test(test_a_full_server),
        cmocka_unit_test(test_a_stopping_server),
        cmocka_unit_test(test_a_bad_body_never_gets_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
