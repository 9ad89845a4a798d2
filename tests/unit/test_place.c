/* SPDX-License-Identifier: Apache-2.0 */
/* Where the server runs: containers, user ids, capacity, the data directory. */
#include "scratch.h"

#include <errno.h>

#include "base/cleanup.h"
#include "main/place/capacity.h"
#include "main/place/data_dir.h"
#include "main/place/host.h"
#include "main/place/identity.h"

#define DEBIAN "6.1.0-18-amd64"

static const struct {
    struct host_evidence evidence;
    enum host_kind kind;
} places[] = {
    { { DEBIAN, "0::/init.scope\n", .container_variable = "" }, HOST_MACHINE },
    { { DEBIAN, "0::/\n", .dockerenv = true, .container_variable = "" }, HOST_DOCKER },
    { { DEBIAN, "4:memory:/docker/0a1b\n", .container_variable = "" }, HOST_DOCKER },
    { { DEBIAN, "0::/\n", .containerenv = true, .container_variable = "podman" }, HOST_PODMAN },
    { { DEBIAN, "0::/\n", .container_variable = "podman" }, HOST_PODMAN },
    { { DEBIAN, "0::/\n", .kubernetes = true, .dockerenv = true, .container_variable = "" }, HOST_KUBERNETES },
    { { DEBIAN, "11:cpu:/kubepods/burstable/pod1\n", .container_variable = "" }, HOST_KUBERNETES },
    { { DEBIAN, "0::/\n", .ecs = true, .dockerenv = true, .container_variable = "" }, HOST_ECS },
    { { DEBIAN, "0::/\n", .ecs = true, .fargate = true, .container_variable = "" }, HOST_FARGATE },
    { { DEBIAN, "0::/lxc/web\n", .container_variable = "" }, HOST_LXC },
    { { DEBIAN, "0::/\n", .container_variable = "lxc" }, HOST_LXC },
    { { DEBIAN, "0::/\n", .container_variable = "systemd-nspawn" }, HOST_CONTAINER },
    { { "5.15.90.1-microsoft-standard-WSL2", "0::/\n", .container_variable = "" }, HOST_WSL2 },
    { { "5.15.90.1-microsoft-standard-WSL2", "0::/\n", .dockerenv = true, .container_variable = "" }, HOST_DOCKER },
    { { "4.4.0-19041-Microsoft", "", .container_variable = "" }, HOST_WSL1 },
};

static void test_places(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        assert_int_equal(host_kind_of(&places[i].evidence), places[i].kind);
}

static void test_every_place_has_words_for_every_need(void **state)
{
    (void)state;
    for (int kind = 0; kind < HOST_KIND_COUNT; kind++)
        for (int need = 0; need < HOST_NEED_COUNT; need++) {
            const struct host host = { .kind = (enum host_kind)kind };

            assert_true(strlen(host_name(&host)) > 0);
            assert_true(strlen(host_mend(&host, (enum host_need)need)) > 10);
        }
}

static const struct {
    const char *map;
    int result;
    uid_t api, cells;
} maps[] = {
    { "         0          0 4294967295\n", 0, 1999999999, 2000000000 },
    { "0 100000 65536\n", 0, 61439, 61440 },
    { "0 1000 1\n1 100000 65536\n", 0, 61440, 61441 },
    { "0 0 1000\n1000 2000000000 100000\n", 0, 96903, 96904 },
    { "0 1000 1\n", IDENTITY_E_TOO_FEW, 0, 0 },
    { "0 100000 4097\n", IDENTITY_E_TOO_FEW, 0, 0 },
    { "0 100000 4098\n", 0, 1, 2 },
    { "", IDENTITY_E_TOO_FEW, 0, 0 },
    { "nonsense", IDENTITY_E_TOO_FEW, 0, 0 },
};

static void test_user_ids_come_from_the_map(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        struct identity identity = { 0 };

        assert_int_equal(identity_from_map(maps[i].map, &identity), maps[i].result);
        assert_int_equal(identity.api_uid, maps[i].api);
        assert_int_equal(identity.cell_base, maps[i].cells);
    }
}

static const struct {
    double cores;
    int64_t memory_mb, configured, max_memory_mb;
    unsigned slots;
} capacities[] = {
    { 2, 24000, 0, 512, 16 }, { 2, 24000, 5, 512, 5 },  { 0.5, 24000, 0, 512, 4 },     { 0.1, 24000, 0, 512, 2 },
    { 64, 8192, 0, 512, 12 }, { 16, 1024, 0, 4096, 2 }, { 128, 1000000, 0, 512, 256 },
};

static void test_slots(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(capacities); i++) {
        const struct capacity capacity = { .cores = capacities[i].cores,
                                           .memory_bytes = capacities[i].memory_mb << 20 };

        assert_int_equal(capacity_slots(&capacity, capacities[i].configured, capacities[i].max_memory_mb),
                         capacities[i].slots);
    }
}

static void test_this_machine_has_capacity(void **state)
{
    struct capacity capacity;

    (void)state;
    capacity_measure(&capacity);
    assert_true(capacity.cores > 0);
    assert_true(capacity.memory_bytes > 0);
}

static const char *home(void **state)
{
    const struct scratch *scratch = *state;

    return scratch->path;
}

