# SPDX-License-Identifier: Apache-2.0
"""admin.md A3: managed keys, and what they mean elsewhere (http-api.md 4.3 to 4.5, files.md F9)."""

import hashlib
import os
import re
import time

import pytest

from support.keys import ADMIN, JSON, MASTER, Keys
from support.server import Server

ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
PERIODS = ["per_second", "per_minute", "hourly", "daily", "monthly"]


def _probe(client):
    """Status and text of a request that needs a key and no store."""
    reply = client.get("/files/nothing")
    return reply.status, reply.json.get("error") if reply.status != 200 else None


@pytest.fixture(scope="module")
def keys(program):
    server = Server({"AUTH_FAILURE_LIMIT": "0", "MASTER_API_KEY": MASTER, "API_KEYS": "second-Key-7hQ2xW9z"})
    yield Keys(server)
    server.stop()


def test_create(keys):
    """A3.2: key and record; the key works at once."""
    key, record = keys.make("team-a", rate_limits={"per_minute": 60, "daily": 5000}, metadata={"owner": "team-a"})
    assert re.fullmatch(r"sk-[A-Za-z0-9_-]{32}", key)
    assert record["key_hash"] == hashlib.sha256(key.encode()).hexdigest()
    assert record["key_prefix"] == key[:11] and record["name"] == "team-a" and ISO.match(record["created_at"])
    assert record["rate_limits"] == {
        "per_second": None,
        "per_minute": 60,
        "hourly": None,
        "daily": 5000,
        "monthly": None,
    }
    assert record["metadata"] == {"owner": "team-a"} and record["last_used_at"] is None and record["usage_count"] == 0
    assert record["source"] == "managed" and record["enabled"] is True
    assert record["tenant"] == record["key_hash"][:16] and record["expires_at"] is None
    for headers in ({"x-api-key": key}, {"Authorization": f"Bearer {key}"}):
        assert keys.http.get("/files/nothing", key=None, headers=headers).status == 200


def test_a_managed_key_runs_programs(keys):
    with keys.client() as client:
        assert client.exec("echo managed", "bash").stdout == "managed\n"


def test_list(keys):
    """A3.1: newest first, with one record per environment key and never the key itself."""
    first = keys.make("one")
    time.sleep(0.005)  # times have milliseconds
    second = keys.make("two")
    listed = keys.list()
    names = [entry["name"] for entry in listed]
    assert names.index("two") < names.index("one")
    assert "Environment Key (API_KEY)" in names and "Environment Key (API_KEYS #1)" in names
    times = [entry["created_at"] for entry in listed]
    assert times == sorted(times, reverse=True)
    text = keys.http.get(ADMIN).text
    for key in (first[0], second[0], keys.server.key, "second-Key-7hQ2xW9z", MASTER):
        assert key not in text
    environment = next(entry for entry in listed if entry["name"] == "Environment Key (API_KEY)")
    assert environment["metadata"] == {"type": "environment"} and environment["source"] == "environment"
    assert environment["tenant"] == "environment" and set(environment["rate_limits"].values()) == {None}
    assert environment["key_hash"] == hashlib.sha256(keys.server.key.encode()).hexdigest()
    short = next(entry for entry in listed if entry["name"] == "Environment Key (API_KEYS #1)")
    assert environment["key_prefix"] == keys.server.key[:11] and short["key_prefix"] == "second-Key-"  # A3


def test_a_key_that_is_given_twice_is_listed_once(server_with):
    """A3.1: one record per environment key."""
    key = "twice-Given-Key-4nB8vC1m"
    keys = Keys(server_with(API_KEY=key, API_KEYS=f"{key},other-Key-9sD3fG6h,{key}", MASTER_API_KEY=MASTER))
    assert [entry["name"] for entry in keys.list()] == ["Environment Key (API_KEY)", "Environment Key (API_KEYS #2)"]
    with keys.server.client(key=key) as client:
        assert _probe(client) == (200, None)


def test_use_is_counted(keys):
    key, record = keys.make()
    with keys.server.client(key=key) as client:
        for _ in range(3):
            assert client.get("/files/nothing").status == 200
    found = keys.find(record)
    assert found["usage_count"] == 3 and ISO.match(found["last_used_at"])


