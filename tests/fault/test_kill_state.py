# SPDX-License-Identifier: Apache-2.0
"""kill -9 while Python states are saved: what was answered is there, and what is there is whole."""

import http.client
import os
import signal
import threading

from support import host


class Counter:
    """Counts in the state of one session, in a thread, until stopped; knows the last count that was answered."""

    def __init__(self, server, size):
        self.server, self.size = server, size
        self.session, self.answered, self.asked, self.errors = None, 0, 0, 0
        self.stop_event = threading.Event()
        with server.client() as client:
            self.session = client.exec(f"n = 0; data = bytes([n]) * {size}").session
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop_event.is_set():
            number = self.asked = self.asked + 1
            code = f"import os; n = {number}; data = bytes([n % 256]) + os.urandom({self.size}) + bytes([n % 256])"
            try:
                with self.server.client(timeout=20) as client:
                    run = client.exec(code, session_id=self.session)
                assert run.outcome == "ok" and run.session == self.session, dict(run)
                self.answered = number
            except (OSError, http.client.HTTPException, AssertionError):
                self.errors += 1
                self.stop_event.wait(0.05)

    def stop(self):
        self.stop_event.set()
        self.thread.join()

    def check(self):
        with self.server.client() as client:
            run = client.exec("print(n, data[0] == data[-1] == n % 256)", session_id=self.session)
        assert run.outcome == "ok", dict(run)
        number, whole = run.stdout.split()
        assert whole == "True" and self.answered <= int(number) <= self.asked, (run.stdout, self.answered, self.asked)


def kill_api(server):
    pid = server.api_pid
    os.kill(pid, signal.SIGKILL)
    assert host.until(lambda: not host.alive(pid), 5)
    assert host.until(
        lambda: any("api" in host.command_line(p)[1:2] and p != pid for p in host.descendants(server.process.pid)), 10
    ), "the api was not started again"
    server.wait_ready()


def test_killed_while_saving(server_with):
    """Small states lie in the database, large ones in a file of their own."""
    server = server_with()
    counters = [Counter(server, 1000), Counter(server, 3 << 20)]
    for pause in (0.11, 0.37, 0.23, 0.53):
        before = [counter.answered for counter in counters]
        assert host.until(lambda: all(c.answered > was for c, was in zip(counters, before)), 60, 0.01)
        threading.Event().wait(pause)
        kill_api(server)
    for counter in counters:
        counter.stop()
    for counter in counters:
        counter.check()


def test_a_killed_run_leaves_the_state(server_with):
    """The cell is killed from outside after it has written its state: the run failed, so it does not count."""
    server = server_with()
    with server.client() as client:
        session = client.exec("x = 1").session
    found = {}

    def go():
        code = "import ctypes\nx = 2\nimport atexit, os\natexit.register(lambda: os.execv('/bin/bash', ['stkill', '-c', 'exec -a stkill sleep 60']))"
        with server.client(timeout=60) as client:
            found["run"] = client.exec(code, session_id=session)

    thread = threading.Thread(target=go)
    thread.start()
    assert host.until(lambda: host.marked("stkill"), 10)
    os.kill(host.marked("stkill")[0], signal.SIGKILL)
    thread.join(30)
    assert found["run"].outcome == "signal", dict(found["run"])
    with server.client() as client:
        assert client.exec("print(x)", session_id=session).stdout == "1\n"
