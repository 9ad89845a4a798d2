/* SPDX-License-Identifier: Apache-2.0 */
#include "main/place/host.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define DOCKER_FLAGS                                                                                                   \
    "docker run --privileged --cgroupns=private, or without it: --cap-add SYS_ADMIN --cap-add NET_ADMIN "              \
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
#define PODMAN_FLAGS                                                                                                   \
    "podman run --privileged --cgroupns=private, or without it: --cap-add SYS_ADMIN,NET_ADMIN "                        \
    "--security-opt seccomp=unconfined --security-opt label=disable --security-opt unmask=ALL"
#define KUBERNETES_FLAGS "securityContext: {privileged: true, runAsUser: 0} in the container's specification"
#define ECS_FLAGS        "\"privileged\": true and \"user\": \"root\" in the container definition (EC2 launch type)"
#define FARGATE_WORDS    "Fargate grants no privileges to containers: use the EC2 launch type with \"privileged\": true"
#define LXC_FLAGS        "lxc config set NAME security.nesting=true security.privileged=true && lxc restart NAME"
#define CONTAINER_FLAGS  "start the container privileged, with its own cgroup namespace"
#define WSL1_WORDS       "WSL 1 has no Linux kernel: in Windows run wsl --set-version DISTRIBUTION 2"

static const struct {
    const char *name;
    const char *general; /* grants everything below that has no words of its own */
    const char *needs[HOST_NEED_COUNT];
} hosts[HOST_KIND_COUNT] = {
    [HOST_MACHINE] = { "this machine",
                       "",
                       {
                           [HOST_NEEDS_ROOT] = "start it as root: sudo codecell serve",
                           [HOST_NEEDS_CAPABILITIES] = "start it as root without CapabilityBoundingSet= and "
                                                       "AmbientCapabilities= limits: sudo codecell serve",
                           [HOST_NEEDS_NAMESPACES] =
                               "sysctl -w user.max_user_namespaces=15000 user.max_mnt_namespaces=15000 "
                               "user.max_pid_namespaces=15000 user.max_net_namespaces=15000",
                           [HOST_NEEDS_MOUNTS] = "start it as root, outside of any mount restriction "
                                                 "(systemd: no PrivateMounts=, ProtectSystem=, RestrictNamespaces=)",
                           [HOST_NEEDS_PROC] = "umount what is mounted below /proc: findmnt -R /proc shows it",
                           [HOST_NEEDS_CGROUPS] = "mount the hierarchy writable: mount -o remount,rw /sys/fs/cgroup "
                                                  "(systemd: Delegate=yes, no ProtectControlGroups=)",
                           [HOST_NEEDS_SECCOMP] = "use a kernel with CONFIG_SECCOMP_FILTER=y",
                           [HOST_NEEDS_KERNEL] = "use Linux 5.19 or newer: apt-get install linux-image-amd64 "
                                                 "(Ubuntu 22.04: linux-generic-hwe-22.04) and restart the machine",
                       } },
    [HOST_DOCKER] = { "a Docker container",
                      DOCKER_FLAGS,
                      {
                          [HOST_NEEDS_ROOT] = "docker run --user 0:0",
                          [HOST_NEEDS_CGROUPS] =
                              "docker run --privileged --cgroupns=private (the cgroup hierarchy must be writable)",
                          [HOST_NEEDS_PROC] = "docker run --security-opt systempaths=unconfined (or --privileged)",
                          [HOST_NEEDS_SECCOMP] = "docker run --security-opt seccomp=unconfined",
                          [HOST_NEEDS_KERNEL] = "use Linux 5.19 or newer on the host of the container",
                      } },
    [HOST_PODMAN] = { "a Podman container",
                      PODMAN_FLAGS,
                      {
                          [HOST_NEEDS_ROOT] = "podman run --user 0:0",
                          [HOST_NEEDS_PROC] = "podman run --security-opt unmask=ALL (or --privileged)",
                          [HOST_NEEDS_CGROUPS] =
                              "podman run --privileged --cgroupns=private (the cgroup hierarchy must be writable)",
                          [HOST_NEEDS_SECCOMP] = "podman run --security-opt seccomp=unconfined",
                          [HOST_NEEDS_KERNEL] = "use Linux 5.19 or newer on the host of the container",
                      } },
    [HOST_KUBERNETES] = { "a Kubernetes pod",
                          KUBERNETES_FLAGS,
                          {
                              [HOST_NEEDS_PROC] = "securityContext: {privileged: true, procMount: Unmasked}",
                              [HOST_NEEDS_KERNEL] = "use nodes with Linux 5.19 or newer",
                          } },
    [HOST_ECS] = { "an ECS task", ECS_FLAGS, { [HOST_NEEDS_KERNEL] = "use Amazon Linux 2023 instances (Linux 6.1)" } },
    [HOST_FARGATE] = { "an ECS task on Fargate", FARGATE_WORDS, { NULL } },
    [HOST_LXC] = { "an LXC container", LXC_FLAGS, { [HOST_NEEDS_KERNEL] = "use Linux 5.19 or newer on the host" } },
    [HOST_CONTAINER] = { "a container",
                         CONTAINER_FLAGS,
                         { [HOST_NEEDS_KERNEL] = "use Linux 5.19 or newer on the host of the container" } },
    [HOST_WSL1] = { "WSL 1", WSL1_WORDS, { NULL } },
    [HOST_WSL2] = { "WSL 2",
                    "sudo codecell serve",
                    {
                        [HOST_NEEDS_ROOT] = "start it as root: sudo codecell serve",
                        [HOST_NEEDS_CGROUPS] =
                            "put [boot] systemd=true into /etc/wsl.conf, and into %UserProfile%\\.wslconfig "
                            "[wsl2] kernelCommandLine=cgroup_no_v1=all; then wsl --shutdown",
                        [HOST_NEEDS_KERNEL] = "in Windows run wsl --update, then wsl --shutdown",
                        [HOST_NEEDS_NAMESPACES] =
                            "sysctl -w user.max_user_namespaces=15000; in Windows run wsl --update",
                        [HOST_NEEDS_MOUNTS] = "in Windows run wsl --update, then wsl --shutdown",
                        [HOST_NEEDS_PROC] = "umount what is mounted below /proc: findmnt -R /proc shows it",
                        [HOST_NEEDS_SECCOMP] = "in Windows run wsl --update, then wsl --shutdown",
                    } },
};

