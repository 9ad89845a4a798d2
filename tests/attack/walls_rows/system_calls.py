# SPDX-License-Identifier: Apache-2.0
"""The system-call filter of cells."""

from walls_rows.row import CELL, SECCOMP, SECCOMP_CALLS, allow, let, no_step, unused, wall

ROWS = [
    wall(
        "seccomp: the filter is not loaded",
        "k07::test_k07_every_call_denied k07::test_k07_filter_is_on_and_sealed k05 k08::test_k08_families k03",
        no_step("system call filter", "load_filter"),
        unused(CELL, "load_filter"),
    ),
    wall(
        "seccomp: unknown calls pass",
        "k05 k07::test_k07_every_call_denied x05::test_x05_the_filter_and_not_the_kernel_answers",
        (SECCOMP, "[SECCOMP_CELL] = { SCMP_ACT_ERRNO(ENOSYS), add_cell }", "[SECCOMP_CELL] = { SCMP_ACT_ALLOW, add_cell }"),
        (SECCOMP, "[SECCOMP_ZYGOTE] = { SCMP_ACT_ERRNO(ENOSYS)", "[SECCOMP_ZYGOTE] = { SCMP_ACT_ALLOW"),
        (SECCOMP, "r = add_calls(context, SCMP_ACT_ALLOW, &seccomp_allowed);", "r = seccomp_allowed.n ? 0 : -1;"),
        (SECCOMP, "return r ? r : add_arguments(context);", "(void)add_arguments; return r;"),
    ),
    wall(
        "seccomp: exotic socket families",
        "k01::test_k01_the_filter_itself k02 k08::test_k08_families",
        (
            SECCOMP,
            "r = add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), calls[c], 1, &SCMP_A0_32(SCMP_CMP_GT, AF_INET6));",
            "r = add(context, SCMP_ACT_ALLOW, calls[c], 1, &SCMP_A0_32(SCMP_CMP_GT, AF_INET6));",
        ),
    ),
    wall(
        "seccomp: raw sockets",
        "k08::test_k08_raw_and_netfilter x05::test_x05_the_filter_and_not_the_kernel_answers",
        (
            SECCOMP,
            'r = add(context, SCMP_ACT_ERRNO(EPERM), "socket", 2,\n                (struct scmp_arg_cmp[]){ EQUAL_32(0, AF_INET), ',
            'r = add(context, SCMP_ACT_ALLOW, "socket", 2,\n                (struct scmp_arg_cmp[]){ EQUAL_32(0, AF_INET), ',
        ),
    ),
    wall(
        "seccomp: namespace flags of clone",
        "k03::test_k03_clone_flags",
        (
            SECCOMP,
            'r = add(context, SCMP_ACT_ERRNO(EPERM), "clone", 1,',
            'r = add(context, SCMP_ACT_ALLOW, "clone", 1,',
        ),
    ),
    wall("seccomp: clone3", "k03::test_k03_clone3_is_absent", allow("clone3")),
    wall(
        "seccomp: unshare and setns",
        "k03::test_k03_unshare_and_setns",
        let("unshare"),
        let("setns"),
        allow("unshare", "setns"),
    ),
    wall(
        "seccomp: sockets that wait when they are closed",
        "k04::test_k04_no_close_waits",
        (SECCOMP, "SCMP_ACT_ERRNO(0), \"setsockopt\"", "SCMP_ACT_ALLOW, \"setsockopt\""),
    ),
    wall("seccomp: io_uring", "k05", allow("io_uring_setup", "io_uring_enter", "io_uring_register")),
    wall(
        "seccomp: ptrace",
        "k07::test_k07_every_call_denied k07::test_k07_the_pinned_ptrace_answer",
        let("ptrace"),
        allow("ptrace"),
    ),
    wall(
        "seccomp: process_vm_readv and writev",
        "k07::test_k07_every_call_denied",
        let("process_vm_readv"),
        let("process_vm_writev"),
        allow("process_vm_readv", "process_vm_writev"),
    ),
    wall(
        "seccomp: keys of the kernel",
        "k02 k07::test_k07_every_call_denied",
        let("add_key"),
        let("keyctl"),
        let("request_key"),
        allow("add_key", "keyctl", "request_key"),
    ),
    wall("seccomp: bpf", "k07::test_k07_every_call_denied", let("bpf"), allow("bpf")),
    wall(
        "seccomp: perf_event_open",
        "k07::test_k07_every_call_denied k17::test_k17_perf_and_merging_are_off",
        let("perf_event_open"),
        allow("perf_event_open"),
    ),
    wall("seccomp: userfaultfd", "k07::test_k07_every_call_denied", let("userfaultfd"), allow("userfaultfd")),
    wall(
        "seccomp: mount and umount2",
        "k16::test_k16_mounts_denied k12::test_k12_no_new_binary_format",
        let("mount"),
        let("umount2"),
        allow("mount", "umount2"),
    ),
    wall(
        "seccomp: the new mount calls",
        "k07::test_k07_every_call_denied",
        *[
            let(call)
            for call in ("fsopen", "fsconfig", "fsmount", "fspick", "open_tree", "move_mount", "mount_setattr")
        ],
        allow("fsopen", "fsconfig", "fsmount", "fspick", "open_tree", "move_mount", "mount_setattr"),
    ),
    wall("seccomp: chroot", "k15::test_k15_chroot_and_dotdot_do_not_leave_the_root", let("chroot"), allow("chroot")),
    wall(
        "seccomp: files by handle",
        "k07::test_k07_every_call_denied",
        let("name_to_handle_at"),
        let("open_by_handle_at"),
        allow("name_to_handle_at", "open_by_handle_at"),
    ),
    wall("seccomp: the kernel's log", "k07::test_k07_every_call_denied unit:seccomp", let("syslog"), allow("syslog")),
    wall(
        "seccomp: clocks",
        "r04::test_r04_clocks_cannot_be_set",
        let("clock_settime"),
        let("settimeofday"),
        let("clock_adjtime"),
        allow("clock_settime", "settimeofday", "clock_adjtime"),
    ),
    wall("seccomp: further filters", "k07::test_k07_every_call_denied unit:seccomp", let("seccomp"), allow("seccomp")),
    wall(
        "seccomp: priority-inheriting futexes",
        "k06::test_k06_pi_futexes_denied",
        (
            SECCOMP,
            "    FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE,",
            "    FUTEX_LOCK_PI, FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE,",
        ),
    ),
    wall(
        "seccomp: other architectures are killed",
        "k09",
        (SECCOMP, "SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS", "SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW"),
    ),
    wall(
        "seccomp: larger pipes",
        "x01::test_x01_upper_halves_of_registers",
        (
            SECCOMP,
            "static const int refused_fcntl[] = { F_SETPIPE_SZ, F_NOTIFY };",
            "static const int refused_fcntl[] = { F_NOTIFY };",
        ),
        (SECCOMP, "    F_DUPFD,  F_DUPFD_CLOEXEC,", "    F_SETPIPE_SZ, F_DUPFD,  F_DUPFD_CLOEXEC,"),
    ),
    wall(
        "seccomp: directory notices",
        "x04::test_x04_watches_and_caches",
        (
            SECCOMP,
            "static const int refused_fcntl[] = { F_SETPIPE_SZ, F_NOTIFY };",
            "static const int refused_fcntl[] = { F_SETPIPE_SZ };",
        ),
        (SECCOMP, "    F_DUPFD,  F_DUPFD_CLOEXEC,", "    F_NOTIFY, F_DUPFD,  F_DUPFD_CLOEXEC,"),
    ),
    wall(
        "seccomp: inotify",
        "x04::test_x04_watches_and_caches n09::test_n09_no_presence_oracle",
        allow("inotify_init", "inotify_init1", "inotify_add_watch"),
    ),
    wall(
        "seccomp: reads that fail for uncached pages",
        "x04::test_x04_watches_and_caches x05::test_x05_the_filter_and_not_the_kernel_answers",
        (SECCOMP, '    { "preadv2", 5, RWF_NOWAIT, EOPNOTSUPP },\n', ""),
        allow("preadv2"),
    ),
    wall(
        "seccomp: huge pages",
        "x01::test_x01_huge_pages",
        (SECCOMP, '    { "mmap", 3, MAP_HUGETLB, ENOMEM },\n', ""),
        allow("mmap"),
    ),
    wall(
        "seccomp: device nodes",
        "f04 k13::test_k13_swap_while_others_start x05::test_x05_the_filter_and_not_the_kernel_answers",
        (
            SECCOMP,
            "node_types[] = { 0, S_IFREG, S_IFIFO, S_IFSOCK };",
            "node_types[] = { 0, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK };",
        ),
    ),
    wall(
        "seccomp: ioctl requests",
        "x01::test_x01_upper_halves_of_registers x05::test_x05_the_filter_and_not_the_kernel_answers",
        (SECCOMP, "SIOCGIFMTU,   SIOCATMARK,", "SIOCGIFMTU,   SIOCATMARK, TIOCSTI,"),
    ),
    wall(
        "seccomp: prctl options",
        "x01::test_x01_upper_halves_of_registers x05::test_x05_the_filter_and_not_the_kernel_answers",
        (SECCOMP, "    PR_SET_NAME,\n", "    PR_SET_NAME, PR_SET_MM, PR_CAPBSET_DROP, PR_SET_SECCOMP,\n"),
    ),
    wall(
        "seccomp: personality",
        "x05::test_x05_the_filter_and_not_the_kernel_answers",
        (
            SECCOMP,
            'r = add(context, SCMP_ACT_ALLOW, "personality", 1, &EQUAL_32(0, PER_LINUX));',
            'r = add(context, SCMP_ACT_ALLOW, "personality", 1, &EQUAL_32(0, ADDR_NO_RANDOMIZE));',
        ),
    ),
    wall(
        "seccomp: flushes of all file systems",
        "x05::test_x05_the_filter_and_not_the_kernel_answers",
        (SECCOMP_CALLS, 'ignored[] = { "sync", "syncfs" };', 'ignored[] = { "nothing" };'),
        allow("sync", "syncfs"),
    ),
    wall(
        "seccomp: access control lists",
        "x01::test_x01_access_control_lists",
        (SECCOMP_CALLS, '{ "fsetxattr", "lsetxattr", "setxattr", "setxattrat" };', '{ "nothing" };'),
        allow("fsetxattr", "lsetxattr", "setxattr"),
    ),
    wall(
        "seccomp: socket filters",
        "x01::test_x01_socket_filters",
        (
            SECCOMP,
            "    { SOL_SOCKET, SO_BROADCAST },\n",
            "    { SOL_SOCKET, SO_BROADCAST },\n    { SOL_SOCKET, SO_ATTACH_FILTER },\n",
        ),
    ),
    wall(
        "seccomp: the limit of core dumps",
        "x03::test_x03_core_dumps_reach_no_handler_of_the_host",
        (
            SECCOMP,
            "(struct scmp_arg_cmp[]){ EQUAL_32(1, RLIMIT_CORE), SCMP_A2_64(SCMP_CMP_NE, 0) });\n    if (r == 0)",
            "(struct scmp_arg_cmp[]){ EQUAL_32(1, RLIMIT_CORE), SCMP_A2_64(SCMP_CMP_NE, 0) });\n    if (0)",
        ),
        (
            SECCOMP,
            'r = add(context, SCMP_ACT_ERRNO(EPERM), "prlimit64", 2,',
            'r = add(context, SCMP_ACT_ALLOW, "prlimit64", 2,',
        ),
        (
            SECCOMP,
            'return r ? r : add_values(context, SCMP_ACT_ERRNO(EPERM), "setrlimit", 0, core, ARRAY_SIZE(core));',
            "return r + (core[0] & 0);",
        ),
        allow("setrlimit"),
    ),
]
