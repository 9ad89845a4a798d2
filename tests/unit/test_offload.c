/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdatomic.h>
#include <unistd.h>

#include "api/offload.h"

static void count(void *context)
{
    atomic_fetch_add((atomic_uint *)context, 1);
}

/* Waits for a byte of the pipe. */
static void block(void *context)
{
    char byte;

    assert_int_equal(read(*(int *)context, &byte, 1), 1);
}

static void test_everything_submitted_runs(void **state)
{
    atomic_uint n_done = 0;
    struct offload *offload;

    (void)state;
    assert_int_equal(offload_new(3, 1000, &offload), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(offload_submit(offload, count, &n_done), 0);
    assert_null(offload_free(offload));
    assert_int_equal(atomic_load(&n_done), 1000);
}

static void test_waiting_jobs_are_bounded(void **state)
{
    atomic_uint n_done = 0;
    unsigned n_taken = 0;
    struct offload *offload;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(offload_new(1, 4, &offload), 0);
    assert_int_equal(offload_submit(offload, block, &ends[0]), 0);
    while (offload_submit(offload, count, &n_done) == 0)
        n_taken++;
    assert_in_range(n_taken, 3, 4);
    assert_int_equal(atomic_load(&n_done), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    offload_free(offload);
    assert_int_equal(atomic_load(&n_done), n_taken);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_submitted_runs),
        cmocka_unit_test(test_waiting_jobs_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
