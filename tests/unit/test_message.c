/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/message.h"
#include "wire/packet.h"

#define ID "KJ3mJ0m5cUQ5w7l8r0Q2a"

/* A sound message of each type, with what the table says of it. */
static const struct sample {
    union wire_message message;
    size_t size, n_fds;
    enum wire_side sender;
} samples[] = {
    { { .hello = { WIRE_HELLO, 7 } }, sizeof(struct wire_hello), 1, WIRE_FROM_WARDEN },
    { { .run = { .type = WIRE_RUN,
                 .processes_max = 64,
                 .execution_id = ID,
                 .workspace = ID,
                 .timeout_us = 1,
                 .memory_bytes = 1,
                 .disk_bytes = 1,
                 .file_bytes_max = 1,
                 .cpu_millis = 1,
                 .entries_max = 1,
                 .state_bytes_max = 1 } },
      sizeof(struct wire_run),
      5,
      WIRE_FROM_API },
    { { .started = { WIRE_STARTED, 1, 5 } }, sizeof(struct wire_started), 0, WIRE_FROM_WARDEN },
    { { .ended = { .type = WIRE_ENDED, .reason = WIRE_END_LOST, .signal = 9 } },
      sizeof(struct wire_ended),
      0,
      WIRE_FROM_WARDEN },
    { { .entry = { WIRE_ENTRY, WIRE_ENTRY_FILE, 3, "a/b" } }, sizeof(struct wire_entry), 1, WIRE_FROM_WARDEN },
    { { .entry = { WIRE_ENTRY, WIRE_ENTRY_WHITEOUT, 0, "a" } }, sizeof(struct wire_entry), 0, WIRE_FROM_WARDEN },
    { { .entry = { WIRE_ENTRY, WIRE_ENTRY_OPAQUE, 0, "a" } }, sizeof(struct wire_entry), 0, WIRE_FROM_WARDEN },
    { { .done = { WIRE_DONE, 1, 0, 0 } }, sizeof(struct wire_done), 0, WIRE_FROM_WARDEN },
    { { .failed = { WIRE_FAILED, EPERM, "mounts" } }, sizeof(struct wire_failed), 0, WIRE_FROM_WARDEN },
    { { .kill = { WIRE_KILL, 0 } }, sizeof(struct wire_kill), 0, WIRE_FROM_API },
    { { .tls = { WIRE_TLS, 0 } }, sizeof(struct wire_tls), WIRE_TLS_FDS, WIRE_FROM_WARDEN },
    { { .entry = { WIRE_ENTRY, WIRE_ENTRY_STATE, 3, "s" } }, sizeof(struct wire_entry), 1, WIRE_FROM_WARDEN },
    { { .entry = { WIRE_ENTRY, WIRE_ENTRY_STATE_TOO_LARGE, 9, "s" } }, sizeof(struct wire_entry), 0, WIRE_FROM_WARDEN },
    { { .entry = { WIRE_ENTRY, WIRE_ENTRY_UNREACHED, 0, "a" } }, sizeof(struct wire_entry), 0, WIRE_FROM_WARDEN },
    { { .run = { .type = WIRE_RUN,
                 .processes_max = 64,
                 .execution_id = ID,
                 .timeout_us = 1,
                 .memory_bytes = 1,
                 .disk_bytes = 1,
                 .file_bytes_max = 1,
                 .cpu_millis = 1,
                 .entries_max = 1,
                 .tools = 1 } },
      sizeof(struct wire_run),
      6,
      WIRE_FROM_API },
    { { .pause = { WIRE_PAUSE, WIRE_PAUSE_SMALL } }, sizeof(struct wire_pause), 0, WIRE_FROM_API },
    { { .paused = { WIRE_PAUSED, 0, 1 << 20 } }, sizeof(struct wire_paused), 0, WIRE_FROM_WARDEN },
    { { .entry = { WIRE_ENTRY, WIRE_ENTRY_BUILT, 0, "built" } }, sizeof(struct wire_entry), 1, WIRE_FROM_WARDEN },
    { { .save = { WIRE_SAVE, 0 } }, sizeof(struct wire_save), 0, WIRE_FROM_API },
    { { .saved = { WIRE_SAVED, 0, 1 << 20 } }, sizeof(struct wire_saved), 0, WIRE_FROM_WARDEN },
    { { .log = { WIRE_LOG, 0 } }, sizeof(struct wire_log), 1, WIRE_FROM_WARDEN },
};

