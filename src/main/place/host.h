/* SPDX-License-Identifier: Apache-2.0 */
/* host.h -- where the server runs, so that advice fits the place: a machine, a container of which engine, WSL, ECS. */
#pragma once

#include <stdbool.h>

enum host_kind {
    HOST_MACHINE,
    HOST_DOCKER,
    HOST_PODMAN,
    HOST_KUBERNETES,
    HOST_ECS,
    HOST_FARGATE,
    HOST_LXC,
    HOST_CONTAINER, /* of an engine that is none of these */
    HOST_WSL1,
    HOST_WSL2,
    HOST_KIND_COUNT,
};

struct host {
    enum host_kind kind;
};

/* What may be refused from outside of the place, and is granted there. */
enum host_need {
    HOST_NEEDS_ROOT,
    HOST_NEEDS_CAPABILITIES,
    HOST_NEEDS_NAMESPACES,
    HOST_NEEDS_MOUNTS,
    HOST_NEEDS_PROC,
    HOST_NEEDS_CGROUPS,
    HOST_NEEDS_SECCOMP,
    HOST_NEEDS_KERNEL,
    HOST_NEED_COUNT,
};

void host_detect(struct host *ret_host);

/* The same from what was found; for tests. osrelease: the kernel's; first_cgroup: /proc/1/cgroup. */
struct host_evidence {
    const char *osrelease;
    const char *first_cgroup;
    bool dockerenv, containerenv, kubernetes, ecs, fargate;
    const char *container_variable; /* "container" in the environment of process 1; "" = unknown */
};

enum host_kind host_kind_of(const struct host_evidence *evidence);

const char *host_name(const struct host *host); /* "a Docker container" */

/* The setting of this place that grants a need. */
const char *host_mend(const struct host *host, enum host_need need);
