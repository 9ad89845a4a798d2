/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/paths.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

/* Numbers of the kernel's interface never change; headers that the program is built with may not have them. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif
#define ASK_VERSION 1u
#define TO_RUN      (UINT64_C(1) << 0 | UINT64_C(1) << 2) /* and to read */
#define RULE_PATH   1
#define SILENT      1u /* version 7: refusals are no business of the host's audit log */

/* The rights that each version has beside those before; without that to move files between directories, which came with
 * the second, nobody could. */
static const struct {
    int version;
    uint64_t rights;
} versions[] = {
    { 2, (UINT64_C(1) << 14) - 1 },
    { 3, UINT64_C(1) << 14 }, /* to truncate */
    { 5, UINT64_C(1) << 15 }, /* ioctl of devices */
};

#define VERSION_MIN    2
#define VERSION_SILENT 7

struct path_rule {
    uint64_t rights;
    int32_t fd;
} __attribute__((packed));

static uint64_t all_rights(long version)
{
    uint64_t rights = 0;

    for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
        if (version >= versions[i].version)
            rights |= versions[i].rights;
    return rights;
}

static int allow(int rules_fd, const char *path, uint64_t rights)
{
    CLEANUP_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
    struct path_rule rule = { .rights = rights, .fd = fd };

    if (fd < 0 || syscall(SYS_landlock_add_rule, rules_fd, RULE_PATH, &rule, 0) < 0)
        return error_from_errno();
    return 0;
}

int paths_confine(bool with_executable)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
    uint64_t rights = all_rights(version);
    CLEANUP_CLOSE int rules_fd = -1;
    int r;

    if (version < VERSION_MIN)
        return 0;
    rules_fd = (int)syscall(SYS_landlock_create_ruleset, &rights, sizeof(rights), 0);
    r = rules_fd < 0 ? error_from_errno() : allow(rules_fd, "/", rights);
    if (r == 0 && with_executable)
        r = allow(rules_fd, "/proc/self/exe", TO_RUN);
    if (r == 0 && syscall(SYS_landlock_restrict_self, rules_fd, version < VERSION_SILENT ? 0 : SILENT) < 0)
        r = error_from_errno();
    return r;
}
