/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/pace.h"

#include "scratch.h"

#include "base/cleanup.h"
#include "base/fd.h"

#define START_US   5000000
#define TIMEOUT_US 10000000

/* Files of a slot on a mixed host, and one directory as the server's group. */
struct fake {
    struct scratch *scratch;
    struct cgroup_slot slot;
};

static void put(const struct fake *fake, const char *name, const char *text)
{
    CLEANUP_CLOSE int fd = open(scratch_path(fake->scratch, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
}

static char first_byte(const struct fake *fake, const char *name)
{
    CLEANUP_CLOSE int fd = open(scratch_path(fake->scratch, name), O_RDONLY | O_CLOEXEC);
    char byte = '\0';

    assert_int_equal(read(fd, &byte, 1), 1);
    return byte;
}

static void use(const struct fake *fake, long cpu_us)
{
    char text[64];

    snprintf(text, sizeof(text), "usage_usec %ld\n", cpu_us);
    put(fake, "cpu.stat", text);
}

static int open_directory(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static struct fake fake_slot(struct scratch *scratch)
{
    struct fake fake = { .scratch = scratch, .slot = CGROUP_SLOT_INIT };

    put(&fake, "cpu.shares", "7");
    put(&fake, "cpu.cfs_quota_us", "100000");
    put(&fake, "tasks", "-");
    use(&fake, 70000000);
    assert_int_equal(mkdir(scratch_path(scratch, "server"), 0700), 0);
    put(&fake, "server/tasks", "-");
    fake.slot.dir_fds[CGROUP_CPU] = open_directory(scratch->path);
    fake.slot.dir_fds[CGROUP_ACCOUNTING] = open_directory(scratch->path);
    fake.slot.unified[CGROUP_ACCOUNTING] = true;
    fake.slot.server_fd = open_directory(scratch_path(scratch, "server"));
    fake.slot.current.cpu_millis = 1000;
    assert_int_equal(cgroup_slot_keep_files(&fake.slot), 0);
    return fake;
}

static struct pace start(struct fake *fake)
{
    struct pace pace;

    assert_int_equal(pace_begin(&pace, &fake->slot), 0);
    cgroup_slot_begin(&fake->slot);
    pace_start(&pace, START_US, TIMEOUT_US);
    return pace;
}

/* Does what is due up to a moment. Returns when the program's time was over, 0 = not yet. */
static int64_t pass(struct fake *fake, struct pace *pace, int64_t until_us)
{
    for (int64_t due_us; (due_us = pace_due_us(pace)) <= until_us;)
        if (pace_tick(pace, &fake->slot, due_us))
            return due_us;
    return 0;
}

static void who_waits_stays_young(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);

    use(&fake, 70000000 + 9000);
    assert_int_equal(pass(&fake, &pace, START_US + TIMEOUT_US - 1), 0);
    assert_int_equal(fake.slot.shares, CGROUP_SHARES_FULL);
    cgroup_slot_close(&fake.slot);
}

static void who_computes_grows_old(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);
    uint32_t before = CGROUP_SHARES_FULL;

    for (int i = 1; i <= 3; i++) {
        use(&fake, 70000000 + i * i * 120000);
        pass(&fake, &pace, START_US + i * 1200000);
        assert_true(fake.slot.shares > 0 && fake.slot.shares < before);
        before = fake.slot.shares;
    }
    assert_int_equal(pass(&fake, &pace, INT64_MAX - 1), START_US + TIMEOUT_US);
    assert_int_equal(fake.slot.shares, before);
    cgroup_slot_close(&fake.slot);
}

static void a_host_that_cannot_tell_counts_the_time(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);

    put(&fake, "cpu.stat", "");
    pass(&fake, &pace, START_US + TIMEOUT_US / 2);
    assert_true(fake.slot.shares < CGROUP_SHARES_FULL);
    cgroup_slot_close(&fake.slot);
}

static void the_keeper_of_a_short_program_stays(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);

    pass(&fake, &pace, START_US + 20000);
    assert_false(fake.slot.aside);
    pace_end(&pace, &fake.slot);
    assert_int_equal(fake.slot.shares, CGROUP_SHARES_FULL);
    cgroup_slot_close(&fake.slot);
}

static void the_keeper_steps_aside_and_comes_back(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);

    pass(&fake, &pace, START_US + 500000);
    assert_int_equal(first_byte(&fake, "server/tasks"), '0');
    assert_int_equal(first_byte(&fake, "tasks"), '-');
    pace_end(&pace, &fake.slot);
    assert_int_equal(first_byte(&fake, "tasks"), '0');
    put(&fake, "tasks", "-");
    assert_int_equal(cgroup_slot_renew(&fake.slot), 0);
    assert_int_equal(first_byte(&fake, "tasks"), '-');
    cgroup_slot_close(&fake.slot);
}

static void the_next_cell_is_armed_in_the_slot_or_not_at_all(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);

    pass(&fake, &pace, START_US + 500000);
    unlink(scratch_path(fake.scratch, "tasks"));
    pace_end(&pace, &fake.slot);
    assert_true(cgroup_slot_renew(&fake.slot) < 0);
    put(&fake, "tasks", "-");
    assert_int_equal(cgroup_slot_renew(&fake.slot), 0);
    assert_int_equal(first_byte(&fake, "tasks"), '0');
    cgroup_slot_close(&fake.slot);
}

