# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.7: what ends an interpreter that lives on, and who never gets it."""

import itertools
import os
import signal
import sqlite3

import pytest

from support import host
from support.hot_session import Session, is_stored
from support.keys import MASTER, Keys
from support.server import LIBRECHAT, Server

FEW = 3
MEMORY_MB = 128
HEAVY = "heap = bytearray(b'x') * (45 << 20)"  # two of them fit, and another one that is light

numbers = itertools.count()


@pytest.fixture(scope="module")
def server(program):
    """A server with little room, managed keys, and a network that a key may have or not."""
    network = {"ENABLE_SANDBOX_NETWORK": "true", "SANDBOX_EGRESS_ALLOWLIST": "public.test"}
    hot = {"HOT_SESSIONS_MAX": str(FEW), "HOT_SESSIONS_MEMORY_MB": str(MEMORY_MB)}
    running = Server({**LIBRECHAT, **network, **hot, "MASTER_API_KEY": MASTER})
    yield running
    running.stop()


@pytest.fixture
def keys(server):
    return Keys(server)


class Living(Session):
    """A session whose interpreter lives on, with something that cannot be stored, under a name of its own on the host."""

    def __init__(self, client, code=""):
        super().__init__(client)
        self.name = f"hotend{next(numbers)}"
        mark = f"import ctypes; ctypes.CDLL(None).prctl(15, b'{self.name}'); del ctypes\n"
        assert host.until(lambda: self.begin(mark + "x = 42\ng = (i for i in range(3))\n" + code) and self.is_alive(), 30)

    def is_alive(self):
        return bool(host.named(self.name))

    def ends(self):
        return host.until(lambda: not self.is_alive(), 10)

    def goes_on(self):
        assert self.hot("print(x, 'g' in globals())") == "42 True\n"

    def was_stored(self):
        assert self.stored("print(x, 'g' in globals())") == "42 False\n"


@pytest.fixture
def living(client):
    return Living(client)


# These two are about the only tenant that has anything yet.


def test_the_least_recently_used_goes_first(client):
    """10.7.1: HOT_SESSIONS_MAX; used is used, and nobody notices but by the time."""
    sessions = [Living(client) for _ in range(FEW)]
    sessions[0].goes_on()
    one_more = Living(client)
    assert sessions[1].ends()
    assert all(each.is_alive() for each in (sessions[0], sessions[2], one_more))
    sessions[1].was_stored()
    assert sessions[2].ends() and sessions[0].is_alive()


def test_memory_is_bounded(server, client):
    """10.7.1: HOT_SESSIONS_MEMORY_MB, by what each holds when it rests."""
    heavy = [Living(client, HEAVY) for _ in range(2)]
    light = Living(client)
    heavy[0].goes_on()
    assert heavy[1].is_alive() and light.is_alive()
    last = Living(client, HEAVY)
    assert heavy[1].ends() and last.is_alive() and heavy[0].is_alive()
    heavy[1].was_stored()
    assert heavy[1].hot("print(x)") == "42\n"
    too_large = Session(client)
    too_large.begin("x = 1")
    assert too_large.hot("heap = bytearray(b'x') * (140 << 20)") == ""
    assert too_large.stored("print(x, len(heap) >> 20)") == "1 140\n"
    assert too_large("del heap").code == 0 and too_large("print(x)").stdout == "1\n"  # nothing large is unsaved


def test_a_key_of_another_tenant_keeps_its_own(keys, client):
    """10.7.1: who has most of the places is the one to give one up, however long ago others used theirs."""
    with keys.client() as other:
        few = Living(other)
        many = [Living(client) for _ in range(FEW)]
        assert many[0].ends() and all(each.is_alive() for each in [few, *many[1:]])
        few.goes_on()


def test_a_key_that_is_revoked(server, keys):
    """10.7.1, A3: the interpreters of its sessions end at once, its next run is refused, and other keys' live on."""
    (key, record), other = keys.make(), keys.client()
    with server.client(key=key) as client, other:
        revoked, kept = Living(client), Living(other)
        assert keys.revoke(record).status == 200
        assert client.exec_reply("print(x)", "py", session_id=revoked.id).status in (401, 403)
        assert revoked.ends()
        kept.goes_on()


def test_a_key_that_is_disabled(server, keys):
    """A3: for as long as it is; then its session is found as it was stored."""
    key, record = keys.make()
    with server.client(key=key) as client:
        session = Living(client)
        assert keys.change(record, enabled=False).status == 200
        assert session.ends()
        assert keys.change(record, enabled=True).status == 200
        session.was_stored()


def test_the_end_of_a_session(server, living):
    """9.2, 10.7.1: the interpreter does not outlive it."""
    living.goes_on()
    with sqlite3.connect(f"{server.data_dir}/codecell.db", timeout=20) as db:
        assert db.execute("DELETE FROM record WHERE key = ?", (f"session:{living.id}",)).rowcount == 1
    db.close()
    assert living.ends()
    run = living.client.exec("print('x' in globals())", "py", session_id=living.id)
    assert run.stdout == "False\n" and run.session != living.id, dict(run)


def test_nobody_elses(server, keys):
    """9.3, 9.7, S3.3: not another tenant's, whatever it names; another key of the tenant's may have it."""
    mine, theirs, ours = keys.client(tenant="mine"), keys.client(tenant="theirs"), keys.client(tenant="mine")
    with mine, theirs, ours:
        session = Living(mine)
        run = theirs.exec("print('x' in globals())", "py", session_id=session.id)
        assert run.stdout == "False\n" and run.usage["warm"] != "hot" and run.session != session.id, dict(run)
        session.goes_on()
        session.client = ours
        session.goes_on()


def test_another_network(server, keys):
    """10.7.1: an interpreter that could reach more, or less, does not go on."""
    key, record = keys.make(network="off")
    with server.client(key=key) as client:
        session = Living(client)
        for network in ("allowlist", "off"):
            assert keys.change(record, network=network).status == 200
            session.was_stored()
            assert session.hot("print(x); g = (i for i in range(3))") == "42\n"
            session.goes_on()


def test_another_language_leaves_it_alone(client, living):
    """10.7.1: as it leaves Python's state alone."""
    assert client.exec("echo $x", "bash", session_id=living.id).stdout == "\n"
    living.goes_on()


def test_the_warden_is_killed(server, client):
    """The next server finds what was stored."""
    session = Living(client)
    assert host.until(lambda: is_stored(server, session.id), 30)
    server.look()
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait(10)
    assert session.ends()
    client.close()
    server.start()
    with server.client() as again:
        session.client = again
        session.was_stored()
