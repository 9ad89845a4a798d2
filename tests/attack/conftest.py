# SPDX-License-Identifier: Apache-2.0
"""The fixture of every attack: after the test the same server, in the same processes, must still serve the next request."""

import pytest

from support import guest
from support.client import Client


class Attack(Client):
    """A client whose programs are attacks."""

    def __init__(self, server):
        super().__init__(server.host, server.port, server.key)
        self.server = server

    def evidence(self, body, **fields):
        """Runs a Python attack that must end by itself; returns what it told and the run."""
        run = self.exec(guest.py(body), "py", **fields)
        assert run.outcome == "ok", (run.outcome, run.stderr[-2000:], run.stdout[-2000:])
        return run.result()


def _probe(server):
    with server.client(timeout=30) as client:
        run = client.exec("echo still here", "bash")
    assert (run.outcome, run.stdout, run.stderr) == ("ok", "still here\n", ""), dict(run)


@pytest.fixture
def attack(server):
    pid, api_pid = server.pid, server.api_pid
    with Attack(server) as client:
        yield client
    _probe(server)
    assert server.process.poll() is None and server.pid == pid, "the warden died of the attack"
    assert server.api_pid == api_pid, "the api died of the attack and was started again"