static void test_data_dir_is_made_whole(void **state)
{
    struct data_dir_refusal refusal;
    char path[256], child[300];
    struct stat st;

    snprintf(path, sizeof(path), "%s", scratch_path(*state, "a/b/data"));
    for (int again = 0; again < 2; again++)
        assert_int_equal(data_dir_prepare(path, geteuid(), &refusal), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    snprintf(child, sizeof(child), "%s/blobs", path);
    assert_int_equal(stat(child, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_foreign_files_are_not_taken_over(void **state)
{
    struct data_dir_refusal refusal;
    char path[256];
    FILE *file;

    if (geteuid() != 0)
        skip();
    snprintf(path, sizeof(path), "%s", scratch_path(*state, "letters.txt"));
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(data_dir_prepare(home(state), 12345, &refusal), DATA_DIR_E_REFUSED);
    assert_non_null(strstr(refusal.what, "letters.txt"));
    memset(&refusal, 0, sizeof(refusal));
    assert_int_equal(data_dir_check(home(state), 12345, &refusal), DATA_DIR_E_REFUSED);
    assert_non_null(strstr(refusal.what, "letters.txt"));
    assert_int_equal(data_dir_check(scratch_path(*state, "none"), 12345, &refusal), 0);
}

static void test_directory_of_another_user_is_refused(void **state)
{
    struct data_dir_refusal refusal;
    char path[256];

    if (geteuid() != 0)
        skip();
    snprintf(path, sizeof(path), "%s", scratch_path(*state, "data"));
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chown(path, 4321, 4321), 0);
    assert_int_equal(data_dir_prepare(path, 12345, &refusal), DATA_DIR_E_REFUSED);
    assert_non_null(strstr(refusal.mend, "chown -R 12345:12345"));
    assert_int_equal(data_dir_check(path, 12345, &refusal), DATA_DIR_E_REFUSED);
    assert_int_equal(data_dir_check(path, 4321, &refusal), 0);
    assert_int_equal(access(scratch_path(*state, "data/blobs"), F_OK), -1); /* checking makes nothing */
}

/* The api could put a link where a directory was, and root must not follow it. */
static void test_links_are_not_followed(void **state)
{
    struct data_dir_refusal refusal;
    char path[256];

    snprintf(path, sizeof(path), "%s", scratch_path(*state, "blobs"));
    assert_int_equal(symlink("/tmp", path), 0);
    assert_true(data_dir_check(home(state), geteuid(), &refusal) < 0);
    snprintf(path, sizeof(path), "%s", scratch_path(*state, "nowhere"));
    assert_int_equal(symlink("/nothing/here", path), 0);
    assert_int_equal(data_dir_check(path, geteuid(), &refusal), -ENOENT);
    assert_true(data_dir_prepare(path, geteuid(), &refusal) < 0);
    assert_true(data_dir_prepare(home(state), geteuid(), &refusal) < 0);
}

static void test_one_server_at_a_time(void **state)
{
    CLEANUP_CLOSE int first = -1, second = -1;
    char reason[512] = "";

    assert_int_equal(data_dir_lock(home(state), 0, &first, reason, sizeof(reason)), 0);
    assert_int_equal(data_dir_lock(home(state), 60, &second, reason, sizeof(reason)), DATA_DIR_E_BUSY);
    assert_non_null(strstr(reason, home(state)));
    close(TAKE_FD(first));
    assert_int_equal(data_dir_lock(home(state), 0, &second, reason, sizeof(reason)), 0);
}

static void test_the_key_is_made_once(void **state)
{
    CLEANUP_CLOSE int dir = open(home(state), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint8_t first[32] = { 0 }, again[32] = { 1 }, none[32] = { 0 };
    struct stat st;

    assert_int_equal(data_dir_key(dir, first, sizeof(first)), 0);
    assert_memory_not_equal(first, none, sizeof(none));
    assert_int_equal(data_dir_key(dir, again, sizeof(again)), 0);
    assert_memory_equal(first, again, sizeof(first));
    assert_int_equal(fstatat(dir, DATA_DIR_KEY, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_mode & 0177, 0);
    assert_int_equal(data_dir_key(dir, again, 31), -EBADMSG);
    assert_int_equal(unlinkat(dir, DATA_DIR_KEY, 0), 0);
    assert_int_equal(symlinkat("/dev/zero", dir, DATA_DIR_KEY), 0);
    assert_int_equal(data_dir_key(dir, again, sizeof(again)), -ELOOP);
    assert_int_equal(unlinkat(dir, DATA_DIR_KEY, 0), 0);
    assert_int_equal(mkfifoat(dir, DATA_DIR_KEY, 0600), 0);
    assert_int_equal(data_dir_key(dir, again, sizeof(again)), -EBADMSG);
    assert_int_equal(unlinkat(dir, DATA_DIR_KEY, 0), 0);
    assert_int_equal(data_dir_key(dir, again, sizeof(again)), 0);
    assert_memory_not_equal(first, again, sizeof(first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_every_place_has_words_for_every_need),
        cmocka_unit_test(test_user_ids_come_from_the_map),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_this_machine_has_capacity),
        cmocka_unit_test_setup_teardown(test_data_dir_is_made_whole, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_foreign_files_are_not_taken_over, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_directory_of_another_user_is_refused, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_one_server_at_a_time, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_the_key_is_made_once, scratch_setup, scratch_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