def test_disable_enable_and_revoke_at_once(keys):
    """4.4, A3.3, A3.4: although validations are cached for five minutes."""
    key, record = keys.make()
    with keys.server.client(key=key) as client:
        assert _probe(client) == (200, None)
        assert keys.change(record, enabled=False).json is True
        assert _probe(client) == (401, "API key is disabled")
        assert keys.find(record)["enabled"] is False
        assert keys.change(record, enabled=True).status == 200
        assert _probe(client) == (200, None)
        assert keys.revoke(record).json is True
        assert _probe(client) == (401, "Invalid API key")
    assert keys.find(record) is None
    assert keys.revoke(record).status == 404 and keys.change(record, name="x").status == 404


def test_change_replaces_what_is_given(keys):
    """A3.3: absent and null fields stay, rate_limits replaces all five."""
    _, record = keys.make("before", rate_limits={"hourly": 10, "daily": 20})
    assert keys.change(record, name="after", enabled=None).status == 200
    found = keys.find(record)
    assert (found["name"], found["rate_limits"]["hourly"], found["enabled"]) == ("after", 10, True)
    assert keys.change(record, rate_limits={"monthly": 7}).status == 200
    assert [keys.find(record)["rate_limits"][period] for period in PERIODS] == [None, None, None, None, 7]
    assert keys.change(record).status == 200 and keys.find(record)["name"] == "after"


def test_expiry(keys):
    """A key may end by itself."""
    soon = time.time() + 5
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(soon)) + f".{int(soon % 1 * 1000):03d}Z"
    key, record = keys.make(expires_at=at)
    assert record["expires_at"] == at
    with keys.server.client(key=key) as client:
        assert _probe(client)[0] == 200
        time.sleep(max(0.0, soon - time.time()) + 0.1)
        assert _probe(client) == (401, "API key has expired")
        assert keys.change(record, expires_at="never").status == 200
        assert _probe(client)[0] == 200


def test_environment_keys_are_read_only(keys):
    record = next(entry for entry in keys.list() if entry["source"] == "environment")
    change, revoke = keys.change(record, name="x"), keys.revoke(record)
    assert (change.status, change.error) == (
        403,
        "Environment keys cannot be modified. Update the API_KEY environment variable instead.",
    )
    assert (revoke.status, revoke.error) == (
        403,
        "Environment keys cannot be revoked. Remove the API_KEY environment variable instead.",
    )


def test_unknown_hashes(keys):
    for name in ("0" * 64, "0" * 63, "x", "A" * 64, "%2e%2e"):
        for method in ("PATCH", "DELETE"):
            body = b"{}" if method == "PATCH" else None
            assert keys.http.request(method, f"{ADMIN}/{name}", body=body, headers=JSON).status == 404, name
    reply = keys.http.delete(f"{ADMIN}/{'0' * 64}")
    assert reply.error == "Key not found"


@pytest.mark.parametrize(
    "fields,field",
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x" * 257}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\x1b[2Jb"}, "name"),
        ({"name": "a\x9b2Jb"}, "name"),
        ({"name": "a\u2028b"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "x", "rate_limits": []}, "rate_limits"),
        ({"name": "x", "rate_limits": {"hourly": 0}}, "rate_limits -> hourly"),
        ({"name": "x", "rate_limits": {"daily": -1}}, "rate_limits -> daily"),
        ({"name": "x", "rate_limits": {"per_second": 1.5}}, "rate_limits -> per_second"),
        ({"name": "x", "rate_limits": {"per_minute": "60"}}, "rate_limits -> per_minute"),
        ({"name": "x", "rate_limits": {"monthly": True}}, "rate_limits -> monthly"),
        ({"name": "x", "rate_limits": {"monthly": 10**10}}, "rate_limits -> monthly"),
        ({"name": "x", "metadata": "text"}, "metadata"),
        ({"name": "x", "metadata": {"a": 1}}, "metadata -> a"),
        ({"name": "x", "metadata": {"a": "x" * 9000}}, "metadata"),
        ({"name": "x", "metadata": {"a": "x\x00"}}, "metadata -> a"),
        ({"name": "x", "tenant": ""}, "tenant"),
        ({"name": "x", "tenant": "a b"}, "tenant"),
        ({"name": "x", "tenant": "x" * 65}, "tenant"),
        ({"name": "x", "tenant": "a\x00"}, "tenant"),
        ({"name": "x", "tenant": "env"}, "tenant"),
        ({"name": "x", "tenant": 7}, "tenant"),
        ({"name": "x", "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "x", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "expires_at": 5}, "expires_at"),
    ],
)
def test_bad_bodies_name_the_field(keys, fields, field):
    reply = keys.http.post(ADMIN, fields)
    assert reply.status == 422, reply
    assert [detail["field"] for detail in reply.json["details"]] == [f"body -> {field}"]


