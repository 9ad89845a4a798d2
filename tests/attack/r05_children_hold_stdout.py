# SPDX-License-Identifier: Apache-2.0
"""R5: children that hold stdout open after the program's end, or past the limit, delay nothing and die."""

import time

from support import host


def test_r05_the_program_ends_first(attack):
    start = time.monotonic()
    run = attack.exec(
        "(exec -a r05child sleep 100) & (setsid bash -c 'exec -a r05child sleep 100') & (trap '' TERM HUP INT; exec -a r05child sleep 100) & "
        "disown -a; echo done",
        "bash",
    )
    took = time.monotonic() - start
    assert (run.outcome, run.stdout, run.code) == ("ok", "done\n", 0), dict(run)
    assert took < 2, took
    assert host.gone("r05child") == []


def test_r05_the_limit_comes_first(attack):
    start = time.monotonic()
    run = attack.exec(
        """
import os, signal, time
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        for s in (1, 2, 15): signal.signal(s, signal.SIG_IGN)
        if os.fork() == 0:
            os.execvp("bash", ["r05child", "-c", "while :; do echo x; sleep 1; done"])
        os._exit(0)
print("parent", flush=True)
time.sleep(100)
""",
        "py",
        timeout=1000,
    )
    assert run.outcome == "timeout" and "parent" in run.stdout, dict(run)
    assert time.monotonic() - start < 2.2
    assert host.gone("r05child") == []


def test_r05_stdout_closed_early(attack):
    """A program that closes its own output and goes on is still timed, and its exit code still read."""
    run = attack.exec("exec >&- 2>&-; sleep 1; exit 6", "bash")
    assert (run.outcome, run.code) == ("error", 6), dict(run)
    assert run.usage["wall_ms"] >= 1000


def test_r05_the_exit_code_is_the_programs(attack):
    """Not that of a child that ends later or earlier."""
    run = attack.exec("(exit 9) & (sleep 0.2; exit 8) & sleep 0.1; exit 4", "bash")
    assert (run.outcome, run.code) == ("error", 4), dict(run)
