# SPDX-License-Identifier: Apache-2.0
"""R14: ten thousand orphans are reaped as they end, so that the dead do not use up the process limit."""

CODE = r"""
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
int main(void) {
    int retries = 0;
    for (int i = 0; i < 10000; i++) {
        pid_t pid = fork();
        if (pid < 0) {
            if (errno != EAGAIN || ++retries > 3000) { printf("fork %d: %s\n", i, strerror(errno)); return 3; }
            usleep(1000);
            i--;
            continue;
        }
        if (pid == 0) {
            pid_t orphan = fork();
            if (orphan == 0) _exit(0);
            _exit(orphan < 0 ? 1 : 0);
        }
        waitpid(pid, NULL, 0);
    }
    puts("ten thousand");
    return 0;
}
"""


def test_r14_ten_thousand_orphans(attack):
    run = attack.exec(CODE, "c", timeout=60000)
    assert (run.outcome, run.stdout) == ("ok", "ten thousand\n"), dict(run)
    left = attack.exec("ls -d /proc/[0-9]* | wc -l", "bash")
    assert int(left.stdout) <= 5, dict(left)
