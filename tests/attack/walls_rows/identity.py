# SPDX-License-Identifier: Apache-2.0
"""Who a program is: its user and rights, and the namespaces that it lives in."""

from walls_rows.row import CELL, CREDENTIALS, NAMESPACES, SLOT, SLOT_PLACE, no_step, unused, wall

CLONE = "CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS"
NO_CAPS_CHECK = (CREDENTIALS, "if (data[i].effective || data[i].permitted || data[i].inheritable)", "if (0)")

ROWS = [
    # -- credentials
    wall(
        "credentials: capabilities are kept",
        "k07::test_k07_filter_is_on_and_sealed",
        (
            CREDENTIALS,
            "if (syscall(SYS_capset, &header, none) < 0)",
            "if (0 && syscall(SYS_capset, &header, none) < 0)",
        ),
    ),
    wall(
        "credentials: capabilities are kept and not looked at again",
        "k07::test_k07_filter_is_on_and_sealed x05::test_x05_the_init_is_behind_the_walls_too",
        (
            CREDENTIALS,
            "if (syscall(SYS_capset, &header, none) < 0)",
            "if (0 && syscall(SYS_capset, &header, none) < 0)",
        ),
        NO_CAPS_CHECK,
    ),
    wall(
        "credentials: the bounding set is kept and not looked at again",
        "k07::test_k07_filter_is_on_and_sealed",
        (CREDENTIALS, "int r = credentials_drop_bounding(0);", "int r = 0;"),
        (CREDENTIALS, "if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 0 || ", "if ("),
    ),
    wall(
        "credentials: secure bits",
        "x05::test_x05_secure_bits_are_locked",
        (CREDENTIALS, "if (prctl(PR_SET_SECUREBITS, ", "if (0 && prctl(PR_SET_SECUREBITS, "),
    ),
    wall(
        "credentials: no_new_privs",
        "k07::test_k07_filter_is_on_and_sealed",
        (
            CREDENTIALS,
            "if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)",
            "if (prctl(PR_SET_DUMPABLE, 0) < 0)",
        ),
    ),
    wall(
        "credentials: no_new_privs, and not looked at again",
        "k07::test_k07_filter_is_on_and_sealed",
        (
            CREDENTIALS,
            "if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)",
            "if (prctl(PR_SET_DUMPABLE, 0) < 0)",
        ),
        (CREDENTIALS, "prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||", ""),
    ),
    wall(
        "credentials: the init stays readable",
        "x05::test_x05_nothing_of_the_init_can_be_read f13::test_f13_processes_of_the_host",
        (CREDENTIALS, " || prctl(PR_SET_DUMPABLE, 0) < 0)", ")"),
        (CREDENTIALS, "||\n        prctl(PR_GET_DUMPABLE) != 0)", ")"),
    ),
    wall(
        "credentials: the user stays root of the host",
        "k07::test_k07_filter_is_on_and_sealed k11::test_k11_identity_cannot_change n09::test_n09_each_slot_is_another_user_on_the_host",
        (
            CELL,
            "return credentials_become(birth->proc_fd, birth->options->host_uid, birth->options->inside_uid);",
            "return 0 ? credentials_become(birth->proc_fd, 0, 0) : 0;",
        ),
    ),
    wall(
        "credentials: all slots are one user",
        "n09::test_n09_each_slot_is_another_user_on_the_host",
        (SLOT, "(uid_t)context->options->uid_base + index,", "(uid_t)context->options->uid_base,"),
    ),
    wall(
        "credentials: no user namespace",
        "k07::test_k07_filter_is_on_and_sealed n09::test_n09_no_contact",
        (
            CREDENTIALS,
            "if (prctl(PR_SET_DUMPABLE, 1) < 0 || unshare(CLONE_NEWUSER) < 0)",
            "if (prctl(PR_SET_DUMPABLE, 1) < 0)",
        ),
        (CREDENTIALS, 'r = fd_write_at(proc_fd, "1/setgroups", "deny");\n    if (r == 0)', "if (0)"),
        (CREDENTIALS, 'if (r == 0)\n        r = fd_write_at(proc_fd, "1/gid_map", map);', ""),
    ),
    wall(
        "credentials: groups of the starter are kept",
        "x05::test_x05_limits_and_groups",
        (CREDENTIALS, "if (setgroups(0, NULL) < 0)", "if (0)"),
    ),
    wall(
        "credentials: setgroups is not denied",
        "k11::test_k11_identity_cannot_change",
        (CREDENTIALS, 'r = fd_write_at(proc_fd, "1/setgroups", "deny");', "r = 0;"),
        behind="setgroups needs CAP_SETGID, which no process of a cell has",
    ),
    # -- namespaces
    wall(
        "namespaces: PID",
        "f13::test_f13_processes_of_the_host f13::test_f13_other_cells_are_invisible",
        (NAMESPACES, CLONE, CLONE.replace("CLONE_NEWPID | ", "")),
        (CELL, '"1/oom_score_adj"', '"self/oom_score_adj"'),
        (CREDENTIALS, '"1/setgroups"', '"self/setgroups"'),
        (CREDENTIALS, '"1/uid_map"', '"self/uid_map"'),
        (CREDENTIALS, '"1/gid_map"', '"self/gid_map"'),
    ),
    wall(
        "namespaces: mounts",
        "x05::test_x05_mounts_of_an_earlier_cell_are_gone",
        (NAMESPACES, CLONE, CLONE.replace("CLONE_NEWNS | ", "")),
    ),
    wall("namespaces: IPC", "n09::test_n09_no_contact", (NAMESPACES, CLONE, CLONE.replace("CLONE_NEWIPC | ", ""))),
    # Without its own namespace the cell would rename the host, so the name is not set either.
    wall(
        "namespaces: host name",
        "f13::test_f13_identity n09::test_n09_no_contact",
        (NAMESPACES, CLONE, CLONE.replace(" | CLONE_NEWUTS", "")),
        no_step("host name", "set_hostname"),
        unused(CELL, "set_hostname"),
    ),
    wall(
        "namespaces: cgroup",
        "f13::test_f13_mounts_tell_nothing_of_the_host n09::test_n09_no_contact",
        (CELL, "return unshare(CLONE_NEWCGROUP) < 0 ? error_from_errno() : 0;", "return 0;"),
    ),
    # Only tests that talk to loopback addresses: there is a way out now.
    wall(
        "namespaces: network",
        "n01::test_n01_the_hosts_own_sockets n09::test_n09_no_contact n10",
        (SLOT_PLACE, "int r = namespaces_new_network();", "int r = 0;"),
    ),
    wall(
        "namespaces: a used network is not renewed",
        "x02::test_x02_network_counters",
        (SLOT_PLACE, "if (r == 0 && !network_is_fresh(slot))", "if (0 && !network_is_fresh(slot))"),
    ),
]