static enum wire_side other(enum wire_side side)
{
    return side == WIRE_FROM_API ? WIRE_FROM_WARDEN : WIRE_FROM_API;
}

static int check_sample(const struct sample *s)
{
    return wire_check(&s->message, s->size, s->n_fds, s->sender);
}

static void every_type_has_a_sample_that_passes(void **state)
{
    bool seen[WIRE_TYPE_COUNT] = { true };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        seen[samples[i].message.type] = true;
        assert_int_equal(check_sample(&samples[i]), 0);
    }
    for (size_t type = 0; type < WIRE_TYPE_COUNT; type++)
        assert_true(seen[type]);
}

static void no_other_size_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        for (size_t size = 0; size <= sizeof(union wire_message); size++)
            if (size != samples[i].size)
                assert_int_equal(wire_check(&samples[i].message, size, samples[i].n_fds, samples[i].sender),
                                 WIRE_E_INVALID);
}

static void no_other_number_of_descriptors_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        for (size_t n = 0; n <= PACKET_FDS_MAX; n++)
            if (n != samples[i].n_fds)
                assert_int_equal(wire_check(&samples[i].message, samples[i].size, n, samples[i].sender),
                                 WIRE_E_INVALID);
}

static void nobody_sends_the_messages_of_the_other_side(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        assert_int_equal(wire_check(&samples[i].message, samples[i].size, samples[i].n_fds, other(samples[i].sender)),
                         WIRE_E_INVALID);
}

static void unknown_types_are_refused(void **state)
{
    static const uint32_t types[] = { 0, WIRE_TYPE_COUNT, WIRE_TYPE_COUNT + 1, 0x01000001, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        union wire_message m = { .type = types[i] };

        for (size_t size = 0; size <= sizeof(m); size++) {
            assert_int_equal(wire_check(&m, size, 0, WIRE_FROM_API), WIRE_E_INVALID);
            assert_int_equal(wire_check(&m, size, 0, WIRE_FROM_WARDEN), WIRE_E_INVALID);
        }
    }
}

static int check_run(const struct wire_run *run)
{
    union wire_message m = { .run = *run };

    return wire_check(&m, sizeof(*run), WIRE_RUN_FDS, WIRE_FROM_API);
}

static void names_of_a_run_are_identifiers(void **state)
{
    static const char *const bad[] = { "..", "/", "../../etc", "a/b", "x", ID "x", "KJ3mJ0m5cUQ5w7l8r0Q2/" };
    const struct wire_run good = samples[1].message.run;
    struct wire_run run = good;

    (void)state;
    memset(run.workspace, 0, sizeof(run.workspace));
    assert_int_equal(check_run(&run), 0);
    memset(run.execution_id, 0, sizeof(run.execution_id));
    assert_int_equal(check_run(&run), WIRE_E_INVALID);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        run = good;
        strncpy(run.workspace, bad[i], sizeof(run.workspace) - 1);
        assert_int_equal(check_run(&run), WIRE_E_INVALID);
        run = good;
        strncpy(run.execution_id, bad[i], sizeof(run.execution_id) - 1);
        assert_int_equal(check_run(&run), WIRE_E_INVALID);
    }
}

static void flags_are_zero_or_one(void **state)
{
    union wire_message run = samples[1].message, pause = { .pause = { WIRE_PAUSE, WIRE_PAUSE_KINDS } };

    (void)state;
    run.run.tools = 2;
    assert_int_equal(wire_check(&run, sizeof(run.run), WIRE_RUN_FDS_MAX, WIRE_FROM_API), WIRE_E_INVALID);
    assert_int_equal(wire_check(&pause, sizeof(pause.pause), 0, WIRE_FROM_API), WIRE_E_INVALID);
}

