# SPDX-License-Identifier: Apache-2.0
"""The log goes to whoever reads the server's output; if they stop reading, the server does not wait for them."""

import fcntl
import json
import os
import pathlib
import re
import signal
import tempfile
import threading

import pytest
from support import host
from support.server import Server

F_SETPIPE_SZ = 1031
MISSING = re.compile(r"(\d+) lines are missing above")


class Output:
    """A small pipe that nobody reads until read_on() is called."""

    def __init__(self):
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, F_SETPIPE_SZ, 4096)
        self.data = b""
        self.thread = threading.Thread(target=self._read, daemon=True)

    def _read(self):
        while piece := os.read(self.reading, 1 << 16):
            self.data += piece

    def read_on(self):
        self.thread.start()

    def close(self):
        os.close(self.writing)
        self.thread.join(30)
        os.close(self.reading)

    def messages(self):
        lines = [line for line in self.data.decode().splitlines() if line.startswith("{")]
        return [json.loads(line).get("message", "") for line in lines]


def test_nobody_waits_for_whoever_reads_the_log(program):
    """Neither requests nor the warden, which has to start the api again meanwhile; what is missing is counted."""
    output = Output()
    more = {"ENABLE_ACCESS_LOGS": "true", "LOG_LEVEL": "DEBUG", "SANDBOX_POOL_ENABLED": "false"}
    server = Server(more, output=output.writing)
    try:
        with server.client(timeout=60) as client:
            for _ in range(100):
                assert client.get("/files/nothing").status == 200
            assert client.exec("echo 1", "bash").stdout == "1\n"
        first = server.api_pid
        os.kill(first, signal.SIGKILL)
        assert host.until(lambda: not host.alive(first), 10)
        server.wait_ready()
        with server.client(timeout=60) as client:
            for _ in range(100):
                assert client.get("/files/nothing").status == 200
            assert client.exec("echo 2", "bash").stdout == "2\n"
            output.read_on()
            assert host.until(lambda: client.get("/health").status == 200 and MISSING.search(output.data.decode()), 20)
    finally:
        server.stop()
        output.close()
    counts = [int(found[1]) for message in output.messages() if (found := MISSING.search(message))]
    assert sum(counts) > 50, counts


def test_whoever_reads_the_log_may_go(program):
    """Nobody dies of a line that nobody reads: the api is started again, and programs find SIGPIPE as ever."""
    output = Output()
    server = Server({"SANDBOX_POOL_ENABLED": "false", "LOG_LEVEL": "DEBUG"}, output=output.writing)
    try:
        os.close(output.reading)
        first, warden = server.api_pid, server.pid
        os.kill(first, signal.SIGKILL)
        assert host.until(lambda: not host.alive(first), 10)
        server.wait_ready()
        assert server.pid == warden
        with server.client(timeout=60) as client:
            assert client.exec("yes | head -1; echo ${PIPESTATUS[0]}", "bash").stdout == "y\n141\n"
    finally:
        os.close(output.writing)
        server.stop()


@pytest.fixture
def roots_place():
    """A directory as /var/log: everybody may go there, root alone makes files."""
    with tempfile.TemporaryDirectory(prefix="codecell-test-") as place:
        os.chmod(place, 0o755)
        yield pathlib.Path(place)


def writing_to(server, path):
    """The processes of the server whose standard output or error is this file."""
    found = []
    for pid in [server.pid, *host.descendants(server.pid)]:
        for fd in (1, 2):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") == str(path):
                    found.append((pid, fd))
            except OSError:
                pass
    return found


def test_everybody_goes_on_in_the_new_file(server_with, roots_place):
    """A rename and SIGHUP: warden, keepers, also one with a living Python, proxy and api, and an api that comes later."""
    path, old = roots_place / "codecell.log", roots_place / "codecell.log.1"
    server = server_with(
        LOG_FILE=str(path),
        SANDBOX_POOL_ENABLED="true",
        HOT_SESSIONS_MAX="4",
        ENABLE_SANDBOX_NETWORK="true",
        SANDBOX_EGRESS_ALLOWLIST="files.example",
    )
    with server.client() as client:
        run = client.exec("x = 41", "py")
        before = {pid for pid, _ in writing_to(server, path)}
        assert server.pid in before and server.api_pid in before and len(before) > 4
        path.rename(old)
        os.kill(server.pid, signal.SIGHUP)
        assert host.until(lambda: not writing_to(server, old), 20, 0.05), writing_to(server, old)
        assert host.until(lambda: "opened again" in host.read(path), 20, 0.05), host.read(path)
        assert {pid for pid, _ in writing_to(server, path)} >= {server.pid, server.api_pid}
        assert client.exec("print(x + 1)", "py", session_id=run.session).stdout == "42\n"
    size = old.stat().st_size
    api = server.api_pid
    os.kill(api, signal.SIGKILL)
    assert host.until(lambda: not host.alive(api), 5)
    server.wait_ready()
    log = host.read(path)
    assert "the api died" in log and "listens on" in log and old.stat().st_size == size, log


def test_a_new_file_is_no_link(server_with, roots_place):
    """What lies there instead is not followed, and the old file goes on."""
    path, old, other = roots_place / "codecell.log", roots_place / "codecell.log.1", roots_place / "other"
    server = server_with(LOG_FILE=str(path))
    path.rename(old)
    other.write_text("")
    path.symlink_to(other)
    os.kill(server.pid, signal.SIGHUP)
    assert host.until(lambda: "cannot be opened again" in host.read(old), 20, 0.05), host.read(old)
    assert other.read_text() == "" and other.stat().st_uid == 0


def test_a_new_file_is_no_pipe_of_the_apis(server_with):
    """In a directory that it may write to, it could put one there whose other end it does not read."""
    with tempfile.TemporaryDirectory(prefix="codecell-test-") as place:
        os.chmod(place, 0o755)
        path, old = pathlib.Path(place) / "codecell.log", pathlib.Path(place) / "codecell.log.1"
        server = server_with(LOG_FILE=str(path))
        path.rename(old)
        os.mkfifo(path, 0o600)
        os.chown(path, old.stat().st_uid, -1)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            os.kill(server.pid, signal.SIGHUP)
            assert host.until(lambda: "cannot be opened again" in host.read(old), 20, 0.05), host.read(old)
            api = server.api_pid
            os.kill(api, signal.SIGKILL)
            assert host.until(lambda: "the api died" in host.read(old), 20, 0.05), host.read(old)
            assert server.pid not in {pid for pid, _ in writing_to(server, path)}
        finally:
            os.close(reading)


def test_words_in_any_case(server_with):
    """13.8: INFO or info, json or JSON, for every process that writes the log."""
    server = server_with(LOG_LEVEL="debug", LOG_FORMAT="JSON", SANDBOX_POOL_ENABLED="true")
    with server.client() as client:
        assert client.exec("echo x", "bash").stdout == "x\n"
    assert host.until(lambda: "warden" in server.log(), 10)
    assert {"warden", "api"} <= {json.loads(line).get("process") for line in server.log().splitlines()}, server.log()
