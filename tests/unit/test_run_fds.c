/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/run_fds.h"

#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

static int an_end(int type, int which)
{
    int ends[2];

    assert_int_equal(type == 0 ? pipe(ends) : socketpair(AF_UNIX, type, 0, ends), 0);
    close(ends[1 - which]);
    return ends[which];
}

static int null_to_read(void)
{
    return open("/dev/null", O_RDONLY);
}

static int null_to_write(void)
{
    return open("/dev/null", O_WRONLY);
}

static int null_place(void)
{
    return open("/dev/null", O_PATH);
}

static int zero(void)
{
    return open("/dev/zero", O_RDONLY);
}

static int directory(void)
{
    return open("/", O_RDONLY | O_DIRECTORY);
}

static int place(void)
{
    return open("/", O_PATH);
}

static int file(void)
{
    return open("/proc/self/status", O_RDONLY);
}

static int pipe_to_read(void)
{
    return an_end(0, 0);
}

static int pipe_to_write(void)
{
    return an_end(0, 1);
}

static int pipe_to_both(void)
{
    CLEANUP_CLOSE int end = pipe_to_read();
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", end);
    return open(path, O_RDWR);
}

static int named_pipe(void)
{
    char path[] = "/tmp/codecell-test-XXXXXX";
    char fifo[64];
    int fd;

    assert_non_null(mkdtemp(path));
    snprintf(fifo, sizeof(fifo), "%s/fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    fd = open(fifo, O_RDONLY | O_NONBLOCK);
    unlink(fifo);
    rmdir(path);
    return fd;
}

static int packets(void)
{
    return an_end(SOCK_SEQPACKET, 0);
}

static int stream(void)
{
    return an_end(SOCK_STREAM, 0);
}

static int network(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static int event(void)
{
    return eventfd(0, 0);
}

static int many_events(void)
{
    return epoll_create1(0);
}

static int unsealed(void)
{
    return memfd_create("unsealed", MFD_ALLOW_SEALING);
}

static int half_sealed(void)
{
    int fd = unsealed();

    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_GROW | F_SEAL_WRITE), 0);
    return fd;
}

static int sealed(void)
{
    int fd = -1;

    assert_int_equal(fd_sealed_memory("sealed", "x", 1, &fd), 0);
    return fd;
}

#define AT(place) (1u << WIRE_RUN_##place)

/* What may come in which places. */
static const struct {
    int (*make)(void);
    unsigned places;
} kinds[] = {
    { packets, AT(CHANNEL) },
    { sealed, AT(PROGRAM) },
    { null_to_read, AT(STDIN) },
    { pipe_to_read, AT(STDIN) },
    { pipe_to_write, AT(STDOUT) | AT(STDERR) },
    { stream, AT(TOOLS) },
    { null_to_write, 0 },
    { null_place, 0 },
    { zero, 0 },
    { directory, 0 },
    { place, 0 },
    { file, 0 },
    { pipe_to_both, 0 },
    { named_pipe, 0 },
    { network, 0 },
    { event, 0 },
    { many_events, 0 },
    { unsealed, 0 },
    { half_sealed, 0 },
};

static void make_all(int fds[static WIRE_FDS_MAX])
{
    int (*const makers[WIRE_RUN_FDS_MAX])(
        void) = { packets, sealed, pipe_to_read, pipe_to_write, pipe_to_write, stream };

    for (int i = 0; i < WIRE_RUN_FDS_MAX; i++)
        fds[i] = makers[i]();
}

static void each_has_its_place(void **state)
{
    const struct wire_run run = { .type = WIRE_RUN, .tools = 1 };
    int fds[WIRE_FDS_MAX];

    (void)state;
    make_all(fds);
    assert_true(run_fds_are_valid(&run, fds));
    for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++)
        for (int i = 0; i < WIRE_RUN_FDS_MAX; i++) {
            int before = fds[i];

            fds[i] = kinds[kind].make();
            assert_true(fds[i] >= 0);
            assert_int_equal(run_fds_are_valid(&run, fds), (kinds[kind].places & 1u << i) != 0);
            close(fds[i]);
            fds[i] = before;
        }
    wire_close_fds(fds);
}

static void without_tools_there_are_fewer(void **state)
{
    const struct wire_run run = { .type = WIRE_RUN };
    int fds[WIRE_FDS_MAX];

    (void)state;
    make_all(fds);
    close(fds[WIRE_RUN_TOOLS]);
    fds[WIRE_RUN_TOOLS] = -1;
    assert_true(run_fds_are_valid(&run, fds));
    wire_close_fds(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_place),
        cmocka_unit_test(without_tools_there_are_fewer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