static void texts_without_an_end_are_refused(void **state)
{
    const struct wire_run good = samples[1].message.run;
    struct wire_run run = good;
    union wire_message m;

    (void)state;
    memset(run.workspace, 'a', sizeof(run.workspace));
    assert_int_equal(check_run(&run), WIRE_E_INVALID);
    run = good;
    memset(run.execution_id, 'a', sizeof(run.execution_id));
    assert_int_equal(check_run(&run), WIRE_E_INVALID);
    m = (union wire_message){ .entry = { .type = WIRE_ENTRY, .kind = WIRE_ENTRY_WHITEOUT } };
    memset(m.entry.path, 'a', sizeof(m.entry.path));
    assert_int_equal(wire_check(&m, sizeof(m.entry), 0, WIRE_FROM_WARDEN), WIRE_E_INVALID);
    m = (union wire_message){ .failed = { .type = WIRE_FAILED, .error = 1 } };
    memset(m.failed.step, 'a', sizeof(m.failed.step));
    assert_int_equal(wire_check(&m, sizeof(m.failed), 0, WIRE_FROM_WARDEN), WIRE_E_INVALID);
}

static void limits_of_a_run_are_positive_and_bounded(void **state)
{
    const struct wire_run good = samples[1].message.run;
    static const uint64_t values[] = { 0, 1ull << 41, UINT64_MAX, 1ull << 63 };
    static const uint32_t counts[] = { 0, WIRE_COUNT_MAX + 1, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        uint64_t *places[4];
        struct wire_run run;

        for (size_t p = 0; p < ARRAY_SIZE(places); p++) {
            run = good;
            places[0] = &run.timeout_us;
            places[1] = &run.memory_bytes;
            places[2] = &run.disk_bytes;
            places[3] = &run.file_bytes_max;
            *places[p] = values[i];
            assert_int_equal(check_run(&run), WIRE_E_INVALID);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        struct wire_run run = good;

        run.processes_max = counts[i];
        assert_int_equal(check_run(&run), WIRE_E_INVALID);
        run = good;
        run.cpu_millis = counts[i];
        assert_int_equal(check_run(&run), WIRE_E_INVALID);
        run = good;
        run.entries_max = counts[i];
        assert_int_equal(check_run(&run), WIRE_E_INVALID);
    }
}

static void a_run_may_want_no_state(void **state)
{
    struct wire_run run = samples[1].message.run;

    (void)state;
    run.state_bytes_max = 0;
    assert_int_equal(check_run(&run), 0);
    run.state_bytes_max = WIRE_BYTES_MAX + 1;
    assert_int_equal(check_run(&run), WIRE_E_INVALID);
}

static void a_run_names_a_network(void **state)
{
    struct wire_run run = samples[1].message.run;

    (void)state;
    run.network = WIRE_NETWORK_WAN;
    assert_int_equal(check_run(&run), 0);
    run.network = WIRE_NETWORKS;
    assert_int_equal(check_run(&run), WIRE_E_INVALID);
}

static int check_warden(const union wire_message *m, size_t size, size_t n_fds)
{
    return wire_check(m, size, n_fds, WIRE_FROM_WARDEN);
}

static void answers_outside_their_ranges_are_refused(void **state)
{
    union wire_message m = { .ended = { .type = WIRE_ENDED, .reason = WIRE_END_MEMORY + 1 } };

    (void)state;
    assert_int_equal(check_warden(&m, sizeof(m.ended), 0), WIRE_E_INVALID);
    m.ended.reason = 0;
    m.ended.signal = -1;
    assert_int_equal(check_warden(&m, sizeof(m.ended), 0), WIRE_E_INVALID);
    m.ended.signal = 128;
    assert_int_equal(check_warden(&m, sizeof(m.ended), 0), WIRE_E_INVALID);
    m = (union wire_message){ .entry = { WIRE_ENTRY, WIRE_ENTRY_KINDS, 0, "a" } };
    assert_int_equal(check_warden(&m, sizeof(m.entry), 0), WIRE_E_INVALID);
    m = (union wire_message){ .entry = { WIRE_ENTRY, WIRE_ENTRY_WHITEOUT, 0, "" } };
    assert_int_equal(check_warden(&m, sizeof(m.entry), 0), WIRE_E_INVALID);
    m = (union wire_message){ .failed = { WIRE_FAILED, 0, "x" } };
    assert_int_equal(check_warden(&m, sizeof(m.failed), 0), WIRE_E_INVALID);
    m.failed.error = INT32_MIN;
    assert_int_equal(check_warden(&m, sizeof(m.failed), 0), WIRE_E_INVALID);
}

static void channel(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
}

static void every_message_arrives_as_it_was_sent(void **state)
{
    int ends[2];

    (void)state;
    channel(ends);
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        union wire_message got;
        int sent[WIRE_FDS_MAX] = { 0, 1, 2, 0, 1 }, fds[WIRE_FDS_MAX];

        assert_int_equal(wire_send(ends[0], &samples[i].message, sent), 0);
        assert_int_equal(wire_receive(ends[1], samples[i].sender, 0, &got, fds), 0);
        assert_memory_equal(&got, &samples[i].message, samples[i].size);
        for (size_t n = 0; n < WIRE_FDS_MAX; n++) {
            assert_int_equal(fds[n] >= 0, n < samples[i].n_fds);
            if (fds[n] >= 0)
                assert_true(fcntl(fds[n], F_GETFD) & FD_CLOEXEC);
        }
        wire_close_fds(fds);
        assert_int_equal(fds[0], -1);
    }
    close(ends[0]);
    close(ends[1]);
}

