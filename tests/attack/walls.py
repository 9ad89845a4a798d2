#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that the attack tests can fail: takes away one wall after the other and looks whether a test notices.

    tests/attack/walls.py                     every wall; prints the table that docs/SECURITY.md shows
    tests/attack/walls.py --only seccomp      walls whose name contains a word
    tests/attack/walls.py --markdown FILE     writes the table between the two marks in FILE as well
    tests/attack/walls.py --keep DIR          works there and leaves it, so that the next call builds little
    tests/attack/walls.py --check             only: does every change still fit the sources?

Each row of WALLS is a change of the sources that removes one wall, and the tests that should fail then. A copy of HEAD is
changed, built and tested; the working tree is never touched. Run it as root on a machine that may be lost: with a wall
gone, the programs of the tests are held by what is left. The tests are chosen so that they stay harmless even then."""

import argparse
import collections
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)
from support import host  # noqa: E402 -- after the path to it

REPOSITORY = os.path.dirname(TESTS)
PYTEST = ["nice", "-n", "15", "/usr/bin/python3", "-m", "pytest", "-q", "--tb=line"]
# A unit test that fails leaves its files in /tmp; here that is another directory for it, which is swept.
UNIT = ["unshare", "-m", "sh", "-c", 'exec 3<"$0" && mount --bind "$1" /tmp && exec /proc/self/fd/3']
ROW_TIMEOUT_S = 300
BEGIN, END = "<!-- walls: begin -->", "<!-- walls: end -->"

# One edit: file below src/, exact old text (occurs once), new text.
Edit = collections.namedtuple("Edit", "file old new")
# tests: "k07::test_name" is tests/*/k07*.py::test_name; "unit:message" a unit test. behind: what holds if no test can notice.
# copies: Python programs are copies of a zygote; else each starts an interpreter, which the walls of init.c are for.
Wall = collections.namedtuple("Wall", "name edits tests behind copies", defaults=("", False))


def wall(name, tests, *edits, behind="", copies=False):
    return Wall(name, [Edit(*edit) for edit in edits], tests.split(), behind, copies)


def no_copy_step(name, function):
    """Takes a step out of the life of a zygote's copy."""
    return "zygote/copy.c", f'{{ "{name}", {function} }},', ""


def unused(function):
    return "zygote/copy.c", f"static int {function}(", f"__attribute__((unused)) static int {function}("


SECCOMP, CELL, CREDENTIALS, ROOTFS = "cell/seccomp.c", "cell/cell.c", "cell/credentials.c", "cell/rootfs.c"
SLOT, CGROUP, RLIMITS, WORKSPACE, INIT = (
    "warden/slot.c",
    "cell/cgroup.c",
    "cell/rlimits.c",
    "cell/workspace.c",
    "cell/init.c",
)
NAMESPACES = "cell/namespaces.c"
RULES = "cell/wan_rules.c"
COPY, ZYGOTE, LIBRARY, PROCESS = "zygote/copy.c", "../guest/python/zygote.py", "zygote/library.c", "warden/zygote_process.c"


def allow(*calls):
    """Lets calls through that the filter refuses by name or by default."""
    return SECCOMP, '    "waitpid",\n', '    "waitpid",\n' + "".join(f'    "{call}",\n' for call in calls)


def let(call):
    """No longer refuses a call by name; goes with allow()."""
    return SECCOMP, f'    "{call}",\n', ""


def no_step(name, function):
    """Takes a step out of a cell's life."""
    return CELL, f'    {{ "{name}", {function} }},\n', ""


CLONE = "CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS"
NO_CAPS_CHECK = (CREDENTIALS, "if (data[i].effective || data[i].permitted || data[i].inheritable)", "if (0)")

