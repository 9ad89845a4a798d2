/* SPDX-License-Identifier: Apache-2.0 */
/* execution.h -- one execution from request to outcome: session -> workspace -> cell -> outcome -> files.
 *
 * execution_run() blocks its worker thread from top to bottom and reads like the list of those steps. Only a program
 * that calls tools gives it back in between, and is gone on with when they have answered. Admission (who
 * runs when) is admission.h; the HTTP side hears of nothing but the result. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/id.h"
#include "domain/file.h"
#include "domain/limits.h"
#include "domain/session.h"
#include "domain/state.h"
#include "engine/language.h"
#include "engine/paused_memory.h"
#include "engine/plain.h"
#include "engine/tool_channel.h"
#include "store/blob.h"
#include "store/digest.h"
#include "store/kv.h"

#define EXECUTION_ARGS_MAX   160000
#define EXECUTION_QUEUE_SIZE DIGEST_HEX_SIZE
#define EXECUTION_FILES_MAX  LIMIT_FILES_LISTED /* more are not mounted of a session either */

/* A reference to a file, as the client sent it (exec.md 10.1). Absent strings are "". */
struct execution_file {
    char *id;
    char *storage_session_id;
    char *name;
    char *resource_id;
    char *kind;
    char *entity_id;
    bool has_version;
    int64_t version;
};

/* What a program may reach, of what the server has. */
enum execution_network {
    EXECUTION_NETWORK_OFF,
    EXECUTION_NETWORK_ALLOWLIST,
    EXECUTION_NETWORK_WAN,
};

/* A checked request. All memory is the request's own; execution_request_deinit() frees it. */
struct execution_request {
    char execution_id[ID_SIZE];
    char tenant[TENANT_SIZE];
    char queue[EXECUTION_QUEUE_SIZE]; /* whose turn it takes while waiting: a hash of the key; "" = none */
    const struct language *language;
    char *code;
    size_t code_length; /* the source may hold NUL bytes */
    char **args;
    size_t n_args;
    bool args_too_long; /* no program can be given what was asked for: this run ends where it would begin */
    char *user_id, *entity_id, *session_id; /* NULL = absent */
    struct execution_file *files;
    size_t n_files;
    struct tool_channel *tools; /* what the program may call (ptc.md); NULL = an ordinary run */
    bool display;               /* what the program shows is part of the result (display.h) */
    bool cold;                  /* nothing that waited runs it, and nothing is kept waiting for the next like it */
    enum execution_network network;
    const char *const *environment; /* further "NAME=value", up to NULL; borrowed; NULL = none */
    int64_t timeout_ms;             /* 0 = not given */
    int64_t received_us;            /* monotonic; start of queue_ms */
    int client_fd; /* the connection, watched for hang-up; a duplicate owned by the request; -1 = none */

    struct run *run;   /* its entry among all executions (running.h); a reference; NULL = nobody can ask for it */
    struct live *live; /* what it prints is told as it comes (live.h); a reference; NULL = only at the end */
    struct feed *feed; /* what it reads (feed.h); a reference; NULL = nothing */
    int wake_fd;       /* an eventfd of the thread that runs it, borrowed; used with run only */
};

void execution_request_deinit(struct execution_request *request);

/* extensions.md X1; their words are in outcomes[], outcome.c. */
enum execution_outcome {
    OUTCOME_OK,
    OUTCOME_ERROR,
    OUTCOME_COMPILE_ERROR,
    OUTCOME_TIMEOUT,
    OUTCOME_OUT_OF_MEMORY,
    OUTCOME_OUTPUT_LIMIT,
    OUTCOME_PROCESS_LIMIT,
    OUTCOME_DISK_LIMIT,
    OUTCOME_SIGNAL,
    OUTCOME_CANCELLED,
};

enum execution_file_state {
    EXECUTION_FILE_INHERITED,
    EXECUTION_FILE_NEW,
    EXECUTION_FILE_MODIFIED,
};

/* One entry of "files" (exec.md 10.9.4). Absent strings are "". */
struct execution_output {
    enum execution_file_state state;
    char id[ID_SIZE];
    char session_id[ID_SIZE];
    char name[FILE_NAME_SIZE];
    char modified_from_id[ID_SIZE], modified_from_session_id[ID_SIZE];
    const struct execution_file
        *reference; /* inherited: the request's entry to echo, or NULL; borrowed from the request */
};

#define EXECUTION_SKIPPED_NAMES_MAX 20

