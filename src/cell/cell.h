/* SPDX-License-Identifier: Apache-2.0 */
/* cell.h -- one cell: its PID 1, from clone to the program's end.
 *
 * cell_arm() clones an init that puts up every wall, the system-call filter last, and then waits ("armed"). The keeper
 * attaches the workspace from outside with cell_attach(), and hands the program over with cell_run(): only then the
 * init looks at what it was given (cell.c lists the steps in order). The keeper learns of the end through the control
 * socket, a pidfd and the cgroup; what the program prints is never read here.
 *
 * The init is a fork of the keeper, not an exec: it holds no secret, since the keeper has none. It cannot be signalled,
 * traced or read by the program: PID 1 takes no signal it has no handler for, it is undumpable, and the filter refuses
 * ptrace. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cell/runtime.h"
#include "cell/scratch.h"
#include "cell/seccomp.h"

#define CELL_STEP_NAME_SIZE 32

/* What all cells of a slot have in common. */
struct cell_options {
    const struct seccomp_filter *filter;
    const char *hostname;
    uid_t host_uid;   /* the slot's, on the host */
    uid_t inside_uid; /* SANDBOX_UID */
    uint64_t tmp_bytes;
    int cgroup_fd; /* the v2 group it is cloned into; -1 = the caller's */
};

/* The namespaces of an armed cell, which it hands to its keeper. That of the network is the keeper's own, and that of
 * the groups is made by who enters them. */
enum cell_namespace {
    CELL_NS_MOUNT,
    CELL_NS_PID,
    CELL_NS_IPC,
    CELL_NS_UTS,
    CELL_NS_USER,
    CELL_NAMESPACES,
};

/* namespace_fds: taking a mount namespace down waits for the kernel's readers. The last process of a cell would do that
 * before it counts as dead; held here, the namespace goes after the answer has been sent. */
struct cell {
    pid_t pid;                          /* -1 = no cell, or reaped */
    int pid_fd;                         /* readable when PID 1, and with it everything else, is dead */
    int control_fd;                     /* reports; SOCK_SEQPACKET */
    int scratch_fds[CELL_SCRATCHES];    /* the cell's private file systems, held to see how full they were */
    int namespace_fds[CELL_NAMESPACES]; /* from the CELL_ARMED report on */
};

#define CELL_INIT                                                                                                      \
    ((struct cell){ .pid = -1,                                                                                         \
                    .pid_fd = -1,                                                                                      \
                    .control_fd = -1,                                                                                  \
                    .scratch_fds = { -1, -1, -1 },                                                                     \
                    .namespace_fds = { -1, -1, -1, -1, -1 } })

enum cell_report_type {
    CELL_ARMED,   /* waiting for a program; comes with the descriptors of enum cell_namespace */
    CELL_STARTED, /* the first step is about to start */
    CELL_STEP,    /* the last step, or one that failed, ended: step, exit_code or signal */
    CELL_FAILED,  /* a wall could not be put up: name, error */
    CELL_BUILT,   /* comes with a descriptor: what the compile step made, in memory (cell/keep.h) */
    CELL_REPORTS,
};

struct cell_report {
    uint32_t type;
    uint32_t step;
    int32_t exit_code, signal;
    int32_t error; /* positive errno */
    char name[CELL_STEP_NAME_SIZE];
};

/* Descriptors handed to a cell, in this order. They stay the caller's, who should close them after cell_run(). */
enum cell_fd {
    CELL_FD_PROGRAM,
    CELL_FD_STDIN,
    CELL_FD_STDOUT,
    CELL_FD_STDERR,
    CELL_FDS,                 /* every program has these */
    CELL_FD_TOOLS = CELL_FDS, /* what it calls tools through; -1 = it has none */
    CELL_FD_WARM,             /* what waits in the cell to be its step (cell/warm.h); -1 = nothing does */
    CELL_FD_TRANSPILER,       /* the pipe to what waits beside it for a source; -1 = nothing does */
    CELL_FDS_MAX,
};

/* Clones a cell in the caller's cgroup, network namespace and root file system (rootfs_enter). The caller must be
 * single-threaded and root, and have descriptors 3 and 4 taken by something the cell has no need of: they become the
 * init's own. Returns 0 or a negative errno; the CELL_ARMED report follows. */
int cell_arm(const struct cell_options *options, struct cell *ret_cell);

/* Attaches a detached mount as the armed cell's /mnt/data, in the place of what it has there. home_fd is the caller's
 * own mount namespace, to come back to; its working directory becomes the root. Returns 0 or a negative errno; after
 * -ENOTRECOVERABLE the caller could not come back, and must end. */
int cell_attach(const struct cell *cell, int home_fd, int mount_fd);

/* Has the init of an armed cell start a runtime, whose end of its socket is socket_fd, and if source_fd is not -1 its
 * transpiler, which reads from there. Both are the caller's. Returns 0 or a negative errno; that they could not be
 * started shows in socket and pipe. */
int cell_start_runtime(const struct cell *cell, const struct runtime_order *order, int socket_fd, int source_fd);

/* What waits at the socket fds[CELL_FD_WARM]. */
struct cell_warm {
    pid_t pid;  /* in the cell */
    bool rests; /* it keeps the socket, whose other end its keeper has too (wire/zygote.h) */
};

/* Hands an armed cell its program, whose files may have file_bytes_max. Returns 0 or a negative errno. */
int cell_run(struct cell *cell, const int fds[static CELL_FDS_MAX], uint64_t file_bytes_max,
             const struct cell_warm *warm);

/* Replaces /mnt/data, /tmp and /dev/shm of a cell that stands still: the first by a detached mount, as cell_attach()
 * does, the others by empty ones if they were ever used. mount_fd -1 leaves nothing at /mnt/data. What processes hold
 * open stays. Returns as cell_attach() does. */
int cell_replace_mounts(struct cell *cell, const struct cell_options *options, int home_fd, int mount_fd);

/* Receives the next report without waiting. *ret_fd is the descriptor that CELL_BUILT comes with, which is the
 * caller's, or -1; the cell chose it, so nothing is known of it. Those of CELL_ARMED go to cell->namespace_fds, once.
 * Returns 0, -EAGAIN, -EPIPE (no more will come) or another negative errno. */
int cell_report(struct cell *cell, struct cell_report *ret_report, int *ret_fd);

/* Kills every process of the cell. */
void cell_kill(struct cell *cell);

/* Waits until PID 1 is dead and reaped, which the kernel allows only after all others of its namespace are. */
void cell_reap(struct cell *cell);

/* The scratch file systems that have no block or no inode left, as bits of 1 << CELL_SCRATCH_*. */
unsigned cell_scratch_full(const struct cell *cell);

/* Closes the descriptors of a reaped cell; the last of its memory goes with them. */
void cell_close(struct cell *cell);
