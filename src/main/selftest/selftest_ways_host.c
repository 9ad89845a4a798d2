/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "main/selftest/selftest.h"
#include "main/selftest/selftest_eye.h"
#include "main/selftest/selftest_judge.h"

#define START_WITHIN_MS 10000
#define GONE_WITHIN_MS  3000
#define END_WITHIN_MS   10000
#define KNOCKS          20
#define KNOCK_PAUSE_US  50000
#define FIELD_SIZE      256

/* -- sockets of the host */

static socklen_t abstract_name(const char *mark, struct sockaddr_un *ret_name)
{
    *ret_name = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(ret_name->sun_path + 1, sizeof(ret_name->sun_path) - 1, "%s", mark);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(mark));
}

/* What a program may not reach. */
struct bait {
    int tcp, udp, local;
};

static void bait_deinit(struct bait *bait)
{
    cleanup_close_fd(&bait->tcp);
    cleanup_close_fd(&bait->udp);
    cleanup_close_fd(&bait->local);
}

/* Listens everywhere on a port that is free for both protocols, and at an abstract name. */
static int bait_lay(struct bait *bait, const char *mark, unsigned *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof(address);
    struct sockaddr_un name;
    socklen_t name_length = abstract_name(mark, &name);

    bait->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bait->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bait->local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(bait->tcp, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(bait->tcp, SOMAXCONN) < 0 ||
        getsockname(bait->tcp, (struct sockaddr *)&address, &length) < 0 ||
        bind(bait->udp, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        bind(bait->local, (struct sockaddr *)&name, name_length) < 0 || listen(bait->local, SOMAXCONN) < 0)
        return error_from_errno();
    *ret_port = ntohs(address.sin_port);
    return 0;
}

static bool taken(int listener)
{
    CLEANUP_CLOSE int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    return fd >= 0;
}

static bool connects(int family, const struct sockaddr *address, socklen_t length)
{
    CLEANUP_CLOSE int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && connect(fd, address, length) == 0;
}

static bool connects_to_port(unsigned port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    return connects(AF_INET, (const struct sockaddr *)&address, sizeof(address));
}

static bool connects_to_mark(const char *mark)
{
    struct sockaddr_un name;
    socklen_t length = abstract_name(mark, &name);

    return connects(AF_UNIX, (const struct sockaddr *)&name, length);
}

void selftest_listeners(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    CLEANUP(bait_deinit) struct bait bait = { -1, -1, -1 };
    char byte;
    int r = bait_lay(&bait, test->mark, &test->port);

    if (r < 0 || !connects_to_port(test->port) || !taken(bait.tcp) || !connects_to_mark(test->mark) ||
        !taken(bait.local)) {
        selftest_note(result, SELFTEST_UNKNOWN, "no sockets of the host to be reached");
        return;
    }
    selftest_program(test, row, result);
    if (taken(bait.tcp) || recv(bait.udp, &byte, 1, 0) >= 0 || taken(bait.local))
        selftest_note(result, SELFTEST_DOWN, "a program has reached a socket of the host");
}

/* A port that is free on the host now. */
static unsigned free_port(void)
{
    CLEANUP(bait_deinit) struct bait bait = { -1, -1, -1 };
    unsigned port = 0;

    bait_lay(&bait, "codecell-selftest-port", &port);
    return port;
}

void selftest_knock(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    struct selftest_errand errand;
    bool reached = false;

    test->port = free_port();
    if (selftest_errand_start(&errand, test, row, row->file) < 0)
        return;
    if (!selftest_eye_await(test->mark, START_WITHIN_MS))
        selftest_note(result, SELFTEST_UNKNOWN, "the program was not seen on the host");
    for (int i = 0; i < KNOCKS && !reached; i++) {
        reached = connects_to_port(test->port) || connects_to_mark(test->mark);
        usleep(KNOCK_PAUSE_US);
    }
    selftest_errand_join(&errand);
    if (reached)
        selftest_note(result, SELFTEST_DOWN, "the host reached a socket of a program");
    selftest_judge_answer(row, errand.status, errand.body, errand.ms, result);
    json_decref(errand.body);
}

/* -- a process of a cell */

static bool is_zero(const char *text)
{
    return strspn(text, "0") == strlen(text);
}

static bool is_mode_2(const char *text)
{
    return strcmp(text, "2") == 0;
}

static bool is_set(const char *text)
{
    return strcmp(text, "1") == 0;
}

static bool is_empty(const char *text)
{
    return *text == '\0';
}

/* None of the four ids is root's. */
static bool is_nobody(const char *text)
{
    for (const char *at = text; *at; at += strcspn(at, " \t"), at += strspn(at, " \t"))
        if (strtoul(at, NULL, 10) == 0)
            return false;
    return *text != '\0';
}

static const struct {
    const char *field;
    bool (*good)(const char *text);
} expected[] = {
    { "Uid", is_nobody },     { "Gid", is_nobody },     { "Groups", is_empty }, { "CapInh", is_zero },
    { "CapPrm", is_zero },    { "CapEff", is_zero },    { "CapBnd", is_zero },  { "CapAmb", is_zero },
    { "Seccomp", is_mode_2 }, { "NoNewPrivs", is_set },
};

static const char *const namespaces[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" };

static void judge_status(pid_t pid, struct selftest_result *result)
{
    char text[FIELD_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        if (!selftest_eye_status(pid, expected[i].field, text, sizeof(text)))
            selftest_note(result, SELFTEST_UNKNOWN, "no %s in its status", expected[i].field);
        else if (!expected[i].good(text))
            selftest_note(result, SELFTEST_DOWN, "%s: %s", expected[i].field, text);
    }
    if (selftest_eye_status(pid, "Uid", text, sizeof(text)))
        selftest_note(result, SELFTEST_HELD, "uid %.*s, no capability, filter on, no_new_privs",
                      (int)strcspn(text, " \t"), text);
}

static bool read_namespace(pid_t pid, const char *name, char ret_text[static 64])
{
    char path[64];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
    n = readlink(path, ret_text, 63);
    ret_text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void judge_namespaces(pid_t pid, struct selftest_result *result)
{
    char its[64], ours[64];

    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
        if (!read_namespace(pid, namespaces[i], its) || !read_namespace(getpid(), namespaces[i], ours))
            selftest_note(result, SELFTEST_UNKNOWN, "its %s namespace cannot be seen", namespaces[i]);
        else if (strcmp(its, ours) == 0)
            selftest_note(result, SELFTEST_DOWN, "its %s namespace is the host's", namespaces[i]);
    }
    selftest_note(result, SELFTEST_HELD, "%zu namespaces of its own", ARRAY_SIZE(namespaces));
}

/* Starts the row's program and waits until the host sees it. Returns its pid, or 0 with a note. */
static pid_t start_marked(struct selftest *test, const struct selftest_case *row, struct selftest_errand *errand,
                          struct selftest_result *result)
{
    pid_t pid;

    if (selftest_errand_start(errand, test, row, row->file) < 0) {
        selftest_note(result, SELFTEST_UNKNOWN, "no thread");
        return 0;
    }
    pid = selftest_eye_await(test->mark, START_WITHIN_MS);
    if (!pid) {
        selftest_errand_join(errand);
        selftest_note(result, SELFTEST_UNKNOWN, "the program was not seen on the host");
        json_decref(errand->body);
    }
    return pid;
}

static void end_marked(struct selftest_errand *errand)
{
    selftest_errand_join(errand);
    json_decref(errand->body);
}

void selftest_privilege(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    struct selftest_errand errand;
    pid_t pid = start_marked(test, row, &errand, result);

    if (!pid)
        return;
    judge_status(pid, result);
    judge_namespaces(pid, result);
    end_marked(&errand);
}

/* The half of the server that speaks HTTP, or 0. */
static pid_t find_api(pid_t server)
{
    static const char word[] = "\0api";
    pid_t pids[EYE_PIDS_MAX];
    size_t n = selftest_eye_family(server, pids, EYE_PIDS_MAX);

    for (size_t i = 0; i < n; i++) {
        char path[64], text[PATH_MAX];
        ssize_t length;

        snprintf(path, sizeof(path), "/proc/%d/cmdline", pids[i]);
        length = fd_read_at(AT_FDCWD, path, text, sizeof(text));
        if (length > 0 && memmem(text, (size_t)length, word, sizeof(word)))
            return pids[i];
    }
    return 0;
}

void selftest_api(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    pid_t pid = find_api(test->server.pid);

    (void)row;
    if (pid)
        judge_status(pid, result);
    else
        selftest_note(result, SELFTEST_UNKNOWN, "the process that speaks HTTP was not found");
}

/* Each limit under its names in both kinds of hierarchies. */
static const struct {
    const char *what, *files[2];
} limits[] = {
    { "memory", { "memory.max", "memory.limit_in_bytes" } },
    { "processes", { "pids.max" } },
    { "processor", { "cpu.max", "cpu.cfs_quota_us" } },
};

/* Reads a limit of a group or of the next one above that has one. */
static bool read_limit(const char *group, const char *file, char *ret_text, size_t size)
{
    char directory[PATH_MAX], path[PATH_MAX + 64];

    snprintf(directory, sizeof(directory), "%s", group);
    for (char *slash; (slash = strrchr(directory, '/')) && slash != directory; *slash = '\0') {
        snprintf(path, sizeof(path), "%s/%s", directory, file);
        if (fd_read_at(AT_FDCWD, path, ret_text, size) > 0 && isdigit((unsigned char)*ret_text) &&
            strtoull(ret_text, NULL, 10) < (1ULL << 60)) {
            ret_text[strcspn(ret_text, "\n")] = '\0';
            return true;
        }
    }
    return false;
}

static bool find_limit(const json_t *groups, const char *const files[2], char *ret_text, size_t size)
{
    const json_t *group;
    size_t i;

    json_array_foreach(groups, i, group) for (size_t f = 0; f < 2;
                                              f++) if (files[f] && read_limit(json_string_value(group), files[f],
                                                                              ret_text, size)) return true;
    return false;
}

static bool contains(const json_t *list, const json_t *text)
{
    const json_t *each;
    size_t i;

    json_array_foreach(list, i, each) if (json_equal(each, text)) return true;
    return false;
}

/* Groups that are not ours belong to root, so that no program has a say in them. */
static void judge_owners(const json_t *groups, struct selftest_result *result)
{
    CLEANUP_JSON json_t *ours = selftest_eye_groups(getpid());
    unsigned own = 0;
    const json_t *group;
    struct stat status;
    size_t i;

    json_array_foreach(groups, i, group)
    {
        if (contains(ours, group))
            continue;
        own++;
        if (stat(json_string_value(group), &status) == 0 && status.st_uid != 0)
            selftest_note(result, SELFTEST_DOWN, "uid %u owns %s", status.st_uid, json_string_value(group));
    }
    if (own == 0)
        selftest_note(result, SELFTEST_DOWN, "the program is in our own control groups");
}

void selftest_groups(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    CLEANUP_JSON json_t *groups = NULL;
    struct selftest_errand errand;
    char text[FIELD_SIZE];
    pid_t pid = start_marked(test, row, &errand, result);

    if (!pid)
        return;
    groups = selftest_eye_groups(pid);
    judge_owners(groups, result);
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        bool found = find_limit(groups, limits[i].files, text, sizeof(text));

        selftest_note(result, found ? SELFTEST_HELD : SELFTEST_DOWN, "%s: %s", limits[i].what,
                      found ? text : "no limit");
    }
    end_marked(&errand);
}

/* -- ends */

void selftest_hang_up(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    CLEANUP(caller_deinit) struct caller caller = CALLER_INIT(&test->server.address);
    CLEANUP_FREE char *body = NULL;
    size_t left;
    int r = selftest_body(test, row, row->file, NULL, &body);

    if (r == 0)
        r = caller_prepare(&caller, "POST", "/exec", body);
    if (r == 0)
        r = caller_begin(&caller);
    if (r < 0 || !selftest_eye_await(test->mark, START_WITHIN_MS)) {
        selftest_note(result, SELFTEST_UNKNOWN, "the program was not seen on the host");
        return;
    }
    caller_deinit(&caller);
    left = selftest_eye_gone(test->mark, GONE_WITHIN_MS);
    selftest_note(result, left ? SELFTEST_DOWN : SELFTEST_HELD, "%zu processes left after the client went", left);
}

/* Where the server's processes are, without what was there before. */
static json_t *groups_of(const pid_t *pids, size_t n, const json_t *before)
{
    json_t *found = json_array();

    for (size_t p = 0; p < n; p++) {
        CLEANUP_JSON json_t *groups = selftest_eye_groups(pids[p]);
        json_t *group;
        size_t i;

        json_array_foreach(groups, i, group) if (!contains(before, group) && !contains(found, group))
            json_array_append(found, group);
    }
    return found;
}

static size_t count_alive(const pid_t *pids, size_t n)
{
    char state[FIELD_SIZE];
    size_t alive = 0;

    for (size_t i = 0; i < n; i++)
        alive += selftest_eye_status(pids[i], "State", state, sizeof(state)) && *state != 'Z' && *state != 'X';
    return alive;
}

static size_t count_directories(const json_t *paths)
{
    const json_t *path;
    size_t i, n = 0;

    json_array_foreach(paths, i, path) n += access(json_string_value(path), F_OK) == 0;
    return n;
}

/* Mounts of the server that have come since: those of others are not ours to judge. */
static size_t count_mounts(const struct selftest *test)
{
    CLEANUP_JSON json_t *now = selftest_eye_mounts();
    const json_t *mount;
    size_t i, n = 0;

    json_array_foreach(now, i, mount) n +=
        !contains(test->mounts, mount) && strstr(json_string_value(mount), test->server.home) != NULL;
    return n;
}

void selftest_remains(struct selftest *test, const struct selftest_case *row, struct selftest_result *result)
{
    CLEANUP_JSON json_t *groups = NULL;
    int64_t end_us = clock_monotonic_us() + END_WITHIN_MS * 1000LL;
    pid_t pids[EYE_PIDS_MAX];
    size_t n = selftest_eye_family(test->server.pid, pids, EYE_PIDS_MAX);

    (void)row;
    groups = groups_of(pids, n, test->groups);
    own_server_end(&test->server);
    while ((count_alive(pids, n) || count_directories(groups)) && clock_monotonic_us() < end_us)
        usleep(KNOCK_PAUSE_US);
    selftest_note(
        result, count_alive(pids, n) || count_directories(groups) || count_mounts(test) ? SELFTEST_DOWN : SELFTEST_HELD,
        "left of %zu processes: %zu; of %zu control groups: %zu; mounts: %zu", n, count_alive(pids, n),
        json_array_size(groups), count_directories(groups), count_mounts(test));
}