struct execution_usage { /* negative = the host cannot measure it */
    double wall_ms, cpu_ms, queue_ms, prepare_ms;
    int64_t memory_peak_bytes, processes_peak, stdout_bytes, stderr_bytes;
    const char *warm; /* "armed", "started" ...; NULL = absent */
};

#define EXECUTION_USAGE_NONE ((struct execution_usage){ -1, -1, -1, -1, -1, -1, -1, -1, NULL })

struct execution_result {
    int64_t timeout_ms; /* the limit that held */
    enum execution_outcome outcome;
    int exit_code;
    int signal; /* 0 = none */
    char session_id[ID_SIZE];
    struct buffer out, err; /* final text: UTF-8, cleaned, cut, with the table's sentences appended */
    bool out_truncated, err_truncated;
    struct execution_output *files;
    size_t n_files;
    char **deleted_files; /* NULL-terminated, or NULL */
    struct {
        unsigned skipped, max_files, max_size, bad_name, max_scan;
        char *names[EXECUTION_SKIPPED_NAMES_MAX];
        unsigned n_names;
    } truncation;
    unsigned delivery_attempted, delivery_failed;
    int64_t held_bytes;   /* of a program that waits: the most memory that it can have until it goes on */
    struct json_t *shown; /* list of what the program showed; NULL = not asked for */
    bool shown_cut;
    struct execution_usage usage;
    int keeper_fd; /* to be closed when the answer is out: for a moment the cell's keeper waits for that before it
                      clears away. -1 = none, also before execution_run(). The caller's; execution_result_deinit()
                      leaves it */
};

void execution_result_deinit(struct execution_result *result);

/* Names for the wire. */
const char *execution_outcome_name(enum execution_outcome outcome);        /* "ok" */
const char *execution_status_name(const struct execution_result *result);  /* "RE", "SG", "TO", "OL", or NULL */
const char *execution_message_name(const struct execution_result *result); /* "Time limit exceeded" ..., or NULL */
const char *execution_signal_name(int signal);                             /* "SIGKILL", or NULL for 0 */

/* What executions need; one for the process, read-only after start. */
struct engine {
    struct kv *kv;
    struct blob_store *blobs;
    struct language_table *languages;
    const struct warm_counts *warm; /* what waits for programs (wire/warm_counts.h); NULL until the warden says so */
    struct audit *audit;            /* domain/audit.h; NULL = nobody listens */
    int warden_fd;                  /* channel to the warden (wire/message.h) */
    int work_dir_fd;                /* DATA_DIR/work: workspaces, same file system as the blobs */
    const char *data_dir;
    struct running *running;    /* which executions there are (running.h); NULL = nobody asks */
    struct build_cache *builds; /* what compilers made; NULL = every run compiles */
    struct build_key_base *build_base;
    struct hot *hot; /* cells that stay alive between runs (hot.h); NULL = none does */

    int64_t max_execution_ms, max_memory_bytes, max_output_bytes, max_file_bytes, disk_bytes, tmp_bytes, session_ttl_ms;
    unsigned max_output_files, max_processes, max_concurrent, max_queued, max_queue_seconds;
    double max_cpus;

    struct state_rules state;
    bool state_enabled, state_after_errors;

    /* Asked when the turn of one comes that waited: whether the key is no good any more whose hash is request.queue.
     * NULL = keys do not end. */
    bool (*key_is_gone)(const char *key_hash, void *data);
    void *key_data;

    struct paused_memory paused_memory; /* of programs that wait for their clients */
    struct plain_sessions plain_sessions;

    atomic_bool cancel_all; /* set at the end of a drain: every running execution is cancelled */
};

enum execution_stop {
    EXECUTION_E_PAUSED = 1,  /* the calls of request->tools wait for the client; the result holds the output so far */
    EXECUTION_E_REFUSED = 2, /* a file that a run with tools refers to is unknown: the reason is in error */
};

/* A program that waits, with its cell. */
struct execution;

/* Runs one execution; one that is cancelled already gets its result without a cell. *paused is NULL at first; that of a
 * program that waits is the caller's, to be handed in again with the same other arguments once the channel holds the
 * answers, or dropped. Returns 0 with *result filled (whatever the program did), a stop, or a negative errno for a
 * fault of the infrastructure: the reason in words is then in error. The caller deinits result in all cases. */
int execution_run(struct engine *engine, const struct execution_request *request, struct execution_result *result,
                  char *error, size_t error_size, struct execution **paused);

/* Kills a program that waits. Returns NULL; accepts NULL. */
struct execution *execution_drop(struct execution *paused);