static void a_keeper_that_cannot_leave_gets_its_last_moments(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace;

    close(fake.slot.server_fd);
    fake.slot.server_fd = -1;
    pace = start(&fake);
    use(&fake, 70000000 + 5000000);
    pass(&fake, &pace, START_US + TIMEOUT_US * 3 / 4);
    assert_true(fake.slot.shares < CGROUP_SHARES_FULL);
    assert_int_equal(pass(&fake, &pace, START_US + TIMEOUT_US - 1), 0);
    assert_int_equal(fake.slot.shares, CGROUP_SHARES_FULL);
    assert_int_equal(pass(&fake, &pace, INT64_MAX - 1), START_US + TIMEOUT_US);
    cgroup_slot_close(&fake.slot);
}

static void who_dies_gets_nearly_everything(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);

    pace_kill(&pace, &fake.slot, START_US + 1000);
    assert_true(fake.slot.shares >= 32 * CGROUP_SHARES_FULL);
    assert_true(fake.slot.current.cpu_millis > 10000);
    assert_true(pace_due_us(&pace) == PACE_NEVER_US);
    cgroup_slot_close(&fake.slot);
}

static void who_was_paused_is_as_old_as_before(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);
    uint32_t before;

    use(&fake, 70000000 + 5000000);
    pass(&fake, &pace, START_US + TIMEOUT_US / 2);
    before = fake.slot.shares;
    assert_true(before < CGROUP_SHARES_FULL);
    pace_pause(&pace, &fake.slot, START_US + TIMEOUT_US / 2);
    assert_true(pace_due_us(&pace) == PACE_NEVER_US);
    assert_in_range(fake.slot.shares, 1, CGROUP_SHARES_FULL / 128); /* a hundred must not outweigh one that runs */
    pace_resume(&pace, &fake.slot, START_US + 2 * TIMEOUT_US, TIMEOUT_US);
    assert_int_equal(fake.slot.shares, before);
    assert_int_equal(pass(&fake, &pace, START_US + 3 * TIMEOUT_US - 1), 0);
    assert_int_equal(fake.slot.shares, before);
    assert_int_equal(pass(&fake, &pace, INT64_MAX - 1), START_US + 3 * TIMEOUT_US);
    cgroup_slot_close(&fake.slot);
}

/* Rounds that are each too short for a look. */
static uint32_t shares_after_rounds(struct fake *fake, struct pace *pace, long cpu_us_a_round)
{
    for (int i = 1; i <= 20; i++) {
        int64_t round_us = START_US + i * TIMEOUT_US;

        use(fake, 70000000 + i * cpu_us_a_round);
        pace_pause(pace, &fake->slot, round_us - TIMEOUT_US + 30000);
        pace_resume(pace, &fake->slot, round_us, TIMEOUT_US);
        assert_int_equal(pass(fake, pace, round_us + 30000), 0);
    }
    return fake->slot.shares;
}

static void who_always_waits_grows_old_too(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);

    assert_true(shares_after_rounds(&fake, &pace, 30000) < CGROUP_SHARES_FULL / 8);
    cgroup_slot_close(&fake.slot);
}

static void waiting_makes_nobody_old(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);

    assert_int_equal(shares_after_rounds(&fake, &pace, 1000), CGROUP_SHARES_FULL);
    cgroup_slot_close(&fake.slot);
}

static void where_it_is_not_told_the_time_of_all_rounds_counts(void **state)
{
    struct fake fake = fake_slot(*state);
    struct pace pace = start(&fake);

    put(&fake, "cpu.stat", "");
    pace_pause(&pace, &fake.slot, START_US + 90000);
    pace_resume(&pace, &fake.slot, START_US + TIMEOUT_US, TIMEOUT_US);
    assert_int_equal(fake.slot.shares, CGROUP_SHARES_FULL);
    pace_pause(&pace, &fake.slot, START_US + TIMEOUT_US + 90000);
    pace_resume(&pace, &fake.slot, START_US + 2 * TIMEOUT_US, TIMEOUT_US);
    assert_true(fake.slot.shares < CGROUP_SHARES_FULL);
    cgroup_slot_close(&fake.slot);
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SCRATCH(who_waits_stays_young),
        WITH_SCRATCH(who_computes_grows_old),
        WITH_SCRATCH(a_host_that_cannot_tell_counts_the_time),
        WITH_SCRATCH(the_keeper_of_a_short_program_stays),
        WITH_SCRATCH(the_keeper_steps_aside_and_comes_back),
        WITH_SCRATCH(the_next_cell_is_armed_in_the_slot_or_not_at_all),
        WITH_SCRATCH(a_keeper_that_cannot_leave_gets_its_last_moments),
        WITH_SCRATCH(who_dies_gets_nearly_everything),
        WITH_SCRATCH(who_was_paused_is_as_old_as_before),
        WITH_SCRATCH(who_always_waits_grows_old_too),
        WITH_SCRATCH(waiting_makes_nobody_old),
        WITH_SCRATCH(where_it_is_not_told_the_time_of_all_rounds_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
