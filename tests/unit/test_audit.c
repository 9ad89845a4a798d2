/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/log.h"

/* ---- the ring ---- */

static size_t count(struct audit *audit, const char *type, const char *severity, int64_t since_ms, size_t limit)
{
    const struct audit_filter filter = { .type = type, .severity = severity, .since_ms = since_ms };
    char **texts = NULL;
    size_t n = 0;

    assert_int_equal(audit_recent(audit, &filter, limit, &texts), 0);
    while (texts[n])
        n++;
    audit_recent_free(texts);
    return n;
}

static void the_ring_holds_the_newest(void **state)
{
    const struct audit_filter any = { 0 };
    struct audit *audit = start();
    char **texts = NULL;

    (void)state;
    assert_int_equal(count(audit, NULL, NULL, 0, 10), 0);
    for (int i = 1; i <= 8; i++)
        post(audit, i);
    assert_int_equal(audit_recent(audit, &any, 10, &texts), 0);
    assert_non_null(strstr(texts[0], "\"number\":8,"));
    assert_non_null(strstr(texts[4], "\"number\":4,"));
    assert_null(texts[5]);
    audit_recent_free(texts);
    assert_int_equal(count(audit, NULL, NULL, 0, 2), 2);
    assert_int_equal(count(audit, "odd", NULL, 0, 10), 2);
    assert_int_equal(count(audit, "even", NULL, 0, 10), 3);
    assert_int_equal(count(audit, NULL, "warning", 0, 10), 1);
    assert_int_equal(count(audit, "odd", "warning", 0, 10), 0);
    assert_int_equal(count(audit, NULL, NULL, INT64_MAX, 10), 0);
    audit_free(audit);
}

static void nobody_needs_to_listen(void **state)
{
    (void)state;
    post(NULL, 1);
    assert_null(audit_free(NULL));
}

/* ---- the thread that writes ---- */

