# SPDX-License-Identifier: Apache-2.0
"""http-api.md section 5: how many requests a key may send, and what the answers say of it."""

import contextlib
import json
import os
import re
import sqlite3
import time

import pytest

from support import host, multipart
from support.keys import MASTER, Keys
from support.server import Server

ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
SECONDS = {"per_second": 1, "per_minute": 60, "hourly": 3600, "daily": 86400, "monthly": 31 * 86400}


@pytest.fixture(scope="module")
def keys(program):
    server = Server(
        {
            "AUTH_FAILURE_LIMIT": "0",
            "MASTER_API_KEY": MASTER,
            "RATE_LIMIT_EXEC": "2/300",
            "RATE_LIMIT_UPLOAD": "1/300",
            "RATE_LIMIT_DOWNLOAD": "3/300",
            "RATE_LIMIT_FETCH": "4/300",
        }
    )
    yield Keys(server)
    server.stop()


def _away_from_the_edge(seconds):
    """Waits if a calendar window of that length is about to end."""
    left = seconds - time.time() % seconds
    if left < 5 < seconds:
        time.sleep(left + 0.1)


def _probe(client):
    """A request that is in no group of endpoints."""
    return client.get("/languages")


def _check_limited(reply, period, limit):
    """5.3: status, body and both families of headers."""
    assert reply.status == 429, reply
    body = reply.json
    assert body["error"] == "rate_limited" and body["error_type"] == "rate_limited" and body["details"] is None
    assert body["request_id"] and isinstance(body["timestamp"], float)
    seconds = body["retry_after_seconds"]
    assert isinstance(seconds, int) and seconds >= 1
    assert reply.header("retry-after") == str(seconds) == reply.header("ratelimit-reset")
    assert reply.header("x-ratelimit-limit") == str(limit) == reply.header("ratelimit-limit")
    assert reply.header("x-ratelimit-remaining") == "0" == reply.header("ratelimit-remaining")
    assert reply.header("x-ratelimit-period") == period
    assert ISO.match(reply.header("x-ratelimit-reset"))
    for name, _ in reply.headers:
        assert len(reply.values(name)) == 1, name
    assert reply.header("x-content-type-options") == "nosniff"
    return seconds


@pytest.mark.parametrize("period", ["per_minute", "hourly", "daily", "monthly"])
def test_period(keys, period):
    """5.1."""
    _away_from_the_edge(SECONDS[period])
    with keys.client(rate_limits={period: 2}) as client:
        for remaining in ("1", "0"):
            reply = _probe(client)
            assert reply.status == 200
            assert reply.header("x-ratelimit-limit") == "2" and reply.header("x-ratelimit-remaining") == remaining
            assert reply.header("x-ratelimit-period") == period and ISO.match(reply.header("x-ratelimit-reset"))
            assert reply.header("retry-after") is None and reply.header("ratelimit-limit") is None
        for _ in range(2):
            reply = _probe(client)
            assert _check_limited(reply, period, 2) <= SECONDS[period]
            assert reply.json["message"] == f"Rate limit exceeded for {period}. Limit: 2, Used: 2"


def test_a_second_passes(keys):
    """5.1, 5.3: a limit by second costs a second, not a minute."""
    with keys.client(rate_limits={"per_second": 1}) as client:
        replies = [_probe(client) for _ in range(40)]
        limited = [reply for reply in replies if reply.status == 429]
        assert limited, "40 requests took as many seconds"
        assert _check_limited(limited[0], "per_second", 1) == 1
        time.sleep(1.1)
        assert _probe(client).status == 200


def test_refused_requests_are_not_counted(keys):
    _away_from_the_edge(3600)
    key, record = keys.make(rate_limits={"hourly": 2})
    with keys.server.client(key=key) as client:
        assert [_probe(client).status for _ in range(6)] == [200, 200, 429, 429, 429, 429]
        assert keys.find(record)["usage_count"] == 2
        assert keys.change(record, rate_limits={"hourly": 3}).status == 200
        assert [_probe(client).status for _ in range(2)] == [200, 429]


def test_the_shortest_period_answers(keys):
    _away_from_the_edge(3600)
    with keys.client(rate_limits={"hourly": 1, "daily": 1, "monthly": 9}) as client:
        assert _probe(client).header("x-ratelimit-period") == "hourly"
        _check_limited(_probe(client), "hourly", 1)


def test_the_tightest_period_is_told(keys):
    """5.4: the smallest share left."""
    _away_from_the_edge(3600)
    with keys.client(rate_limits={"hourly": 10, "daily": 2}) as client:
        assert _probe(client).header("x-ratelimit-period") == "daily"


def test_keys_without_limits_say_nothing(keys):
    for client in (keys.client(), keys.server.client()):
        with client:
            reply = _probe(client)
            assert reply.status == 200
            assert not [name for name, _ in reply.headers if "ratelimit" in name.lower()]