/* The most hostile sender keeps the receiver's descriptors. */
static void no_refused_packet_leaves_a_descriptor_behind(void **state)
{
    static const int sent[PACKET_FDS_MAX] = { 0, 1, 2, 0, 1, 2 };
    unsigned before = open_descriptors();
    char bytes[sizeof(union wire_message) + 100] = { 0 };
    union wire_message got;
    int ends[2], fds[WIRE_FDS_MAX];

    (void)state;
    channel(ends);
    assert_int_equal(packet_send(ends[0], bytes, sizeof(bytes), sent, 3), 0);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_API, 0, &got, fds), WIRE_E_INVALID);
    assert_int_equal(packet_send(ends[0], bytes, 1, sent, 6), 0);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_API, 0, &got, fds), WIRE_E_INVALID);
    assert_int_equal(packet_send(ends[0], &samples[1].message, sizeof(struct wire_run), sent, 4), 0);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_API, 0, &got, fds), WIRE_E_INVALID);
    assert_int_equal(packet_send(ends[0], &samples[1].message, sizeof(struct wire_run), sent, 6), 0);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_API, 0, &got, fds), WIRE_E_INVALID);
    assert_int_equal(packet_send(ends[0], bytes, 0, sent, 5), 0);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_API, 0, &got, fds), WIRE_E_CLOSED);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(open_descriptors(), before);
}

/* More than the receiver's buffer holds: the kernel cuts the list. */
static void too_many_descriptors_are_refused_whole(void **state)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * 20)];
    } control = { 0 };
    char byte = 0;
    struct iovec part = { &byte, 1 };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    int list[20] = { 0 }, ends[2], fds[WIRE_FDS_MAX];
    unsigned before = open_descriptors();
    union wire_message got;

    (void)state;
    channel(ends);
    control.header =
        (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(list)) };
    memcpy(CMSG_DATA(&control.header), list, sizeof(list));
    assert_int_equal(sendmsg(ends[0], &message, 0), 1);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_API, 0, &got, fds), WIRE_E_INVALID);
    assert_int_equal(fds[0], -1);
    assert_int_equal(packet_send(ends[0], &byte, 1, list, PACKET_FDS_MAX + 1), -EMSGSIZE);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(open_descriptors(), before);
}

