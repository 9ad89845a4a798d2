# SPDX-License-Identifier: Apache-2.0
"""Copies of a zygote have walls of their own."""

from walls_rows.row import COPY, LIBRARY, PROCESS, SECCOMP, ZYGOTE, no_copy_step, unused, wall

ROWS = [
    wall(
        "copies: the user stays the zygote's",
        "x08::test_x08_no_right_is_left x08::test_x08_the_copy_is_of_its_cell",
        no_copy_step("user", "become_user"),
        unused(COPY, "become_user"),
        no_copy_step("privileges", "drop_privileges"),
        unused(COPY, "drop_privileges"),
        copies=True,
    ),
    wall(
        "copies: privileges are kept",
        "x08::test_x08_no_right_is_left",
        no_copy_step("privileges", "drop_privileges"),
        unused(COPY, "drop_privileges"),
        copies=True,
    ),
    wall(
        "copies: their own filter is not loaded",
        "x08::test_x08_the_copy_is_of_its_cell",
        no_copy_step("system call filter", "load_filter"),
        unused(COPY, "load_filter"),
        copies=True,
    ),
    wall(
        "copies: what zygotes may is not taken back",
        "x08::test_x08_what_only_zygotes_may unit:seccomp",
        (SECCOMP, "r = add(context, SCMP_ACT_ERRNO((uint16_t)error), name, 0, NULL);", "r = error > 0 ? 0 : -1;"),
        (SECCOMP, 'add_values(context, SCMP_ACT_ERRNO(ENOSYS), "prctl", 0,', 'add_values(context, SCMP_ACT_ERRNO(ENOSYS), "prctl", 5,'),
        copies=True,
    ),
    wall(
        "copies: the zygote's descriptors stay",
        "x08::test_x08_no_right_is_left k15::test_k15_only_three",
        (COPY, "return close_range(n, last, 0) < 0 ? error_from_errno() : 0;", "return 0;"),
        behind="they are closed once before, and come back close-on-exec",
        copies=True,
    ),
    wall(
        "copies: the network stays the zygote's",
        "x08::test_x08_the_copy_is_of_its_cell",
        (COPY, "{ ZYGOTE_ORDER_NETWORK, CLONE_NEWNET },", ""),
        copies=True,
    ),
    wall(
        "copies: the mounts stay the zygote's",
        "x08::test_x08_the_copy_is_of_its_cell f13",
        (COPY, "{ ZYGOTE_ORDER_MOUNT, CLONE_NEWNS },", ""),
        copies=True,
    ),
    wall(
        "copies: what they send may have descriptors",
        "x10::test_x10_descriptors_with_a_rest",
        ("cell/warm.c", "    packet_refuse_fds(sockets[0]);", "   "),
        behind="no socket waits when it is closed, and kernels before 6.16 do not refuse",
        copies=True,
    ),
    wall(
        "copies: the names of groups stay the host's",
        "x08::test_x08_no_right_is_left f13::test_f13_mounts_tell_nothing_of_the_host",
        (COPY, "return unshare(CLONE_NEWCGROUP) < 0 ? error_from_errno() : 0;", "return 0;"),
        copies=True,
    ),
    wall(
        "copies: they are not in the slot's groups",
        "x08::test_x08_memory_is_the_cells",
        (COPY, "    int r = enter_groups(order, fds);\n", "    int r = 0 && enter_groups(order, fds);\n"),
        copies=True,
    ),
    wall(
        "copies: random generators go on where the zygote's are",
        "r20::test_r20_fresh_randomness",
        (ZYGOTE, "_Child()\n    refresh_randomness(seeds)\n", "_Child()\n"),
        copies=True,
    ),
    wall(
        "copies: locks on their common executable",
        "x08::test_x08_locks_on_the_executable",
        (LIBRARY, "own_pid_fd < 0 || lock_executable() < 0 ||", "own_pid_fd < 0 || (0 && lock_executable() < 0) ||"),
        copies=True,
    ),
    wall(
        "copies: the zygote has the host's name",
        "x08::test_x08_the_copy_is_of_its_cell",
        (PROCESS, '    { "host name", set_hostname },\n', ""),
        unused(PROCESS, "set_hostname"),
        copies=True,
    ),
    wall(
        "copies: the zygote is root",
        "x08::test_x08_the_zygote_is_out_of_reach",
        (PROCESS, '    { "user", become_user },\n', ""),
        unused(PROCESS, "become_user"),
        copies=True,
    ),
    wall(
        "copies: the zygote has no filter",
        "x08::test_x08_the_zygote_is_out_of_reach",
        (PROCESS, '    { "system call filter", load_filter },\n', ""),
        unused(PROCESS, "load_filter"),
        copies=True,
    ),
]
