# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every test that talks to a live server.

server          one server for the whole session, with the values of http-api.md 13.9, or with every default of the
                specification if CODECELL_TEST_VALUES=defaults
default_server  one with every default of the specification (but no lock-out after failed keys)
server_with     a function that starts a server of its own with more variables, ended after the test
client          a new keep-alive connection to `server` with its key
"""

import faulthandler
import os
import signal

import pytest

from support import host
from support.need import require
from support.server import DEFAULTS, LIBRECHAT, PROGRAM, SETS, VALUES, Server

faulthandler.enable()


def expects_to_fail(item):
    """What a test that needs values of http-api.md 13.9 must do on a server that has defaults. It names the variables."""
    for mark in item.iter_markers("needs_values"):
        unknown = set(mark.args) - (set(LIBRECHAT) - set(DEFAULTS))
        assert mark.args and not unknown and mark.kwargs.get("reason"), f"{item.nodeid}: needs_values: {unknown or 'no reason'}"
        assert "server" in item.fixturenames, f"{item.nodeid}: needs_values is about the server that tests share"
        return pytest.mark.xfail(strict=True, reason=f"{', '.join(mark.args)}: {mark.kwargs['reason']}")
    return None


def pytest_collection_modifyitems(config, items):
    """With the other set of values only tests of the shared server run: the rest would do what they did before."""
    same = []
    for item in items:
        mark = expects_to_fail(item)
        if VALUES == "librechat":
            continue
        if "server" not in item.fixturenames:
            same.append(item)
        elif mark:
            item.add_marker(mark)
    config.hook.pytest_deselected(items=same)
    left_out = set(same)
    items[:] = [item for item in items if item not in left_out]


def pytest_sessionstart(session):
    host.become_subreaper()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an ended test run ends its servers too


@pytest.fixture(scope="session")
def program():
    require(os.geteuid() == 0, "root, to start the warden")
    require(os.access(PROGRAM, os.X_OK), f"a build at {PROGRAM} (set CODECELL_BUILD)")
    return PROGRAM


@pytest.fixture(scope="session")
def server(program):
    running = Server(SETS[VALUES])
    yield running
    running.stop()


@pytest.fixture(scope="session")
def default_server(program):
    running = Server(DEFAULTS)
    yield running
    running.stop()


@pytest.fixture
def server_with(program):
    started = []

    # Hundreds of servers that live for a moment need no Python that takes seconds to be ready.
    quick = {"AUTH_FAILURE_LIMIT": "0", "SANDBOX_POOL_ENABLED": "false"}

    def start(data_dir=None, prefix=(), wait=True, **env):
        running = Server({**quick, **env}, data_dir=data_dir, prefix=prefix, wait=wait)
        started.append(running)
        return running

    yield start
    failures = []
    for running in started:
        try:
            running.stop()
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n".join(failures)


@pytest.fixture
def client(server):
    with server.client() as connected:
        yield connected


@pytest.fixture(scope="session")
def languages(server):
    """{code: entry of GET /languages}"""
    with server.client() as connected:
        reply = connected.get("/languages")
    assert reply.status == 200, reply
    return {entry["code"]: entry for entry in reply.json}


@pytest.fixture(scope="session")
def need_language(languages):
    """need_language("go") goes on only if that runtime is installed."""

    def check(code):
        entry = languages.get(code, {})
        require(entry.get("available"), f"language {code}: {entry.get('reason', 'not listed')}")

    return check
