# SPDX-License-Identifier: Apache-2.0
"""Starts and ends a server under test, and looks for what it leaves behind."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import host
from .client import Client

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("CODECELL_BUILD", os.path.join(REPOSITORY, "build")))
PROGRAM = os.path.join(BUILD, "codecell")
READY_WITHIN_S = int(os.environ.get("CODECELL_READY_WITHIN_S", "60"))
STOP_WITHIN_S = 10

# Values of http-api.md 13.9, and no lock-out of the one address that all tests come from.
LIBRECHAT = {
    "MAX_EXECUTION_TIME": "120",
    "MAX_FILE_SIZE_MB": "100",
    "MAX_FILES_PER_SESSION": "300",
    "ALLOWED_FILE_EXTENSIONS": "@extended",
    "FILENAME_STRICT": "false",
    "AUTH_FAILURE_LIMIT": "0",
}
DEFAULTS = {"AUTH_FAILURE_LIMIT": "0"}

# What the server that most tests share has: http-api.md 13.9's values, or every default.
SETS = {"librechat": LIBRECHAT, "defaults": DEFAULTS}
VALUES = os.environ.get("CODECELL_TEST_VALUES", "librechat")
assert VALUES in SETS, f"CODECELL_TEST_VALUES={VALUES}: there are {sorted(SETS)}"


def refused_start(command, cwd, timeout_s=20, **variables):
    """Runs what starts a server, on a port of its own and with these variables alone; it must not stay. Returns what it said."""
    env = {"PATH": os.environ["PATH"], "API_HOST": "127.0.0.1", "API_PORT": str(free_port()), **variables}
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode != 0, done
    return done.stdout + done.stderr


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def new_key():
    return "test-" + secrets.token_urlsafe(24)


class Server:
    """One `codecell serve` on a free loopback port. Attributes: host, port, url, key, pid, data_dir, log_path."""

    host = "127.0.0.1"

    def __init__(self, env=None, data_dir=None, prefix=(), wait=True, output=None):
        """output: a descriptor for what it writes, instead of the file log_path."""
        self.home = tempfile.mkdtemp(prefix="codecell-test-")
        os.chmod(self.home, 0o755)  # the unprivileged half must reach the data directory
        self.data_dir = data_dir or os.path.join(self.home, "data")
        self.log_path = os.path.join(self.home, "log")
        self.prefix, self.output = list(prefix), output
        self.key = new_key()
        self.port = free_port()
        self.given = dict(env or {})
        self.process = None
        self.seen_pids, self.seen_cgroups = set(), set()
        try:
            self.start(wait)
        except BaseException:
            self.abandon()
            raise

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self):
        """The process that `codecell serve` became: the warden."""
        below = [self.process.pid] + host.descendants(self.process.pid) if self.prefix else [self.process.pid]
        return next((pid for pid in below if "warden" in " ".join(host.command_line(pid)[:1])), self.process.pid)

    @property
    def api_pid(self):
        """The unprivileged process that speaks HTTP."""
        for pid in host.descendants(self.process.pid):
            if "api" in host.command_line(pid)[1:2]:
                return pid
        raise AssertionError("no api process below the server")

    def environment(self):
        env = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "HOME": self.home}
        env.update(
            {name: os.environ[name] for name in os.environ if name.startswith(("ASAN_", "UBSAN_", "TSAN_", "LSAN_"))}
        )
        env.update(API_HOST=self.host, API_PORT=str(self.port), API_KEY=self.key, DATA_DIR=self.data_dir)
        env["REPL_WARMUP_TIMEOUT_SECONDS"] = "60"  # the machine may be busy with other tests
        if "CODECELL_TEST_POOL" in os.environ:  # tests/attack/walls.py: each wall is met on the way that it is on
            env["SANDBOX_POOL_ENABLED"] = os.environ["CODECELL_TEST_POOL"]
        if "CODECELL_TEST_HOT" in os.environ:  # what is promised holds with and without interpreters that live on
            env["HOT_SESSIONS_MAX"] = os.environ["CODECELL_TEST_HOT"]
        env.update({name: value for name, value in self.given.items() if value is not None})
        for name, value in self.given.items():
            if value is None:
                env.pop(name, None)
        self.key = env.get("API_KEY", self.key)
        return env

    def start(self, wait=True):
        self.cgroups_before = {path for root in set(host.cgroup_roots().values()) for path in host.cgroup_tree(root)}
        self.mounts_before = host.mounts()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.prefix + [PROGRAM, "serve"],
                env=self.environment(),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=self.output or log,
                stderr=self.output or log,
                preexec_fn=host.end_with_parent,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self):
        end = time.monotonic() + READY_WITHIN_S
        while True:
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log_tail()}"
            try:
                with self.client(timeout=5) as client:
                    reply = client.get("/ready", key=None)
                if reply.status == 200:
                    return
            except OSError:
                reply = None
            assert time.monotonic() < end, f"not ready within {READY_WITHIN_S} s: {reply}\n{self.log_tail()}"
            time.sleep(0.05)

    def client(self, key=True, timeout=150):
        return Client(self.host, self.port, self.key if key is True else key, timeout)

    def log(self):
        return host.read(self.log_path)

    def log_tail(self, lines=30):
        return "\n".join(self.log().splitlines()[-lines:])

    def events(self, event_type, **wanted):
        """The events of the audit log of this kind, with these fields, oldest first."""
        lines = (line for line in self.log().splitlines() if line.startswith(f'{{"event_type":"{event_type}"'))
        events = (json.loads(line) for line in lines)
        return [event for event in events if all(event.get(name) == value for name, value in wanted.items())]

    def look(self):
        """Remembers the processes and cgroups of the server, for leftovers() to look for later."""
        for pid in [self.process.pid] + host.descendants(self.process.pid):
            self.seen_pids.add(pid)
            self.seen_cgroups |= host.cgroup_directories(pid)

    def terminate(self):
        """Sends SIGTERM and waits. Returns the exit status; an assertion if it takes too long."""
        self.look()
        self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(STOP_WITHIN_S)

    def wait_exit(self, within_s):
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running {within_s} s after the signal:\n{self.log_tail()}") from None

    def leftovers(self, within_s=2.0):
        """What an ended server left on the host, in words. Orphans come back to the test process (a subreaper)."""
        host.until(lambda: not self._left_now(), within_s, 0.05)
        return self._left_now()

    def _left_now(self):
        self._reap_orphans()
        left = [
            f"process {pid}: {host.command_line(pid)} {host.read(f'/proc/{pid}/comm').strip()}"
            for pid in self.seen_pids
            if host.alive(pid)
        ]
        left += [f"cgroup {path}" for path in sorted(self.seen_cgroups - self.cgroups_before) if os.path.isdir(path)]
        left += [f"mount {line}" for line in host.mounts() - self.mounts_before if self._may_be_of(line)]
        for name in ("work", "blobs/incoming"):
            path = os.path.join(self.data_dir, name)
            if os.path.isdir(path):
                left += [f"file {os.path.join(path, entry)}" for entry in os.listdir(path)]
        return left

    def _may_be_of(self, mount):
        """Whether the line is about a mount that this server may have made, and no other test."""
        return self.home in mount or ("codecell" in mount and "codecell-test-" not in mount)

    def _reap_orphans(self):
        for pid in list(self.seen_pids):
            if pid != self.process.pid and host.parent_of(pid) == os.getpid() and host.state_of(pid) == "Z":
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass

    def stop(self):
        """Ends the server as an operator would and asserts that it leaves nothing. Removes its files."""
        try:
            if self.process.poll() is None:
                self.terminate()
            left = self.leftovers()
            assert not left, "left behind:\n" + "\n".join(left)
        finally:
            self.abandon()

    def abandon(self):
        """Ends whatever is left, without any check."""
        if self.process and self.process.poll() is None:
            self.look()
            self.process.kill()
            self.process.wait()
        for pid in self.seen_pids:
            if host.alive(pid) and host.parent_of(pid) == os.getpid():
                os.kill(pid, signal.SIGKILL)
        keep = os.environ.get("CODECELL_KEEP_LOGS")
        if keep and os.path.exists(self.log_path):
            os.makedirs(keep, exist_ok=True)
            shutil.copy(self.log_path, os.path.join(keep, os.path.basename(self.home) + ".log"))
        shutil.rmtree(self.home, ignore_errors=True)
