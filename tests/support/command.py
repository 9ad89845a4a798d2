# SPDX-License-Identifier: Apache-2.0
"""Commands of the program that start a server of their own, and must leave nothing: `codecell bench`, `codecell selftest`."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import host

RUN_WITHIN_S = 400
SANITIZERS = ("ASAN_", "UBSAN_", "LSAN_")


@contextlib.contextmanager
def _temporary_directory():
    """One that the users of a server's own processes can enter; empty at the end."""
    path = tempfile.mkdtemp(prefix="codecell-test-")
    os.chmod(path, 0o755)
    try:
        yield path
        assert os.listdir(path) == []
    finally:
        shutil.rmtree(path)


def _environment(temporary, **env):
    sanitizers = {name: value for name, value in os.environ.items() if name.startswith(SANITIZERS)}
    return {"PATH": os.environ["PATH"], "TMPDIR": temporary, **sanitizers, **env}


def run(command, cwd, status, **env):
    """Runs it to its end, which must be this status; neither files nor mounts may be left."""
    before = host.mounts()
    with _temporary_directory() as temporary:
        done = subprocess.run(
            command,
            env=_environment(temporary, **env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_WITHIN_S,
        )
        assert done.returncode == status, done.stdout + done.stderr
    assert host.mounts() == before
    return done


def interrupt(command, after_s, status, within_s):
    """Interrupts it a while after it has started a server: that ends too, and nothing is left."""
    with _temporary_directory() as temporary:
        started = subprocess.Popen(
            command, env=_environment(temporary), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            assert host.until(lambda: host.descendants(started.pid), 60)
            time.sleep(after_s)
            below = host.descendants(started.pid)
            started.send_signal(signal.SIGINT)
            assert started.wait(within_s) == status
            assert host.until(lambda: not any(host.alive(pid) and host.state_of(pid) != "Z" for pid in below), 10)
        finally:
            if started.poll() is None:
                started.kill()
                started.wait()
