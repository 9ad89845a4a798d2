/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/brake.h"

#include "scratch.h"

#include "base/cleanup.h"
#include "base/fd.h"

#define START_US  5000000
#define SECOND_US 1000000

static void put(const struct scratch *scratch, const char *name, const char *text)
{
    CLEANUP_CLOSE int fd = open(scratch_path(scratch, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
}

static void refuse(const struct scratch *scratch, unsigned forks)
{
    char text[32];

    snprintf(text, sizeof(text), "max %u\n", forks);
    put(scratch, "pids.events", text);
}

static bool is_frozen(const struct scratch *scratch)
{
    CLEANUP_CLOSE int fd = open(scratch->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char text[8] = "";

    assert_true(fd_read_at(fd, "cgroup.freeze", text, sizeof(text)) > 0);
    return text[0] == '1';
}

/* A slot as on a mixed host, whose files are those of the scratch directory. */
static struct cgroup_slot fake_slot(const struct scratch *scratch)
{
    struct cgroup_slot slot = CGROUP_SLOT_INIT;

    put(scratch, "cgroup.freeze", "0");
    put(scratch, "cgroup.procs", "");
    refuse(scratch, 3);
    slot.dir_fds[CGROUP_PIDS] = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    slot.shared_fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    slot.dir_fds[CGROUP_ACCOUNTING] = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(cgroup_slot_keep_files(&slot), 0);
    cgroup_slot_begin(&slot);
    return slot;
}

static void who_forks_in_vain_rests_longer_each_time(void **state)
{
    struct scratch *scratch = *state;
    struct cgroup_slot slot = fake_slot(scratch);
    struct brake brake;
    int64_t rests_us[3], now_us;
    unsigned forks = 0;

    brake_start(&brake, START_US);
    for (size_t i = 0; i < ARRAY_SIZE(rests_us); i++) {
        refuse(scratch, forks += 1000);
        now_us = brake.due_us;
        brake_tick(&brake, &slot, now_us);
        assert_true(is_frozen(scratch));
        rests_us[i] = brake.due_us - now_us;
        brake_tick(&brake, &slot, brake.due_us - 1);
        assert_true(is_frozen(scratch));
        /* Each has one more fork under way. */
        refuse(scratch, forks += 300);
        brake_tick(&brake, &slot, brake.due_us);
        assert_false(is_frozen(scratch));
    }
    assert_true(rests_us[0] < rests_us[1] && rests_us[1] < rests_us[2]);
    cgroup_slot_close(&slot);
}

static void a_few_refusals_are_nobodys_business(void **state)
{
    struct scratch *scratch = *state;
    struct cgroup_slot slot = fake_slot(scratch);
    struct brake brake;

    brake_start(&brake, START_US);
    refuse(scratch, 3 + 5);
    while (brake.due_us < START_US + 10 * SECOND_US) {
        brake_tick(&brake, &slot, brake.due_us);
        assert_false(is_frozen(scratch));
    }
    cgroup_slot_close(&slot);
}

static void what_was_refused_before_a_rest_is_no_news(void **state)
{
    struct scratch *scratch = *state;
    struct cgroup_slot slot = fake_slot(scratch);
    struct brake brake;

    brake_start(&brake, START_US);
    refuse(scratch, 1000);
    brake_end(&brake, &slot);
    brake_start_again(&brake, &slot, START_US + SECOND_US);
    brake_tick(&brake, &slot, brake.due_us);
    assert_false(is_frozen(scratch));
    refuse(scratch, 2000);
    brake_tick(&brake, &slot, brake.due_us);
    assert_true(is_frozen(scratch));
    cgroup_slot_close(&slot);
}

static void the_next_cell_of_the_slot_moves(void **state)
{
    struct scratch *scratch = *state;
    struct cgroup_slot slot = fake_slot(scratch);
    struct brake brake;

    brake_start(&brake, START_US);
    refuse(scratch, 1000);
    brake_tick(&brake, &slot, brake.due_us);
    assert_true(is_frozen(scratch));
    brake_end(&brake, &slot);
    assert_false(is_frozen(scratch));
    brake_tick(&brake, &slot, START_US + 100 * SECOND_US);
    assert_false(is_frozen(scratch));
    cgroup_slot_close(&slot);
}

static void a_host_that_cannot_freeze_is_left_alone(void **state)
{
    struct scratch *scratch = *state;
    struct cgroup_slot slot = fake_slot(scratch);
    struct brake brake;

    close(slot.shared_fd);
    slot.shared_fd = -1;
    brake_start(&brake, START_US);
    refuse(scratch, 1000);
    brake_tick(&brake, &slot, brake.due_us);
    assert_false(brake.on || is_frozen(scratch));
    cgroup_slot_close(&slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_forks_in_vain_rests_longer_each_time, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_few_refusals_are_nobodys_business, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(what_was_refused_before_a_rest_is_no_news, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(the_next_cell_of_the_slot_moves, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_host_that_cannot_freeze_is_left_alone, scratch_setup, scratch_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
