# SPDX-License-Identifier: Apache-2.0
"""R13: no signal from inside touches the supervisor: the run is still timed and typed."""

import os
import time

import pytest

from support import host

SIGNALS = [1, 2, 3, 6, 9, 11, 15, 17, 18, 19, 20, 31, 34, 64]


def test_r13_everything_at_pid_1(attack):
    told = attack.evidence(
        f"""
facts = {{}}
for number in {SIGNALS}:
    facts["kill %d" % number] = attempt(os.kill, 1, number)
    facts["tgkill %d" % number] = sc("tgkill", 1, 1, number)
info = ctypes.create_string_buffer(struct.pack("<iii", 0, 0, -1) + bytes(116))
for number in (9, 10, 19, 34):
    facts["queue %d" % number] = sc("rt_sigqueueinfo", 1, number, info)
fd = sc("pidfd_open", 1, 0)
if fd.startswith("ok:"):
    for number in (9, 15, 19):
        facts["pidfd %d" % number] = sc("pidfd_send_signal", int(fd[3:]), number, 0, 0)
time.sleep(0.2)
facts["alive"] = os.path.exists("/proc/1")
facts["state"] = [l for l in open("/proc/1/status") if l.startswith("State")][0].split()[1] if os.access("/proc/1/status", os.R_OK) else "S"
tell(facts)
"""
    )
    assert told["alive"] and told["state"] in ("S", "R", "D"), told


def test_r13_supervision_goes_on_after_the_attack(attack):
    start = time.monotonic()
    run = attack.exec(
        """
trap '' HUP INT QUIT TERM USR1 USR2 PIPE
for s in HUP INT QUIT ABRT KILL SEGV TERM CHLD CONT STOP TSTP SYS RTMIN RTMAX; do kill -$s 1 2>/dev/null; done
echo attacked
exec -a r13alive sleep 100
""",
        "bash",
        timeout=1000,
    )
    assert (run.outcome, run.stdout) == ("timeout", "attacked\n"), dict(run)
    assert time.monotonic() - start < 2.2
    assert host.gone("r13alive") == []


@pytest.mark.parametrize(
    "call,outcome",
    [
        ("kill(-1, 9)", ("ok", 0)),
        ("kill(0, 9)", ("signal", 137)),
        ("kill(getpid(), 9)", ("signal", 137)),
        ("kill(getpid(), 11)", ("signal", 139)),
        ("kill(-getpid(), 15)", ("signal", 143)),
        ("kill(getppid(), 9)", ("ok", 0)),
        ("kill(-1, 19)", ("ok", 0)),
    ],
)
def test_r13_wide_kills(attack, call, outcome):
    """kill(-1) spares the caller and PID 1; the others end the program, and the answer names the signal."""
    run = attack.exec(
        f"""
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {{ setvbuf(stdout, 0, _IONBF, 0); setpgid(0, 0); puts("before"); {call}; usleep(20000); puts("after"); return 0; }}
""",
        "c",
        timeout=5000,
    )
    assert (run.outcome, run.code) == outcome, dict(run)
    assert run.stdout.startswith("before\n") and (("after" in run.stdout) == (outcome[0] == "ok")), dict(run)
    if outcome[0] == "signal":
        assert (
            run["signal"] == {137: "SIGKILL", 139: "SIGSEGV", 143: "SIGTERM"}[outcome[1]] and run["status"] == "SG"
        ), dict(run)


def test_r13_host_processes_cannot_be_signalled(attack):
    pids = [attack.server.pid, attack.server.api_pid, os.getpid()]
    told = attack.evidence(
        f"""
tell({{str(p): [attempt(os.kill, p, 0), attempt(os.kill, p, 15), sc("pidfd_open", p, 0)] for p in {pids} if not os.path.exists("/proc/%d" % p)}})
"""
    )
    for answers in told.values():
        assert set(answers) == {"ESRCH"}, told


def test_r13_parent_death_signal_and_subreaper(attack):
    """prctl games with death signals and subreapers cannot keep anything alive."""
    run = attack.exec(
        """
import ctypes, os, signal
libc = ctypes.CDLL(None)
libc.prctl(36, 1, 0, 0, 0)
libc.prctl(1, 0, 0, 0, 0)
if os.fork() == 0:
    os.setsid(); libc.prctl(36, 1, 0, 0, 0)
    for _ in range(10):
        if os.fork() == 0: os.execvp("sleep", ["r13reaper", "100"])
    os.execvp("sleep", ["r13reaper", "100"])
print("done")
""",
        "py",
    )
    assert (run.outcome, run.stdout) == ("ok", "done\n"), dict(run)
    assert host.gone("r13reaper") == []