static void a_peer_that_is_gone_is_told(void **state)
{
    union wire_message got;
    int ends[2], fds[WIRE_FDS_MAX];

    (void)state;
    channel(ends);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_API, MSG_DONTWAIT, &got, fds), -EAGAIN);
    close(ends[0]);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_API, 0, &got, fds), WIRE_E_CLOSED);
    assert_int_equal(wire_send(ends[1], &(struct wire_pause){ .type = WIRE_PAUSE }, NULL), WIRE_E_CLOSED);
    close(ends[1]);
}

/* A keeper that is done closes its end, whatever it was sent meanwhile: its last words count. */
static void last_words_are_heard_though_the_peer_did_not_listen(void **state)
{
    union wire_message got;
    int ends[2], fds[WIRE_FDS_MAX];

    (void)state;
    channel(ends);
    assert_int_equal(wire_send(ends[0], &samples[3].message, NULL), 0);
    assert_int_equal(wire_send(ends[0], &samples[7].message, NULL), 0);
    assert_int_equal(wire_send(ends[1], &samples[9].message, NULL), 0);
    close(ends[0]);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_WARDEN, MSG_DONTWAIT, &got, fds), 0);
    assert_int_equal(got.type, WIRE_ENDED);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_WARDEN, MSG_DONTWAIT, &got, fds), 0);
    assert_int_equal(got.type, WIRE_DONE);
    assert_int_equal(wire_receive(ends[1], WIRE_FROM_WARDEN, MSG_DONTWAIT, &got, fds), WIRE_E_CLOSED);
    close(ends[1]);
}

/* The socket itself waits: its flags, and its time limits, are also those of whoever shares it. */
static void nobody_waits_for_longer_than_was_said(void **state)
{
    union wire_message got;
    int ends[2], fds[WIRE_FDS_MAX], r;
    int64_t begun_us;

    (void)state;
    channel(ends);
    do
        r = wire_send_within(ends[0], &samples[7].message, NULL, 0);
    while (r == 0);
    assert_int_equal(r, -EAGAIN);
    begun_us = clock_monotonic_us();
    assert_int_equal(wire_send_within(ends[0], &samples[7].message, NULL, 100), -EAGAIN);
    assert_in_range(clock_monotonic_us() - begun_us, 100000, 10000000);
    assert_int_equal(wire_receive(ends[1], samples[7].sender, 0, &got, fds), 0);
    assert_int_equal(wire_send_within(ends[0], &samples[7].message, NULL, 10000), 0);
    close(ends[1]);
    assert_int_equal(wire_send_within(ends[0], &samples[7].message, NULL, 10000), WIRE_E_CLOSED);
    close(ends[0]);
}

static void a_full_socket_is_told(void **state)
{
    int ends[2], r = 0;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    for (int i = 0; i < 100000 && r == 0; i++)
        r = wire_send(ends[0], &(struct wire_pause){ .type = WIRE_PAUSE }, NULL);
    assert_int_equal(r, -EAGAIN);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_a_sample_that_passes),
        cmocka_unit_test(no_other_size_passes),
        cmocka_unit_test(no_other_number_of_descriptors_passes),
        cmocka_unit_test(nobody_sends_the_messages_of_the_other_side),
        cmocka_unit_test(unknown_types_are_refused),
        cmocka_unit_test(names_of_a_run_are_identifiers),
        cmocka_unit_test(flags_are_zero_or_one),
        cmocka_unit_test(texts_without_an_end_are_refused),
        cmocka_unit_test(limits_of_a_run_are_positive_and_bounded),
        cmocka_unit_test(a_run_may_want_no_state),
        cmocka_unit_test(a_run_names_a_network),
        cmocka_unit_test(answers_outside_their_ranges_are_refused),
        cmocka_unit_test(every_message_arrives_as_it_was_sent),
        cmocka_unit_test(no_refused_packet_leaves_a_descriptor_behind),
        cmocka_unit_test(too_many_descriptors_are_refused_whole),
        cmocka_unit_test(a_peer_that_is_gone_is_told),
        cmocka_unit_test(last_words_are_heard_though_the_peer_did_not_listen),
        cmocka_unit_test(nobody_waits_for_longer_than_was_said),
        cmocka_unit_test(a_full_socket_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
