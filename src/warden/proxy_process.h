/* SPDX-License-Identifier: Apache-2.0 */
/* proxy_process.h -- starting the proxy of cells with an allow-list, and giving it their listening sockets.
 *
 * Like the api it is started by exec, as a user of its own, without any right. The sockets of all slots are kept here,
 * so that a proxy that died is replaced by one that knows them all. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proxy_process {
    pid_t pid;      /* -1 = not running */
    int feed_fd;    /* -1 = none */
    int program_fd; /* borrowed: the api's */
    uid_t uid;
    const char *program, *hosts, *log_format;
    uint64_t log_level;
    int *listener_fds; /* one a slot; -1 = none yet */
    unsigned slots;
    int64_t started_us;
};

#define PROXY_PROCESS_INIT ((struct proxy_process){ .pid = -1, .feed_fd = -1, .program_fd = -1 })

/* Returns 0 or a negative errno. */
int proxy_process_start(struct proxy_process *proxy);

/* Takes a slot's listening socket over, in place of its last one. A proxy that does not take it is ended, to be
 * replaced. */
void proxy_process_feed(struct proxy_process *proxy, unsigned slot, int listener_fd);

/* It writes to this log from now on. */
void proxy_process_log(struct proxy_process *proxy, int log_fd);

/* The slot is no more: its listening socket is shut, which closes the proxy's as well, since it would keep the network.
 */
void proxy_process_forget(struct proxy_process *proxy, unsigned slot);

/* Ends it and waits. Accepts what was never started. */
void proxy_process_end(struct proxy_process *proxy);