static uint64_t seq_of_head(void)
{
    struct audit_chain head = { 0 };
    char path[128];
    int fd;

    path_of(AUDIT_FILE_HEAD, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    (void)audit_disk_read_head(fd, &head);
    close(fd);
    return head.seq;
}

/* Without another event, and without the end of the server. */
static void the_head_follows_by_itself(void **state)
{
    struct audit *audit = start();

    (void)state;
    for (int i = 1; i <= 3; i++) {
        post(audit, i);
        for (int wait = 0; wait < 1000 && seq_of_head() != (uint64_t)i + 1; wait++)
            usleep(20000);
        assert_int_equal(seq_of_head(), i + 1);
    }
    audit_free(audit);
}

static void *post_many(void *audit)
{
    for (int i = 0; i < 500; i++)
        post(audit, i);
    return NULL;
}

static void many_threads_may_post(void **state)
{
    struct audit *audit = start();
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_create(&threads[i], NULL, post_many, audit);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(audit_status(audit).lost, 0);
    audit_free(audit);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 2001);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The file may not grow, the queue fills, and what was lost is owned up to. */
static void what_is_lost_is_said(void **state)
{
    struct audit_options options = options_here();
    struct audit_verdict verdict;
    struct audit *audit;
    struct audit_status status;
    size_t length;
    char *text;

    (void)state;
    options.max_queue_bytes = 4000;
    audit = start_with(&options);
    limit_files(500);
    for (int i = 0; i < 400; i++) {
        post(audit, i);
        usleep(100);
    }
    for (int i = 0; i < 500 && !audit_status(audit).failing; i++)
        usleep(20000);
    status = audit_status(audit);
    assert_true(status.failing);
    assert_int_equal(status.posted, 400);
    assert_in_range(status.lost, 300, 399);
    limit_files(RLIM_INFINITY);
    for (int i = 0; i < 500 && audit_status(audit).failing; i++)
        usleep(20000);
    assert_false(audit_status(audit).failing);
    audit_free(audit);
    verdict = verify_log();
    assert_string_equal(verdict.problem, "");
    text = read_log(AUDIT_FILE_NAME, &length);
    assert_non_null(strstr(text, "\"operation\":\"events_lost\",\"lost\":"));
    free(text);
}

/* ---- the echo ---- */

/* The same lines go to the log output, whole. */
static void lines_are_echoed(void **state)
{
    struct audit_options options = options_here();
    char path[128], *log, *echoed;
    struct audit *audit;
    size_t n_log, n_echoed;

    (void)state;
    path_of("echo", path);
    options.echo_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    audit = start_with(&options);
    for (int i = 0; i < 20; i++)
        post(audit, i);
    audit_free(audit);
    close(options.echo_fd);
    log = read_log(AUDIT_FILE_NAME, &n_log);
    echoed = read_log("echo", &n_echoed);
    assert_int_equal(n_log, n_echoed);
    assert_string_equal(log, echoed);
    free(log);
    free(echoed);
}

/* Makes fd, the writing end of a pipe, take no more. */
static void stuff(int fd)
{
    char bytes[4096];

    memset(bytes, ' ', sizeof(bytes));
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (write(fd, bytes, sizeof(bytes)) > 0)
        continue;
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

static size_t drain(int fd, char *ret_bytes, size_t size)
{
    size_t length = 0;
    ssize_t n;

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (length < size && (n = read(fd, ret_bytes + length, size - length)) > 0)
        length += (size_t)n;
    return length;
}

static bool wait_for_log(const char *what)
{
    bool found = false;

    for (int wait = 0; wait < 1000 && !found; wait++) {
        size_t length;
        char *text = read_log(AUDIT_FILE_NAME, &length);

        found = strstr(text, what) != NULL;
        free(text);
        usleep(20000);
    }
    return found;
}

/* The log output may be a pipe that nobody reads: the file goes on, and what is missing there is said, whatever the
 * level of the log. */
static void a_reader_that_stalls_stops_nothing(void **state)
{
    struct audit_options options = options_here();
    struct log_options log = { .level = LOG_LEVEL_CRITICAL, .process = "test" };
    char *echoed = calloc(1, (1 << 20) + 1), *said;
    struct audit *audit;
    size_t length;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    stuff(fds[1]);
    options.echo_fd = log.fd = fds[1];
    log_init(&log);
    audit = start_with(&options);
    for (int i = 1; i <= 20; i++)
        post(audit, i);
    assert_true(wait_for_log("\"number\":20,"));
    post(audit, 21); /* not written before the echo of those before was given up */
    assert_true(wait_for_log("\"number\":21,"));
    length = drain(fds[0], echoed, 1 << 19);
    post(audit, 22);
    audit_free(audit);
    log.fd = STDERR_FILENO;
    log_init(&log);
    drain(fds[0], echoed + length, 1 << 19);
    said = strstr(echoed, "\"operation\":\"events_left_out\",\"left_out\":");
    assert_non_null(said);
    assert_null(strstr(strstr(said, "left_out\":"), "events_left_out"));
    assert_non_null(strstr(said, "\"number\":22,"));
    assert_null(strstr(echoed, "\"number\":20,"));
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 23);
    close(fds[0]);
    close(fds[1]);
    free(echoed);
}

/* Even if no event comes after it. */
static void the_last_gap_is_said_at_the_end(void **state)
{
    struct audit_options options = options_here();
    char *echoed = calloc(1, (1 << 20) + 1), *said;
    struct audit *audit;
    unsigned left_out = 0, kept = 0;
    size_t length;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    stuff(fds[1]);
    options.echo_fd = fds[1];
    audit = start_with(&options);
    for (int i = 1; i <= 20; i++)
        post(audit, i);
    assert_true(wait_for_log("\"number\":20,"));
    usleep(20000);
    length = drain(fds[0], echoed, 1 << 19);
    audit_free(audit);
    drain(fds[0], echoed + length, 1 << 19);
    said = strstr(echoed, "\"left_out\":");
    assert_non_null(said);
    assert_int_equal(sscanf(said, "\"left_out\":%u,", &left_out), 1);
    for (const char *at = echoed; (at = strstr(at, "\"number\":")); at++)
        kept++;
    assert_int_equal(left_out + kept, 21); /* with the opening */
    close(fds[0]);
    close(fds[1]);
    free(echoed);
}

/* ---- several processes ---- */

/* One chain, whoever writes; and the server knows of the others' events. */
static void another_process_may_write(void **state)
{
    struct audit *audit = start();

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct audit_file other = open_another();

        post(audit, i);
        write_batch(&other);
        post(audit, i);
        audit_file_close(&other);
    }
    for (int wait = 0; wait < 1000 && count(audit, "test", "info", 0, 10) < 5; wait++)
        usleep(20000);
    assert_int_equal(count(audit, "test", "info", 0, 10), 5); /* all that the ring holds */
    audit_free(audit);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 1 + 3 * (1 + 10 + 1));
}

/* Whoever holds the log is waited for, and nothing is lost. */
static void a_held_log_is_waited_for(void **state)
{
    struct audit *audit = start();
    int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_int_equal(fd_lock(fd, 1000), 0);
    post(audit, 1);
    usleep(50000);
    close(fd);
    audit_free(audit);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_EMPTY_PLACE(the_ring_holds_the_newest),
        cmocka_unit_test(nobody_needs_to_listen),
        IN_EMPTY_PLACE(the_head_follows_by_itself),
        IN_EMPTY_PLACE(many_threads_may_post),
        IN_EMPTY_PLACE(what_is_lost_is_said),
        IN_EMPTY_PLACE(lines_are_echoed),
        IN_EMPTY_PLACE(a_reader_that_stalls_stops_nothing),
        IN_EMPTY_PLACE(the_last_gap_is_said_at_the_end),
        IN_EMPTY_PLACE(another_process_may_write),
        IN_EMPTY_PLACE(a_held_log_is_waited_for),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
