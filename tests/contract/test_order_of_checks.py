# SPDX-License-Identifier: Apache-2.0
"""http-api.md section 3: which check answers first."""

import pytest

from support.client import raw_request

WRONG = "wrong-key-0123456789abcdef"
XML = {"Content-Type": "application/xml"}
JSON = {"Content-Type": "application/json"}


def test_long_header(server):
    """Step 1: a header block over 64 KiB is 431; a value of 10 000 bytes ends in 400, 401, 413 or 431 (pinned)."""
    head = b"GET /files/x HTTP/1.1\r\nHost: t\r\nx-api-key: "
    assert raw_request(server, head + b"a" * 10000 + b"\r\n\r\n").status in (400, 401, 413, 431)
    assert raw_request(server, head + server.key.encode() + b"\r\nX-Long: " + b"a" * 70000 + b"\r\n\r\n").status == 431
    fine = raw_request(server, head + server.key.encode() + b"\r\nX-Long: " + b"a" * 10000 + b"\r\n\r\n", method="GET")
    assert fine.status == 200


@pytest.mark.parametrize("path", ["/exec", "/sessions", "/nothing", "/files/x"])
@pytest.mark.parametrize("key", [None, WRONG])
def test_content_type_before_authentication(client, path, key):
    """Step 3 before 4: 415 (pinned for /sessions with a bad key)."""
    assert client.request("POST", path, body=b"<x/>", headers=XML, key=key).status == 415


@pytest.mark.parametrize("key", [None, WRONG])
def test_authentication_before_the_profile(client, key):
    """Step 4 before 5."""
    assert client.post("/exec", {}, headers={"X-CodeAPI-Expected-Profile": "stateful"}, key=key).status == 401


def test_profile_before_the_route(client):
    """Step 5 before 7 and 8."""
    headers = {"X-CodeAPI-Expected-Profile": "stateful"}
    assert client.post("/exec", {}, headers=headers).status == 409
    assert client.request("POST", "/exec", body=b"{", headers={**JSON, **headers}).status == 409


@pytest.mark.parametrize(
    "method,path",
    [
        ("GET", "/nothing"),
        ("GET", "/"),
        ("GET", "/state/x"),
        ("GET", "/sessions"),
        ("GET", "/exec"),
        ("DELETE", "/exec"),
        ("POST", "/v2/exec"),
    ],
)
def test_authentication_before_the_route(client, method, path):
    """Step 4 before 7: an unknown path without a valid key is 401 (pinned)."""
    for key in (None, WRONG):
        assert client.request(method, path, key=key).status == 401


def test_route_before_the_body(client):
    """Step 7 before 8."""
    assert client.request("POST", "/nothing", body=b"{", headers=JSON).status == 404
    assert client.request("PUT", "/exec", body=b"{", headers=JSON).status == 405


def test_size_before_contents(server):
    """Step 8: a declared length over the limit is 413, whatever the body."""
    reply = raw_request(
        server,
        b"POST /exec HTTP/1.1\r\nHost: t\r\nx-api-key: "
        + server.key.encode()
        + b"\r\nContent-Type: application/json\r\nContent-Length: 60000000\r\n\r\n{",
    )
    assert reply.status == 413
    unauthorised = raw_request(
        server, b"POST /exec HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 60000000\r\n\r\n{"
    )
    assert unauthorised.status == 401


@pytest.mark.parametrize(
    "path",
    [
        "/state/x",
        "/state/x/info",
        "/state",
        "/sessions",
        "/files/download/a/b",
        "/",
        "/health/services",
        "/v1",
        "/v1/",
        "/api",
        "/exec/x",
        "/upload/x",
        "/download/a",
        "/v1/v1/exec",
        "/EXEC",
        "/v1/state/x",
        "/sessions/a",
        "/sessions/a/objects",
        "/files",
        "/download/a/b/c",
    ],
)
def test_paths_that_do_not_exist(client, path):
    """Section 2: 404 to an authenticated caller."""
    reply = client.get(path)
    assert reply.status == 404, reply
    assert reply.json["detail"] == "Not Found" == reply.error
    assert client.get(path, key=None).status == 401
    assert client.delete("/state/x").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/files/../exec",
        "/files/%2e%2e/exec",
        "/download/a/..",
        "/download/../../etc/passwd",
        "/files/.",
        "/files/..%2f..%2fetc",
        "/download/%2e%2e/%2e%2e",
        "/./health/../files/x",
        "/download/a/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/sessions/../objects/x",
    ],
)
def test_traversal_never_matches(server, path):
    """1.7: segments . and .. left after decoding never match a route: 404, never 200."""
    reply = raw_request(
        server, f"GET {path} HTTP/1.1\r\nHost: t\r\nx-api-key: {server.key}\r\n\r\n".encode(), method="GET"
    )
    assert reply.status in (404, 405) or (reply.status == 200 and reply.json == [] and "%2f" in path), (path, reply)


def test_percent_decoding(server, client):
    """1.7: paths are decoded once; NUL is 400; a slash that was encoded is no separator."""
    assert client.get("/%68ealth", key=None).status == 200
    assert client.get("/files/%61bc").json == []
    reply = client.get("/files/a%00b")
    assert reply.status == 400, reply
    assert client.get("/files/%2500").status == 200
    up = client.upload(("x.txt", b"x"))
    encoded = "".join(f"%{ord(letter):02x}" for letter in up.session)
    assert len(client.get(f"/files/{encoded}").json) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/exec",
        "/upload",
        "/upload/batch",
        "/files/x",
        "/sessions/a/objects/b",
        "/download/a/b",
        "/health",
        "/ready",
        "/languages",
    ],
)
def test_both_prefixes(client, path):
    """1.6: every client route bare and under /v1; 1.7: one trailing slash is ignored."""
    replies = []
    for each in (path, "/v1" + path, path + "/", "/v1" + path + "/"):
        if path in ("/exec", "/upload", "/upload/batch"):
            reply = client.request("POST", each)
        else:
            reply = client.get(each)
        replies.append((reply.status, reply.json.get("error") if isinstance(reply.json, dict) else None))
    assert len(set(replies)) == 1, replies
    assert replies[0][0] in (200, 422) or replies[0] == (404, "File not found"), replies


def test_request_ids_differ(client):
    """8.1, 1.4: every error has its own request id of 21 characters."""
    ids = {client.get("/nothing").json["request_id"] for _ in range(20)}
    assert len(ids) == 20 and all(len(each) == 21 for each in ids)
