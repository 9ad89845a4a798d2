/* SPDX-License-Identifier: Apache-2.0 */
/* What parked programs leave after their answers, with this test in the place of their keepers. */
#include "engine_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "check.h"
#include "engine/hot.h"
#include "engine/saver.h"
#include "wire/message.h"

#define MIB (1ull << 20)

static const struct state_rules rules = {
    .ttl_ms = TTL_MS,
    .bytes_max = MIB,
    .hot_bytes_max = MIB,
    .key = "a key that is 32 bytes long ....",
};

struct served {
    struct bench *bench;
    struct saver *saver;
};

static struct served serve(struct bench *bench)
{
    const struct hot_limits limits = { .max = 4, .memory_bytes = 100 * MIB, .ttl_ms = TTL_MS };
    struct served served = { .bench = bench };

    bench->engine.state = rules;
    assert_int_equal(hot_new(&limits, &bench->engine.hot), 0);
    assert_int_equal(saver_new(&bench->engine, &served.saver), 0);
    return served;
}

static void end(struct served *served)
{
    served->saver = saver_stop(served->saver, 10000);
    served->bench->engine.hot = hot_free(served->bench->engine.hot);
}

/* Returns the keeper's end of the channel of a cell that is parked now. */
static int park(struct served *served, const char *execution_id, uint64_t bytes)
{
    struct hot_cell cell = { .session = served->bench->session, .bytes = bytes, .bytes_max = bytes, .unsaved = true };
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    snprintf(cell.execution_id, sizeof(cell.execution_id), "%s", execution_id);
    cell.channel_fd = pair[0];
    hot_lock_session(served->bench->engine.hot, served->bench->session.id);
    saver_park(&served->bench->engine, &cell);
    hot_unlock_session(served->bench->engine.hot, served->bench->session.id);
    assert_int_equal(cell.channel_fd, -1);
    return pair[1];
}

static void expect_order(int keeper_fd)
{
    union wire_message message;
    int fds[WIRE_FDS_MAX];

    assert_int_equal(wire_receive(keeper_fd, WIRE_FROM_API, 0, &message, fds), 0);
    assert_int_equal(message.type, WIRE_SAVE);
}

static void leave_bytes(int keeper_fd, const char *text)
{
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = WIRE_ENTRY_STATE, .size_bytes = strlen(text), .path = "s" };
    CLEANUP_CLOSE int fd = memfd_create("state", MFD_CLOEXEC);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(wire_send(keeper_fd, &entry, &fd), 0);
}

static void say_saved(int keeper_fd)
{
    struct wire_saved saved = { .type = WIRE_SAVED, .parked_bytes = 2 * MIB };

    assert_int_equal(wire_send(keeper_fd, &saved, NULL), 0);
}

static void leave(int keeper_fd, const char *text)
{
    leave_bytes(keeper_fd, text);
    say_saved(keeper_fd);
}