WALLS = [
    # -- the system-call filter
    wall(
        "seccomp: the filter is not loaded",
        "k07::test_k07_every_call_denied k07::test_k07_filter_is_on_and_sealed k05 k08::test_k08_families k03",
        no_step("system call filter", "load_filter"),
        (CELL, "static int load_filter(", "__attribute__((unused)) static int load_filter("),
    ),
    wall(
        "seccomp: unknown calls pass",
        "k05 k07::test_k07_every_call_denied x05::test_x05_the_filter_and_not_the_kernel_answers",
        (SECCOMP, "seccomp_init(SCMP_ACT_ERRNO(ENOSYS))", "seccomp_init(SCMP_ACT_ALLOW)"),
        (SECCOMP, "r = add_names(context, SCMP_ACT_ALLOW, allowed, ARRAY_SIZE(allowed));", "r = allowed[0] ? 0 : -1;"),
        (SECCOMP, "r = add_arguments(context);", "(void)add_arguments;"),
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
        (SECCOMP, 'ignored[] = { "sync", "syncfs" };', 'ignored[] = { "nothing" };'),
        allow("sync", "syncfs"),
    ),
    wall(
        "seccomp: access control lists",
        "x01::test_x01_access_control_lists",
        (SECCOMP, '{ "fsetxattr", "lsetxattr", "setxattr", "setxattrat" };', '{ "nothing" };'),
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
        (CELL, "static int set_hostname(", "__attribute__((unused)) static int set_hostname("),
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
        (SLOT, "int r = namespaces_new_network();", "int r = 0;"),
    ),
    wall(
        "namespaces: a used network is not renewed",
        "x02::test_x02_network_counters",
        (SLOT, "if (r == 0 && !network_is_fresh(slot))", "if (0 && !network_is_fresh(slot))"),
    ),
    # -- the file system a cell sees
    wall(
        "root: the tree is not sealed",
        "k16::test_k16_nothing_writable_but_scratch x05::test_x05_every_file_system",
        (
            ROOTFS,
            "{ .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };\n\n    if (syscall(SYS_mount_setattr, AT_FDCWD",
            "{ .attr_set = MOUNT_ATTR_NOSUID };\n\n    if (syscall(SYS_mount_setattr, AT_FDCWD",
        ),
        behind="root: the private views are read-only themselves",
    ),
    wall(
        "root: no private views",
        "n09::test_n09_no_presence_oracle",
        (ROOTFS, "r = attach_views(target);", "r = 0;"),
        (ROOTFS, "static int attach_views(", "__attribute__((unused)) static int attach_views("),
    ),
    wall(
        "root: neither views nor seal",
        "k16::test_k16_nothing_writable_but_scratch x05::test_x05_every_file_system",
        (ROOTFS, "r = attach_views(target);", "r = 0;"),
        (ROOTFS, "static int attach_views(", "__attribute__((unused)) static int attach_views("),
        (
            ROOTFS,
            "{ .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };\n\n    if (syscall(SYS_mount_setattr, AT_FDCWD",
            "{ .attr_set = MOUNT_ATTR_NOSUID };\n\n    if (syscall(SYS_mount_setattr, AT_FDCWD",
        ),
    ),
    wall(
        "root: the views allow set-user-id",
        "k11::test_k11_setuid_programs x05::test_x05_every_file_system",
        (ROOTFS, "MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, ret_fd);", "MOUNT_ATTR_RDONLY, ret_fd);"),
    ),
    wall(
        "root: the old root stays mounted below",
        "f13::test_f13_mounts_tell_nothing_of_the_host k15::test_k15_chroot_and_dotdot_do_not_leave_the_root",
        (ROOTFS, 'umount2(".", MNT_DETACH) < 0 || ', ""),
    ),
    wall(
        "root: all of /etc is copied",
        "f13::test_f13_identity",
        (ROOTFS, '    "R",\n', '    "R",\n    "passwd",\n    "hosts",\n    "ssh",\n    "machine-id",\n'),
    ),
    wall(
        "root: a further device",
        "k13",
        (ROOTFS, '{ "dev/urandom", 1, 9 },', '{ "dev/urandom", 1, 9 }, { "dev/rtc0", 60, 99 },'),
    ),
    wall(
        "root: the host's null device",
        "x02::test_x02_the_null_device_of_the_host_is_out_of_reach",
        no_step("standard input", "own_null_device"),
        (CELL, "static int own_null_device(", "__attribute__((unused)) static int own_null_device("),
    ),
    wall(
        "proc: writable",
        "k12::test_k12_no_setting_can_be_written x05::test_x05_every_file_system",
        (CELL, "flags | MOUNT_ATTR_RDONLY, &read_only);", "flags, &read_only);"),
    ),
    wall(
        "proc: no masks",
        "x04::test_x04_figures_of_the_whole_host_are_masked k12::test_k12_no_setting_can_be_written",
        no_step("proc masks", "mask_proc"),
        (CELL, "static int mask_proc(", "__attribute__((unused)) static int mask_proc("),
    ),
    wall(
        "proc: set-user-id, devices and programs",
        "x05::test_x05_every_file_system",
        (CELL, "unsigned flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;", "unsigned flags = 0;"),
    ),
    wall(
        "scratch: set-user-id and devices",
        "k11::test_k11_setuid_programs x05::test_x05_every_file_system",
        (CELL, "ARRAY_SIZE(mount_options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,", "ARRAY_SIZE(mount_options), 0,"),
    ),
    wall(
        "scratch: no size",
        "r08::test_r08_full x05::test_x05_every_file_system",
        (
            CELL,
            '{ "size", size }, { "nr_inodes", SCRATCH_INODES },',
            '{ "size", "100%" }, { "nr_inodes", SCRATCH_INODES },',
        ),
    ),
    wall(
        "scratch: no limit of inodes",
        "x05::test_x05_every_file_system",
        (CELL, '#define SCRATCH_INODES "65536"', '#define SCRATCH_INODES "0"'),
    ),
    wall(
        "workspace: no size",
        "r08::test_r08_full x05::test_x05_every_file_system",
        (WORKSPACE, '{ "size", size }, { "nr_inodes"', '{ "size", "100%" }, { "nr_inodes"'),
    ),
    wall(
        "workspace: no limit of inodes",
        "x05::test_x05_every_file_system",
        (WORKSPACE, '#define WORKSPACE_INODES_MAX "131072"', '#define WORKSPACE_INODES_MAX "0"'),
    ),
    wall(
        "workspace: inputs are not read-only below",
        "f12 f03",
        (
            "cell/mount_api.c",
            "MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID",
            "MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID",
        ),
        behind="an overlay never writes its lower layer, and the program sees nothing but the overlay",
    ),
    # -- copies of the zygote
    wall(
        "copies: the user stays the zygote's",
        "x08::test_x08_no_right_is_left x08::test_x08_the_copy_is_of_its_cell",
        no_copy_step("user", "become_user"),
        unused("become_user"),
        no_copy_step("privileges", "drop_privileges"),
        unused("drop_privileges"),
        copies=True,
    ),
    wall(
        "copies: privileges are kept",
        "x08::test_x08_no_right_is_left",
        no_copy_step("privileges", "drop_privileges"),
        unused("drop_privileges"),
        copies=True,
    ),
    wall(
        "copies: the filter of cells is not loaded",
        "x08::test_x08_the_copy_is_of_its_cell",
        no_copy_step("system call filter", "load_filter"),
        unused("load_filter"),
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
        (COPY, "        { ZYGOTE_ORDER_NETWORK, CLONE_NEWNET }, { ZYGOTE_ORDER_IPC, CLONE_NEWIPC },", "        { ZYGOTE_ORDER_IPC, CLONE_NEWIPC },"),
        copies=True,
    ),
    wall(
        "copies: the mounts stay the zygote's",
        "x08::test_x08_the_copy_is_of_its_cell f13",
        (COPY, "{ ZYGOTE_ORDER_MOUNT, CLONE_NEWNS },", ""),
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
        "copies: the zygote is root",
        "x08::test_x08_the_zygote_is_out_of_reach",
        (PROCESS, '    { "user", become_user },\n', ""),
        (PROCESS, "static int become_user(", "__attribute__((unused)) static int become_user("),
        copies=True,
    ),
    wall(
        "copies: the zygote has no filter",
        "x08::test_x08_the_zygote_is_out_of_reach",
        (PROCESS, '    { "system call filter", load_filter },\n', ""),
        (PROCESS, "static int load_filter(", "__attribute__((unused)) static int load_filter("),
        copies=True,
    ),
    # -- descriptors, names, environment
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
        (INIT, "    init_reset_signals();\n", "    (void)init_reset_signals;\n"),
    ),
    # -- limits
    wall(
        "limits: memory",
        "x05::test_x05_a_little_too_much_memory x05::test_x05_the_kernel_has_been_told_the_limits",
        (
            CGROUP,
            "    if (!slot->unified[CGROUP_MEMORY])\n        return limit_memory_v1(slot, bytes);\n    r = write_number",
            "    if (bytes)\n        return 0;\n    if (!slot->unified[CGROUP_MEMORY])\n        return limit_memory_v1(slot, bytes);\n    r = write_number",
        ),
    ),
    wall(
        "limits: processes",
        "x05::test_x05_a_few_processes_too_many x05::test_x05_the_kernel_has_been_told_the_limits",
        (CGROUP, '(r = write_number(slot, CGROUP_PIDS, "pids.max", limits->processes_max)) < 0)', "0)"),
    ),
    wall(
        "limits: forks in vain go on",
        "r01::test_r01_who_forks_in_vain_rests unit:brake",
        ("warden/brake.c", "brake->on = cgroup_slot_freeze(cgroup, true) == 0;", "(void)cgroup;"),
    ),
    wall(
        "limits: processor",
        "r03::test_r03_quota x05::test_x05_the_kernel_has_been_told_the_limits",
        (
            CGROUP,
            "(r = limit_cpu(slot, limits->cpu_millis)) < 0)",
            "(r = 0 && limit_cpu(slot, limits->cpu_millis)) < 0)",
        ),
    ),
    wall(
        "limits: a keeper that stepped aside arms its next cell there",
        "x05::test_x05_the_kernel_has_been_told_the_limits",
        (CGROUP, 'slot->aside ? fd_write_at(slot->dir_fds[CGROUP_CPU], "tasks", "0") : 0;', "0;"),
    ),
    wall(
        "limits: buffers of TCP and UDP",
        "x01::test_x01_network_buffers_are_bounded",
        (CGROUP, '(void)write_number(slot, CGROUP_MEMORY, "memory.kmem.tcp.limit_in_bytes", SOCKET_BYTES_MAX);', ";"),
    ),
    *[
        wall(
            f"limits: {name}",
            "x05::test_x05_limits_and_groups " + also,
            (RLIMITS, old, ""),
            behind="the host's own limit is 0, if nobody widened it" if name in ("real-time priority", "nice") else "",
        )
        for name, also, old in (
            (
                "core dumps",
                "x03::test_x03_core_dumps_reach_no_handler_of_the_host",
                "    { RLIMIT_CORE, 1,\n      1 }, /* 0 forbids files only; 1 also keeps a core_pattern pipe from starting a helper on the host */\n",
            ),
            ("open files", "r09::test_r09_exhaustion", "    { RLIMIT_NOFILE, 256, 256 },\n"),
            ("stack", "", "    { RLIMIT_STACK, 8 << 20, 64 << 20 }, /* compilers raise their own */\n"),
            ("locked memory", "", "    { RLIMIT_MEMLOCK, 64 << 10, 64 << 10 },\n"),
            ("message queues", "n09::test_n09_message_queues_are_charged", "    { RLIMIT_MSGQUEUE, 0, 0 },\n"),
            ("real-time priority", "", "    { RLIMIT_RTPRIO, 0, 0 },\n"),
            ("nice", "", "    { RLIMIT_NICE, 0, 0 },\n"),
            ("pending signals", "", "    { RLIMIT_SIGPENDING, 1024, 1024 },\n"),
        )
    ],
    wall(
        "limits: size of a file",
        "x05::test_x05_limits_and_groups r08::test_r08_one_file_too_large",
        (RLIMITS, "return set(RLIMIT_FSIZE, bytes_max, bytes_max);", "return (int)(bytes_max & 0);"),
    ),
    wall(
        "limits: time",
        "r04::test_r04_killed_on_time[sleep]",
        (SLOT, "kill_for(slot, run, WIRE_END_TIMEOUT);", "return;"),
    ),
    wall(
        "limits: flood of output",
        "r06::test_r06_endless_output[yes]",
        ("engine/cell_client.c", "if (stream->total_bytes > talk->request.flood_bytes) {", "if (0) {"),
    ),
    wall(
        "limits: kept output",
        "r06::test_r06_endless_output[yes]",
        (
            "engine/execution.c",
            ".keep_bytes = (size_t)engine->max_output_bytes + 1,",
            ".keep_bytes = 256u << 20,",
        ),
        behind="the flood limit ends the program at 64 MiB, and the answer is cut",
    ),
    wall(
        "limits: text of an answer",
        "r06::test_r06_cut_but_not_killed r06::test_r06_cut_on_a_character_boundary",
        (
            "engine/outcome.c",
            "r = text_clean(text, stream->kept.data, length, limit);",
            "r = text_clean(text, stream->kept.data, length, limit + 1000);",
        ),
    ),
    # -- the end of a cell
    wall(
        "end: cells outlive a killed keeper",
        "test_kill_warden::test_in_mid_execution",
        (CELL, "return r ? r : die_with_keeper(birth); /* the change of user cleared it */", "return r;"),
        no_step("parent death signal", "die_with_keeper"),
        (CELL, "static int die_with_keeper(", "__attribute__((unused)) static int die_with_keeper("),
    ),
    wall(
        "end: a slot is used before it is empty",
        "r05 r14 f07::test_f07_residue_is_gone",
        (SLOT, "cgroup_slot_processes(&slot->cgroup) > 1; waited_ms++)", "0; waited_ms++)"),
        behind="cell_reap() returns only when the kernel has taken every process of the PID namespace away",
    ),
    wall(
        "end: memory of outputs is charged to the next cell",
        "x02::test_x02_memory_of_outputs_is_not_the_next_cells_loss x05::test_x05_a_slot_is_free_when_its_memory_is",
        (SLOT, "    wait_until_released(slot);\n", "    (void)wait_until_released;\n"),
    ),
    wall(
        "end: a client that hangs up is not noticed",
        "r16::test_r16_slot_is_freed[quiet-close]",
        ("engine/cell_client.c", "if (revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))", "if (0 && revents)"),
    ),
    wall(
        "end: success of the compiler passes for the program's",
        "x05::test_x05_a_killed_init_is_no_success",
        (INIT, "if (report.exit_code != 0 || report.signal != 0 || i + 1 == program->n_steps) {", "if (1) {"),
        (
            INIT,
            "            init_report(context->control_fd, &report);\n            break;",
            "            init_report(context->control_fd, &report);\n            if (report.exit_code != 0 || report.signal != 0)\n                break;",
        ),
    ),
    wall(
        "end: the program is no better victim than its init",
        "x05::test_x05_the_program_dies_before_its_init",
        (INIT, "if (init_set_victim(victim_fd, PROGRAM_VICTIM_SCORE) < 0)", "if (0)"),
    ),
    # -- harvest and outputs
    wall(
        "harvest: links are followed when opened",
        "f01 f02 f04 c02::test_c02_only_a_plain_file_is_a_state unit:workspace",
        (
            WORKSPACE,
            ".flags = flags | O_CLOEXEC | O_NOFOLLOW,\n        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,",
            ".flags = flags | O_CLOEXEC,\n        .resolve = 0,",
        ),
    ),
    wall(
        "harvest: links are followed, looked at and opened",
        "f01 unit:workspace",
        (
            WORKSPACE,
            ".flags = flags | O_CLOEXEC | O_NOFOLLOW,\n        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,",
            ".flags = flags | O_CLOEXEC,\n        .resolve = 0,",
        ),
        (
            WORKSPACE,
            "if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)",
            "if (fstatat(dir_fd, name, &st, 0) < 0)",
        ),
    ),
    wall(
        "harvest: any kind of file",
        "f04 unit:workspace",
        (
            WORKSPACE,
            "    if (S_ISREG(st.st_mode))\n        return visit_file(walk, dir_fd, name);\n    if (S_ISDIR(st.st_mode))\n        return visit_directory(walk, dir_fd, name, path_length, depth);",
            "    if (S_ISDIR(st.st_mode))\n        return visit_directory(walk, dir_fd, name, path_length, depth);\n    if (!S_ISCHR(st.st_mode))\n        return visit_file(walk, dir_fd, name);",
        ),
        (WORKSPACE, "fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))", "fstat(fd, &st) < 0)"),
    ),
    wall(
        "harvest: no limit of entries",
        "f06::test_f06_hundred_thousand_files f05::test_f05_a_hundred_thousand_links unit:workspace",
        (WORKSPACE, "if (walk->reported >= walk->options->entries_max) {", "if (0) {"),
    ),
    wall(
        "harvest: no limit of depth",
        "f06::test_f06_depth unit:workspace",
        (WORKSPACE, "if (fd < 0 || depth >= HARVEST_DEPTH_MAX) {", "if (fd < 0) {"),
    ),
    wall(
        "harvest: no limit of visits",
        "f06::test_f06_hundred_thousand_files unit:workspace",
        (WORKSPACE, "if (walk->visited++ >= HARVEST_VISITS_MAX) {", "if (0) {"),
        behind="the workspace has inodes for 131072 entries, and the limit of entries ends the reports",
    ),
    wall(
        "state: any kind of file",
        "c02::test_c02_only_a_plain_file_is_a_state unit:workspace",
        (WORKSPACE, "!S_ISREG(st.st_mode) || st.st_nlink != 1)", "0)"),
    ),
    wall(
        "state: no limit of size",
        "unit:workspace",
        (WORKSPACE, "if (*ret_size_bytes > bytes_max)", "if (0)"),
    ),
    wall(
        "state: a session's for any other",
        "unit:state",
        ("domain/state.c", "return strcmp(record->seal, seal) == 0 &&", "return"),
    ),
    wall(
        "state: contents are not looked at",
        "unit:state test_state::test_damage_at_rest_counts_as_absent",
        ("domain/state_text.c", "strcmp(found, sha256) == 0", "*found"),
    ),
    wall(
        "state: failed runs count",
        "test_kill_state::test_a_killed_run_leaves_the_state",
        ("engine/carry.c", "return outcome == OUTCOME_OK ||", "return outcome == OUTCOME_OK || 1 ||"),
    ),
    wall(
        "parked: programs run on",
        "x10::test_x10_a_forged_rest",
        ("cell/cgroup.c", """int r = dir_fd < 0 ? -ENOTSUP : fd_write_at(dir_fd, "cgroup.freeze", resting ? "1" : "0");

    if (r == 0 && resting && (r = await_frozen(dir_fd)) < 0)""", """int r = dir_fd < 0 ? -ENOTSUP : 0;

    if (r == 1 && resting && (r = await_frozen(dir_fd)) < 0)"""),
        copies=True,
    ),
    wall(
        "parked: with other processes",
        "x10::test_x10_what_it_left_does_not_write_into_the_next",
        ("warden/rest.c", "return n == 1 ? 0", "return n >= 1 ? 0"),
        copies=True,
    ),
    wall(
        "parked: with messages that were not taken",
        "x10::test_x10_a_rest_that_takes_nothing",
        ("warden/rest.c", "return untaken_bytes != 0 || poll(&p, 1, 0) != 0 ? -EBADMSG : 0;", "(void)p;\n    return 0;"),
        copies=True,
    ),
    wall(
        "parked: any session's",
        "unit:hot",
        ("engine/hot.c", "if (strcmp(hot->cells[i].session_id, session_id) != 0)", "if (!session_id[0])"),
    ),
    wall(
        "parked: any tenant's, user's and network",
        "unit:hot",
        ("engine/hot.c", "if (find(hot, session->id, &i) && suits(&hot->cells[i], session, network))", "if (find(hot, session->id, &i) && (1 || suits(&hot->cells[i], session, network)))"),
    ),
    wall(
        "outputs: hidden files",
        "test_exec_files::test_skip_list unit:outputs",
        ("engine/outputs.c", "return segment[0] == '.' || is_hidden(", "return is_hidden("),
    ),
    wall(
        "outputs: no limit of files",
        "f06::test_f06_hostile_names f05::test_f05_a_hundred_thousand_links",
        (
            "engine/outputs.c",
            "if (++outputs->n_candidates > outputs->engine->max_output_files) {",
            "if (++outputs->n_candidates > 12u) {",
        ),
        ("engine/outputs.c", "calloc(engine->max_output_files + 1u,", "calloc(engine->max_output_files + 20u,"),
    ),
    wall(
        "outputs: no limit of size",
        "f06::test_f06_too_large_is_skipped_with_a_reason",
        ("engine/outputs.c", "if (size_bytes > outputs->engine->max_file_bytes) {", "if (0) {"),
    ),
    wall(
        "outputs: names are not made harmless",
        "f06::test_f06_hostile_names",
        (
            "engine/outputs.c",
            "r = filename_sanitise(path, strlen(path), false, candidate.name);",
            'r = snprintf(candidate.name, sizeof(candidate.name), "%s", path) < 0;',
        ),
    ),
    # -- the door
    wall(
        "door: any key",
        "c10::test_c10_guessed_keys",
        (
            "api/gate.c",
            "if (verdicts[verdict].status != 0) {",
            "if (verdicts[verdict].status != 0 && verdict != UNKNOWN_KEY) {",
        ),
    ),
    wall(
        "door: failed keys are not counted",
        "c11::test_c11_guesses_are_limited c11::test_c11_guesses_at_once",
        (
            "api/gate.c",
            "if (verdicts[verdict].failure && !count_failure(gate, claim, ret_seconds))",
            "if (false && !count_failure(gate, claim, ret_seconds))",
        ),
    ),
    wall(
        "door: failed keys are looked at and counted in two steps",
        "unit:gate",
        ("domain/tally.c", "added = count->count < limit;", "added = count->count < limit + 1000000;"),
    ),
    wall(
        "door: any peer may say who its client is",
        "c11::test_c11_spoofed_addresses",
        ("http/address.c", "honoured |= address_block_has(&trusted[i], peer);", "honoured = true;"),
    ),
    wall(
        "door: a key that was revoked stays known",
        "c11::test_c11_a_revoked_key_has_no_afterlife unit:key",
        (
            "domain/keyring.c",
            "return entry->generation == key_store_generation(ring->options.store) &&",
            "return entry->generation != UINT64_MAX &&",
        ),
    ),
    wall(
        "door: the limits of a key",
        "c14::test_c14_all_at_once c14::test_c14_spellings_share_one_limit",
        (
            "domain/keyring.c",
            "if (ring->options.key_limits && rate_exceeded(limits, use->periods, now_ms, ret_standing))",
            "if (false && rate_exceeded(limits, use->periods, now_ms, ret_standing))",
        ),
    ),
    wall(
        "door: what belongs to another tenant",
        "f10::test_f10_another_tenant c16::test_c16_foreign_and_missing_are_one",
        ("domain/session.c", "if (strcmp(session.tenant, tenant) != 0)", "if (false)"),
    ),
    wall(
        "door: well-known keys",
        "x05::test_x05_well_known_keys_stop_the_start",
        (
            "main/config_type.c",
            "else if (is_known(key) || distinct_characters(key) < 6)",
            "else if (distinct_characters(key) < 6)",
        ),
    ),
    wall(
        "door: short keys",
        "c10::test_c10_refuses_to_start",
        ("main/config_type.c", "if (strlen(key) < CONFIG_KEY_MIN_LENGTH)", "if (strlen(key) < 1)"),
    ),
    wall(
        "door: one address may take all connections",
        "c12::test_c12_one_address_cannot_take_all_connections unit:peers",
        ("http/peers.c", "room = !found || found->connections < peers->limit;", "room = true;"),
    ),
    wall(
        "door: no limit of waiting executions",
        "r17::test_r17_bounded_queue",
        (
            "engine/admission.c",
            "n_busy(a) + a->n_waiting >= a->n_workers + a->engine->max_queued ||",
            "n_busy(a) + a->n_waiting >= 1000000 ||",
        ),
    ),
    wall(
        "wire: messages are not checked",
        "unit:message",
        (
            "wire/message.c",
            "    uint32_t type;\n\n    if (size < sizeof(type))\n        return WIRE_E_INVALID;\n    type = message->type;",
            "    uint32_t type;\n\n    if (size || n_fds || sender)\n        return 0;\n    type = message->type;",
        ),
    ),
    wall(
        "warden: the api keeps its rights",
        "x05::test_x05_the_process_that_speaks_http_has_no_rights x07::test_x07_the_proxy_has_no_rights",
        (
            "warden/unprivileged.c",
            "drop_privileges(uid) < 0 ||",
            "(uid == 0 && drop_privileges(uid) < 0) ||",
        ),
    ),
    # -- the audit log
    wall(
        "audit: values are not escaped",
        "c13::test_c13_nothing_breaks_out_of_its_value unit:audit",
        ("domain/audit_event.c", "else if (code == '\"' || code == '\\\\')", "else if (code == '\"' && length > 4)"),
    ),
    wall(
        "audit: a line does not cover the one before",
        "unit:audit",
        ("domain/audit_chain.c", "    digest_update(&digest, before, HEX_LENGTH);\n", "    (void)before;\n"),
    ),
    wall(
        "audit: a cut end is not noticed at the start",
        "unit:audit",
        ("domain/audit_file.c", "if (h == 0 && (r != 0 || head.seq > last.seq)) {", "if (h == 0 && r != 0) {"),
    ),
    # -- the api around itself
    wall(
        "api: no filter of its own",
        "x06::test_x06_every_thread_is_behind_the_filter",
        ("main/api.c", "    return confine_calls();", "    return confine_calls ? 0 : -1;"),
    ),
    wall(
        "api: not confined to its files",
        "x06::test_x06_another_directory_of_the_same_name_is_out_of_reach",
        ("main/api.c", "int r = confine_files(&options);", "int r = options.data_dir ? 0 : confine_files(&options);"),
    ),
    wall(
        "api: the filter kills nobody",
        "unit:confine",
        (
            "main/confine_calls.c",
            "r = add_names(context, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_SIZE(deadly));",
            "r = deadly[0] ? 0 : -1;",
        ),
    ),
    wall(
        "api: programs may be started",
        "unit:confine",
        ("main/confine_calls.c", '    "execve",\n    "execveat",\n', ""),
        ("main/confine_calls.c", '    "exit",\n', '    "execve",\n    "execveat",\n    "exit",\n'),
    ),
    wall(
        "api: memory may become executable",
        "unit:confine",
        ("main/confine_calls.c", '{ "mmap", 2, PROT_EXEC, 0 },', '{ "mmap", 2, 0, 0 },'),
        ("main/confine_calls.c", '{ "mprotect", 2, PROT_EXEC, 0 },', '{ "mprotect", 2, 0, 0 },'),
    ),
    wall(
        "api: processes may be made",
        "unit:confine",
        ("main/confine_calls.c", "CLONE_VM | CLONE_THREAD | CLONE_SIGHAND", "0"),
    ),
    wall(
        "api: signals to others",
        "unit:confine",
        ("main/confine_calls.c", '"tgkill", 1, &EQUAL_32(0, getpid())', '"tgkill", 0, NULL'),
    ),
    wall(
        "api: all kinds of sockets",
        "unit:confine",
        ("main/confine_calls.c", '    "accept",\n', '    "socket",\n    "accept",\n'),
    ),
    wall(
        "api: threads that exist stay outside the filter",
        "unit:confine",
        ("main/confine_calls.c", "SCMP_FLTATR_CTL_TSYNC, 1", "SCMP_FLTATR_CTL_TSYNC, 0"),
    ),
    wall(
        "api: all files of its user",
        "unit:confine",
        ("main/confine_files.c", "syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0", "ruleset_fd < 0"),
    ),
    wall(
        "api: any port",
        "unit:confine",
        ("main/confine_files.c", "{ 4, { .ports = NET_BIND_TCP } },", "{ 4, { .ports = 0 } },"),
    ),
    # -- networks that reach public addresses
    wall(
        "wan: private ranges",
        "n04::test_n04_no_other_address n04::test_n04_names_that_lie n04::test_n04_every_spelling",
        (RULES, '"ip daddr @private reject with icmp type admin-prohibited\\n"', '""'),
    ),
    wall(
        "wan: the host takes what comes from cells",
        "n04::test_n04_no_other_address n04::test_n04_a_scan_finds_what_the_mode_allows",
        (RULES, '"iifname %s meta l4proto tcp reject with tcp reset\\n"', '"iifname %s accept\\n"'),
    ),
    wall(
        "wan: other name servers",
        "n04::test_n04_only_the_configured_resolver",
        (RULES, '"meta l4proto { tcp, udp } th dport { 53, 853 } reject with icmp type admin-prohibited\\n"', '""'),
    ),
    wall(
        "wan: IPv6 in cells",
        "n04::test_n04_no_ipv6",
        ("cell/wan_port.c", "int r = close_ipv6(port->wan);", "int r = 0;\n\n    (void)close_ipv6;"),
    ),
    wall(
        "wan: mail",
        "n08::test_n08_no_mail n08::test_n08_the_ports_are_the_operators_choice",
        (RULES, '" } reject with icmp type admin-prohibited\\n"', '" } goto counted\\n"'),
    ),
    wall("wan: pace of new connections", "n08::test_n08_new_flows_a_second", (RULES, "rate, rate * 4,", "99999ull, 999999ull,")),
    wall(
        "wan: connections at a time",
        "n08::test_n08_connections_at_a_time",
        (RULES, "rate, rate * 4, most, most >", "rate, rate * 4, 99999ull, most >"),
    ),
    wall("wan: bandwidth", "n08::test_n08_bandwidth", (RULES, "if (kbytes == 0)", "if (kbytes != 1)")),
    wall(
        "wan: one address for all networks of a slot",
        "x07::test_x07_each_used_network_is_another",
        ("cell/wan_port.c", "port->turn += port->step;", "port->turn = port->step;"),
    ),
    wall(
        "wan: ports that the host publishes",
        "x07::test_x07_what_the_host_publishes",
        (RULES, '"reject with icmp type admin-prohibited\\n"\n                "iifname %s ct state new', '"accept\\n"\n                "iifname %s ct state new'),
    ),
    wall(
        "wan: connections outlive their program",
        "x07::test_x07_connections_end_with_their_program",
        (RULES, '"tcp flags & (fin | rst) != 0 meta length < 120 ct state established accept\\n"', '""'),
    ),
    wall(
        "wan: the switch lets in what nobody asked for",
        "x07::test_x07_nobody_comes_in",
        (RULES, "type filter hook forward priority filter; policy drop;\\n\"\n                      \"meta", "type filter hook forward priority filter; policy accept;\\n\"\n                      \"meta"),
        behind="the host lets nothing new through to the switch",
    ),
    wall(
        "wan: the host lets through what nobody asked for",
        "x07::test_x07_nobody_comes_in",
        (RULES, '"oifname %s ct state != { established, related } drop\\n"', '"oifname %s accept\\n"'),
        (RULES, '"oifname %s ct state new drop\\n"', '"oifname %s accept\\n"'),
        behind="the switch takes nothing new in",
    ),
    wall(
        "wan: nobody holds back what comes in",
        "x07::test_x07_nobody_comes_in",
        (RULES, "type filter hook forward priority filter; policy drop;\\n\"\n                      \"meta", "type filter hook forward priority filter; policy accept;\\n\"\n                      \"meta"),
        (RULES, '"oifname %s ct state != { established, related } drop\\n"', '"oifname %s accept\\n"'),
        (RULES, '"oifname %s ct state new drop\\n"', '"oifname %s accept\\n"'),
    ),
    wall(
        "wan: rules that are refused do not stop the start",
        "x07::test_x07_no_rules_no_server",
        ("main/check_wan.c", "check_say(report, CHECK_FAIL, \"apt-get", "check_say(report, CHECK_WARN, \"apt-get"),
        ("cell/nft.c", "return -EPERM;", "return 0;"),
    ),
    wall(
        "wan: keys that may have less have all of it",
        "x07::test_x07_a_key_may_have_less x07::test_x07_no_key_has_more_than_the_server",
        (SLOT, "r = wan_port_disconnect(&slot->port);", "r = 0;"),
    ),
    wall(
        "proxy: keys without a network reach it",
        "x07::test_x07_a_key_may_have_less x07::test_x07_no_key_has_more_than_the_server",
        (SLOT, "if (shutdown(slot->listener_fd, SHUT_RDWR) < 0)", "if (slot->listener_fd < 0)"),
    ),
    # -- the proxy
    wall(
        "proxy: any host",
        "n05::test_n05_each_head_has_one_meaning unit:egress",
        ("egress/allowlist.c", "list->entries[i].port == port && strcmp(list->entries[i].host, host) == 0", "list->entries[i].port && host && port"),
    ),
    wall(
        "proxy: names that lead to private addresses",
        "n05::test_n05_each_head_has_one_meaning",
        ("egress/dial.c", "if (!may_be_reached(info))", "if (!may_be_reached(info) && !info->ai_addr)"),
    ),
    wall(
        "proxy: the host's own public address",
        "n05::test_n05_each_head_has_one_meaning x07::test_x07_the_hosts_own_addresses_by_any_setting",
        ("egress/dial.c", "           !address_is_own(ntohl(address->sin_addr.s_addr));", "           true;"),
    ),
    wall(
        "proxy: the resolver's further domains",
        "n05::test_n05_names_are_whole",
        ("egress/dial.c", "_res.options &=", "_res.options |= 0 &"),
    ),
    wall(
        "proxy: announced bodies",
        "n05::test_n05_each_head_has_one_meaning",
        ("egress/connect_head.c", "if (equals_any_case(name, refused[i]))", "if (equals_any_case(name, refused[i]) && !line.data)"),
    ),
    wall(
        "proxy: TLS for any host",
        "n06::test_n06_nothing_else",
        ("egress/tunnel.c", "return r == 0 && strcmp(name, tunnel->target.host) == 0;", "return r == 0;"),
    ),
    wall(
        "proxy: anything but TLS",
        "n06::test_n06_nothing_else n05::test_n05_smuggled_requests_are_data",
        ("egress/tunnel.c", "return r == 0 && strcmp(name, tunnel->target.host) == 0;", "return r != 0 || strcmp(name, tunnel->target.host) == 0;"),
    ),
    wall(
        "proxy: hidden names",
        "n06::test_n06_nothing_else unit:egress",
        ("egress/client_hello.c", "if (type == ECH || type == ESNI)", "if (type == ECH && type == ESNI)"),
    ),
    wall(
        "proxy: connections of one slot",
        "n05::test_n05_slow_and_many",
        ("egress/proxy.h", "#define PROXY_CONNECTIONS_SLOT_MAX 32", "#define PROXY_CONNECTIONS_SLOT_MAX 512"),
    ),
    wall(
        "proxy: connections outlive their program",
        "n05::test_n05_a_program_leaves_its_successor_all_room",
        ("egress/proxy.c", "    hang_up(proxy, message.slot);\n", "    (void)hang_up;\n"),
    ),
    wall(
        "proxy: beginnings in drops",
        "n06::test_n06_a_beginning_in_drops",
        ("egress/tunnel.c", "#define READS_MAX 512", "#define READS_MAX 99999"),
    ),
    wall(
        "proxy: outlives a killed warden",
        "x07::test_x07_the_proxy_dies_with_the_warden",
        ("warden/proxy_process.c", "&feed_fd, 1, SIGKILL);", "&feed_fd, 1, SIGTERM);"),
    ),
    wall(
        "proxy: no walls of its own",
        "x07::test_x07_the_proxy_has_no_rights",
        ("main/proxy.c", "r = confine_calls();", "r = 0;"),
    ),
    # -- builds that are kept
    wall(
        "builds: copied after the program ran",
        "f14::test_f14_a_program_cannot_rewrite_its_build",
        (INIT, "index + 2 == program->n_steps", "index + 1 == program->n_steps"),
    ),
    wall(
        "builds: links are followed",
        "unit:keep",
        ("cell/keep.c", "O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY", "O_RDONLY | O_NONBLOCK | O_NOCTTY"),
    ),
    wall(
        "builds: of any size",
        "unit:keep",
        ("cell/keep.c", "|| st.st_size > (off_t)(BUILT_BYTES_MAX - collection->bytes)", ""),
        ("cell/keep.c", "if (r == 0 && collection->bytes + (size_t)st.st_size > BUILT_BYTES_MAX)", "if (0)"),
    ),
    wall(
        "builds: a path that leaves its directory",
        "unit:built",
        ("wire/built.c", "(length == 2 && memcmp(segment, \"..\", 2) == 0)", "length == SIZE_MAX"),
    ),
    wall(
        "builds: memory that is not sealed",
        "unit:build_cache",
        ("engine/build_cache.c", "seals < 0 || (seals & SEALS) != SEALS || ", "seals < -1 || "),
    ),
    wall(
        "builds: no checksum",
        "unit:build_cache f14::test_f14_a_changed_entry_is_not_run f14::test_f14_an_entry_is_not_run_in_anothers_place",
        ("engine/build_cache.c", "memcmp(stored, actual, sizeof(stored)) == 0 && ", ""),
    ),
    wall(
        "builds: shared between keys",
        "unit:build_key test_build_cache::test_another_key_compiles_itself",
        ("engine/build_key.c", "    add_text(&digest, request->queue);\n", ""),
    ),
    wall(
        "builds: inputs that the compiler sees are forgotten",
        "unit:build_key test_build_cache::test_a_changed_include_changes_the_result",
        ("engine/build_key.c", "        add_text(digest, input->record.sha256);\n", ""),
    ),
]


