/* SPDX-License-Identifier: Apache-2.0 */
/* One execution channel, with a thread in the warden's place that plays a script. */
#include "check.h"
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/cell_client.h"
#include "engine/feed.h"

#define KEEP_BYTES  100
#define FLOOD_BYTES (1 << 20)

struct warden {
    int main_fds[2]; /* ours, the api's */
    pthread_t thread;
    void (*play)(struct warden *warden);
    int fds[WIRE_FDS_MAX];
    bool killed; /* a WIRE_KILL came, or the channel was closed */
    atomic_bool cancel;
    int client_fds[2]; /* the client's, the server's */
    unsigned n_entries;
    int entry_result;
    struct feed *feed; /* NULL = the program reads nothing */
};

static void *be_warden(void *context)
{
    struct warden *w = context;
    union wire_message message;

    if (wire_receive(w->main_fds[0], WIRE_FROM_API, 0, &message, w->fds) == 0)
        w->play(w);
    wire_close_fds(w->fds);
    return NULL;
}

static void say(struct warden *w, const void *message, const int *fds)
{
    (void)wire_send(w->fds[WIRE_RUN_CHANNEL], message, fds);
}

static void say_started(struct warden *w)
{
    say(w, &(struct wire_started){ .type = WIRE_STARTED, .origin = WIRE_ORIGIN_ARMED }, NULL);
}

static void say_end(struct warden *w, enum wire_end_reason reason)
{
    say(w, &(struct wire_ended){ .type = WIRE_ENDED, .reason = reason }, NULL);
    say(w, &(struct wire_done){ .type = WIRE_DONE, .complete = 1 }, NULL);
}

static void close_output(struct warden *w)
{
    for (int i = WIRE_RUN_PROGRAM; i < WIRE_RUN_FDS; i++) {
        cleanup_close_fd(&w->fds[i]);
        w->fds[i] = -1;
    }
}

/* As a keeper does: whatever comes on the channel ends the cell. */
static void await_kill(struct warden *w)
{
    struct pollfd p = { .fd = w->fds[WIRE_RUN_CHANNEL], .events = POLLIN };

    w->killed = poll(&p, 1, 10000) > 0;
    close_output(w);
    say_end(w, WIRE_END_KILLED);
}

static int on_entry(void *context, const struct wire_entry *entry, int fd)
{
    struct warden *w = context;

    assert_int_equal(fd >= 0, entry->kind == WIRE_ENTRY_FILE);
    cleanup_close_fd(&fd);
    w->n_entries++;
    return w->entry_result;
}

/* Runs one execution against a warden that plays this. */
static int run(struct warden *w, struct cell_outcome *outcome, char error[static 160])
{
    struct cell_request request = {
        .client_fd = w->client_fds[1],
        .cancel = &w->cancel,
        .feed = w->feed,
        .keep_bytes = KEEP_BYTES,
        .flood_bytes = FLOOD_BYTES,
        .grace_us = 300000,
        .entry = on_entry,
        .context = w,
        .run = { .type = WIRE_RUN,
                 .processes_max = 1,
                 .execution_id = "KJ3mJ0m5cUQ5w7l8r0Q2a",
                 .timeout_us = 700000,
                 .memory_bytes = 1,
                 .disk_bytes = 1,
                 .file_bytes_max = 1,
                 .cpu_millis = 1,
                 .entries_max = 1 },
    };
    struct cell_talk *talk;
    int r;

    assert_int_equal(fd_sealed_memory("program", "x", 1, &request.program_fd), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w->main_fds), 0);
    request.warden_fd = w->main_fds[1];
    assert_int_equal(pthread_create(&w->thread, NULL, be_warden, w), 0);
    r = cell_talk_begin(&request, outcome, error, 160, &talk);
    if (r == 0)
        r = cell_talk_go_on(talk, request.client_fd, request.wake_fd);
    cell_talk_end(talk);
    pthread_join(w->thread, NULL);
    close(w->main_fds[0]);
    close(w->main_fds[1]);
    close(request.program_fd);
    return r;
}

static void play_success(struct warden *w)
{
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

    say_started(w);
    (void)!write(w->fds[WIRE_RUN_STDOUT], "out", 3);
    (void)!write(w->fds[WIRE_RUN_STDERR], "err", 3);
    close_output(w);
    say(w, &(struct wire_ended){ .type = WIRE_ENDED, .exit_code = 3 }, NULL);
    say(w, &(struct wire_entry){ .type = WIRE_ENTRY, .kind = WIRE_ENTRY_FILE, .path = "a" }, &file);
    say(w, &(struct wire_entry){ .type = WIRE_ENTRY, .kind = WIRE_ENTRY_WHITEOUT, .path = "b" }, NULL);
    say(w, &(struct wire_entry){ .type = WIRE_ENTRY, .kind = WIRE_ENTRY_STATE, .size_bytes = 9, .path = "s" }, &file);
    say(w, &(struct wire_done){ .type = WIRE_DONE, .complete = 1, .skipped = 2 }, NULL);
    close(file);
}

