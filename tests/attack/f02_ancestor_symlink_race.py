# SPDX-License-Identifier: Apache-2.0
"""F2: an intermediate directory swapped for a symbolic link while results are collected leads nowhere."""

from support import host
from support.client import in_threads

# d/passwd is ours; d is exchanged with a link to /etc as fast as it goes, by processes that try to outlive the program.
RACER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static void race(const char *a, const char *b) {
    prctl(PR_SET_NAME, "f02racer");
    for (int s = 1; s < 65; s++) signal(s, SIG_IGN);
    setsid();
    for (;;) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */);
}
int main(void) {
    chdir("/mnt/data");
    for (int i = 0; i < 4; i++) {
        char d[16], l[16], path[64];
        sprintf(d, "d%d", i);
        sprintf(l, "l%d", i);
        mkdir(d, 0755);
        symlink(i % 2 ? "/etc" : "/proc/1", l);
        const char *names[] = {"passwd", "hostname", "environ", "status", "machine-id"};
        for (int n = 0; n < 5; n++) {
            sprintf(path, "%s/%s", d, names[n]);
            int fd = open(path, O_CREAT | O_WRONLY, 0644);
            write(fd, "mine", 4);
            close(fd);
        }
        if (fork() == 0) {
            if (fork() == 0) race(d, l);
            _exit(0);
        }
    }
    usleep(30000);
    return 0;
}
"""


def test_f02_race_against_the_harvest(attack):
    def once():
        with type(attack)(attack.server) as client:
            run = client.exec(RACER, "c", timeout=10000)
            return run, [client.fetch(entry) for entry in run.files]

    for _ in range(3):
        for run, contents in in_threads([once] * 4):
            assert run.outcome in ("ok", "signal"), dict(run)
            assert set(contents) <= {b"mine"}, (dict(run), contents)
            # Under a link's name nothing may come; under a directory's the files, if the exchange left it so.
            assert len(run.files) <= 10, dict(run)
    assert host.gone("f02racer") == []


def test_f02_chain_of_links_and_back(attack):
    run = attack.exec(
        """
import os
os.makedirs("a/b/c")
open("a/b/c/file.txt", "w").write("mine")
os.makedirs("x")
os.symlink("../a", "x/a"); os.symlink("x/a", "y"); os.symlink("/mnt/data", "self"); os.symlink("..", "a/up")
""",
        "py",
    )
    assert run.names() == ["a/b/c/file.txt"], dict(run)
