/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "main/bench/bench_memory.h"

#define CELLS      2 /* besides the one that counts as zygote */
#define HELD_MIB   8
#define WITHIN_US  20000000LL
#define HELD_CODE  "held = bytearray(b'1' * (8 << 20)); import time; time.sleep(120)"
#define SMALL_CODE "import time; time.sleep(120)"

/* Forks into a new PID namespace (CLONE_NEWPID); the child holds the memory. */
#define ZYGOTE_CODE                                                                                                    \
    "import ctypes, os, time\n"                                                                                        \
    "ctypes.CDLL(None).unshare(0x20000000)\n"                                                                          \
    "if os.fork() == 0:\n"                                                                                             \
    "    ctypes.CDLL(None).prctl(1, 9)\n"                                                                              \
    "    held = bytearray(b'1' * (8 << 20))\n"                                                                         \
    "time.sleep(120)\n"

/* A keeper, with a Python in a PID namespace below it. */
static pid_t start_cell(const char *code)
{
    pid_t keeper = fork();

    assert_true(keeper >= 0);
    if (keeper > 0)
        return keeper;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (unshare(CLONE_NEWPID) < 0)
        _exit(1);
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("/usr/bin/python3", "python3", "-c", code, NULL);
        _exit(1);
    }
    wait(NULL);
    _exit(0);
}

static void stop_cell(pid_t keeper)
{
    assert_int_equal(kill(keeper, SIGKILL), 0);
    assert_int_equal(waitpid(keeper, NULL, 0), keeper);
}

static double largest(const struct bench_samples *samples)
{
    double most = 0;

    for (size_t i = 0; i < samples->n; i++)
        most = samples->values[i] > most ? samples->values[i] : most;
    return most;
}

/* Looks until the wanted number of cells is there and one of them holds its memory. */
static bool look_until(size_t wanted, struct bench_samples *samples)
{
    int64_t end_us = clock_monotonic_us() + WITHIN_US;

    do {
        bench_samples_deinit(samples);
        assert_int_equal(bench_memory_python_cells(getpid(), samples), 0);
        if (samples->n == wanted && (wanted == 0 || largest(samples) >= HELD_MIB))
            return true;
        usleep(20000);
    } while (clock_monotonic_us() < end_us);
    return false;
}

static void without_cells_there_is_nothing(void **state)
{
    CLEANUP(bench_samples_deinit) struct bench_samples samples = { 0 };

    (void)state;
    assert_true(look_until(0, &samples));
}

static void a_cell_is_counted_with_its_own_memory(void **state)
{
    CLEANUP(bench_samples_deinit) struct bench_samples samples = { 0 };
    pid_t zygote, keepers[CELLS];

    (void)state;
    zygote = start_cell(HELD_CODE);
    usleep(50000); /* the oldest by more than the clock of /proc can tell */
    for (int i = 0; i < CELLS; i++)
        keepers[i] = start_cell(i == CELLS - 1 ? HELD_CODE : SMALL_CODE);
    assert_true(look_until(CELLS, &samples));
    for (int i = 0; i < CELLS; i++)
        assert_true(samples.values[i] > 0 && samples.values[i] < 4 * HELD_MIB);
    for (int i = 0; i < CELLS; i++)
        stop_cell(keepers[i]);
    stop_cell(zygote);
}

/* A zygote that was renewed is younger than cells of the one before it. */
static void what_has_forked_a_cell_is_none(void **state)
{
    CLEANUP(bench_samples_deinit) struct bench_samples samples = { 0 };
    pid_t older, zygote;

    (void)state;
    older = start_cell(SMALL_CODE);
    usleep(50000);
    zygote = start_cell(ZYGOTE_CODE);
    assert_true(look_until(2, &samples));
    stop_cell(zygote);
    stop_cell(older);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_cells_there_is_nothing),
        cmocka_unit_test(a_cell_is_counted_with_its_own_memory),
        cmocka_unit_test(what_has_forked_a_cell_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