def test_a_name_that_is_not_given(keys):
    """8.4, A3.2: absent or null, it is required."""
    for fields, code in (({}, "missing"), ({"name": None}, "string_type")):
        reply = keys.http.post(ADMIN, fields)
        assert reply.status == 422 and reply.json["details"] == [
            {"field": "body -> name", "message": "Field required", "code": code}
        ], reply


def test_a_long_field_name_is_cut_between_characters(keys):
    for name in ("ä" * 150, "a" + "ä" * 150, "世" * 150, "a" + "世" * 150):
        reply = keys.http.post(ADMIN, {"name": "x", "metadata": {name: 1}})
        assert reply.status == 422 and reply.json["details"][0]["field"].startswith("body -> metadata -> "), reply


def test_all_violations_at_once(keys):
    reply = keys.http.post(ADMIN, {"name": 1, "rate_limits": {"hourly": 0, "daily": "x"}, "tenant": "/"})
    assert {detail["field"] for detail in reply.json["details"]} == {
        "body -> name",
        "body -> rate_limits -> hourly",
        "body -> rate_limits -> daily",
        "body -> tenant",
    }
    for body in (b"", b"[]", b"{", b"null"):
        assert keys.http.request("POST", ADMIN, body=body, headers=JSON).status == 422


def test_who_may_administer(keys):
    """A3: the table of callers."""
    key, _ = keys.make()
    expected = {
        None: (401, "API key is required"),
        "unknown-key-0123456789": (401, "Invalid API key"),
        keys.server.key: (403, "Invalid Master API Key"),
        key: (403, "Invalid Master API Key"),
    }
    for presented, answer in expected.items():
        for method, path in (("GET", ADMIN), ("POST", ADMIN), ("DELETE", f"{ADMIN}/x"), ("GET", "/api/v1/admin/nothing")):
            reply = keys.http.request(method, path, key=presented)
            assert (reply.status, reply.error) == answer, (presented, method, path)
    assert keys.http.get(ADMIN, key=None, headers={"Authorization": f"Bearer {MASTER}"}).status == 200
    assert keys.http.get("/files/x", key=MASTER).status == 401
    assert keys.http.get("/v1" + ADMIN).status == 401  # not served there, and so no path of the master key


def test_without_a_master_key(server_with):
    server = server_with()
    with server.client() as client:
        reply = client.get(ADMIN)
        assert (reply.status, reply.error) == (500, "Admin operations are disabled (no MASTER_API_KEY configured)")
        assert client.get(ADMIN, key="unknown-key-0123456789").status == 401


def test_with_authentication_off(server_with):
    """A3, pinned: no key or a wrong key is 401 or 403."""
    server = server_with(AUTH_ENABLED="false", MASTER_API_KEY=MASTER)
    with server.client() as client:
        assert client.get(ADMIN, key=None).status == 401
        assert client.get(ADMIN, key="unknown-key-0123456789").status == 401
        assert client.get(ADMIN, key=MASTER).status == 200


# -- tenants


