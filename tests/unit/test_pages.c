/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote/pages.h"

#include "check.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 64
#define PAGE  4096

static volatile char *memory;

static void touch(int from, int to)
{
    for (int i = from; i < to; i++)
        memory[(size_t)i * PAGE]++;
}

static int faults_of(int from, int to)
{
    struct rusage before, after;

    getrusage(RUSAGE_SELF, &before);
    touch(from, to);
    getrusage(RUSAGE_SELF, &after);
    return (int)(after.ru_minflt - before.ru_minflt);
}

static int in_copy(void (*take)(void), int from, int to)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        take();
        _exit(faults_of(from, to));
    }
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void take_nothing(void)
{
}

static void test_what_a_trial_touched_is_taken(void **state)
{
    (void)state;
    if (pages_learn() == 0) {
        touch(PAGES / 2, PAGES);
        pages_report();
    }
    assert_true(in_copy(take_nothing, PAGES / 2, PAGES) >= PAGES / 2);
    assert_true(in_copy(pages_take, PAGES / 2, PAGES) < PAGES / 4);
    assert_true(in_copy(pages_take, 0, PAGES / 2) >= PAGES / 2);
}

static void test_a_trial_that_fails_teaches_nothing(void **state)
{
    (void)state;
    if (pages_learn() == 0)
        _exit(1);
    assert_true(in_copy(pages_take, 0, PAGES) >= PAGES);
}

static void test_a_trial_has_a_limit_of_time(void **state)
{
    (void)state;
    if (pages_learn() == 0) {
        unsigned left = alarm(0);

        touch(PAGES / 2, PAGES);
        if (left > 0)
            pages_report();
        _exit(1);
    }
    assert_true(in_copy(pages_take, PAGES / 2, PAGES) < PAGES / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_trial_touched_is_taken),
        cmocka_unit_test(test_a_trial_that_fails_teaches_nothing),
        cmocka_unit_test(test_a_trial_has_a_limit_of_time),
    };

    memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    (void)madvise((void *)memory, (size_t)PAGES * PAGE, MADV_NOHUGEPAGE);
    touch(0, PAGES);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
