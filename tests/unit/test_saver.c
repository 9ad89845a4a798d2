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
    struct hot_cell cell = { .session = served->bench->session, .bytes = bytes, .unsaved = true };
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    snprintf(cell.execution_id, sizeof(cell.execution_id), "%s", execution_id);
    cell.channel_fd = pair[0];
    saver_park(&served->bench->engine, &cell);
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

static void leave(int keeper_fd, const char *text)
{
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = WIRE_ENTRY_STATE, .size_bytes = strlen(text), .path = "s" };
    struct wire_saved saved = { .type = WIRE_SAVED, .parked_bytes = 2 * MIB };
    CLEANUP_CLOSE int fd = memfd_create("state", MFD_CLOEXEC);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(wire_send(keeper_fd, &entry, &fd), 0);
    assert_int_equal(wire_send(keeper_fd, &saved, NULL), 0);
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

struct parking {
    struct served *served;
    atomic_bool done;
    int keeper_fd;
    struct hot_cell cell;
};

static void *park_without_room(void *data)
{
    struct parking *parking = data;

    saver_park(&parking->served->bench->engine, &parking->cell);
    atomic_store(&parking->done, true);
    return NULL;
}

static void test_no_room_is_waited_for(void **state)
{
    struct served served = serve(*state);
    struct parking parking = { .served = &served,
                               .cell = { .session = served.bench->session, .bytes = 60 * MIB, .unsaved = true } };
    int pair[2];
    pthread_t thread;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    strcpy(parking.cell.execution_id, "e1");
    parking.cell.channel_fd = pair[0];
    assert_int_equal(pthread_create(&thread, NULL, park_without_room, &parking), 0);
    expect_order(pair[1]);
    usleep(50000);
    assert_false(atomic_load(&parking.done));
    leave(pair[1], "what it left");
    pthread_join(thread, NULL);
    assert_state(served.bench, "what it left");
    assert_true(take(&served));
    close(pair[1]);
    end(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_next_run_finds_it, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_stop_waits, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_dead_cell_leaves_nothing, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_nonsense_is_not_stored, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_later_run_wins, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(test_no_room_is_waited_for, bench_setup, bench_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
