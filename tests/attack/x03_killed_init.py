# SPDX-License-Identifier: Apache-2.0
"""C19, R2: a cell whose memory is full of files dies typed: its keeper lives, and if the kernel takes its init, the success of an
earlier step is not the program's."""

import pytest

# Leaves the kernel nothing to free by killing the program, whose own memory is small.
FILL = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static char block[1 << 16];
int main(void) {
    const char *places[] = { "/mnt/data", "/dev/shm", "/tmp", "/run/build" };
    char name[64];
    memset(block, 1, sizeof block);
    for (int k = 0; k < 4; k++) for (int i = 0; i < 600; i++) {
        sprintf(name, "%s/f%d", places[k], i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600), j = 0;
        if (fd < 0) break;
        while (j < 1600 && write(fd, block, sizeof block) > 0) j++;
        close(fd);
        if (j == 0) break;
    }
    for (;;) {
        int fd = memfd_create("x", 0);
        if (fd < 0) break;
        for (int j = 0; j < 1600 && write(fd, block, 4096) > 0; j++);
    }
    pause();
}
"""


@pytest.mark.parametrize("turn", range(3))
def test_x03_memory_full_of_files(attack, turn):
    run = attack.exec(FILL, "c", timeout=10000)
    assert run.outcome == "out_of_memory", dict(run)
    assert (run.code, run["status"], run["message"]) == (137, "SG", "Out of memory"), dict(run)


def test_x03_init_cannot_be_ended_by_its_limits(attack):
    """Whatever a program does to its init, the outcome is no success of the compiler's."""
    run = attack.exec(r"""
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    struct rlimit one = { 1, 1 }, none = { 0, 0 };
    prlimit(1, RLIMIT_CPU, &one, 0);
    prlimit(1, RLIMIT_NOFILE, &none, 0);
    prlimit(1, RLIMIT_STACK, &none, 0);
    sched_setscheduler(1, SCHED_IDLE, &(struct sched_param){ 0 });
    for (int s = 1; s < 65; s++) kill(1, s);
    /* Work for init: orphans to reap. */
    for (int i = 0; i < 20000; i++) { if (fork() == 0) { if (fork() == 0) _exit(0); _exit(0); } wait(0); }
    return 7;
}
""", "c", timeout=20000)
    assert run.outcome in ("error", "signal", "process_limit", "timeout"), dict(run)
    assert run.code != 0, dict(run)


def test_x03_core_dumps_reach_no_handler_of_the_host(attack):
    told = attack.evidence("""
import resource
facts = dict(limits=resource.getrlimit(resource.RLIMIT_CORE))
for value in ((0, 0), (0, 1), (1, 1), (-1, -1)):
    facts[str(value)] = attempt(resource.setrlimit, resource.RLIMIT_CORE, value)
    facts["wide" + str(value)] = sc(302, 0, (1 << 32) | 4, struct.pack("qq", *value), 0)
facts["after"] = resource.getrlimit(resource.RLIMIT_CORE)
tell(facts)
""")
    assert told.pop("limits") == [1, 1] and told.pop("after") == [1, 1], told
    assert set(told.values()) <= {"EPERM", "PermissionError", "ValueError"}, told
