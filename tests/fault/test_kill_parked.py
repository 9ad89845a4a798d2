# SPDX-License-Identifier: Apache-2.0
"""What becomes of a session whose living interpreter is gone: its next run finds what was stored."""

import os
import signal

import pytest
from support import host
from support.hot_session import is_stored
from support.server import LIBRECHAT, Server

NAME = "fthot"
CODE = f"import ctypes\nctypes.CDLL(None).prctl(15, b'{NAME}')\nx = 42\ng = (i for i in range(3))"


@pytest.fixture(scope="module")
def copies(program):
    """A server with a zygote, which the others here have no use for."""
    running = Server({**LIBRECHAT, "HOT_SESSIONS_MAX": "64"})
    with running.client() as client:
        assert host.until(lambda: client.exec("print(1)", "py").usage["warm"] in ("armed", "forked"), 60)
    yield running
    running.stop()


def park(server, client):
    """What takes time to be written is stored after the answer (contract/test_hot_later.py)."""
    sessions = []

    def is_parked():
        run = client.exec(CODE, "py")
        assert run.code == 0, dict(run)
        sessions.append(run.session)
        return len(host.named(NAME)) == 1

    assert host.until(is_parked, 30) and host.until(lambda: is_stored(server, sessions[-1]), 30)
    return sessions[-1]


def goes_on(server, session):
    with server.client() as client:
        run = client.exec("print(x, 'g' in globals())", "py", session_id=session)
        assert run.stdout == "42 False\n" and run.usage["warm"] != "hot", dict(run)

        def is_hot():  # a copy may have been too slow in coming, and then there was nothing to park
            run = client.exec("print(x)", "py", session_id=session)
            assert run.stdout == "42\n", dict(run)
            return run.usage["warm"] == "hot"

        assert host.until(is_hot, 30)


def kill(pid):
    assert pid > 1  # -1, the parent of what is gone, would be everybody
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("victim", ["program", "init"])
def test_a_killed_cell(copies, victim):
    with copies.client() as client:
        session = park(copies, client)
    pid = host.named(NAME)[0]
    kill(pid if victim == "program" else host.parent_of(pid))
    assert host.until(lambda: not host.named(NAME), 5)  # until then it may still run, and be killed while it does
    goes_on(copies, session)


def test_a_keeper_that_dies(copies):
    with copies.client() as client:
        session = park(copies, client)
    kill(host.parent_of(host.parent_of(host.named(NAME)[0])))
    assert host.until(lambda: not host.named(NAME), 5)
    goes_on(copies, session)


def test_a_program_that_closes_its_socket(copies):
    """It cannot rest, and ends like any other."""
    with copies.client() as client:
        run = client.exec("import os\nx = 1\nos.close(255)", "py")
        assert run.code == 0, dict(run)
        run = client.exec("print(x)", "py", session_id=run.session)
        assert run.stdout == "1\n" and run.usage["warm"] != "hot", dict(run)


def test_the_server_starts_again(copies, program, tmp_path):
    """Nothing of a parked cell is left of a server that was stopped, or whose api was killed."""
    with copies.client() as client:
        session = park(copies, client)
    os.kill(copies.api_pid, signal.SIGKILL)
    assert host.until(lambda: not host.named(NAME), 10)
    copies.wait_ready()
    goes_on(copies, session)
    copies.terminate()
    assert copies.wait_exit(20) == 0 and host.named(NAME) == []
    copies.start()
    with copies.client() as client:
        run = client.exec("print(x, 'g' in globals())", "py", session_id=session)
    assert run.stdout == "42 False\n", dict(run)