# ---- applying, building, testing ----


def misfits():
    """Rows whose old text does not occur exactly once in the sources, in words."""
    found = []
    for row in WALLS:
        for edit in row.edits:
            count = host.read(os.path.join(REPOSITORY, "src", edit.file)).count(edit.old)
            if count != 1:
                found.append(f"{row.name}: in src/{edit.file} this occurs {count} times:\n    {edit.old}")
        for test in row.tests:
            if not test.startswith("unit:") and not exists(test):
                found.append(f"{row.name}: there is no test {test}")
    return found


def exists(test):
    name = test.partition("::")[2].partition("[")[0]
    return any(f"def {name}" in host.read(path) for path in files_of(REPOSITORY, test))


def files_of(tree, test):
    prefix = test.split("::")[0]
    return [
        path
        for folder in ("attack", "contract", "fault")
        for path in sorted(glob.glob(f"{tree}/tests/{folder}/{prefix}*.py"))
    ]


def node_ids(tree, tests):
    """What pytest is told: tests/attack/k07_privileged_syscalls.py::test_name."""
    return [
        path + test[len(test.split("::")[0]) :]
        for test in tests
        if not test.startswith("unit:")
        for path in files_of(tree, test)
    ]


class Workshop:
    """A copy of HEAD with one build directory. Leaves nothing behind unless it is kept."""

    def __init__(self, keep):
        self.kept = keep
        self.home = keep or tempfile.mkdtemp(prefix="codecell-walls-")
        os.makedirs(self.home, exist_ok=True)
        os.chmod(self.home, 0o755)
        self.tree, self.build, self.scratch = (os.path.join(self.home, name) for name in ("tree", "build", "tmp"))
        os.makedirs(self.scratch, exist_ok=True)
        self.copy()
        if not os.path.exists(os.path.join(self.build, "build.ninja")):
            self.run(
                [
                    "meson",
                    "setup",
                    self.build,
                    self.tree,
                    "--buildtype=release",
                    "-Dtests=enabled",
                    "-Db_colorout=never",
                ]
            )

    def copy(self):
        """Files that have not changed keep their times, so that only what differs is compiled."""
        fresh = os.path.join(self.home, "fresh")
        os.makedirs(fresh)
        archive = subprocess.run(["git", "-C", REPOSITORY, "archive", "HEAD"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-m", "-C", fresh], input=archive, check=True)
        for folder, _, names in os.walk(fresh):
            target = os.path.join(self.tree, os.path.relpath(folder, fresh))
            os.makedirs(target, exist_ok=True)
            for name in names:
                old = os.path.join(target, name)
                if not os.path.exists(old) or open(old, "rb").read() != open(os.path.join(folder, name), "rb").read():
                    shutil.move(os.path.join(folder, name), old)
        shutil.rmtree(fresh)

    @staticmethod
    def remove_orphaned_cgroups():
        """Those of servers that are dead, and whose lock is free; other servers may be starting at this moment."""
        for path in sorted(
            {
                path
                for root in set(host.cgroup_roots().values())
                for path in glob.glob(f"{root}/**/codecell.*/", recursive=True)
            }
        ):
            owner = os.path.basename(path.rstrip("/")).split(".")[1]
            if not owner.isdigit() or os.path.exists(f"/proc/{owner}"):
                continue
            try:
                lock = os.open(path, os.O_RDONLY)
            except FileNotFoundError:  # another server cleans up too
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for each in sorted(host.cgroup_tree(path), key=len, reverse=True):
                    os.rmdir(each)
            except OSError:
                pass
            finally:
                os.close(lock)

    def run(self, command, **kwargs):
        return subprocess.run(["nice", "-n", "15", *command], check=True, capture_output=True, text=True, **kwargs)

    def make(self, tests=()):
        targets = ["codecell", "codecell-warden", "codecell-zygote.so"] + [
            "tests/unit/test_" + test[5:] for test in tests if test.startswith("unit:")
        ]
        self.run(["ninja", "-C", self.build, "-j1", *targets])

    def test(self, tests, copies):
        """{test: "" or what it failed with}."""
        results = {}
        for test in (each for each in tests if each.startswith("unit:")):
            done = subprocess.run(
                [*UNIT, os.path.join(self.build, "tests/unit/test_" + test[5:]), self.scratch],
                capture_output=True,
                timeout=120,
                check=False,
            )
            results[test] = "" if done.returncode == 0 else f"exit {done.returncode}"
        nodes = node_ids(self.tree, tests)
        if nodes:
            results.update(self.pytest(nodes, copies))
        return results

    def pytest(self, nodes, copies):
        report = os.path.join(self.home, "report.xml")
        if os.path.exists(report):
            os.unlink(report)
        env = {**os.environ, "CODECELL_BUILD": self.build, "CODECELL_READY_WITHIN_S": "15", "TMPDIR": self.scratch}
        env.pop("CI", None)
        env["CODECELL_TEST_POOL"] = "true" if copies else "false"
        process = subprocess.Popen(
            [*PYTEST, f"--junitxml={report}", *nodes],
            cwd=os.path.join(self.tree, "tests"),
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=ROW_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate()
            return {"(all)": f"no end within {ROW_TIMEOUT_S} s"}
        finally:
            self.sweep()
        if not os.path.exists(report):
            raise SystemExit("pytest did not run:\n" + output)
        results = {}
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            bad = [part for part in case if part.tag in ("failure", "error")]
            if any(part.tag == "skipped" for part in case):
                continue
            name = case.get("classname").split(".")[-1] + "::" + case.get("name")
            text = " ".join((part.get("message") or "") for part in bad)
            results[name] = results.get(name, "") or (
                ("no server: " if "the server ended" in text or "not ready within" in text else "") + text
                if bad
                else ""
            )
        return results

    def sweep(self):
        """What a server without one of its walls may leave: processes, System V memory, cgroups, files."""
        for _ in range(50):
            left = [pid for pid in host.descendants(os.getpid()) if host.alive(pid)]
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass
            if not left:
                break
            time.sleep(0.05)
        for kind, option in (("shm", "-m"), ("msg", "-q"), ("sem", "-s")):
            for line in host.read(f"/proc/sysvipc/{kind}").splitlines()[1:]:
                if line.split()[0] in [str(key) for key in (0x6E3039, 0x6E303A, 0x6E303B)]:
                    subprocess.run(["ipcrm", option, line.split()[1]], check=False)
        self.remove_orphaned_cgroups()
        for name in os.listdir(self.scratch):
            shutil.rmtree(os.path.join(self.scratch, name), ignore_errors=True)

    def apply(self, row):
        saved = {}
        for edit in row.edits:
            path = os.path.join(self.tree, "src", edit.file)
            text = host.read(path)
            saved.setdefault(path, text)
            if text.count(edit.old) != 1:
                raise SystemExit(f"{row.name}: the text to replace in src/{edit.file} is not there once")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(edit.old, edit.new))
        return saved

    @staticmethod
    def restore(saved):
        for path, text in saved.items():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)

    def close(self):
        self.sweep()
        if not self.kept:
            shutil.rmtree(self.home, ignore_errors=True)


def try_wall(shop, row):
    """{test: message} of what failed without this wall; None if it does not build."""
    saved = shop.apply(row)
    try:
        shop.make(row.tests)
        return {test: message for test, message in shop.test(row.tests, row.copies).items() if message}
    except subprocess.CalledProcessError as error:
        print(error.stdout[-3000:], error.stderr[-2000:])
        return None
    finally:
        shop.restore(saved)


def verdict(row, failed):
    if failed is None:
        return "DOES NOT BUILD"
    if failed and all(message.startswith("no server") for message in failed.values()):
        return "held: no cell starts without it"
    if failed:
        return f"held by {len(failed)} test{'s' if len(failed) > 1 else ''}"
    return f"no test can notice: {row.behind}" if row.behind else "NOT NOTICED"


def table(rows):
    lines = ["| wall taken away | what happens | tests that fail |", "| --- | --- | --- |"]
    for name, said, failed in rows:
        names = sorted({test.split("[")[0].split("::")[-1].replace("unit:", "unit/test_") for test in failed or {}})
        lines.append(f"| {name} | {said} | {', '.join(f'`{each}`' for each in names)} |")
    return "\n".join(lines) + "\n"


def write_between(path, begin, end, text):
    with open(path, encoding="utf-8") as file:
        old = file.read()
    head, rest = old.split(begin)
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{head}{begin}\n{text}{rest[rest.index(end):]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--markdown")
    parser.add_argument("--keep")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    wrong = misfits()
    print("\n".join(wrong))
    if wrong or options.check:
        return 1 if wrong else 0
    if os.geteuid() != 0:
        parser.error("must run as root, to start servers")
    host.become_subreaper()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = [row for row in WALLS if options.only in row.name]
    shop = Workshop(options.keep)
    rows = []
    try:
        # What fails with every wall in place proves nothing.
        every = sorted({test for row in chosen for test in row.tests})
        shop.make(every)
        unsound = set()
        for copies in sorted({row.copies for row in chosen}):
            tests = sorted({test for row in chosen if row.copies == copies for test in row.tests})
            unsound |= {test for test, message in shop.test(tests, copies).items() if message}
        print(
            f"{len(chosen)} walls; with all of them in place {len(unsound)} tests fail: {sorted(unsound)}", flush=True
        )
        for row in chosen:
            began = time.monotonic()
            failed = try_wall(shop, row)
            if failed is not None:
                failed = {test: message for test, message in failed.items() if test not in unsound}
            rows.append((row.name, verdict(row, failed), failed))
            print(f"{row.name}: {rows[-1][1]} ({time.monotonic() - began:.0f} s)", flush=True)
            for test, message in (failed or {}).items():
                print(f"    {test}: {message[:160]!r}", flush=True)
    finally:
        shop.close()
    print("\n" + table(rows))
    if options.markdown:
        write_between(options.markdown, BEGIN, END, table(rows))
    return 1 if any(said.isupper() for _, said, _ in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
