/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/rootfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/public_address.h"
#include "cell/mount_api.h"

#define ETC_DEPTH_MAX  6
#define RESOLVER_BYTES 512
#define FILE_BYTES_MAX (32 << 20) /* by far the largest is an archive of the Java compiler's classes */

/* The runtime tree. On a merged-/usr system all but /usr are links, which are made again. */
static const char *const runtime_dirs[] = { "usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32" };

#define PACKAGES_DIR "opt/skill-deps"

/* What runtimes read below /etc; copied, so that a change on the host cannot reach a running cell. Absent ones are
 * skipped. */
static const char *const etc_entries[] = {
    "R",
    "alternatives",
    "bash.bashrc",
    "debian_version",
    "fonts",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "ldc2.conf",
    "localtime",
    "magic",
    "matplotlibrc",
    "mime.types",
    "os-release",
    "papersize",
    "perl",
    "php",
    "protocols",
    "python3",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
};

/* Mount points and other empty directories. /tmp and the others become each cell's own. */
static const struct {
    const char *path;
    mode_t mode;
} directories[] = {
    { "dev", 0755 },
    { "dev/shm", 0755 },
    { "etc", 0755 },
    { "etc/ssl", 0755 },
    { "mnt", 0755 },
    { "mnt/data", 0755 },
    { "opt", 0755 },
    { "opt/codecell", 0755 },
    { "opt/codecell/linker", 0755 },
    { "proc", 0755 },
    { "run", 0755 },
    { "run/build", 0755 },
    { "run/empty", 0555 },
    { "run/layers", 0700 },
    { "run/layers/lower", 0700 },
    { "run/layers/upper", 0700 },
    { "tmp", 0755 },
    { "usr", 0755 },
    { "var", 0755 },
};

static const struct {
    const char *path;
    const char *target;
} links[] = {
    { "var/tmp", "/tmp" },
    { "dev/fd", "/proc/self/fd" },
    { "dev/stdin", "/proc/self/fd/0" },
    { "dev/stdout", "/proc/self/fd/1" },
    { "dev/stderr", "/proc/self/fd/2" },
    { "etc/mtab", "/proc/self/mounts" },
    { "opt/codecell/linker/ld", "/usr/bin/gold" }, /* where compilers look first; it may lead nowhere */
};

