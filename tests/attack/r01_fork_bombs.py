# SPDX-License-Identifier: Apache-2.0
"""R1: fork bombs of every kind meet the process limit; nothing survives; others do not notice."""

import threading
import time

import pytest

from support import host

MARK = "r01bomb"
SLACK = 16  # PID 1, a compiler's driver and the like

BASH = f"exec -a {MARK} bash -c ':(){{ :|:& }};:; sleep 30'"

PYTHON = f"""
import ctypes, os, signal, time
ctypes.CDLL(None).prctl(15, b"{MARK}", 0, 0, 0)
for s in range(1, 65):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True:
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() != 0: os._exit(0)
    except OSError:
        time.sleep(0.001)
"""

THREADS = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
static void *idle(void *p) { (void)p; pause(); return NULL; }
int main(void) {
    prctl(PR_SET_NAME, "r01bomb");
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 65536);
    long made = 0;
    pthread_t t;
    while (pthread_create(&t, &a, idle, NULL) == 0) made++;
    printf("%ld\n", made);
    fflush(stdout);
    return 7;
}
"""

VFORK = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
/* Each child of vfork execs the program again, which vforks: the parents wait, the chain grows. */
int main(int argc, char **argv) {
    prctl(PR_SET_NAME, "r01bomb");
    for (;;) {
        pid_t pid = vfork();
        if (pid == 0) { execl("/proc/self/exe", "r01bomb", "again", (char *)NULL); _exit(0); }
        if (pid < 0) usleep(1000);
        if (argc > 9) argv[0] = 0;
    }
}
"""


def _neighbour(server, results, stop):
    with server.client() as client:
        while not stop.is_set():
            start = time.monotonic()
            run = client.exec("echo fine", "bash")
            results.append((run.outcome, run.stdout, time.monotonic() - start))


@pytest.mark.parametrize(
    "language,code", [("bash", BASH), ("py", PYTHON), ("c", VFORK)], ids=["bash", "python-double-fork", "vfork-chain"]
)
def test_r01_fork_bombs(attack, language, code):
    results, stop = [], threading.Event()
    neighbour = threading.Thread(target=_neighbour, args=(attack.server, results, stop))
    neighbour.start()
    start = time.monotonic()
    run = attack.exec(code, language, timeout=2000)
    took = time.monotonic() - start
    stop.set()
    neighbour.join()
    # What the kernel keeps of 256 processes with a whole Python each comes near to a cell's memory.
    typed = ("timeout", "process_limit") + (("out_of_memory",) if language == "py" else ())
    assert run.outcome in typed, dict(run)
    assert took < 2 + 1 + (3 if language == "c" else 0), took  # the compiler's time is not the program's
    assert run.usage.get("processes_peak", 256) <= 256 + SLACK, run.usage
    assert host.gone(MARK) == []
    assert results and all(each[:2] == ("ok", "fine\n") for each in results), results
    assert max(each[2] for each in results) < 3, results


def test_r01_the_limit_is_typed(attack):
    run = attack.exec(
        """
import os, sys, time
made = 0
try:
    while made < 5000:
        if os.fork() == 0:
            time.sleep(30); os._exit(0)
        made += 1
except OSError as error:
    print(made, error.errno)
    sys.exit(3)
""",
        "py",
        timeout=10000,
    )
    made, number = map(int, run.stdout.split())
    assert number == 11 and made <= 256, dict(run)  # EAGAIN
    assert (run.outcome, run.code, run["status"]) == ("process_limit", 3, "RE"), dict(run)


def test_r01_threads_count(attack):
    run = attack.exec(THREADS, "c", timeout=10000)
    assert int(run.stdout) <= 256, dict(run)
    assert (run.outcome, run.code) == ("process_limit", 7), dict(run)
    assert host.gone(MARK) == []


def test_r01_a_limit_that_was_survived_is_ok(attack):
    run = attack.exec(
        """
import os, signal, sys, time
children = []
try:
    while len(children) < 5000:
        pid = os.fork()
        if pid == 0:
            time.sleep(30); os._exit(0)
        children.append(pid)
except OSError:
    for pid in children: os.kill(pid, signal.SIGKILL)
    for pid in children: os.waitpid(pid, 0)
print("survived")
""",
        "py",
        timeout=15000,
    )
    assert (run.outcome, run.code, run.stdout) == ("ok", 0, "survived\n"), dict(run)


def _rests(marker):
    """Whether a process of that mark is in a frozen v2 group."""
    groups = {group for pid in host.marked(marker) for group in host.cgroup_directories(pid)}
    return any("frozen 1" in host.read(f"{group}/cgroup.events") for group in groups)


def test_r01_who_forks_in_vain_rests(attack):
    if "" not in host.cgroup_roots():
        pytest.skip("this host has no unified hierarchy")
    code = "#include <sys/prctl.h>\n#include <unistd.h>\nint main(void) { prctl(PR_SET_NAME, \"r01bomb\"); for (;;) fork(); }\n"
    runs = []
    bomb = threading.Thread(target=lambda: runs.append(attack.exec(code, "c", timeout=6000)))
    bomb.start()
    rested = host.until(lambda: _rests(MARK), 9)  # with what the compiler takes
    bomb.join()
    assert rested and runs[0].outcome in ("timeout", "process_limit"), runs
    assert host.gone(MARK) == []
    assert attack.exec("echo fine", "bash").stdout == "fine\n"
