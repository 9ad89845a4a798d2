/* SPDX-License-Identifier: Apache-2.0 */
/* The writable layer and its harvest, with the kernel's own mounts: needs root. */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "cell/mount_api.h"
#include "cell/namespaces.h"
#include "cell/workspace.h"

#define SLOT_UID   2007
#define DISK_BYTES (64ull << 20)

/* A workspace attached as mnt/ below the scratch directory; with inputs, those are lower/. */
struct place {
    struct scratch *scratch;
    struct workspace workspace;
    int mnt; /* the attached directory */
};

/* What a harvest told, as text lines "f path size", "w path", "o path", sorted by nothing. */
struct told {
    char text[8192];
    size_t used;
    unsigned n;
    uint64_t bytes;
    int result;
};

static void own_namespace(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/run", "tmpfs", 0, "size=1m") < 0) {
        print_message("skipped: mounts need root\n");
        skip();
    }
    assert_int_equal(mkdir("/run/layers", 0755), 0);
    assert_int_equal(mkdir("/run/layers/lower", 0755), 0);
    assert_int_equal(mkdir("/run/layers/upper", 0755), 0);
}

static void attach(struct place *place)
{
    mkdir(scratch_path(place->scratch, "mnt"), 0755);
    assert_int_equal(mount_attach(place->workspace.mount_fd, AT_FDCWD, scratch_path(place->scratch, "mnt")), 0);
    place->mnt = open(scratch_path(place->scratch, "mnt"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place->mnt >= 0);
}

static struct place open_plain(struct scratch *scratch, uint64_t disk_bytes)
{
    struct place place = { .scratch = scratch };

    own_namespace();
    assert_int_equal(workspace_new(-1, -1, SLOT_UID, disk_bytes, &place.workspace), 0);
    assert_false(place.workspace.has_lower);
    attach(&place);
    return place;
}

/* With what lies in lower/ as inputs. */
static struct place open_overlay(struct scratch *scratch)
{
    struct place place = { .scratch = scratch };
    CLEANUP_CLOSE int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSE int lower = -1, idmap = -1, clone = -1;
    int r;

    own_namespace();
    lower = open(scratch_path(scratch, "lower"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(lower >= 0);
    assert_int_equal(mount_clone(lower, &clone), 0);
    assert_int_equal(namespaces_idmap(proc, 0, SLOT_UID, &idmap), 0);
    r = workspace_new(clone, idmap, SLOT_UID, DISK_BYTES, &place.workspace);
    if (r == -EINVAL || r == -EPERM) {
        print_message("skipped: no idmapped mounts of this file system\n");
        skip();
    }
    assert_int_equal(r, 0);
    assert_true(place.workspace.has_lower);
    attach(&place);
    return place;
}

static void close_place(struct place *place)
{
    close(place->mnt);
    umount2(scratch_path(place->scratch, "mnt"), MNT_DETACH);
    workspace_deinit(&place->workspace);
    umount2("/run", MNT_DETACH);
}

static void put(int dir, const char *path, const char *text)
{
    int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int on_entry(void *context, enum harvest_kind kind, const char *path, int fd, uint64_t size_bytes)
{
    static const char letters[] = { 'f', 'w', 'o', 'u' };
    struct told *told = context;

    assert_int_equal(fd >= 0, kind == HARVEST_FILE);
    told->n++;
    told->bytes += size_bytes;
    if (told->used < sizeof(told->text) - 2000)
        told->used += (size_t)snprintf(told->text + told->used, sizeof(told->text) - told->used, "%c %s %llu\n",
                                       letters[kind], path, (unsigned long long)size_bytes);
    return told->result;
}

static struct harvest_result harvest(const struct place *place, struct told *told, unsigned entries_max)
{
    struct harvest_options options = {
        .entries_max = entries_max, .file_bytes_max = 1 << 20, .entry = on_entry, .context = told
    };
    struct harvest_result result;

    *told = (struct told){ 0 };
    assert_int_equal(workspace_harvest(&place->workspace, &options, &result), 0);
    return result;
}

static void assert_told(const struct told *told, const char *line)
{
    if (!strstr(told->text, line))
        fail_msg("'%s' is not in:\n%s", line, told->text);
}

static void regular_files_are_found(void **state)
{
    struct place place = open_plain(*state, DISK_BYTES);
    struct harvest_result result;
    struct told told;

    put(place.mnt, "a", "12345");
    assert_int_equal(mkdirat(place.mnt, "d", 0), 0); /* no rights for anybody */
    put(place.mnt, "d/empty", "");
    assert_int_equal(fchmodat(place.mnt, "d/empty", 0, 0), 0);
    result = harvest(&place, &told, 100);
    assert_true(result.complete);
    assert_int_equal(result.skipped, 0);
    assert_int_equal(told.n, 2);
    assert_told(&told, "f a 5\n");
    assert_told(&told, "f d/empty 0\n");
    close_place(&place);
}

static void links_and_special_files_are_not_opened(void **state)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    struct place place = open_plain(*state, DISK_BYTES);
    struct harvest_result result;
    struct told told;
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(symlinkat("/etc/passwd", place.mnt, "absolute"), 0);
    assert_int_equal(symlinkat("../../../../etc", place.mnt, "directory"), 0);
    assert_int_equal(symlinkat("/proc/self/fd/0", place.mnt, "magic"), 0);
    assert_int_equal(symlinkat("loop", place.mnt, "loop"), 0);
    assert_int_equal(mkfifoat(place.mnt, "fifo", 0666), 0);
    assert_int_equal(mknodat(place.mnt, "zero", S_IFCHR | 0666, makedev(1, 5)), 0);
    assert_int_equal(mknodat(place.mnt, "disk", S_IFBLK | 0666, makedev(8, 0)), 0);
    snprintf(name.sun_path, sizeof(name.sun_path), "%s/mnt/socket", place.scratch->path);
    assert_int_equal(bind(s, (struct sockaddr *)&name, sizeof(name)), 0);
    result = harvest(&place, &told, 100);
    assert_true(result.complete);
    assert_int_equal(told.n, 0);
    close(s);
    close_place(&place);
}

static void another_mount_is_not_entered(void **state)
{
    struct place place = open_plain(*state, DISK_BYTES);
    struct told told;
    char path[128];

    assert_int_equal(mkdirat(place.workspace.upper_fd, "other", 0755), 0);
    put(place.workspace.upper_fd, "plain", "x");
    snprintf(path, sizeof(path), "/proc/self/fd/%d/other", place.workspace.upper_fd);
    if (mount("tmpfs", path, "tmpfs", 0, NULL) == 0) {
        put(place.workspace.upper_fd, "other/secret", "x");
        assert_int_equal(harvest(&place, &told, 100).skipped, 1);
        umount2(path, MNT_DETACH);
        assert_int_equal(told.n, 1);
    }
    close_place(&place);
}

static void depth_is_bounded(void **state)
{
    struct place place = open_plain(*state, DISK_BYTES);
    struct harvest_result result;
    struct told told;
    int dir = dup(place.mnt);

    for (int depth = 0; depth < 1000; depth++) {
        int next;

        put(dir, "f", "x");
        assert_int_equal(mkdirat(dir, "d", 0755), 0);
        next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(dir);
        dir = next;
    }
    close(dir);
    result = harvest(&place, &told, 5000);
    assert_int_equal(told.n, 33 + 1);
    assert_int_equal(told.bytes, 33);
    assert_told(&told, "u d/d/d/");
    assert_int_equal(result.skipped, 0);
    close_place(&place);
}

static void long_paths_are_left_out(void **state)
{
    struct place place = open_plain(*state, DISK_BYTES);
    struct harvest_result result;
    struct told told;
    char name[256];
    int dir = dup(place.mnt);

    memset(name, 'n', 255);
    name[255] = '\0';
    for (int i = 0; i < 6; i++) {
        int next;

        put(dir, "f", "x");
        assert_int_equal(mkdirat(dir, name, 0755), 0);
        next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(dir);
        dir = next;
    }
    close(dir);
    /* 255 * 4 + 3 = 1023 bytes of directories leave no room for "/f". */
    result = harvest(&place, &told, 100);
    assert_int_equal(told.n, 4 + 2);
    assert_int_equal(told.bytes, 4);
    assert_told(&told, "u nnn");
    assert_int_equal(result.skipped, 0);
    close_place(&place);
}

static void hostile_names_come_as_they_are(void **state)
{
    static const char *const names[] = { "\n", "\xff\xfe", "-rf", "a\\b", "\x1b[2J", "..x", " " };
    struct place place = open_plain(*state, DISK_BYTES);
    struct told told;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        put(place.mnt, names[i], "x");
    assert_int_equal(harvest(&place, &told, 100).skipped, 0);
    assert_int_equal(told.n, ARRAY_SIZE(names));
    assert_told(&told, "f \xff\xfe 1\n");
    close_place(&place);
}

static void sparse_files_cost_nothing_and_show_their_size(void **state)
{
    struct place place = open_plain(*state, DISK_BYTES);
    struct harvest_result result;
    struct told told;
    int fd = openat(place.mnt, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_int_equal(ftruncate(fd, 1ll << 40), 0);
    close(fd);
    result = harvest(&place, &told, 100);
    assert_int_equal(told.bytes, 1ull << 40);
    assert_true(result.file_at_limit);
    close_place(&place);
}

static void entries_are_bounded(void **state)
{
    struct place place = open_plain(*state, DISK_BYTES);
    struct harvest_result result;
    struct told told;

    for (int i = 0; i < 10000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%d", i);
        put(place.mnt, name, "");
    }
    result = harvest(&place, &told, 20000);
    assert_int_equal(told.n, 10000);
    assert_true(result.complete);
    result = harvest(&place, &told, 10000);
    assert_true(result.complete);
    result = harvest(&place, &told, 9999);
    assert_int_equal(told.n, 9999);
    assert_false(result.complete);
    close_place(&place);
}

static void a_callback_that_fails_ends_the_harvest(void **state)
{
    struct place place = open_plain(*state, DISK_BYTES);
    struct told told = { .result = -EPIPE };
    struct harvest_options options = { .entries_max = 9, .file_bytes_max = 1, .entry = on_entry, .context = &told };
    struct harvest_result result;

    assert_int_equal(mkdirat(place.mnt, "d", 0755), 0);
    put(place.mnt, "d/a", "x");
    put(place.mnt, "b", "x");
    assert_int_equal(workspace_harvest(&place.workspace, &options, &result), -EPIPE);
    assert_int_equal(told.n, 1);
    close_place(&place);
}

static void the_layer_is_as_large_as_it_should_be(void **state)
{
    struct place place = open_plain(*state, 1 << 20);
    char path[128];

    assert_false(workspace_is_full(&place.workspace));
    snprintf(path, sizeof(path), "%s/mnt/big", place.scratch->path);
    scratch_fill(path);
    assert_true(workspace_is_full(&place.workspace));
    close_place(&place);
}

static void the_layer_belongs_to_the_slots_user(void **state)
{
    struct place place = open_plain(*state, DISK_BYTES);
    struct stat st;

    assert_int_equal(fstat(place.mnt, &st), 0);
    assert_int_equal(st.st_uid, SLOT_UID);
    assert_int_equal(st.st_gid, SLOT_UID);
    close_place(&place);
}

/* Inputs of which some change, some go and one directory is made anew. */
static void make_inputs(struct scratch *scratch)
{
    int dir;

    assert_int_equal(mkdir(scratch_path(scratch, "lower"), 0755), 0);
    assert_int_equal(mkdir(scratch_path(scratch, "lower/d"), 0755), 0);
    assert_int_equal(mkdir(scratch_path(scratch, "lower/e"), 0755), 0);
    dir = open(scratch_path(scratch, "lower"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    put(dir, "same", "same");
    put(dir, "changed", "old");
    put(dir, "gone", "x");
    put(dir, "d/one", "x");
    put(dir, "e/two", "x");
    put(dir, "hidden", "x");
    close(dir);
}

static void changes_to_inputs_are_told_apart(void **state)
{
    struct scratch *scratch = *state;
    struct harvest_result result;
    struct place place;
    struct told told;
    struct stat st;

    make_inputs(scratch);
    place = open_overlay(scratch);
    assert_int_equal(fstatat(place.mnt, "same", &st, 0), 0);
    assert_int_equal(st.st_uid, SLOT_UID);
    assert_int_equal(harvest(&place, &told, 100).skipped, 0);
    assert_int_equal(told.n, 0);

    put(place.mnt, "changed", "newer");
    put(place.mnt, "new", "x");
    assert_int_equal(unlinkat(place.mnt, "gone", 0), 0);
    assert_int_equal(unlinkat(place.mnt, "d/one", 0), 0);
    assert_int_equal(unlinkat(place.mnt, "d", AT_REMOVEDIR), 0);
    assert_int_equal(mkdirat(place.mnt, "d", 0755), 0);
    put(place.mnt, "d/other", "x");
    assert_int_equal(unlinkat(place.mnt, "e/two", 0), 0);
    assert_int_equal(unlinkat(place.mnt, "hidden", 0), 0);
    assert_int_equal(symlinkat("same", place.mnt, "hidden"), 0);
    result = harvest(&place, &told, 100);
    assert_true(result.complete);
    assert_told(&told, "f changed 5\n");
    assert_told(&told, "f new 1\n");
    assert_told(&told, "w gone 0\n");
    assert_told(&told, "o d 0\n");
    assert_told(&told, "f d/other 1\n");
    assert_told(&told, "w e/two 0\n");
    assert_told(&told, "w hidden 0\n");
    assert_int_equal(told.n, 7);
    close_place(&place);
    /* The stored original never changes. */
    assert_int_equal(stat(scratch_path(scratch, "lower/changed"), &st), 0);
    assert_int_equal(st.st_size, 3);
    assert_int_equal(access(scratch_path(scratch, "lower/gone"), F_OK), 0);
}

static void a_tree_that_is_moved_is_told_whole(void **state)
{
    struct scratch *scratch = *state;
    struct place place;
    struct told told;

    make_inputs(scratch);
    place = open_overlay(scratch);
    /* Without redirects a directory of the lower layer cannot be renamed, and programs copy it instead. */
    assert_true(renameat(place.mnt, "d", place.mnt, "moved") < 0 && errno == EXDEV);
    assert_int_equal(renameat(place.mnt, "gone", place.mnt, "kept"), 0);
    (void)harvest(&place, &told, 100);
    assert_told(&told, "f kept 1\n");
    assert_told(&told, "w gone 0\n");
    close_place(&place);
}

static void what_cannot_be_made_leaves_nothing_open(void **state)
{
    struct workspace workspace = WORKSPACE_INIT;
    int before = dup(0), after;

    (void)state;
    own_namespace();
    close(before);
    /* A lower layer that is no mount. */
    assert_true(workspace_new(0, 0, SLOT_UID, DISK_BYTES, &workspace) < 0);
    assert_int_equal(workspace.tmpfs_fd, -1);
    after = dup(0);
    assert_int_equal(after, before);
    close(after);
    workspace_deinit(&workspace);
    assert_false(workspace_is_full(&workspace));
    umount2("/run", MNT_DETACH);
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

static int open_state(const struct place *place, uint64_t bytes_max, uint64_t *ret_size_bytes)
{
    int fd = -1, r = harvest_state(place->mnt, bytes_max, &fd, ret_size_bytes);

    assert_int_equal(fd >= 0, r == 0);
    cleanup_close_fd(&fd);
    return r;
}

static void a_state_is_a_file_of_limited_size(void **state)
{
    struct place place = open_plain(*state, DISK_BYTES);
    uint64_t size_bytes;
    int fd;

    assert_int_equal(open_state(&place, 5, &size_bytes), HARVEST_STATE_E_NONE);
    put(place.mnt, HARVEST_STATE_NAME, "12345");
    assert_int_equal(open_state(&place, 5, &size_bytes), 0);
    assert_int_equal(size_bytes, 5);
    assert_int_equal(open_state(&place, 4, &size_bytes), HARVEST_STATE_E_TOO_LARGE);
    assert_int_equal(size_bytes, 5);
    fd = openat(place.mnt, HARVEST_STATE_NAME, O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, 10ll << 30), 0);
    close(fd);
    assert_int_equal(open_state(&place, 1 << 20, &size_bytes), HARVEST_STATE_E_TOO_LARGE);
    assert_int_equal(size_bytes, 10ull << 30);
    close_place(&place);
}

static void nothing_but_a_plain_file_is_a_state(void **state)
{
    struct place place = open_plain(*state, DISK_BYTES);
    uint64_t size_bytes;

    assert_int_equal(symlinkat("/etc/passwd", place.mnt, HARVEST_STATE_NAME), 0);
    assert_int_equal(open_state(&place, 1 << 20, &size_bytes), HARVEST_STATE_E_NONE);
    unlinkat(place.mnt, HARVEST_STATE_NAME, 0);
    assert_int_equal(mkfifoat(place.mnt, HARVEST_STATE_NAME, 0666), 0);
    assert_int_equal(open_state(&place, 1 << 20, &size_bytes), HARVEST_STATE_E_NONE);
    unlinkat(place.mnt, HARVEST_STATE_NAME, 0);
    assert_int_equal(mknodat(place.mnt, HARVEST_STATE_NAME, S_IFCHR | 0666, makedev(1, 5)), 0);
    assert_int_equal(open_state(&place, 1 << 20, &size_bytes), HARVEST_STATE_E_NONE);
    unlinkat(place.mnt, HARVEST_STATE_NAME, 0);
    assert_int_equal(mkdirat(place.mnt, HARVEST_STATE_NAME, 0755), 0);
    assert_int_equal(open_state(&place, 1 << 20, &size_bytes), HARVEST_STATE_E_NONE);
    unlinkat(place.mnt, HARVEST_STATE_NAME, AT_REMOVEDIR);
    put(place.mnt, "other", "x");
    assert_int_equal(linkat(place.mnt, "other", place.mnt, HARVEST_STATE_NAME, 0), 0);
    assert_int_equal(open_state(&place, 1 << 20, &size_bytes), HARVEST_STATE_E_NONE);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SCRATCH(regular_files_are_found),
        WITH_SCRATCH(links_and_special_files_are_not_opened),
        WITH_SCRATCH(another_mount_is_not_entered),
        WITH_SCRATCH(depth_is_bounded),
        WITH_SCRATCH(long_paths_are_left_out),
        WITH_SCRATCH(hostile_names_come_as_they_are),
        WITH_SCRATCH(sparse_files_cost_nothing_and_show_their_size),
        WITH_SCRATCH(entries_are_bounded),
        WITH_SCRATCH(a_callback_that_fails_ends_the_harvest),
        WITH_SCRATCH(the_layer_is_as_large_as_it_should_be),
        WITH_SCRATCH(the_layer_belongs_to_the_slots_user),
        WITH_SCRATCH(changes_to_inputs_are_told_apart),
        WITH_SCRATCH(a_tree_that_is_moved_is_told_whole),
        WITH_SCRATCH(a_state_is_a_file_of_limited_size),
        WITH_SCRATCH(nothing_but_a_plain_file_is_a_state),
        cmocka_unit_test(what_cannot_be_made_leaves_nothing_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
