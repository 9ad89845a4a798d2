# SPDX-License-Identifier: Apache-2.0
"""What is taken out of a cell: files, a state, a cell that lives on."""

from walls_rows.row import WORKSPACE, wall

ROWS = [
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
        (WORKSPACE, "if (depth >= HARVEST_DEPTH_MAX) {", "if (depth > 1u << 30) {"),
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
        (
            "cell/cgroup_freeze.c",
            """if (pwrite(freeze_fd, resting ? "1" : "0", 1, 0) < 0)
        return error_from_errno();
    if (resting && (r""",
            """if (pwrite(freeze_fd, "0", 1, 0) < 0)
        return error_from_errno();
    if (r && (r""",
        ),
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
        (
            "warden/rest.c",
            "return untaken_bytes != 0 || poll(&p, 1, 0) != 0 ? -EBADMSG : 0;",
            "(void)p;\n    return 0;",
        ),
        copies=True,
    ),
    wall(
        "parked: any session's",
        "unit:hot",
        (
            "engine/hot.c",
            "if (hot->cells[i].is_over || strcmp(hot->cells[i].session.id, session_id) != 0)",
            "if (hot->cells[i].is_over || !session_id[0])",
        ),
    ),
    wall(
        "parked: nobody waits for what is left after the answer",
        "unit:hot",
        ("engine/hot.c", "&i)) && hot->cells[i].unsaved && !gives_up(context))", "&i)) && 0 && !gives_up(context))"),
    ),
    wall(
        "parked: any tenant's, user's and network",
        "unit:hot",
        (
            "engine/hot.c",
            "if (found && !hot->cells[i].unsaved && suits(&hot->cells[i], session, network))",
            "if (found && !hot->cells[i].unsaved && (1 || suits(&hot->cells[i], session, network)))",
        ),
    ),
    wall(
        "parked: one tenant may end all others'",
        "unit:hot test_hot_ends::test_a_key_of_another_tenant_keeps_its_own",
        ("engine/hot.c", "uint64_t share = shares[share_of(cell)];", "uint64_t share = shares[share_of(cell)] & 0;"),
        copies=True,
    ),
    wall(
        "parked: any number leave their states after the answer",
        "unit:hot",
        ("engine/hot.c", "hot->n_unsaved < (hot->limits.max + 1) / 2 &&", "hot->n_unsaved <= hot->limits.max &&"),
        (
            "engine/hot.c",
            "hot->unsaved_bytes + bytes_max <= (uint64_t)hot->limits.memory_bytes / 2",
            "hot->unsaved_bytes + bytes_max <= UINT64_MAX",
        ),
    ),
    wall(
        "parked: what an earlier run leaves takes the place of a later one's",
        "unit:saver",
        (
            "engine/saver.c",
            "if (r == 0 && hot_is_wanted(engine->hot, cell->execution_id))",
            "if (r == 0 && (1 || hot_is_wanted(engine->hot, cell->execution_id)))",
        ),
    ),
    wall(
        "parked: half of a state counts",
        "unit:saver",
        (
            "engine/saver.c",
            "if (r == 0 && hot_is_wanted(engine->hot, cell->execution_id))",
            "if (hot_is_wanted(engine->hot, cell->execution_id))",
        ),
    ),
    wall(
        "parked: who leaves nothing undoes what another left",
        "unit:saver",
        ("engine/saver.c", "else if (cell->left || !cell->is_late)", "else"),
    ),
    wall(
        "outputs: hidden files",
        "test_exec_outputs::test_skip_list unit:outputs",
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
]