def test_unknown_paths_count_and_open_ones_do_not(keys):
    """Section 3: limits come before the route, and after authentication."""
    _away_from_the_edge(3600)
    key, record = keys.make(rate_limits={"hourly": 1})
    with keys.server.client(key=key) as client:
        for path in ("/health", "/ready"):
            assert client.get(path).status in (200, 503)
        assert client.get("/no/such/path").status == 404
        _check_limited(client.get("/no/such/path"), "hourly", 1)
        assert client.get("/health").status == 200
        assert client.get("/files/x", key="wrong-key-0123456789").status == 401
    assert keys.find(record)["usage_count"] == 1


def _upload(client):
    return client.upload_reply([multipart.file("a.txt", b"a")])


@pytest.mark.parametrize(
    "group,limit,calls",
    [
        ("exec", 2, [lambda c: c.exec_reply("true", "bash"), lambda c: c.post("/v1/exec", {})]),
        ("upload", 1, [_upload, lambda c: c.post("/upload/batch", {})]),
        ("download", 3, [lambda c: c.get("/download/x/y"), lambda c: c.get("/v1/download/x/y")]),
        (
            "fetch",
            4,
            [
                lambda c: c.get("/files/x"),
                lambda c: c.delete("/files/x/y"),
                lambda c: c.get("/sessions/x/objects/y"),
                lambda c: c.get("/v1/files/x"),
            ],
        ),
    ],
)
def test_endpoint_groups(keys, group, limit, calls):
    """5.2: one bucket of a key for all routes of the group; other keys and groups have their own."""
    with keys.client() as client, keys.client() as other:
        for number in range(limit):
            assert calls[number % len(calls)](client).status != 429
        for call in calls:
            reply = call(client)
            seconds = _check_limited(reply, group, limit)
            assert seconds <= 300
            assert reply.json["message"].startswith("Too many requests to this endpoint. Please retry in ")
        assert calls[0](other).status != 429
        assert _probe(client).status == 200


def test_environment_keys_have_groups_only(keys):
    with keys.server.client() as client:
        assert [client.get("/download/x/y").status for _ in range(4)] == [404, 404, 404, 429]


def test_groups_without_authentication_go_by_address(server_with):
    """5.2: by the client's address, whatever key is shown."""
    server = server_with(AUTH_ENABLED="false", RATE_LIMIT_FETCH="2/300", TRUSTED_PROXIES="127.0.0.0/8")
    with server.client() as client:
        for name in ("one", "two"):
            assert client.get("/files/x", key=f"key-{name}-0123456789").status == 200
        _check_limited(client.get("/files/x", key="key-three-0123456789"), "fetch", 2)
        assert client.get("/files/x", headers={"X-Forwarded-For": "203.0.113.9"}).status == 200


def test_switched_off(server_with):
    """RATE_LIMIT_ENABLED=false: the limits of keys are not in force, and groups are off by default."""
    server = server_with(RATE_LIMIT_ENABLED="false", MASTER_API_KEY=MASTER)
    keys = Keys(server)
    with keys.client(rate_limits={"monthly": 1}) as client:
        for _ in range(3):
            reply = client.get("/files/x")
            assert reply.status == 200 and reply.header("x-ratelimit-limit") is None
    keys.http.close()


def test_group_windows_survive_a_restart(server_with):
    server = server_with(RATE_LIMIT_FETCH="2/3600")
    with server.client() as client:
        assert [client.get("/files/x").status for _ in range(3)] == [200, 200, 429]
    assert server.terminate() == 0
    server.start()
    with server.client() as client:
        assert client.get("/files/x").status == 429


def _kept(server, record):
    """The requests that the store knows of."""
    store = f"file:{os.path.join(server.data_dir, 'codecell.db')}?mode=ro"
    with contextlib.closing(sqlite3.connect(store, uri=True, timeout=30)) as database:
        rows = database.execute("SELECT value FROM record WHERE key = ?", ("key-use:" + record["key_hash"],)).fetchall()
    return json.loads(rows[0][0])["count"] if rows else 0


def test_a_killed_server_forgets_seconds_not_hours(server_with):
    """The counters are written behind, every second or so."""
    server = server_with(MASTER_API_KEY=MASTER)
    keys = Keys(server)
    key, record = keys.make(rate_limits={"monthly": 2})
    with server.client(key=key) as client:
        assert [_probe(client).status for _ in range(2)] == [200, 200]
    assert host.until(lambda: _kept(server, record) == 2, 30, 0.2)
    keys.http.close()
    server.look()
    server.process.kill()
    server.process.wait()
    server.leftovers(10)
    server.start()
    with server.client(key=key) as client:
        assert _probe(client).status == 429
    keys.http.close()
