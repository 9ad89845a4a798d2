/* SPDX-License-Identifier: Apache-2.0 */
/* confine_files.c -- which files the api may reach: Landlock, on top of the rights of its user. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "main/confine/confine.h"

/* Newer than the headers that the program may be built with; numbers of the kernel's interface never change. */
#define FS_TRUNCATE     (1ULL << 14) /* 3 */
#define FS_IOCTL_DEV    (1ULL << 15) /* 5 */
#define NET_BIND_TCP    (1ULL << 0)  /* 4 */
#define SCOPE_SOCKET    (1ULL << 0)  /* 6: abstract Unix sockets outside */
#define SCOPE_SIGNAL    (1ULL << 1)  /* 6: processes outside */
#define RULE_PATH       1
#define RULE_PORT       2
#define RULESET_VERSION 1u

struct ruleset {
    uint64_t files, ports, scopes;
};

struct port_rule {
    uint64_t access, port;
};

/* What the kernel is told to refuse unless a rule allows it, by version of Landlock. Connections are free: to the
 * warden over its channel, and to stores that the configuration names. */
static const struct {
    int abi;
    struct ruleset handled;
} versions[] = {
    { 2,
      { .files = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
                 LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                 LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER } },
    { 3, { .files = FS_TRUNCATE } },
    { 4, { .ports = NET_BIND_TCP } },
    { 5, { .files = FS_IOCTL_DEV } },
    { 6, { .scopes = SCOPE_SOCKET | SCOPE_SIGNAL } },
};

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define KEEP                                                                                                           \
    (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |           \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |                         \
     LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)

/* Beside the data directory: what the C library and TLS clients read. All of it may be missing. */
static const struct {
    const char *path;
    uint64_t access;
} rules[] = {
    { "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE },
    { "/dev/urandom", READ },
    /* names of stores: resolver and certificates */
    { "/etc/gai.conf", READ },
    { "/etc/host.conf", READ },
    { "/etc/hosts", READ },
    { "/etc/nsswitch.conf", READ },
    { "/etc/resolv.conf", READ },
    { "/etc/services", READ },
    { "/run/systemd/resolve", READ },
    { "/etc/ssl/certs", READ },
    { "/etc/ssl/openssl.cnf", READ },
    { "/etc/gnutls", READ },
    { "/usr/share/ca-certificates", READ },
    { "/usr/local/share/ca-certificates", READ },
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    { "/", READ }, /* a report names lines of the source */
#endif
};

int confine_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);

    return abi < 0 ? 0 : (int)abi;
}

/* Rights of directories given to a file are an error to the kernel. */
static uint64_t fitting(int fd, uint64_t access)
{
    const uint64_t of_files =
        LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | FS_TRUNCATE;
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? access : access & of_files;
}

static int allow_path(int ruleset_fd, const char *path, uint64_t access)
{
    CLEANUP_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = { .parent_fd = fd };

    if (fd < 0)
        return error_from_errno();
    rule.allowed_access = fitting(fd, access);
    if (rule.allowed_access == 0)
        return 0;
    return syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH, &rule, 0) < 0 ? error_from_errno() : 0;
}

/* What the user of the api does not find or may not reach needs no rule. */
static int allow_optional(int ruleset_fd, const char *path, uint64_t access)
{
    int r = allow_path(ruleset_fd, path, access);

    return r == -ENOENT || r == -EACCES || r == -ENOTDIR ? 0 : r;
}

static int allow_table(int ruleset_fd, uint64_t handled)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rules) && r == 0; i++)
        r = allow_optional(ruleset_fd, rules[i].path, rules[i].access & handled);
    return r;
}

static int allow_port(int ruleset_fd, uint16_t port, uint64_t handled)
{
    const struct port_rule rule = { .access = NET_BIND_TCP, .port = port };

    if (!(handled & NET_BIND_TCP) || port == 0)
        return 0;
    return syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PORT, &rule, 0) < 0 ? error_from_errno() : 0;
}

static int add_rules(int ruleset_fd, const struct confine_options *options, const struct ruleset *handled)
{
    int r = options->data_dir ? allow_path(ruleset_fd, options->data_dir, KEEP & handled->files) : 0;

    if (r == 0)
        r = allow_table(ruleset_fd, handled->files);
    return r ? r : allow_port(ruleset_fd, options->port, handled->ports);
}

int confine_files(const struct confine_options *options)
{
    CLEANUP_CLOSE int ruleset_fd = -1;
    struct ruleset handled = { 0 };
    int abi = confine_landlock_abi(), r;

    if (abi < CONFINE_LANDLOCK_ABI_MIN)
        return -EOPNOTSUPP;
    for (size_t i = 0; i < ARRAY_SIZE(versions) && versions[i].abi <= abi; i++) {
        handled.files |= versions[i].handled.files;
        handled.ports |= versions[i].handled.ports;
        handled.scopes |= versions[i].handled.scopes;
    }
    /* A kernel that does not know the later fields takes them as long as they are zero. */
    ruleset_fd = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
    if (ruleset_fd < 0)
        return error_from_errno();
    r = add_rules(ruleset_fd, options, &handled);
    if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0)
        r = error_from_errno();
    return r;
}