/* The whole of /dev: made as nodes, never binds of the host's, which another cell or the host could replace. */
static const struct {
    const char *path;
    unsigned major, minor;
} devices[] = {
    { "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 }, { "dev/random", 1, 8 }, { "dev/urandom", 1, 9 },
};

struct build {
    const struct rootfs_options *options;
    int source_fd; /* the runtime tree */
    int target_fd; /* the new root */
};

static int make_root(struct build *build)
{
    static const struct mount_option options[] = { { "mode", "0755" }, { "size", "64m" }, { "nr_inodes", "65536" } };
    int r = mount_new("tmpfs", options, ARRAY_SIZE(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME, &build->target_fd);

    if (r == 0)
        r = mount_attach(build->target_fd, build->options->target_fd, build->options->target);
    if (r < 0)
        return r;
    build->source_fd = open(build->options->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return build->source_fd < 0 ? error_from_errno() : 0;
}

static int make_directories(struct build *build)
{
    for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
        if (mkdirat(build->target_fd, directories[i].path, directories[i].mode) < 0)
            return error_from_errno();
    for (size_t i = 0; i < ARRAY_SIZE(links); i++)
        if (symlinkat(links[i].target, build->target_fd, links[i].path) < 0)
            return error_from_errno();
    return 0;
}

/* A node is verified after it was made: some container runtimes answer mknod with an empty file. */
static int make_devices(struct build *build)
{
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
        dev_t device = makedev(devices[i].major, devices[i].minor);
        struct stat st;

        if (mknodat(build->target_fd, devices[i].path, S_IFCHR | 0666, device) < 0 ||
            fchmodat(build->target_fd, devices[i].path, 0666, 0) < 0 ||
            fstatat(build->target_fd, devices[i].path, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return error_from_errno();
        if (!S_ISCHR(st.st_mode) || st.st_rdev != device)
            return -ENODEV;
    }
    return 0;
}

/* Binds a directory of the host read-only, with everything mounted below it, without set-user-id and devices. */
static int bind_read_only(int source_dir_fd, const char *source, int target_dir_fd, const char *target)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
    CLEANUP_CLOSE int tree = (int)syscall(SYS_open_tree, source_dir_fd, source,
                                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);

    if (tree < 0)
        return error_from_errno();
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
        return error_from_errno();
    return mount_attach(tree, target_dir_fd, target);
}

static int bind_runtimes(struct build *build)
{
    for (size_t i = 0; i < ARRAY_SIZE(runtime_dirs); i++) {
        const char *name = runtime_dirs[i];
        char target[PATH_MAX];
        struct stat st;
        ssize_t n;
        int r;

        if (fstatat(build->source_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISLNK(st.st_mode)) {
            n = readlinkat(build->source_fd, name, target, sizeof(target) - 1);
            if (n < 0)
                return error_from_errno();
            target[n] = '\0';
            if (symlinkat(target, build->target_fd, name) < 0)
                return error_from_errno();
            continue;
        }
        if (mkdirat(build->target_fd, name, 0755) < 0 && errno != EEXIST)
            return error_from_errno();
        r = bind_read_only(build->source_fd, name, build->target_fd, name);
        if (r < 0)
            return r;
    }
    return 0;
}

static int bind_packages(struct build *build)
{
    const char *directory = build->options->packages_dir;

    if (!directory)
        return 0;
    if (mkdirat(build->target_fd, PACKAGES_DIR, 0755) < 0)
        return error_from_errno();
    return bind_read_only(AT_FDCWD, directory, build->target_fd, PACKAGES_DIR);
}

static int copy_bytes(int from, int to)
{
    char block[16384];
    off_t total = 0;
    ssize_t n;

    while ((n = fd_read_full(from, block, sizeof(block))) > 0 && (total += n) <= FILE_BYTES_MAX) {
        int r = fd_write_full(to, block, (size_t)n);

        if (r < 0)
            return r;
    }
    return n < 0 ? (int)n : n > 0 ? -EFBIG : 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, mode_t mode)
{
    CLEANUP_CLOSE int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    CLEANUP_CLOSE int to = -1;

    /* A file only its owner may read is a secret of the host, not a setting of a runtime. */
    if (from < 0 || !(mode & 0004))
        return 0;
    to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (to < 0)
        return error_from_errno();
    return copy_bytes(from, to);
}

static int copy_entry(int from_dir, int to_dir, const char *name, int depth);

static int copy_directory(int from_dir, const char *from_name, int to_dir, const char *name, int depth)
{
    CLEANUP_CLOSE int to = -1;
    int from = openat(from_dir, from_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = from < 0 ? NULL : fdopendir(from);
    struct dirent *entry;
    int r = 0;

    if (!dir) {
        cleanup_close_fd(&from);
        return 0;
    }
    if ((mkdirat(to_dir, name, 0755) < 0 && errno != EEXIST) ||
        (to = openat(to_dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = error_from_errno();
    while (r == 0 && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = copy_entry(dirfd(dir), to, entry->d_name, depth + 1);
    closedir(dir);
    return r;
}

static int copy_link(int from_dir, int to_dir, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

    if (n < 0)
        return error_from_errno();
    target[n] = '\0';
    return symlinkat(target, to_dir, name) < 0 ? error_from_errno() : 0;
}

/* Copies a file, link or directory of the host's /etc, which only root can write. Absent entries are no error. */
static int copy_entry(int from_dir, int to_dir, const char *name, int depth)
{
    struct stat st;

    if (depth > ETC_DEPTH_MAX || fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISREG(st.st_mode))
        return copy_file(from_dir, to_dir, name, st.st_mode);
    if (S_ISLNK(st.st_mode))
        return copy_link(from_dir, to_dir, name);
    return S_ISDIR(st.st_mode) ? copy_directory(from_dir, name, to_dir, name, depth) : 0;
}

static int copy_etc(struct build *build)
{
    CLEANUP_CLOSE int from = openat(build->source_fd, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSE int to = openat(build->target_fd, "etc", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (from < 0 || to < 0)
        return error_from_errno();
    for (size_t i = 0; i < ARRAY_SIZE(etc_entries); i++) {
        int r = copy_entry(from, to, etc_entries[i], 0);

        if (r < 0)
            return r;
    }
    return build->options->mask_host_info ? 0 : copy_entry(from, to, "machine-id", 0);
}

static int write_file(struct build *build, const char *path, const char *text)
{
    CLEANUP_CLOSE int fd = openat(build->target_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0)
        return errno == EEXIST ? 0 : error_from_errno();
    return fd_write_full(fd, text, strlen(text));
}

/* A name is looked up as it is: the search list holds nothing but the root. */
static int resolver_text(const char *servers, char ret_text[static RESOLVER_BYTES])
{
    size_t used = (size_t)snprintf(ret_text, RESOLVER_BYTES, "%s", servers ? "search .\n" : "");
    uint32_t address;
    int r = 0;

    while (servers && (r = address_list_next(&servers, &address)) > 0 && used < RESOLVER_BYTES)
        used += (size_t)snprintf(ret_text + used, RESOLVER_BYTES - used, "nameserver %u.%u.%u.%u\n", address >> 24,
                                 address >> 16 & 255, address >> 8 & 255, address & 255);
    return r < 0 ? r : used < RESOLVER_BYTES ? 0 : -E2BIG;
}

/* Files that must say nothing about the host. */
static int write_etc(struct build *build)
{
    const struct rootfs_options *o = build->options;
    char passwd[256], group[128], hosts[192], hostname[128], resolver[RESOLVER_BYTES];
    struct {
        const char *path, *text;
    } files[] = {
        { "etc/passwd", passwd },
        { "etc/group", group },
        { "etc/hosts", hosts },
        { "etc/hostname", hostname },
        { "etc/machine-id", "" },
        { "etc/resolv.conf", resolver },
        { "etc/host.conf", "multi on\n" },
        { "etc/nsswitch.conf", o->name_servers ? "passwd: files\ngroup: files\nhosts: files dns\n"
                                               : "passwd: files\ngroup: files\nhosts: files\n" },
    };
    int r = resolver_text(o->name_servers, resolver);

    snprintf(passwd, sizeof(passwd),
             "root:x:0:0:root:/:/usr/sbin/nologin\nsandbox:x:%u:%u:sandbox:/tmp:/bin/bash\nnobody:x:65534:65534::/:/"
             "usr/sbin/nologin\n",
             o->sandbox_uid, o->sandbox_uid);
    snprintf(group, sizeof(group), "root:x:0:\nsandbox:x:%u:\nnogroup:x:65534:\n", o->sandbox_uid);
    snprintf(hosts, sizeof(hosts), "127.0.0.1 localhost %s\n::1 localhost\n", o->hostname);
    snprintf(hostname, sizeof(hostname), "%s\n", o->hostname);
    for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++)
        r = write_file(build, files[i].path, files[i].text);
    return r;
}

/* Copied, so that no mount of a cell names a path of the host. */
static int copy_guest(struct build *build)
{
    CLEANUP_CLOSE int from = open(build->options->guest_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSE int to = openat(build->target_fd, "opt/codecell", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (from < 0 || to < 0)
        return error_from_errno();
    return copy_directory(from, ".", to, "guest", 0);
}

static int copy_zygote_library(struct build *build)
{
    CLEANUP_CLOSE int from = -1, to = -1;

    if (!build->options->zygote_library)
        return 0;
    from = open(build->options->zygote_library, O_RDONLY | O_CLOEXEC);
    to = openat(build->target_fd, "opt/codecell/zygote.so", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    return from < 0 || to < 0 ? error_from_errno() : copy_bytes(from, to);
}

static int seal_root(struct build *build)
{
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };

    if (syscall(SYS_mount_setattr, build->target_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return error_from_errno();
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct build *build);
} steps[] = {
    { "root tmpfs", make_root },   { "directories", make_directories }, { "devices", make_devices },
    { "runtimes", bind_runtimes }, { "packages", bind_packages },       { "etc copies", copy_etc },
    { "etc files", write_etc },    { "guest agents", copy_guest },      { "zygote library", copy_zygote_library },
    { "seal", seal_root },
};

int rootfs_build(const struct rootfs_options *options, char *step, size_t step_size, int *ret_root_fd)
{
    struct build build = { .options = options, .source_fd = -1, .target_fd = -1 };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++) {
        snprintf(step, step_size, "%s", steps[i].name);
        r = steps[i].run(&build);
    }
    if (r == 0)
        *ret_root_fd = TAKE_FD(build.target_fd);
    cleanup_close_fd(&build.source_fd);
    cleanup_close_fd(&build.target_fd);
    return r;
}

/* Where an empty file system is attached to be the second layer that an overlay needs. A directory of the tree would
 * not do: the layers may not lie within each other. */
#define EMPTY_LAYER "run/layers/lower"

static int attach_empty_layer(void)
{
    static const struct mount_option options[] = { { "size", "4096" }, { "nr_inodes", "2" }, { "mode", "0755" } };
    CLEANUP_CLOSE int fd = -1;
    int r = mount_new("tmpfs", options, ARRAY_SIZE(options), MOUNT_ATTR_RDONLY, &fd);

    return r ? r : mount_attach(fd, AT_FDCWD, EMPTY_LAYER);
}

/* Layers are named relative to the working directory, which is the tree: cells can read the names in
 * /proc/self/mountinfo. */
static int private_view(const char *directory, uint64_t attributes, int *ret_fd)
{
    char layers[64];
    struct mount_option options[] = { { "lowerdir", layers } };

    snprintf(layers, sizeof(layers), "%s:" EMPTY_LAYER, directory);
    return mount_new("overlay", options, ARRAY_SIZE(options), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | attributes,
                     ret_fd);
}

#define VIEWS (ARRAY_SIZE(runtime_dirs) + 1) /* besides that of the root itself */

static const char *view_name(size_t i)
{
    return i < ARRAY_SIZE(runtime_dirs) ? runtime_dirs[i] : PACKAGES_DIR;
}

/* Covers the tree with the private views: all are made before the first is attached, since that hides what they are
 * made of. Device nodes are those of the root alone. */
static int attach_views(void)
{
    int fds[VIEWS + 1], r;
    size_t n = VIEWS;
    struct stat st;

    for (size_t i = 0; i <= n; i++)
        fds[i] = -1;
    r = attach_empty_layer();
    if (r == 0)
        r = private_view(".", 0, &fds[n]);
    for (size_t i = 0; i < n && r == 0; i++)
        if (lstat(view_name(i), &st) == 0 && S_ISDIR(st.st_mode))
            r = private_view(view_name(i), MOUNT_ATTR_NODEV, &fds[i]);
    if (r == 0)
        r = mount_attach(fds[n], AT_FDCWD, ".");
    for (size_t i = 0; i < n && r == 0; i++)
        if (fds[i] >= 0)
            r = mount_attach(fds[i], fds[n], view_name(i));
    if (r == 0 && fchdir(fds[n]) < 0)
        r = error_from_errno();
    for (size_t i = 0; i <= n; i++)
        cleanup_close_fd(&fds[i]);
    return r;
}

int rootfs_enter(void)
{
    int r;

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_from_errno();
    r = attach_views();
    if (r < 0)
        return r;
    /* With both arguments "." the old root ends up stacked below the new one and is unmounted there; see pivot_root(2).
     */
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return error_from_errno();
    return 0;
}
