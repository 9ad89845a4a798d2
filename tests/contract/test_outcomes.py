# SPDX-License-Identifier: Apache-2.0
"""extensions.md X1: typed outcomes and usage."""

import re
import time

import pytest
from support import host

HOG = "x = []\nwhile True: x.append(bytearray(b'1' * (1 << 20)))"
FORKS = """
import os, sys, time
try:
    while True:
        if os.fork() == 0:
            time.sleep(20); os._exit(0)
except OSError:
    sys.exit(3)
"""

OUTCOMES = [
    ("ok", "bash", "echo x", None, 0),
    ("error", "bash", "exit 3", "RE", 3),
    ("compile_error", "c", "int main(void) { return }", "RE", 1),
    ("timeout", "bash", "sleep 30", "TO", 124),
    ("out_of_memory", "py", HOG, "SG", 137),
    ("output_limit", "bash", "yes", "OL", 137),
    ("process_limit", "py", FORKS, "RE", 3),
    ("disk_limit", "bash", "for i in 1 2 3; do head -c 60M /dev/zero > /tmp/full$i || exit 1; done", "RE", 1),
    ("signal", "bash", "kill -SEGV $$", "SG", 139),
]


@pytest.mark.parametrize("outcome,lang,code,status,number", OUTCOMES, ids=[row[0] for row in OUTCOMES])
def test_each_outcome(client, outcome, lang, code, status, number):
    """X1: the table."""
    run = client.exec(code, lang, timeout=2000 if outcome == "timeout" else 30000)
    assert run.outcome == outcome, dict(run)
    assert (run["status"], run.code) == (status, number), dict(run)


def test_execution_id(client):
    """X1: 21 characters, also in the header, another each time."""
    runs = [client.exec("true", "bash") for _ in range(5)]
    for run in runs:
        assert (
            re.fullmatch(r"[A-Za-z0-9_-]{21}", run["execution_id"])
            and run.reply.header("x-execution-id") == run["execution_id"]
        )
    assert len({run["execution_id"] for run in runs}) == 5


def test_truncated_only_when_cut(client):
    """X1."""
    assert "truncated" not in client.exec("echo x", "bash")
    assert client.exec("yes | head -c 70000", "bash")["truncated"] == {"stdout": True, "stderr": False}
    assert client.exec("yes | head -c 70000 >&2", "bash")["truncated"] == {"stdout": False, "stderr": True}


KEYS = {
    "wall_ms",
    "cpu_ms",
    "memory_peak_bytes",
    "processes_peak",
    "stdout_bytes",
    "stderr_bytes",
    "queue_ms",
    "prepare_ms",
    "warm",
}


def test_usage_fields(client):
    """X1: numbers, never null or zero for what cannot be measured."""
    usage = client.exec("echo x; echo yy >&2", "bash").usage
    assert set(usage) <= KEYS and {"wall_ms", "stdout_bytes", "stderr_bytes", "queue_ms", "prepare_ms", "warm"} <= set(
        usage
    ), usage
    assert usage["warm"] in ("hot", "armed", "forked", "started", "cached")
    assert usage["stdout_bytes"] == 2 and usage["stderr_bytes"] == 3
    assert all(isinstance(value, (int, float)) and value >= 0 for key, value in usage.items() if key != "warm")
    for key in ("cpu_ms", "memory_peak_bytes", "processes_peak"):
        assert usage.get(key, 1) > 0, usage


def test_wall_and_cpu(client):
    """X1: a sleeper uses wall time only, a spinner both, children count."""
    sleeper = client.exec("sleep 0.5", "bash").usage
    assert 500 <= sleeper["wall_ms"] < 1000 and sleeper["cpu_ms"] < 150, sleeper
    spinner = client.exec(
        "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass", "py"
    ).usage
    assert spinner["cpu_ms"] >= 500 and spinner["wall_ms"] >= 500, spinner
    child = client.exec(
        "python3 -c 'import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass' & wait",
        "bash",
    ).usage
    assert child["cpu_ms"] >= 400, child


def test_memory_peak(client):
    """X1: what was touched, not what was mapped; of this run, not of the slot's last."""
    big = client.exec("x = b'1' * (100 << 20)\nprint(len(x))", "py").usage["memory_peak_bytes"]
    assert 100 << 20 <= big <= 200 << 20, big
    for _ in range(4):
        small = client.exec("true", "bash").usage["memory_peak_bytes"]
        assert 0 < small < 40 << 20, small


def test_memory_peak_of_what_waited(client):
    """X1: an interpreter that waited for its program is part of what that took: a small one does not take nothing."""
    kinds = set()

    def has_run_warm():
        usage = client.exec("print(1)", "py").usage
        assert 1 << 20 <= usage["memory_peak_bytes"] <= 40 << 20, usage
        kinds.add(usage["warm"])
        return kinds & {"armed", "forked"}

    assert host.until(has_run_warm, 60), kinds


def test_processes_peak(client):
    """X1: of this run, where the host can tell."""
    usage = client.exec("for i in $(seq 20); do sleep 0.5 & done; wait", "bash").usage
    assert 20 <= usage.get("processes_peak", 20) <= 26, usage
    assert client.exec("true", "bash").usage.get("processes_peak", 1) <= 6


def test_wall_time_matches(client):
    """10.10: wall_time in whole milliseconds is usage.wall_ms."""
    start = time.monotonic()
    run = client.exec("sleep 0.3", "bash")
    took = (time.monotonic() - start) * 1000
    assert abs(run["wall_time"] - run.usage["wall_ms"]) <= 1 and 300 <= run["wall_time"] <= took


def test_bytes_before_cutting(client):
    """X1: stdout_bytes counts what the program wrote."""
    assert client.exec("yes | head -c 1000000", "bash").usage["stdout_bytes"] == 1000000


def test_survived_limits_are_ok(client):
    """X1: a limit that the program survived is ok."""
    run = client.exec(
        "for i in 1 2 3; do head -c 60M /dev/zero > /tmp/full$i; done 2>/dev/null; rm /tmp/full*; exit 0", "bash"
    )
    assert (run.outcome, run.code) == ("ok", 0), dict(run)


def test_earlier_cause_decides(client):
    """X1: if two apply, the earlier one."""
    run = client.exec("yes & sleep 60", "bash", timeout=8000)
    assert run.outcome == "output_limit", dict(run)


CHILD_HOG = "python3 -c 'x = bytearray(2 ** 30)'; echo then=$?; "


@pytest.mark.parametrize("later", ["sleep 60", "yes", "exit 3"])
def test_memory_that_came_first_decides(client, later):
    """X1: what the kernel killed for memory is the outcome, whatever the program that went on was killed for later."""
    run = client.exec(CHILD_HOG + later, "bash", timeout=8000)
    assert (run.outcome, run["status"], run.code) == ("out_of_memory", "SG", 137), dict(run)
    assert run.stdout.startswith("then=137\n"), dict(run)


def test_memory_that_was_survived(client):
    """X1: a program that lost a child and exited 0 is ok."""
    run = client.exec(CHILD_HOG + "exit 0", "bash")
    assert (run.outcome, run.code, run.stdout) == ("ok", 0, "then=137\n"), dict(run)


def test_prepare_is_not_the_programs_time(client):
    """10.5: sandbox start-up and mounting do not count."""
    usage = client.exec("true", "bash").usage
    assert usage["prepare_ms"] < 1000 and usage["wall_ms"] < 500, usage