static void play_two_states(struct warden *w)
{
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

    say_started(w);
    close_output(w);
    say(w, &(struct wire_ended){ .type = WIRE_ENDED }, NULL);
    say(w, &(struct wire_entry){ .type = WIRE_ENTRY, .kind = WIRE_ENTRY_STATE, .size_bytes = 1, .path = "s" }, &file);
    say(w, &(struct wire_entry){ .type = WIRE_ENTRY, .kind = WIRE_ENTRY_STATE_TOO_LARGE, .size_bytes = 7, .path = "s" },
        NULL);
    close(file);
}

static void play_more_than_is_kept(struct warden *w)
{
    static const char block[5000];

    say_started(w);
    for (int i = 0; i < 50; i++)
        (void)!write(w->fds[WIRE_RUN_STDOUT], block, sizeof(block));
    close_output(w);
    say_end(w, WIRE_END_EXITED);
}

static void play_flood(struct warden *w)
{
    static const char block[1 << 16];

    say_started(w);
    for (int i = 0; i < 20; i++)
        (void)!write(w->fds[WIRE_RUN_STDERR], block, sizeof(block));
    await_kill(w);
}

static void play_until_killed(struct warden *w)
{
    say_started(w);
    await_kill(w);
}

static void play_refusal(struct warden *w)
{
    say(w, &(struct wire_failed){ .type = WIRE_FAILED, .error = ENOSPC, .step = "workspace mounts" }, NULL);
}

static void play_death(struct warden *w)
{
    say_started(w);
}

static void play_death_after_the_end(struct warden *w)
{
    say_started(w);
    say(w, &(struct wire_ended){ .type = WIRE_ENDED }, NULL);
}

static void play_nonsense(struct warden *w)
{
    (void)!write(w->fds[WIRE_RUN_CHANNEL], "nonsense", 8);
}

static void play_a_wrong_message(struct warden *w)
{
    say(w, &(struct wire_hello){ .type = WIRE_HELLO }, (int[]){ STDIN_FILENO });
}

static void play_silence(struct warden *w)
{
    struct pollfd p = { .fd = w->fds[WIRE_RUN_CHANNEL], .events = POLLIN };

    w->killed = poll(&p, 1, 10000) > 0; /* closed by the other side */
}

#define WARDEN(...) ((struct warden){ .client_fds = { -1, -1 }, __VA_ARGS__ })

static void a_run_is_told_as_it_was(void **state)
{
    struct warden w = WARDEN(.play = play_success);
    struct cell_outcome outcome;
    unsigned before = open_descriptors();
    char error[160];

    (void)state;
    assert_int_equal(run(&w, &outcome, error), 0);
    assert_true(outcome.started && outcome.harvested);
    assert_false(outcome.flooded || outcome.cancelled);
    assert_string_equal(outcome.out.kept.data, "out");
    assert_string_equal(outcome.err.kept.data, "err");
    assert_int_equal(outcome.end.exit_code, 3);
    assert_int_equal(outcome.done.skipped, 2);
    assert_int_equal(w.n_entries, 2);
    assert_true(outcome.state_fd >= 0);
    assert_int_equal(outcome.state_bytes, 9);
    cell_outcome_deinit(&outcome);
    assert_int_equal(open_descriptors(), before);
}

static void a_state_too_large_to_be_sent_is_told_by_its_size(void **state)
{
    struct warden w = WARDEN(.play = play_two_states);
    struct cell_outcome outcome;
    unsigned before = open_descriptors();
    char error[160];

    (void)state;
    assert_int_equal(run(&w, &outcome, error), 0);
    assert_int_equal(outcome.state_fd, -1);
    assert_int_equal(outcome.state_bytes, 7);
    assert_int_equal(w.n_entries, 0);
    cell_outcome_deinit(&outcome);
    assert_int_equal(open_descriptors(), before);
}

static void what_is_not_kept_is_counted(void **state)
{
    struct warden w = WARDEN(.play = play_more_than_is_kept);
    struct cell_outcome outcome;
    char error[160];

    (void)state;
    assert_int_equal(run(&w, &outcome, error), 0);
    assert_int_equal(outcome.out.kept.length, KEEP_BYTES);
    assert_int_equal(outcome.out.total_bytes, 250000);
    assert_false(outcome.flooded);
    cell_outcome_deinit(&outcome);
}

