# SPDX-License-Identifier: Apache-2.0
"""A session whose runs say whether they found a living interpreter (exec.md 10.7).

server, session: fixtures for the modules that import them"""

import sqlite3

import pytest

from support import host
from support.server import LIBRECHAT, Server


def is_stored(server, session):
    """Whether there is a state of the session: what takes time to be written is stored after the answer."""
    with sqlite3.connect(f"file:{server.data_dir}/codecell.db?mode=ro", uri=True) as db:
        found = db.execute("SELECT 1 FROM record WHERE key = ?", (f"state:{session}",)).fetchone()
    db.close()
    return found is not None


class Session:
    """Runs one program after the other in one session; each says how its process came to be."""

    def __init__(self, client):
        self.client, self.id = client, None

    def __call__(self, code, **fields):
        if self.id:
            fields["session_id"] = self.id
        run = self.client.exec(code, "py", **fields)
        self.id = run.session
        return run

    def begin(self, code):
        """A busy machine may start an interpreter of its own for a program, which cannot rest."""
        runs = []

        def is_copy():
            self.id = None
            runs.append(self(code))
            return runs[-1].usage["warm"] in ("armed", "forked")

        assert host.until(is_copy, 60), dict(runs[-1])
        return runs[-1]

    def hot(self, code, **fields):
        run = self(code, **fields)
        assert (run.code, run.stderr, run.usage["warm"]) == (0, "", "hot"), dict(run)
        return run.stdout

    def stored(self, code, **fields):
        run = self(code, **fields)
        assert run.code == 0 and run.usage["warm"] != "hot", dict(run)
        return run.stdout


@pytest.fixture(scope="module")
def server(program):
    """A server with room for all."""
    running = Server({**LIBRECHAT, "HOT_SESSIONS_MAX": "64"})
    yield running
    running.stop()


@pytest.fixture
def session(client):
    return Session(client)
