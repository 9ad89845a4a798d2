/* SPDX-License-Identifier: Apache-2.0 */
/* options.h -- the warden's command line, written by `codecell serve`, never by a person.
 *
 * Secrets are not among it: the configuration of the api travels in sealed memory (config_fd) that the warden only
 * passes on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cell/wan_rules.h"

#define WARDEN_SLOTS_MAX 512

struct warden_options {
    const char *data_dir; /* work/ and root/ are below it */
    const char *rootfs;   /* runtime tree that cells see */
    const char *guest_dir;
    const char *hostname;                  /* inside cells */
    const char *api_program;               /* executable of the api */
    const char *log_format;                /* "json" or "text" */
    const char *zygote_library;            /* codecell-zygote.so; NULL = no zygotes */
    const char *packages_dir;              /* of the operator's, for all cells; NULL = none */
    const char *tls_certificate, *tls_key; /* PEM files, read again for the api on SIGHUP; NULL = no TLS */
    const char *proxy_hosts;               /* allow-list; NULL = cells reach no proxy */
    uint64_t proxy_port, proxy_uid;
    const char *log_name; /* of LOG_FILE in its directory, opened again on SIGHUP; NULL = there is none */
    uint64_t log_dir_fd;
    struct wan_options wan;      /* name NULL = cells have no network */
    const char *wan_name_before; /* then the name that an earlier server's had, if there was one; or NULL */
    uint64_t slots, api_uid, uid_base, sandbox_uid, mask_host_info, tmp_mb, log_level, config_fd;
    uint64_t parked_slots;      /* more of them, for as many as hold a program that waits, or a parked cell */
    uint64_t hot;               /* 1 = cells may be parked */
    uint64_t pool_python;       /* slots that always have a copy of the Python zygote */
    uint64_t zygote_seconds;    /* that a zygote may take to start */
    uint64_t give_back_seconds; /* between two slots that are given back */
    uint64_t drain_seconds;     /* that running programs have after SIGTERM */
};

/* Fills options from argv; strings are copied, for the life of the process, because argv is overwritten by process
 * titles. Returns 0, or -EINVAL with one sentence in error. */
int warden_options_parse(struct warden_options *options, int argc, char **argv, char *error, size_t error_size);
