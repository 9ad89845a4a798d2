/* SPDX-License-Identifier: Apache-2.0 */
/* message.h -- every message between the api and the privileged side, and how one is sent and received.
 *
 * Messages are fixed-size structs of integers and bounded, NUL-terminated strings over SOCK_SEQPACKET, with descriptors
 * as SCM_RIGHTS. wire_table in message.c has a row for each: exact size, number of descriptors, who may send it. A
 * message that breaks its row is never looked into; the receiver ends the conversation.
 *
 * Two kinds of conversation:
 *   main channel        api -> warden: WIRE_RUN, one a wanted execution. warden -> api: WIRE_HELLO, once, then WIRE_LOG
 *                       and WIRE_TLS whenever the server was told to open its log, and read its certificate, again.
 *   execution channel   made by the api for each execution, its other end passed along with WIRE_RUN:
 *                         warden -> api: WIRE_STARTED, WIRE_PAUSED*, WIRE_ENDED, WIRE_ENTRY*, WIRE_DONE; or WIRE_FAILED
 *                         at any time.
 *                         api -> warden: WIRE_PAUSE, WIRE_KILL. Closing it cancels the execution, so a dead api cancels
 *                         everything; it also ends a parked cell.
 *                       After the end of one whose cell is parked with an unsaved state:
 *                         api -> warden: WIRE_SAVE. warden -> api: WIRE_ENTRY?, WIRE_SAVED.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "wire/warm_kind.h"

#define WIRE_FDS_MAX   6
#define WIRE_PATH_SIZE 1025
#define WIRE_STEP_SIZE 32

/* Bounds of what WIRE_RUN may ask for. */
#define WIRE_TIMEOUT_US_MAX (24ull * 3600 * 1000000)
#define WIRE_BYTES_MAX      (1ull << 40)
#define WIRE_COUNT_MAX      (1u << 20) /* processes, entries, thousandths of a core */

enum wire_type {
    WIRE_HELLO = 1,
    WIRE_RUN,
    WIRE_STARTED,
    WIRE_ENDED,
    WIRE_ENTRY,
    WIRE_DONE,
    WIRE_FAILED,
    WIRE_KILL,
    WIRE_TLS,
    WIRE_PAUSE,
    WIRE_PAUSED,
    WIRE_SAVE,
    WIRE_SAVED,
    WIRE_LOG,
    WIRE_TYPE_COUNT,
};

/* The warden is ready. One descriptor: wire/warm_counts.h. */
struct wire_hello {
    uint32_t type;
    uint32_t slots;
};

/* Descriptors of WIRE_RUN, in this order. */
enum wire_run_fd {
    WIRE_RUN_CHANNEL,
    WIRE_RUN_PROGRAM, /* sealed memory, wire/program.h */
    WIRE_RUN_STDIN,
    WIRE_RUN_STDOUT,
    WIRE_RUN_STDERR,
    WIRE_RUN_FDS,                  /* every run has these */
    WIRE_RUN_TOOLS = WIRE_RUN_FDS, /* if wire_run.tools is set: what the program calls tools through */
    WIRE_RUN_FDS_MAX,
};

/* What a program may reach, of what the server has. */
enum wire_network {
    WIRE_NETWORK_OFF,
    WIRE_NETWORK_ALLOWLIST, /* the proxy */
    WIRE_NETWORK_WAN,       /* everything */
    WIRE_NETWORKS,
};

/* Run a program in a fresh cell. */
struct wire_run {
    uint32_t type;
    uint32_t processes_max;
    char execution_id[ID_SIZE + 2];
    char workspace[ID_SIZE +
                   2];   /* directory below DATA_DIR/work that becomes the lower layer of /mnt/data; "" = no inputs */
    uint64_t timeout_us; /* wall clock, from the program's start, and again from the end of each pause */
    uint64_t memory_bytes;
    uint64_t disk_bytes;         /* writable layer of /mnt/data */
    uint64_t file_bytes_max;     /* RLIMIT_FSIZE */
    uint32_t cpu_millis;         /* 1000 = one core */
    uint32_t entries_max;        /* of the harvest */
    uint64_t state_bytes_max;    /* of the state that the program may leave; 0 = none is wanted */
    uint32_t tools;              /* 1 = the program finds WIRE_RUN_TOOLS as its descriptor 3 */
    uint32_t zygote;             /* enum warm_kind: what its last step can be run by instead of its command */
    uint32_t network;            /* enum wire_network */
    uint32_t park;               /* 1 = its cell may stay for the next program of its session, if it ends well */
    char continues[ID_SIZE + 2]; /* the run whose parked cell is to go on with this program; "" = a fresh cell */
};

