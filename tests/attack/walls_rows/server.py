# SPDX-License-Identifier: Apache-2.0
"""The server itself: its door, its messages, its log, and what holds the api."""

from walls_rows.row import wall

ROWS = [
    # -- the door
    wall(
        "door: any key",
        "c10::test_c10_guessed_keys",
        (
            "api/gate.c",
            "if (verdicts[verdict].status == 0)",
            "if (verdicts[verdict].status == 0 || verdict == UNKNOWN_KEY)",
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
        "door: a key that ends while a body arrives",
        "c11::test_c11_a_key_that_ends_before_the_body",
        ("http/checks.c", "if (!options->gate.confirm ||", "if (true ||"),
    ),
    wall(
        "door: a key that ends while a run waits",
        "c11::test_c11_a_key_that_ends_in_the_queue c11::test_c11_a_key_that_ends_before_a_program_goes_on",
        ("engine/admission.c", "if (is_forbidden(a, job)) {", "if (false && is_forbidden(a, job)) {"),
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
            "main/config/config_type.c",
            "else if (is_known(key) || distinct_characters(key) < 6)",
            "else if (distinct_characters(key) < 6)",
        ),
    ),
    wall(
        "door: short keys",
        "c10::test_c10_refuses_to_start",
        ("main/config/config_type.c", "if (strlen(key) < CONFIG_KEY_MIN_LENGTH)", "if (strlen(key) < 1)"),
    ),
    wall(
        "door: headers of a connection that is closed",
        "c12::test_c12_cookies",
        ("http/library.c", "    if (connection == closed)\n", "    if (!connection && closed)\n"),
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
    wall(
        "warden: waits for keepers that do not read",
        "x12::test_x12_nobody_waits_for_it",
        ("warden/warden_keepers.c", "r = packet_offer(keeper->socket_fd,", "r = packet_send(keeper->socket_fd,"),
    ),
    wall(
        "keepers: wait for whoever does not read",
        "x12::test_x12_nobody_waits_for_it",
        (
            "warden/slot_run.c",
            "(void)wire_send_within(run->fds[WIRE_RUN_CHANNEL], &run->failed, NULL, 0);",
            "(void)wire_send(run->fds[WIRE_RUN_CHANNEL], &run->failed, NULL);",
        ),
    ),
    wall(
        "warden: what ran for a dead api may stay",
        "x12::test_x12_what_ran_for_it_ends",
        ("warden/warden_api.c", "    keepers_orphan(w);\n", ""),
    ),
    wall(
        "warden: a run may bring anything along",
        "x12::test_x12_no_program_gets_what_no_api_has unit:run_fds",
        ("warden/run_fds.c", "        if (!kinds[i](fds[i]))", "        if (!kinds[i])"),
    ),
    wall(
        "warden: an api without its channel may stay",
        "x12::test_x12_without_its_channel_it_ends",
        ("warden/warden_api.c", "is ended\");\n    kill(w->api.pid, SIGKILL);\n    cleanup", "is ended\");\n    cleanup"),
    ),
    wall(
        "warden: ends when the api says so",
        "x12::test_x12_it_has_no_say_in_the_servers_end",
        ("warden/warden_api.c", "    if (w->api_ran || clock_monotonic_us()", "    if (clock_monotonic_us()"),
    ),
    wall(
        "warden: waits for the api to stop",
        "x12::test_x12_it_ends_with_the_server",
        ("warden/warden.c", "        api_tend(w);\n", ""),
    ),
    wall(
        "api: outlives a killed warden",
        "x12::test_x12_it_does_not_outlive_the_server",
        ("warden/unprivileged.c", "prctl(PR_SET_PDEATHSIG, SIGKILL)", "prctl(PR_SET_PDEATHSIG, SIGTERM)"),
    ),
    wall(
        "root: others may write where it is mounted, and descriptors lead there",
        "x12::test_x12_the_root_of_cells_stays_where_it_is",
        ("warden/warden_setup.c", "fchmod(fd, 0700) < 0", "fchmod(fd, 0777) < 0"),
        ("cell/paths.c", "if (version < VERSION_MIN)", "if (version >= 0)"),
    ),
    wall(
        "root: descriptors lead out of it",
        "x12::test_x12_descriptors_lead_nowhere",
        ("cell/paths.c", "if (version < VERSION_MIN)", "if (version >= 0)"),
    ),
    wall(
        "root: keepers look for it by its name",
        "x12::test_x12_the_root_of_cells_is_what_was_built",
        (
            "warden/slot_place.c",
            "if (fchdir(root_fd) < 0 ||",
            'char path[4200];\n    snprintf(path, sizeof(path), "%s/root/tree", slot->context->options->data_dir);\n    if (chdir(path) < 0 ||',
        ),
        ("warden/slot_place.c", '#include "warden/slot_place.h"', '#include "warden/slot_place.h"\n#include <stdio.h>'),
    ),
    wall(
        "api: may make a close wait",
        "unit:confine",
        (
            "main/confine/confine_calls.c",
            "        r = add(context, SCMP_ACT_ERRNO(0), \"setsockopt\", 2,",
            "        r = add(context, SCMP_ACT_ALLOW, \"setsockopt\", 2,",
        ),
    ),
    # -- the audit log
    wall(
        "audit: values are not escaped",
        "c13::test_c13_nothing_breaks_out_of_its_value unit:audit_event",
        ("domain/audit_event.c", "else if (code == '\"' || code == '\\\\')", "else if (code == '\"' && length > 4)"),
    ),
    wall(
        "audit: a line does not cover the one before",
        "unit:audit_verify",
        ("domain/audit_chain.c", "    digest_update(&digest, before, HEX_LENGTH);\n", "    (void)before;\n"),
    ),
    wall(
        "audit: a cut end is not noticed at the start",
        "unit:audit_file",
        ("domain/audit_file.c", "r != 0 || head.seq > last.seq ||", "r != 0 ||"),
    ),
    wall(
        "audit: two processes write at once",
        "unit:audit_file",
        ("domain/audit_file.c", "    int r = lock(file, wait_ms);\n", "    int r = wait_ms < -1 ? lock(file, wait_ms) : 0;\n"),
    ),
    wall(
        "audit: where others left the chain is not looked at",
        "unit:audit_file test_keys_command::test_every_change_is_in_the_audit_log",
        ("domain/audit_file.c", "    r = catch_up(file);\n    if (r < 0)\n        unlock", "    r = 0;\n    if (r < 0)\n        unlock"),
    ),
    wall(
        "audit: changes of keys by command",
        "test_keys_command::test_every_change_is_in_the_audit_log",
        ("main/keys_audit.c", "    if (!audit->on)\n", "    if (!audit->on || true)\n"),
    ),
    # -- the api around itself
    wall(
        "api: no filter of its own",
        "x06::test_x06_every_thread_is_behind_the_filter",
        ("main/api.c", "    return confine_calls();", "    return confine_calls ? 0 : -1;"),
    ),
    wall(
        "api: not confined to its files",
        "x06::test_x06_what_left_its_place_is_out_of_reach",
        ("main/api.c", "int r = confine_files(&options);", "int r = options.data_dir ? 0 : confine_files(&options);"),
    ),
    wall(
        "api: the filter kills nobody",
        "unit:confine",
        (
            "main/confine/confine_calls.c",
            "r = add_names(context, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_SIZE(deadly));",
            "r = deadly[0] ? 0 : -1;",
        ),
    ),
    wall(
        "api: programs may be started",
        "unit:confine",
        ("main/confine/confine_calls.c", '    "execve",\n    "execveat",\n', ""),
        ("main/confine/confine_calls.c", '    "exit",\n', '    "execve",\n    "execveat",\n    "exit",\n'),
    ),
    wall(
        "api: memory may become executable",
        "unit:confine",
        ("main/confine/confine_calls.c", '{ "mmap", 2, PROT_EXEC, 0 },', '{ "mmap", 2, 0, 0 },'),
        ("main/confine/confine_calls.c", '{ "mprotect", 2, PROT_EXEC, 0 },', '{ "mprotect", 2, 0, 0 },'),
    ),
    wall(
        "api: processes may be made",
        "unit:confine",
        ("main/confine/confine_calls.c", "CLONE_VM | CLONE_THREAD | CLONE_SIGHAND", "0"),
    ),
    wall(
        "api: signals to others",
        "unit:confine",
        ("main/confine/confine_calls.c", '"tgkill", 1, &EQUAL_32(0, getpid())', '"tgkill", 0, NULL'),
    ),
    wall(
        "api: all kinds of sockets",
        "unit:confine",
        ("main/confine/confine_calls.c", '    "accept",\n', '    "socket",\n    "accept",\n'),
    ),
    wall(
        "api: threads that exist stay outside the filter",
        "unit:confine",
        ("main/confine/confine_calls.c", "SCMP_FLTATR_CTL_TSYNC, 1", "SCMP_FLTATR_CTL_TSYNC, 0"),
    ),
    wall(
        "api: all files of its user",
        "unit:confine",
        ("main/confine/confine_files.c", "syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0", "ruleset_fd < 0"),
    ),
    wall(
        "api: any port",
        "unit:confine",
        ("main/confine/confine_files.c", "{ 4, { .ports = NET_BIND_TCP } },", "{ 4, { .ports = 0 } },"),
    ),
]
