/* SPDX-License-Identifier: Apache-2.0 */
/* api_versions.h -- the versions of the runtimes, for GET /languages. They are found by running each of them, which the
 * api cannot do once it is confined; so a child is made before, which waits until it is asked, and then answers once.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "engine/language.h"

#define API_VERSIONS_MAX_BYTES 4096

struct api_versions {
    int fd; /* to the child; -1 = none, or all is known */
    pid_t pid;
    bool asked;
    char answer[API_VERSIONS_MAX_BYTES];
    size_t length;
};

/* Makes the child; to be called while the process has one thread. Returns 0 or a negative errno. */
int api_versions_start(struct api_versions *versions, struct language_table *table);

/* Asks the child, the first time, and takes what it has answered since; never waits. Called now and then by one thread
 * until it returns true: nothing more will come. */
bool api_versions_take(struct api_versions *versions, struct language_table *table);

/* The child ends when nobody listens to it any more; nothing waits for that. */
void api_versions_stop(struct api_versions *versions);