/* The client hangs up because of the kill, or the server stops just then: the flood came first. */
static void a_flood_is_killed_and_stays_a_flood(void **state)
{
    struct warden w = WARDEN(.play = play_flood);
    struct cell_outcome outcome;
    char error[160];

    (void)state;
    assert_int_equal(run(&w, &outcome, error), 0);
    assert_true(w.killed);
    assert_true(outcome.flooded);
    assert_false(outcome.cancelled);
    cell_outcome_deinit(&outcome);
}

static void play_deaf(struct warden *w)
{
    say_started(w);
    cleanup_close_fd(&w->fds[WIRE_RUN_STDIN]);
    w->fds[WIRE_RUN_STDIN] = -1;
    for (int tries = 0; feed_put(w->feed, "", 0, false) == 0 && tries < 1000; tries++)
        usleep(10000);
    close_output(w);
    say_end(w, WIRE_END_EXITED);
}

static void who_closes_his_input_is_written_no_more(void **state)
{
    struct warden w = WARDEN(.play = play_deaf);
    struct cell_outcome outcome;
    char error[160];

    (void)state;
    assert_int_equal(feed_new(NULL, 0, true, &w.feed), 0);
    assert_int_equal(run(&w, &outcome, error), 0);
    assert_int_equal(feed_put(w.feed, "late", 4, false), FEED_E_CLOSED);
    cell_outcome_deinit(&outcome);
    feed_unref(w.feed);
}

static void a_client_that_hangs_up_cancels(void **state)
{
    for (int how = 0; how < 2; how++) {
        struct warden w = WARDEN(.play = play_until_killed);
        struct cell_outcome outcome;
        char error[160];

        (void)state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w.client_fds), 0);
        if (how == 0)
            close(w.client_fds[0]);
        else
            shutdown(w.client_fds[0], SHUT_WR);
        assert_int_equal(run(&w, &outcome, error), 0);
        assert_true(w.killed);
        assert_true(outcome.cancelled);
        cell_outcome_deinit(&outcome);
        close(w.client_fds[1]);
        if (how == 1)
            close(w.client_fds[0]);
    }
}

static void a_stopping_server_cancels(void **state)
{
    struct warden w = WARDEN(.play = play_until_killed);
    struct cell_outcome outcome;
    char error[160];

    (void)state;
    atomic_store(&w.cancel, true);
    assert_int_equal(run(&w, &outcome, error), 0);
    assert_true(w.killed && outcome.cancelled);
    cell_outcome_deinit(&outcome);
}

static void faults_of_the_other_side_are_named(void **state)
{
    static const struct {
        void (*play)(struct warden *w);
        int result;
        const char *error;
    } rows[] = {
        { play_refusal, -ENOSPC, "no sandbox could be built: workspace mounts: No space left on device" },
        { play_death, -EPIPE, "the sandbox's keeper died" },
        { play_nonsense, -EPROTO, "the warden broke the protocol" },
        { play_a_wrong_message, -EPROTO, "the warden broke the protocol" },
        { play_silence, -ETIMEDOUT, "the sandbox does not answer" },
    };
    unsigned before = open_descriptors();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct warden w = WARDEN(.play = rows[i].play);
        struct cell_outcome outcome;
        char error[160];

        assert_int_equal(run(&w, &outcome, error), rows[i].result);
        assert_string_equal(error, rows[i].error);
        cell_outcome_deinit(&outcome);
    }
    assert_int_equal(open_descriptors(), before);
}

static void an_end_without_a_harvest_is_an_answer(void **state)
{
    struct warden w = WARDEN(.play = play_death_after_the_end);
    struct cell_outcome outcome;
    char error[160];

    (void)state;
    assert_int_equal(run(&w, &outcome, error), 0);
    assert_false(outcome.harvested);
    cell_outcome_deinit(&outcome);
}

static void an_entry_that_fails_ends_it_all(void **state)
{
    struct warden w = WARDEN(.play = play_success, .entry_result = -ENOMEM);
    struct cell_outcome outcome;
    unsigned before = open_descriptors();
    char error[160];

    (void)state;
    assert_int_equal(run(&w, &outcome, error), -ENOMEM);
    assert_int_equal(w.n_entries, 1);
    cell_outcome_deinit(&outcome);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_told_as_it_was),
        cmocka_unit_test(a_state_too_large_to_be_sent_is_told_by_its_size),
        cmocka_unit_test(what_is_not_kept_is_counted),
        cmocka_unit_test(a_flood_is_killed_and_stays_a_flood),
        cmocka_unit_test(who_closes_his_input_is_written_no_more),
        cmocka_unit_test(a_client_that_hangs_up_cancels),
        cmocka_unit_test(a_stopping_server_cancels),
        cmocka_unit_test(faults_of_the_other_side_are_named),
        cmocka_unit_test(an_end_without_a_harvest_is_an_answer),
        cmocka_unit_test(an_entry_that_fails_ends_it_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