def test_another_tenant_sees_nothing(keys):
    """F9: empty list or 404, as if the thing did not exist."""
    with keys.client() as owner, keys.client() as other, keys.server.client() as environment:
        up = owner.upload(("secret.txt", b"secret"), entity_id="agent-1")
        assert owner.download(up.session, up.id) == b"secret"
        for stranger in (other, environment):
            assert stranger.download_reply(up.session, up.id).status == 404
            assert stranger.files(up.session) == []
            assert stranger.get(f"/sessions/{up.session}/objects/{up.id}").status == 404
            assert stranger.delete(f"/files/{up.session}/{up.id}").status == 404
            run = stranger.exec("cat /mnt/data/* 2>/dev/null; ls -A /mnt/data", "bash", files=[up.reference()])
            assert "secret" not in run.stdout and run.session != up.session
            run = stranger.exec("ls -A /mnt/data", "bash", session_id=up.session)
            assert run.stdout == "" and run.session != up.session
            run = stranger.exec("ls -A /mnt/data", "bash", entity_id="agent-1")
            assert run.stdout == "" and run.session != up.session
        run = owner.exec("cat /mnt/data/secret.txt", "bash", files=[up.reference()], entity_id="agent-1")
        assert run.stdout.strip() == "secret" and run.session == up.session


def test_the_answer_is_that_of_a_thing_that_never_was(keys):
    with keys.client() as owner, keys.client() as other:
        up = owner.upload(("a.txt", b"a"))
        foreign = other.download_reply(up.session, up.id)
        missing = other.download_reply(up.session[::-1], up.id)
        same = ("error", "error_type", "details")
        assert [foreign.json[name] for name in same] == [missing.json[name] for name in same]
        assert foreign.status == missing.status == 404
        assert {name for name, _ in foreign.headers} == {name for name, _ in missing.headers}


def test_keys_of_one_tenant_share(keys):
    tenant = "tenant-" + str(time.monotonic_ns())
    with keys.client(tenant=tenant) as first, keys.client(tenant=tenant) as second:
        up = first.upload(("shared.txt", b"shared"))
        assert second.download(up.session, up.id) == b"shared"
    with keys.client(tenant="environment") as managed, keys.server.client() as environment:
        up = environment.upload(("ours.txt", b"ours"))
        assert managed.download(up.session, up.id) == b"ours"


def test_files_outlive_a_revoked_key(keys):
    """What belongs to a tenant stays with it: another of its keys still reaches it."""
    tenant = "stay-" + str(time.monotonic_ns())
    key, record = keys.make(tenant=tenant)
    with keys.server.client(key=key) as client:
        up = client.upload(("a.txt", b"a"))
    assert keys.revoke(record).status == 200
    with keys.client(tenant=tenant) as client:
        assert client.download(up.session, up.id) == b"a"


# -- restart


def test_keys_survive_a_restart(server_with):
    server = server_with(MASTER_API_KEY=MASTER)
    keys = Keys(server)
    key, record = keys.make("kept", rate_limits={"monthly": 3})
    _, gone = keys.make("gone")
    assert keys.revoke(gone).status == 200
    with server.client(key=key) as client:
        assert [client.get("/files/x").status for _ in range(2)] == [200, 200]
    keys.http.close()
    assert server.terminate() == 0
    server.start()
    with server.client(key=key) as client:
        assert keys.find(record)["usage_count"] == 2
        assert keys.find(gone) is None
        assert [client.get("/files/x").status for _ in range(2)] == [200, 429]
    keys.http.close()


def test_no_key_in_log_or_store(server_with):
    """A key is shown once and kept nowhere."""
    server = server_with(MASTER_API_KEY=MASTER, LOG_LEVEL="DEBUG", ENABLE_ACCESS_LOGS="true")
    keys = Keys(server)
    key, _ = keys.make("hidden")
    with server.client(key=key) as client:
        client.get("/files/x")
        client.exec("echo x", "bash")
    keys.http.close()
    assert server.terminate() == 0
    needles = [key.encode(), key[3:].encode(), MASTER.encode(), server.key.encode()]
    paths = [server.log_path]
    for folder, _, names in os.walk(server.data_dir):
        paths += [os.path.join(folder, name) for name in names]
    for path in paths:
        with open(path, "rb") as file:
            data = file.read()
        assert not any(needle in data for needle in needles), path
