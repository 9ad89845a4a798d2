/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "api/ptc_requests.h"

#define ID    "0123456789abcdef"
#define OWNER "owner"

static void ids_have_a_form(void **state)
{
    char id[PTC_REQUEST_ID_MAX + 2];

    (void)state;
    memset(id, 'a', sizeof(id));
    id[PTC_REQUEST_ID_MAX + 1] = '\0';
    assert_false(ptc_request_id_is_valid(id));
    id[PTC_REQUEST_ID_MAX] = '\0';
    assert_true(ptc_request_id_is_valid(id));
    assert_true(ptc_request_id_is_valid("ABCdef_-01234567"));
    assert_false(ptc_request_id_is_valid("ABCdef_-0123456"));
    assert_false(ptc_request_id_is_valid(""));
    assert_false(ptc_request_id_is_valid("0123456789abcde/"));
    assert_false(ptc_request_id_is_valid("0123456789abcdef "));
}

static void a_request_runs_once(void **state)
{
    struct ptc_requests *requests;

    (void)state;
    assert_int_equal(ptc_requests_new(&requests), 0);
    assert_int_equal(ptc_requests_begin(requests, ID, OWNER, NULL), 0);
    assert_int_equal(ptc_requests_begin(requests, ID, OWNER, NULL), PTC_REQUEST_E_TAKEN);
    assert_int_equal(ptc_requests_begin(requests, ID, "other", NULL), PTC_REQUEST_E_TAKEN);
    assert_int_equal(ptc_requests_cancel(requests, ID, "other"), PTC_CANCEL_FOREIGN);
    assert_int_equal(ptc_requests_cancel(requests, ID, OWNER), PTC_CANCEL_REQUESTED);
    ptc_requests_end(requests, ID);
    assert_int_equal(ptc_requests_cancel(requests, ID, OWNER), PTC_CANCEL_COMPLETED);
    assert_int_equal(ptc_requests_cancel(requests, ID, "other"), PTC_CANCEL_FOREIGN);
    assert_int_equal(ptc_requests_begin(requests, ID, OWNER, NULL), 0);
    ptc_requests_free(requests);
}

static void what_was_cancelled_before_does_not_begin(void **state)
{
    struct ptc_requests *requests;

    (void)state;
    assert_int_equal(ptc_requests_new(&requests), 0);
    assert_int_equal(ptc_requests_cancel(requests, ID, OWNER), PTC_CANCEL_REQUESTED);
    assert_int_equal(ptc_requests_begin(requests, ID, OWNER, NULL), PTC_REQUEST_E_CANCELLED);
    assert_int_equal(ptc_requests_begin(requests, ID, OWNER, NULL), 0);
    ptc_requests_free(requests);
}

/* Nobody ends the requests of others before they come. */
static void strangers_cancel_nothing(void **state)
{
    struct ptc_requests *requests;

    (void)state;
    assert_int_equal(ptc_requests_new(&requests), 0);
    assert_int_equal(ptc_requests_cancel(requests, ID, "other"), PTC_CANCEL_REQUESTED);
    assert_int_equal(ptc_requests_begin(requests, ID, OWNER, NULL), 0);
    ptc_requests_free(requests);
}

static void the_table_is_bounded(void **state)
{
    struct ptc_requests *requests;
    char id[32];

    (void)state;
    assert_int_equal(ptc_requests_new(&requests), 0);
    for (int i = 0; i < PTC_REQUESTS_MAX; i++) {
        snprintf(id, sizeof(id), "request-%012d", i);
        assert_int_equal(ptc_requests_begin(requests, id, OWNER, NULL), 0);
    }
    assert_int_equal(ptc_requests_begin(requests, ID, OWNER, NULL), PTC_REQUEST_E_FULL);
    assert_int_equal(ptc_requests_cancel(requests, ID, OWNER), PTC_CANCEL_FAILED);
    ptc_requests_end(requests, id);
    assert_int_equal(ptc_requests_begin(requests, ID, OWNER, NULL), 0);
    ptc_requests_free(requests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_a_form),
        cmocka_unit_test(a_request_runs_once),
        cmocka_unit_test(what_was_cancelled_before_does_not_begin),
        cmocka_unit_test(strangers_cancel_nothing),
        cmocka_unit_test(the_table_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