static void assert_state(const struct bench *bench, const char *text)
{
    const struct state_store store = { .kv = bench->engine.kv, .blobs = bench->engine.blobs, .rules = &rules };
    struct buffer bytes = BUFFER_INIT(MIB);
    enum state_source source;
    int r = state_load(&store, &bench->session, &bytes, &source);

    assert_int_equal(r, text ? 0 : STATE_E_NONE);
    if (text)
        assert_memory_equal(bytes.data, text, strlen(text));
    buffer_deinit(&bytes);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static bool take(struct served *served)
{
    struct hot_cell cell;
    bool taken =
        hot_take(served->bench->engine.hot, &served->bench->session, EXECUTION_NETWORK_OFF, never, NULL, &cell);

    hot_cell_end(&cell);
    return taken;
}

static void test_next_run_finds_it(void **state)
{
    struct served served = serve(*state);
    int keeper_fd = park(&served, "e1", MIB);

    expect_order(keeper_fd);
    assert_state(served.bench, NULL);
    leave(keeper_fd, "what it left");
    assert_true(take(&served)); /* waits */
    assert_state(served.bench, "what it left");
    close(keeper_fd);
    end(&served);
}

static void test_stop_waits(void **state)
{
    struct served served = serve(*state);
    int keeper_fd = park(&served, "e1", MIB);

    leave(keeper_fd, "what it left");
    end(&served);
    assert_state(served.bench, "what it left");
    close(keeper_fd);
}

static void *say_saved_late(void *keeper_fd)
{
    usleep(300000);
    say_saved(*(int *)keeper_fd);
    return NULL;
}

/* All runs are over then, and have been told so. */
static void test_stop_waits_for_the_end_of_it(void **state)
{
    struct served served = serve(*state);
    int keeper_fd = park(&served, "e1", MIB);
    pthread_t thread;

    atomic_store(&served.bench->engine.cancel_all, true);
    leave_bytes(keeper_fd, "what it left");
    assert_int_equal(pthread_create(&thread, NULL, say_saved_late, &keeper_fd), 0);
    end(&served);
    pthread_join(thread, NULL);
    assert_state(served.bench, "what it left");
    close(keeper_fd);
}

static void test_dead_cell_leaves_nothing(void **state)
{
    struct served served = serve(*state);
    int keeper_fd = park(&served, "e1", MIB);

    leave(keeper_fd, "first");
    assert_true(take(&served));
    close(keeper_fd);
    keeper_fd = park(&served, "e2", MIB);
    expect_order(keeper_fd);
    close(keeper_fd);
    assert_false(take(&served));
    assert_state(served.bench, "first");
    end(&served);
}

/* What came before a cell died may be all of a state or the beginning of one. */
static void test_dead_cell_has_not_finished(void **state)
{
    struct served served = serve(*state);
    int keeper_fd = park(&served, "e1", MIB);

    expect_order(keeper_fd);
    leave_bytes(keeper_fd, "half of it");
    close(keeper_fd);
    assert_false(take(&served));
    assert_state(served.bench, NULL);
    end(&served);
}

static void test_nonsense_is_not_stored(void **state)
{
    struct wire_started nonsense = { .type = WIRE_STARTED };
    struct served served = serve(*state);
    int keeper_fd = park(&served, "e1", MIB);

    assert_int_equal(wire_send(keeper_fd, &nonsense, NULL), 0);
    assert_false(take(&served));
    assert_state(served.bench, NULL);
    close(keeper_fd);
    end(&served);
}

static void test_later_run_wins(void **state)
{
    struct served served = serve(*state);
    int earlier_fd = park(&served, "e1", MIB), later_fd = park(&served, "e2", MIB);
    struct pollfd earlier = { .fd = earlier_fd };

    leave(later_fd, "later");
    assert_true(take(&served));
    assert_int_equal(poll(&earlier, 1, 10000), 1); /* its cell is given up */
    end(&served);
    assert_state(served.bench, "later");
    close(earlier_fd);
    close(later_fd);
}

/* A run that ends while the saver has begun to receive what an earlier one leaves. */
static void test_later_run_wins_in_the_middle(void **state)
{
    struct served served = serve(*state);
    int earlier_fd = park(&served, "e1", MIB), later_fd;
    struct pollfd earlier = { .fd = earlier_fd };

    leave_bytes(earlier_fd, "earlier");
    usleep(50000);
    later_fd = park(&served, "e2", MIB);
    (void)wire_send(earlier_fd, &(struct wire_saved){ .type = WIRE_SAVED, .parked_bytes = MIB }, NULL);
    assert_int_equal(poll(&earlier, 1, 10000), 1); /* its cell is given up, and nothing of it kept */
    assert_state(served.bench, NULL);
    leave(later_fd, "later");
    assert_true(take(&served));
    assert_state(served.bench, "later");
    end(&served);
    close(earlier_fd);
    close(later_fd);
}

struct parking {
    struct served *served;
    atomic_bool done;
    int keeper_fd;
    struct hot_cell cell;
};

static void *park_without_room(void *data)
{
    struct parking *parking = data;
    struct hot *hot = parking->served->bench->engine.hot;

    hot_lock_session(hot, parking->served->bench->session.id);
    saver_park(&parking->served->bench->engine, &parking->cell);
    hot_unlock_session(hot, parking->served->bench->session.id);
    atomic_store(&parking->done, true);
    return NULL;
}

/* Begins to park, in a thread, a cell that has to be saved at once. Returns the keeper's end of its channel. */
static int park_now(struct parking *parking, struct served *served, bool is_late, pthread_t *ret_thread)
{
    int pair[2];

    *parking = (struct parking){
        .served = served,
        .cell = { .session = served->bench->session, .bytes_max = 60 * MIB, .is_late = is_late, .unsaved = true },
    };
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    strcpy(parking->cell.execution_id, "e3");
    parking->cell.channel_fd = pair[0];
    assert_int_equal(pthread_create(ret_thread, NULL, park_without_room, parking), 0);
    expect_order(pair[1]);
    usleep(50000);
    assert_false(atomic_load(&parking->done));
    return pair[1];
}

static void test_no_room_is_waited_for(void **state)
{
    struct served served = serve(*state);
    int other_fd = park(&served, "e1", MIB), keeper_fd;
    struct parking parking;
    pthread_t thread;

    keeper_fd = park_now(&parking, &served, false, &thread);
    leave(keeper_fd, "what it left");
    pthread_join(thread, NULL);
    assert_state(served.bench, "what it left");
    assert_true(take(&served));
    close(other_fd);
    close(keeper_fd);
    end(&served);
}

/* It began before another run, ended after it, and changed nothing: what the other one is about to leave counts. */
static void test_late_run_that_leaves_nothing(void **state)
{
    struct wire_saved saved = { .type = WIRE_SAVED, .parked_bytes = MIB };
    struct served served = serve(*state);
    int other_fd = park(&served, "e1", MIB), keeper_fd;
    struct parking parking;
    pthread_t thread;
    char byte;

    keeper_fd = park_now(&parking, &served, true, &thread);
    assert_int_equal(wire_send(keeper_fd, &saved, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(recv(keeper_fd, &byte, 1, 0), 0); /* it is ended */
    leave(other_fd, "the other's");
    assert_true(take(&served));
    assert_state(served.bench, "the other's");
    close(other_fd);
    close(keeper_fd);
    end(&served);
}

/* Nobody else's state waits for a run that takes its time. */
static void test_saver_goes_on(void **state)
{
    struct served served = serve(*state);
    int other_fd = park(&served, "e1", MIB), keeper_fd;
    struct parking parking;
    pthread_t thread;

    keeper_fd = park_now(&parking, &served, false, &thread);
    leave(other_fd, "the other's");
    assert_true(take(&served));
    assert_state(served.bench, "the other's");
    assert_false(atomic_load(&parking.done));
    leave(keeper_fd, "its own");
    pthread_join(thread, NULL);
    assert_state(served.bench, "its own");
    close(other_fd);
    close(keeper_fd);
    end(&served);
}

static void test_late_run_that_leaves_something(void **state)
{
    struct served served = serve(*state);
    int other_fd = park(&served, "e1", MIB), keeper_fd;
    struct pollfd other = { .fd = other_fd };
    struct parking parking;
    pthread_t thread;

    keeper_fd = park_now(&parking, &served, true, &thread);
    leave(keeper_fd, "its own");
    pthread_join(thread, NULL);
    assert_int_equal(poll(&other, 1, 10000), 1); /* the other one is given up */
    end(&served);
    assert_state(served.bench, "its own");
    close(other_fd);
    close(keeper_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_next_run_finds_it, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_stop_waits, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_stop_waits_for_the_end_of_it, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_dead_cell_leaves_nothing, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_dead_cell_has_not_finished, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_nonsense_is_not_stored, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_later_run_wins, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_later_run_wins_in_the_middle, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_no_room_is_waited_for, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_late_run_that_leaves_nothing, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_saver_goes_on, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_late_run_that_leaves_something, bench_setup, bench_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