/* What the program's process is. */
enum wire_origin {
    WIRE_ORIGIN_STARTED, /* of a cell that was made for it, or an interpreter that was although one might have waited */
    WIRE_ORIGIN_ARMED,   /* of a cell that was waiting for it, and what waited there too, if it asked for that */
    WIRE_ORIGIN_FORKED,  /* a copy that was made for it, or a runtime that was about to wait */
    WIRE_ORIGIN_HOT,     /* of the cell of an earlier run, which was parked */
    WIRE_ORIGINS,
};

/* The program is about to start; the time limit runs from here. */
struct wire_started {
    uint32_t type;
    uint32_t origin; /* enum wire_origin */
    uint64_t prepare_us;
};

enum wire_end_reason {
    WIRE_END_EXITED,  /* by itself: code and signal say how */
    WIRE_END_TIMEOUT, /* killed at its wall-clock limit */
    WIRE_END_KILLED,  /* WIRE_KILL, or the execution channel was closed */
    WIRE_END_LOST,    /* the cell's init died without a report (the kernel killed it) */
    WIRE_END_MEMORY,  /* killed because the kernel had to kill one process after the other for memory */
};

/* Everything in the cell is dead, or stands still. Figures come from waitid and the cgroup. */
struct wire_ended {
    uint32_t type;
    uint32_t reason;        /* enum wire_end_reason */
    uint32_t step;          /* index of the step that ended last */
    int32_t exit_code;      /* if signal is 0 */
    int32_t signal;         /* 0 = exited */
    uint32_t oom_kills;     /* processes the kernel killed for memory, before the keeper killed the rest */
    uint32_t process_limit; /* forks that the process limit refused */
    uint32_t disk_full;     /* 1 = /mnt/data, /tmp or another private file system was full at the end */
    uint64_t wall_us;
    int64_t cpu_us; /* -1 = not measurable on this host; the same below */
    int64_t memory_peak_bytes;
    int64_t processes_peak;
    uint64_t parked_bytes; /* of memory that the cell holds: it stays, until the channel is closed or another run
                              continues it; 0 = it is dead */
    uint32_t unsaved;      /* 1 = the parked program has yet to leave its state, and does so when told to */
    uint32_t reserved;
};

enum wire_entry_kind {
    WIRE_ENTRY_FILE,      /* a regular file of the writable layer; one descriptor, open for reading */
    WIRE_ENTRY_WHITEOUT,  /* this path of the lower layer was deleted */
    WIRE_ENTRY_OPAQUE,    /* this directory hides what the lower layer holds below it */
    WIRE_ENTRY_UNREACHED, /* this directory holds something too deep, or of too long a path, to be looked at */
    WIRE_ENTRY_STATE,     /* the state that the program left, not beyond state_bytes_max; one descriptor, for reading */
    WIRE_ENTRY_STATE_TOO_LARGE, /* it left one that is larger: size_bytes */
    WIRE_ENTRY_BUILT, /* what the compile step made, sent while the program runs; one descriptor, of which the api
                         must believe nothing before it has looked at its seals and its size */
    WIRE_ENTRY_KINDS,
};

struct wire_entry {
    uint32_t type;
    uint32_t kind;
    uint64_t size_bytes;
    char path[WIRE_PATH_SIZE + 3]; /* relative to /mnt/data; bytes as the program chose them, never empty; of a state:
                                      without meaning */
};

/* The harvest is over. */
struct wire_done {
    uint32_t type;
    uint32_t complete;      /* 0 = a bound was reached and entries are missing */
    uint32_t skipped;       /* files and directories left out that could not be opened */
    uint32_t file_at_limit; /* 1 = a file had reached its size limit */
};

