# SPDX-License-Identifier: Apache-2.0
"""What a program inherits: descriptors, the environment, names of processes, signals."""

from walls_rows.row import CELL, INIT, wall

ROWS = [
    wall(
        "descriptors: the init keeps its keeper's",
        "k15::test_k15_only_three x05::test_x05_nothing_of_the_init_can_be_read",
        (CELL, "return close_range(PROC_FD + 1, ~0U, 0) < 0 ? error_from_errno() : 0;", "return 0;"),
        behind="the init's descriptors cannot be reached (it is undumpable) and its child closes all but three",
    ),
    wall(
        "descriptors: the program keeps its init's",
        "k15::test_k15_only_three",
        (INIT, "        return close_range(3, ~0U, 0);", "        return 0;"),
        behind="every descriptor is close-on-exec from birth",
    ),
    wall(
        "descriptors: the control socket survives exec",
        "k15::test_k15_only_three",
        (CELL, "dup3(control_fd, CONTROL_FD, O_CLOEXEC)", "dup3(control_fd, CONTROL_FD, 0)"),
        behind="before exec the program's process closes all but three",
    ),
    wall(
        "descriptors: the control socket survives exec, and nothing is closed",
        "k15::test_k15_only_three",
        (INIT, "        return close_range(3, ~0U, 0);", "        return 0;"),
        (CELL, "dup3(control_fd, CONTROL_FD, O_CLOEXEC)", "dup3(control_fd, CONTROL_FD, 0)"),
    ),
    wall(
        "environment: the server's own",
        "c09::test_c09_none_inside r12::test_r12_only_known_variables r12::test_r12_the_servers_own_environment",
        (INIT, "execve(step->argv[0], step->argv, program->env);", "execve(step->argv[0], step->argv, environ);"),
    ),
    wall(
        "names: the command line of the warden stays",
        "x05::test_x05_nothing_of_the_init_can_be_read c09::test_c09_none_inside",
        ("base/title.c", "    if (!area)\n        return;\n    memset", "    if (area)\n        return;\n    memset"),
    ),
    wall(
        "signals: the program inherits the init's",
        "r13 x05::test_x05_no_signal_is_ignored_or_blocked",
        (INIT, "        signal(s, SIG_DFL);\n", "        (void)s;\n"),
        (INIT, "    sigprocmask(SIG_SETMASK, &none, NULL);\n", ""),
    ),
]
