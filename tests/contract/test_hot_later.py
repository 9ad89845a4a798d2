# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.7: what takes time to be written down is stored after the answer, and nobody notices."""

import hashlib
import os
import signal
import time

import pytest

from support import host
from support.client import exec_bytes, in_threads, raw_connect
from support.hot_session import Session, server, session  # noqa: F401 -- fixtures
from support.server import LIBRECHAT, Server

# To write one down takes so many seconds.
SLOW = """
import time
class Slow:
    def __init__(self, value, seconds=0.5): self.value, self.seconds = value, seconds
    def __getstate__(self):
        time.sleep(self.seconds)
        return self.__dict__
"""


def timed(call, *arguments, **fields):
    begun = time.monotonic()
    return call(*arguments, **fields), time.monotonic() - begun


def test_the_answer_does_not_wait(session):
    """10.7.1: but the next run of the session does, and finds everything."""
    session.begin(SLOW)
    _, answer_s = timed(session.hot, "x = Slow(1, 2)")
    found, next_s = timed(session.hot, "x.seconds = 0; print(x.value)")
    assert found == "1\n"
    assert answer_s < 1.8 and next_s > 0.2, (answer_s, next_s)


def test_what_was_left_survives_the_cell(session):
    """10.7.2: a run that is killed takes the living interpreter with it."""
    session.begin("x = pd.DataFrame({'a': range(100000)})\ndef f(): return len(x)")
    assert session.hot("y = f()") == ""
    assert session("x = y = 0\nimport os; os._exit(1)").code == 1
    assert session.stored("print(f(), y)") == "100000 100000\n"


def test_a_run_that_cannot_continue_waits_too(server, session):
    """9.6: two runs right after the answer, of which one gets the interpreter."""
    session.begin(SLOW)
    session.hot("x = Slow(1)")

    def one(i):
        with server.client() as own:
            return own.exec("import time; time.sleep(0.3); print(x.value); x.seconds = 0", "py", session_id=session.id)

    runs = in_threads([lambda i=i: one(i) for i in range(2)])
    assert [run.stdout for run in runs] == ["1\n", "1\n"], [dict(run) for run in runs]


def test_a_value_that_is_never_written(server, session):
    """10.7.4: what ends the interpreter while it writes leaves the session as it was before."""
    session.begin(SLOW + "x = 1")
    assert session.hot("class Deadly:\n    def __reduce__(self): import os; os._exit(0)\nx = 2; d = Deadly()") == ""
    assert session.stored("print(x, 'd' in globals())") == "1 False\n"
    assert "has not been left: the program was ended" in server.log()


def saves(server, session):
    return server.events("state", operation="save", session_id=session.id)


def test_whoever_hangs_up_does_not_wait(server, session):
    """extensions.md X2: the session comes to no harm, and what has gone runs nowhere, with an older state least of all."""
    session.begin(SLOW + "x = 1")
    session.hot("x = Slow(7, 2)")
    code = f"print(x, {session.id!r})"
    asked = len(server.events("authentication"))
    with raw_connect(server) as sock:
        sock.sendall(exec_bytes(server, {"code": code, "lang": "py", "session_id": session.id}))
        assert host.until(lambda: len(server.events("authentication")) > asked, 5)
        time.sleep(0.2)
    assert session("x.seconds = 0; print(x.value)").stdout == "7\n"
    (left,) = server.events("code_execution", code_hash=hashlib.sha256(code.encode()).hexdigest()[:16])
    assert (left["outcome"], left["execution_time_ms"]) == ("cancelled", 0), left
    assert host.until(lambda: len(saves(server, session)) > 1, 5)
    assert left["seq"] < saves(server, session)[1]["seq"], (left, saves(server, session))


def test_nothing_is_said_while_it_is_written(session):
    """10.8: a value that prints while it is written prints nowhere, and is written."""
    session.begin("class Loud:\n    def __reduce__(self): print('loud'); return Loud, ()")
    assert session.hot("x = Loud()") == ""
    assert session.hot("print(type(x).__name__)") == "Loud\n"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_stops_right_after_the_answer(program, end):
    """10.7.3: an orderly stop waits until it is stored; after a crash the session is as it was before that run."""
    server = Server({**LIBRECHAT, "HOT_SESSIONS_MAX": "64"})
    try:
        with server.client() as client:
            session = Session(client)
            session.begin(SLOW + "x = 1")
            assert session.hot("print(x)") == "1\n"
            session.hot("x = 2; slow = Slow(3, 2)")
        if end == signal.SIGTERM:
            server.terminate()
            server.start()
        else:
            api = server.api_pid
            os.kill(api, end)
            assert host.until(lambda: not host.alive(api), 5)
            server.wait_ready()
        with server.client() as client:
            session.client = client
            stored = "2\n" if end == signal.SIGTERM else "1\n"
            assert session.stored("print(x)") == stored
    finally:
        server.stop()