enum host_kind host_kind_of(const struct host_evidence *evidence)
{
    const struct {
        bool found;
        enum host_kind kind;
    } signs[] = {
        { strstr(evidence->osrelease, "Microsoft") != NULL, HOST_WSL1 },
        { evidence->fargate, HOST_FARGATE },
        { evidence->ecs, HOST_ECS },
        { evidence->kubernetes || strstr(evidence->first_cgroup, "kubepods"), HOST_KUBERNETES },
        { evidence->containerenv || strcmp(evidence->container_variable, "podman") == 0, HOST_PODMAN },
        { evidence->dockerenv || strstr(evidence->first_cgroup, "docker"), HOST_DOCKER },
        { strncmp(evidence->container_variable, "lxc", 3) == 0 || strstr(evidence->first_cgroup, "/lxc"), HOST_LXC },
        { *evidence->container_variable != '\0' || strstr(evidence->first_cgroup, "containerd"), HOST_CONTAINER },
        { strcasestr(evidence->osrelease, "microsoft") != NULL, HOST_WSL2 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
        if (signs[i].found)
            return signs[i].kind;
    return HOST_MACHINE;
}

/* The value of name in a block of NUL-separated assignments; "" if it is not there. */
static const char *block_value(const char *block, size_t size, const char *name)
{
    size_t length = strlen(name);

    for (const char *p = block; p < block + size; p += strlen(p) + 1)
        if (strncmp(p, name, length) == 0 && p[length] == '=')
            return p + length + 1;
    return "";
}

void host_detect(struct host *ret_host)
{
    char osrelease[256] = "", cgroup[8192] = "", block[16384] = "";
    const char *execution = getenv("AWS_EXECUTION_ENV");
    struct host_evidence evidence = { .osrelease = osrelease, .first_cgroup = cgroup };
    ssize_t block_size;

    fd_read_at(AT_FDCWD, "/proc/sys/kernel/osrelease", osrelease, sizeof(osrelease));
    fd_read_at(AT_FDCWD, "/proc/1/cgroup", cgroup, sizeof(cgroup));
    block_size = fd_read_at(AT_FDCWD, "/proc/1/environ", block, sizeof(block));
    evidence.container_variable = block_value(block, block_size > 0 ? (size_t)block_size : 0, "container");
    evidence.dockerenv = access("/.dockerenv", F_OK) == 0;
    evidence.containerenv = access("/run/.containerenv", F_OK) == 0;
    evidence.kubernetes = getenv("KUBERNETES_SERVICE_HOST") != NULL;
    evidence.ecs = getenv("ECS_CONTAINER_METADATA_URI_V4") || getenv("ECS_CONTAINER_METADATA_URI");
    evidence.fargate = execution && strcmp(execution, "AWS_ECS_FARGATE") == 0;
    ret_host->kind = host_kind_of(&evidence);
}

const char *host_name(const struct host *host)
{
    return hosts[host->kind].name;
}

const char *host_mend(const struct host *host, enum host_need need)
{
    const char *words = hosts[host->kind].needs[need];

    return words ? words : hosts[host->kind].general;
}
