/* SPDX-License-Identifier: Apache-2.0 */
/* check.h -- what the server needs of its host: one row a check, run by `codecell doctor` (all) and by serve (those
 * that are quick), in the same words.
 *
 * A check tries the thing itself in a forked child rather than reading a version, leaves nothing behind, and on WARN
 * and FAIL says in mend the exact command or setting that mends it here. FAIL: the server would not work, or not be
 * safe. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "main/config/config.h"
#include "main/place/host.h"
#include "main/place/identity.h"
#include "main/place/location.h"

enum check_status {
    CHECK_OK,
    CHECK_WARN,
    CHECK_FAIL,
};

struct check_report {
    enum check_status status;
    bool may_pass; /* CHECK_FAIL, and a later start may find it otherwise with nothing done here */
    char what[384];
    char mend[640]; /* "" for CHECK_OK */
};

/* What checks look at; all borrowed. */
struct check_context {
    const struct config *config;
    const struct location *location;
    struct host host;
    bool starting;       /* a server is about to start, so its port must be free */
    int identity_result; /* of identity_find() */
    struct identity identity;
};

enum check_when {
    CHECK_AT_START = 1, /* quick enough for every start */
    CHECK_AS_ROOT = 2,  /* says nothing to others, to whom much is refused */
};

struct check {
    const char *name;
    void (*run)(const struct check_context *context, struct check_report *report);
    unsigned when;
};

void check_context_init(struct check_context *context, const struct config *config, const struct location *location);

/* The table, in the order of the lines; ends with an empty row. */
extern const struct check checks[];

/* How a check reports. */
void check_ok(struct check_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_say(struct check_report *report, enum check_status status, const char *mend, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Runs try(argument) in a forked child, so that what it does to namespaces, mounts and credentials is gone with it.
 * Returns what try returned: 0 or a negative errno of a value above -256; -EIO if the child died. */
int check_in_child(int (*try)(const void *argument), const void *argument);

/* The deepest directory of path that exists. */
void check_existing(const char *path, char ret_path[static PATH_MAX]);

/* The checks; by file. check_kernel.c: */
void check_kernel_version(const struct check_context *context, struct check_report *report);
void check_seccomp(const struct check_context *context, struct check_report *report);
void check_landlock(const struct check_context *context, struct check_report *report);
void check_sysctls(const struct check_context *context, struct check_report *report);
void check_ksm(const struct check_context *context, struct check_report *report);
void check_processor(const struct check_context *context, struct check_report *report);
void check_core_pattern(const struct check_context *context, struct check_report *report);
void check_clock(const struct check_context *context, struct check_report *report);
/* check_privilege.c */
void check_root(const struct check_context *context, struct check_report *report);
void check_capabilities(const struct check_context *context, struct check_report *report);
void check_user_ids(const struct check_context *context, struct check_report *report);
void check_namespaces(const struct check_context *context, struct check_report *report);
void check_user_namespace(const struct check_context *context, struct check_report *report);
/* check_mount.c */
void check_mount_api(const struct check_context *context, struct check_report *report);
void check_overlay(const struct check_context *context, struct check_report *report);
void check_idmapped(const struct check_context *context, struct check_report *report);
void check_proc(const struct check_context *context, struct check_report *report);
/* check_cgroup.c */
void check_controllers(const struct check_context *context, struct check_report *report);
void check_cgroup_write(const struct check_context *context, struct check_report *report);
void check_swap(const struct check_context *context, struct check_report *report);
/* check_files.c */
void check_program(const struct check_context *context, struct check_report *report);
void check_rootfs(const struct check_context *context, struct check_report *report);
void check_data_dir(const struct check_context *context, struct check_report *report);
void check_log_file(const struct check_context *context, struct check_report *report);
void check_space(const struct check_context *context, struct check_report *report);
void check_descriptors(const struct check_context *context, struct check_report *report);
void check_limits(const struct check_context *context, struct check_report *report);
void check_dotenv(const struct check_context *context, struct check_report *report);
/* check_skill_deps.c */
void check_skill_deps(const struct check_context *context, struct check_report *report);
/* check_tls.c */
void check_tls(const struct check_context *context, struct check_report *report);
/* check_wan.c */
void check_wan(const struct check_context *context, struct check_report *report);
/* check_network.c */
void check_port(const struct check_context *context, struct check_report *report);
/* check_runtime.c */
void check_runtimes(const struct check_context *context, struct check_report *report);