/* The cell could not be built; nothing ran, or nothing more will. */
struct wire_failed {
    uint32_t type;
    int32_t error; /* positive errno; ESTALE = there is no cell any more that this run could continue */
    char step[WIRE_STEP_SIZE];
};

/* The program waits for its caller, or goes on. While it waits its clock stands still, and it gets next to no processor
 * time; when it goes on, its time limit starts anew. */
enum wire_pause_kind {
    WIRE_PAUSE_OVER,
    WIRE_PAUSE_WHOLE, /* it keeps its memory limit */
    WIRE_PAUSE_SMALL, /* it may grow by little beyond what it has */
    WIRE_PAUSE_KINDS,
};

struct wire_pause {
    uint32_t type;
    uint32_t kind; /* enum wire_pause_kind */
};

/* A parked program shall leave its state now: the api is done with its files. Nothing else may be asked of its cell
 * before the answer, which is the channel's end if it cannot. */
struct wire_save {
    uint32_t type;
    uint32_t reserved;
};

/* It has, in the WIRE_ENTRY before this one, if there was anything to leave. */
struct wire_saved {
    uint32_t type;
    uint32_t reserved;
    uint64_t parked_bytes; /* that the cell holds now */
};

/* It waits; said once for each pause. */
struct wire_paused {
    uint32_t type;
    uint32_t reserved;
    uint64_t held_bytes; /* the most memory that it can have until it goes on */
};

struct wire_kill {
    uint32_t type;
    uint32_t reserved;
};

/* Descriptors of WIRE_TLS, in this order; open for reading. */
enum wire_tls_fd {
    WIRE_TLS_CERTIFICATE,
    WIRE_TLS_KEY,
    WIRE_TLS_FDS,
};

/* The certificate and its key may have changed. The api cannot open them: the key may be root's alone. */
struct wire_tls {
    uint32_t type;
    uint32_t reserved;
};

/* LOG_FILE is another file now: the descriptor. The api may not look for it, nor make it. */
struct wire_log {
    uint32_t type;
    uint32_t reserved;
};

union wire_message {
    uint32_t type;
    struct wire_hello hello;
    struct wire_run run;
    struct wire_started started;
    struct wire_ended ended;
    struct wire_entry entry;
    struct wire_done done;
    struct wire_failed failed;
    struct wire_kill kill;
    struct wire_pause pause;
    struct wire_paused paused;
    struct wire_save save;
    struct wire_saved saved;
    struct wire_tls tls;
    struct wire_log log;
};

enum wire_side {
    WIRE_FROM_API,
    WIRE_FROM_WARDEN,
};

enum wire_outcome {
    WIRE_E_CLOSED = 1,  /* the other side is gone */
    WIRE_E_INVALID = 2, /* a message that breaks its row; its descriptors were closed */
};

/* Checks bytes that came from a peer against the table: type, direction, exact size, number of descriptors, termination
 * and alphabet of every string, ranges of every enum. Looks at nothing beyond size. Returns 0 or WIRE_E_INVALID. */
int wire_check(const union wire_message *message, size_t size, size_t n_fds, enum wire_side sender);

/* How many descriptors come with this run. */
size_t wire_run_fds(const struct wire_run *run);

/* Sends one message of its table size with its descriptors, which stay the caller's. Returns 0, WIRE_E_CLOSED or a
 * negative errno (-EAGAIN on a full non-blocking socket). */
int wire_send(int socket_fd, const void *message, const int *fds);

/* The same, and never waits longer than timeout_ms, 0 = not at all: then it returns -EAGAIN. Whoever shares the socket
 * cannot change that. */
int wire_send_within(int socket_fd, const void *message, const int *fds, int timeout_ms);

/* Receives and checks one message from sender. fds has room for WIRE_FDS_MAX; unused places are set to -1; the caller
 * owns the others. flags are those of recvmsg(2). Returns 0, WIRE_E_CLOSED, WIRE_E_INVALID or a negative errno. */
int wire_receive(int socket_fd, enum wire_side sender, int flags, union wire_message *ret_message,
                 int ret_fds[static WIRE_FDS_MAX]);

/* Closes every descriptor of a received message that has not been taken. */
void wire_close_fds(int fds[static WIRE_FDS_MAX]);
