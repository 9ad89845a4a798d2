/* SPDX-License-Identifier: Apache-2.0 */
/* api_process.h -- starting the unprivileged api by exec, with two descriptors and no rights. */
#pragma once

#include <sys/types.h>

struct api_process {
    pid_t pid;      /* -1 = not running */
    int channel_fd; /* our end of the main channel; -1 = none */
    int config_fd;  /* sealed memory, kept to start the api again */
    int program_fd; /* the executable, kept open: it may not be reachable by path for the api's user */
    uid_t uid;
};

/* Starts the api: its own user, no groups, no capabilities, no_new_privs, killed when the warden dies, descriptors 3
 * (configuration) and 4 (main channel). program is shown as argv[0]. Returns 0 or a negative errno. */
int api_process_start(struct api_process *api, const char *program);
