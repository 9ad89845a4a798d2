# SPDX-License-Identifier: Apache-2.0
"""The fixture of every attack: after the test the same server, in the same processes, must still serve the next request."""

import shutil

import pytest

from support import guest
from support.client import Client
from support.lab import RESOLVER, Lab
from support.need import require
from support.server import LIBRECHAT, Server


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


@pytest.fixture(scope="session")
def lab(program):
    """A small internet of network namespaces (support/lab.py)."""
    require(all(shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in ("ip", "nft")), "ip and nft")
    built = Lab()
    yield built
    built.close()


@pytest.fixture
def in_lab(lab):
    """The test, and the servers it starts, are on the lab's host."""
    lab.forget()
    with lab.inside(lab.host):
        yield lab


@pytest.fixture
def own_lab(lab):
    """A lab of this test's own, on whose host nobody else has a server."""
    built = Lab()
    with built.inside(built.host):
        yield built
    built.close()


@pytest.fixture(scope="session")
def wan_server(lab):
    with lab.inside(lab.host):
        running = Server({**LIBRECHAT, "ENABLE_WAN_ACCESS": "true", "WAN_DNS_SERVERS": RESOLVER})
    yield running
    running.stop()


@pytest.fixture
def wan(in_lab, wan_server):
    """An Attack whose programs reach the lab's public addresses."""
    with Attack(wan_server) as client:
        client.lab = in_lab
        yield client
    _probe(wan_server)


LISTED = (
    "public.test, other.test:8080, metadata.test, loop.test, mixed.test, host.test, rebind.test, short.test, half.test"
)


@pytest.fixture(scope="session")
def resolv_conf(tmp_path_factory):
    """A prefix for servers whose host asks the lab's resolver."""
    path = tmp_path_factory.mktemp("lab") / "resolv.conf"
    path.write_text(f"nameserver {RESOLVER}\nsearch public.test\noptions timeout:2 attempts:2\n")
    return ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(path)]


@pytest.fixture(scope="session")
def allowlist_server(lab, resolv_conf):
    with lab.inside(lab.host):
        running = Server(
            {**LIBRECHAT, "ENABLE_SANDBOX_NETWORK": "true", "SANDBOX_EGRESS_ALLOWLIST": LISTED}, prefix=resolv_conf
        )
    yield running
    running.stop()


@pytest.fixture
def allowlisted(in_lab, allowlist_server):
    """An Attack whose programs reach the hosts of LISTED by the proxy."""
    with Attack(allowlist_server) as client:
        client.lab = in_lab
        yield client
    _probe(allowlist_server)
