# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a cell's processes from outside: a typed answer, and the slot works again."""

import os
import resource
import signal
import threading
import time

import pytest

from support import host


def run_in_background(server, code):
    found = {}

    def go():
        with server.client(timeout=30) as client:
            found["reply"] = client.exec_reply(code, "bash")

    thread = threading.Thread(target=go)
    thread.start()
    return thread, found


def next_runs(server, count=6):
    with server.client() as client:
        for _ in range(count):
            run = client.exec("echo on; echo x > f.txt", "bash")
            assert run.outcome == "ok" and run.stdout == "on\n" and run.names() == ["f.txt"], dict(run)


def test_the_program(server):
    thread, found = run_in_background(server, "echo before; exec -a ftcell sleep 60")
    assert host.until(lambda: host.marked("ftcell"), 5)
    os.kill(host.marked("ftcell")[0], signal.SIGKILL)
    thread.join(10)
    run = found["reply"].json
    assert found["reply"].status == 200 and (run["outcome"], run["code"], run["signal"], run["stdout"]) == (
        "signal",
        137,
        "SIGKILL",
        "before\n",
    ), run
    next_runs(server)


def test_pid_1_of_the_cell(server):
    thread, found = run_in_background(server, "echo before; exec -a ftinit sleep 60")
    assert host.until(lambda: host.marked("ftinit"), 5)
    os.kill(host.parent_of(host.marked("ftinit")[0]), signal.SIGKILL)
    thread.join(10)
    reply = found["reply"]
    assert reply.status in (200, 503), reply
    if reply.status == 200:
        assert reply.json["outcome"] in ("signal", "error", "cancelled") and reply.json["code"] != 0, reply
    else:
        assert reply.error.startswith("Unexpected error during code execution"), reply
    assert host.gone("ftinit") == []
    next_runs(server)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_keepers(server_with, number):
    """Every helper process of the warden but the api is killed, or stopped: later runs are served, or refused in words, and in time."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="2")
    next_runs(server)
    helpers = [pid for pid in host.descendants(server.pid) if pid != server.api_pid]
    for pid in helpers:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
    if number == signal.SIGSTOP:
        server.look()
        thread, found = run_in_background(server, "echo x")
        thread.join(8)
        for pid in helpers:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
        thread.join(20)
        assert found["reply"].status in (200, 503), found
    else:

        def served():
            with server.client(timeout=20) as client:
                reply = client.exec_reply("echo on", "bash")
            assert reply.status in (200, 503), reply
            return reply.status == 200

        assert host.until(served, 10, 0.1)
        next_runs(server, 4)  # each slot has been through its repair
    start = time.monotonic()
    next_runs(server)
    assert time.monotonic() - start < 3, "the slots have not recovered"


def keepers(server):
    return [pid for pid in host.descendants(server.pid) if host.command_line(pid)[:1] == ["codecell-slot"]]


def test_a_keeper_that_cannot_be_started(server_with):
    """It is tried again, also while programs come without a pause."""
    server = server_with(SANDBOX_POOL_ENABLED="false", MAX_CONCURRENT_EXECUTIONS="3")
    stop = threading.Event()

    def work():
        with server.client() as client:
            while not stop.is_set():
                client.exec("echo 1", "bash")

    assert host.until(lambda: len(keepers(server)) == 3, 10)
    _, hard = limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (10, hard))
    os.kill(keepers(server)[0], signal.SIGKILL)
    assert host.until(lambda: "cannot start its keeper" in server.log(), 20), server.log_tail()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
    load = threading.Thread(target=work)
    load.start()
    came_back = host.until(lambda: len(keepers(server)) == 3, 20)
    stop.set()
    load.join()
    assert came_back, server.log_tail()
