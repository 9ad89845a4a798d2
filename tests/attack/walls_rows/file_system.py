# SPDX-License-Identifier: Apache-2.0
"""The file system that a cell sees."""

from walls_rows.row import CELL, PROC, ROOTFS, SCRATCH, WORKSPACE, no_step, unused, wall

ROWS = [
    wall(
        "root: the tree is not sealed",
        "k16::test_k16_nothing_writable_but_scratch x05::test_x05_every_file_system",
        (
            ROOTFS,
            "{ .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };\n\n    if (syscall(SYS_mount_setattr, build->target_fd",
            "{ .attr_set = MOUNT_ATTR_NOSUID };\n\n    if (syscall(SYS_mount_setattr, build->target_fd",
        ),
        behind="root: the private views are read-only themselves",
    ),
    wall(
        "root: no private views",
        "n09::test_n09_no_presence_oracle",
        (ROOTFS, "r = attach_views();", "r = 0;"),
        unused(ROOTFS, "attach_views"),
    ),
    wall(
        "root: neither views nor seal",
        "k16::test_k16_nothing_writable_but_scratch x05::test_x05_every_file_system",
        (ROOTFS, "r = attach_views();", "r = 0;"),
        unused(ROOTFS, "attach_views"),
        (
            ROOTFS,
            "{ .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };\n\n    if (syscall(SYS_mount_setattr, build->target_fd",
            "{ .attr_set = MOUNT_ATTR_NOSUID };\n\n    if (syscall(SYS_mount_setattr, build->target_fd",
        ),
    ),
    wall(
        "root: the views allow set-user-id",
        "k11::test_k11_setuid_programs x05::test_x05_every_file_system",
        (ROOTFS, "MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | attributes,", "MOUNT_ATTR_RDONLY | attributes,"),
    ),
    wall(
        "root: the operator's packages may bring device nodes",
        "test_skill_deps::test_programs_find_them",
        (ROOTFS, "private_view(view_name(i), MOUNT_ATTR_NODEV, &fds[i]);", "private_view(view_name(i), 0, &fds[i]);"),
    ),
    wall(
        "root: packages that others may write to",
        "test_skill_deps::test_what_stops_the_start",
        (
            "main/check/check_skill_deps.c",
            "if (stat(at, &st) < 0 || st.st_uid != 0 || (st.st_mode & 022 && !(above && st.st_mode & S_ISVTX)))",
            "if (stat(at, &st) < 0 && !above)",
        ),
    ),
    wall(
        "root: packages that hold what is the server's own",
        "test_skill_deps::test_what_stops_the_start",
        (
            "main/check/check_skill_deps.c",
            "if (!*own || !realpath(existing, real))",
            "if (!*own || !realpath(existing, real) || real[0] == '/')",
        ),
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
        unused(CELL, "own_null_device"),
    ),
    wall(
        "proc: writable",
        "k12::test_k12_no_setting_can_be_written x05::test_x05_every_file_system",
        (PROC, "flags | MOUNT_ATTR_RDONLY, &read_only);", "flags, &read_only);"),
    ),
    wall(
        "proc: no masks",
        "x04::test_x04_figures_of_the_whole_host_are_masked x04::test_x04_no_figure_follows_what_another_cell_holds "
        "k12::test_k12_no_setting_can_be_written",
        no_step("proc masks", "mask_proc"),
        unused(CELL, "mask_proc"),
    ),
    wall(
        "proc: counts of all open files",
        "x04::test_x04_figures_of_the_whole_host_are_masked x04::test_x04_no_figure_follows_what_another_cell_holds",
        (PROC, '"/proc/scsi", "/proc/sys/fs" };', '"/proc/scsi" };'),
    ),
    wall(
        "proc: set-user-id, devices and programs",
        "x05::test_x05_every_file_system",
        (PROC, "unsigned flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;", "unsigned flags = 0;"),
    ),
    wall(
        "scratch: set-user-id and devices",
        "k11::test_k11_setuid_programs x05::test_x05_every_file_system",
        (SCRATCH, "ARRAY_SIZE(mount_options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,", "ARRAY_SIZE(mount_options), 0,"),
    ),
    wall(
        "scratch: no size",
        "r08::test_r08_full x05::test_x05_every_file_system",
        (
            SCRATCH,
            '{ "size", size }, { "nr_inodes", SCRATCH_INODES },',
            '{ "size", "100%" }, { "nr_inodes", SCRATCH_INODES },',
        ),
    ),
    wall(
        "scratch: no limit of inodes",
        "x05::test_x05_every_file_system",
        (SCRATCH, '#define SCRATCH_INODES "65536"', '#define SCRATCH_INODES "0"'),
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
]
