# SPDX-License-Identifier: Apache-2.0
"""C14: more requests than a limit allows, by other ids, other spellings of the key or the path, or all at once."""

import base64
import threading
import time

import pytest

from support.client import in_threads
from support.keys import MASTER, Keys
from support.server import LIBRECHAT, Server


@pytest.fixture(scope="module")
def keys(program):
    server = Server({**LIBRECHAT, "MASTER_API_KEY": MASTER})
    yield Keys(server)
    server.stop()


def _forms(key):
    basic = base64.b64encode(f"{key}:".encode()).decode()
    return [
        {"x-api-key": key},
        {"X-API-KEY": f"  {key} "},
        {"Authorization": f"Bearer {key}"},
        {"Authorization": f"Basic {basic}"},
        {"x-api-key": key, "Authorization": "Bearer another"},
        {"x-api-key": key, "X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.10"},
    ]


def test_c14_spellings_share_one_limit(keys):
    """Every form of the key, of the path and of the method, every session and user, is the same caller."""
    key, _ = keys.make(rate_limits={"monthly": 12})
    statuses = []
    with keys.server.client(key=None) as client:
        for headers in _forms(key):
            statuses.append(client.get("/files/x", headers=headers).status)
            statuses.append(client.get("/v1/files/other/", headers=headers).status)
        for headers in _forms(key):
            for path in ("/files/x", "/v1/files/x", "/files/x/", "/files/%78", "/files/y?detail=full", "/nothing"):
                statuses.append(client.get(path, headers=headers).status)
            statuses.append(client.request("HEAD", "/files/x", headers=headers).status)
            statuses.append(client.delete("/files/x/y", headers=headers).status)
        for number in range(5):
            body = {"lang": "bash", "code": "true", "session_id": f"s{number}", "user_id": f"u{number}"}
            statuses.append(client.post("/exec", {**body, "entity_id": f"e{number}"}, headers=_forms(key)[0]).status)
    assert 429 not in statuses[:12] and set(statuses[12:]) == {429}, statuses


def test_c14_all_at_once(keys):
    """Requests that arrive together are counted one by one."""
    limit, clients, each = 30, 12, 10
    key, record = keys.make(rate_limits={"monthly": limit})
    barrier = threading.Barrier(clients)

    def rush():
        with keys.server.client(key=key) as client:
            barrier.wait(30)
            return [client.get("/files/x").status for _ in range(each)]

    statuses = [status for part in in_threads([rush] * clients) for status in part]
    assert statuses.count(200) == limit and statuses.count(429) == clients * each - limit
    assert keys.find(record)["usage_count"] == limit


def test_c14_the_edge_of_a_window(keys):
    """A burst around the turn of a second gets one second's share on each side and no more."""
    key, _ = keys.make(rate_limits={"per_second": 3})
    with keys.server.client(key=key) as client:
        allowed, first = 0, int(time.time())
        while time.time() < first + 2.9:
            allowed += client.get("/files/x").status == 200
    windows = int(time.time()) - first + 1
    assert 3 <= allowed <= 3 * windows, (allowed, windows)


def test_c14_a_new_limit_and_a_new_name_give_nothing_back(keys):
    key, record = keys.make(rate_limits={"monthly": 2})
    with keys.server.client(key=key) as client:
        assert [client.get("/files/x").status for _ in range(3)] == [200, 200, 429]
        for change in ({"name": "new"}, {"enabled": False}, {"enabled": True}, {"rate_limits": {"monthly": 2}}):
            assert keys.change(record, **change).status == 200
        assert client.get("/files/x").status == 429


def test_c14_refused_bodies_cost_nothing(keys):
    """A caller over his limit cannot make the server read a large body or hold a place in the queue."""
    key, _ = keys.make(rate_limits={"monthly": 1})
    with keys.server.client(key=key) as client:
        assert client.get("/files/x").status == 200
        began = time.monotonic()
        for _ in range(5):
            reply = client.upload_reply([], headers={"Content-Length": str(40 << 20), "Expect": "100-continue"})
            assert reply.status == 429
            client.close()
        assert time.monotonic() - began < 30
