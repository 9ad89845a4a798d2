# SPDX-License-Identifier: Apache-2.0
"""Limits of a program, and the end of its cell."""

from walls_rows.row import CELL, CGROUP, INIT, RLIMITS, SLOT_PLACE, SLOT_WATCH, no_step, unused, wall

ROWS = [
    # -- what waits for programs
    wall(
        "stock: any number of runtimes",
        "unit:stock",
        (
            "warden/stock.c",
            "return others < (warm_traits(kind)->is_compiler ? STOCK_COMPILERS_MAX : STOCK_RUNTIMES_MAX);",
            "return others < WARDEN_SLOTS_MAX;",
        ),
    ),
    wall(
        "stock: a runtime that was started under other limits",
        "unit:stock test_runtimes::test_limits_of_the_request_hold",
        ("warden/stock.c", "warm_can_be(has->kind, want->kind) && has->memory_mb == want->memory_mb;", "warm_can_be(has->kind, want->kind);"),
        copies=True,
    ),
    wall(
        "stock: a program beside a copy that is not born yet",
        "unit:stock",
        (
            "warden/stock.c",
            "stock->expecting |= warm_await(&stock->copy, BIRTH_TIMEOUT_MS) == -ETIMEDOUT;",
            "(void)warm_await(&stock->copy, BIRTH_TIMEOUT_MS);",
        ),
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
        (SLOT_WATCH, "kill_for(slot, run, WIRE_END_TIMEOUT);", "return;"),
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
        unused(CELL, "die_with_keeper"),
    ),
    wall(
        "end: a slot is used before it is empty",
        "r05 r14 f07::test_f07_residue_is_gone",
        (SLOT_PLACE, "cgroup_slot_processes(&slot->cgroup) > 1; waited_ms++)", "0; waited_ms++)"),
        behind="cell_reap() returns only when the kernel has taken every process of the PID namespace away",
    ),
    wall(
        "end: memory of outputs is charged to the next cell",
        "x02::test_x02_memory_of_outputs_is_not_the_next_cells_loss x05::test_x05_a_slot_is_free_when_its_memory_is",
        (SLOT_PLACE, "    wait_until_released(slot);\n", "    (void)wait_until_released;\n"),
    ),
    wall(
        "end: a client that hangs up is not noticed",
        "r16::test_r16_slot_is_freed[quiet-close]",
        ("engine/cell_client.c", "if (revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))", "if (0 && revents)"),
    ),
    wall(
        "end: success of the compiler passes for the program's",
        "x05::test_x05_a_killed_init_is_no_success",
        (INIT, "if (failed || i + 1 == program->n_steps) {", "if (1) {"),
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
]
