# SPDX-License-Identifier: Apache-2.0
"""http-api.md section 6: headers on every response."""

import pytest

from support import multipart
from support.client import raw_request

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Content-Security-Policy": "default-src 'self'",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), camera=()",
}


def check(reply):
    for name, value in SECURITY.items():
        assert reply.values(name) == [value], (name, reply.headers)


@pytest.fixture(scope="module")
def answers(server):
    """One answer of every kind."""
    with server.client() as client:
        up = client.upload(("x.txt", b"x"))
        replies = {
            "health": client.get("/health", key=None),
            "ready": client.get("/ready", key=None),
            "401": client.get("/files/x", key=None),
            "401 wrong": client.get("/files/x", key="wrong-wrong-wrong-wrong"),
            "401 unknown path": client.get("/nothing", key=None),
            "404": client.get("/nothing"),
            "404 download": client.get("/download/a/b"),
            "405": client.get("/exec"),
            "415": client.request("POST", "/sessions", body=b"<x/>", headers={"Content-Type": "application/xml"}),
            "422": client.post("/exec", {}),
            "422 json": client.request("POST", "/exec", body=b"{", headers={"Content-Type": "application/json"}),
            "400 language": client.exec_reply("x", "cobol"),
            "400 code": client.exec_reply(" ", "py"),
            "400 upload": client.request("POST", "/upload", body=b"x", headers={"Content-Type": "text/plain"}),
            "413": raw_request(
                server,
                b"POST /exec HTTP/1.1\r\nHost: t\r\nx-api-key: "
                + server.key.encode()
                + b"\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n",
            ),
            "exec": client.exec_reply("echo x", "bash"),
            "stream": client.exec_reply("sleep 3.5", "bash"),
            "upload": client.upload_reply([multipart.file("x.txt", b"x")]),
            "files": client.get(f"/files/{up.session}"),
            "object": client.get(f"/sessions/{up.session}/objects/{up.id}"),
            "download": client.get(f"/download/{up.session}/{up.id}"),
            "delete": client.delete(f"/files/{up.session}/{up.id}"),
            "languages": client.get("/languages"),
            "options": client.request("OPTIONS", "/exec", key=None),
        }
    return replies


KINDS = [
    "health",
    "ready",
    "401",
    "401 wrong",
    "401 unknown path",
    "404",
    "404 download",
    "405",
    "415",
    "422",
    "422 json",
    "400 language",
    "400 code",
    "400 upload",
    "413",
    "exec",
    "stream",
    "upload",
    "files",
    "object",
    "download",
    "delete",
    "languages",
    "options",
]


@pytest.mark.parametrize("kind", KINDS)
def test_security_headers(answers, kind):
    """6.1: exactly one of each, on answers of every stage."""
    assert answers[kind] is not None, "no answer at all"
    check(answers[kind])


def test_statuses_of_the_samples(answers):
    """The samples above are what they are called."""
    for kind, reply in answers.items():
        first = kind.split()[0]
        if first.isdigit():
            assert reply.status == int(first), (kind, reply)
        elif kind != "options":
            assert reply.status == 200, (kind, reply)
    assert answers["stream"].header("transfer-encoding") == "chunked"


@pytest.mark.parametrize(
    "kind", ["exec", "stream", "upload", "files", "object", "download", "422", "400 language", "404 download", "delete"]
)
def test_profile_header(answers, kind):
    """6.4, 11.4: client-facing routes name the execution profile."""
    assert answers[kind].values("X-CodeAPI-Execution-Profile") == ["default"], answers[kind].headers


def test_json_type(answers):
    """1.3."""
    for kind, reply in answers.items():
        if kind not in ("download", "options"):
            assert reply.header("content-type").startswith("application/json"), kind
            reply.json


def test_debug_adds_the_response_time(server_with):
    """6.5."""
    server = server_with(API_DEBUG="true")
    with server.client() as client:
        assert float(client.get("/health").header("x-response-time-ms")) >= 0


def test_no_response_time_without_debug(answers):
    """6.5."""
    assert answers["health"].header("x-response-time-ms") is None


def test_options_without_cors(server, client):
    """6.3: with CORS off, 200 or 405, never 401 (pinned)."""
    for path in ("/exec", "/files/x", "/nothing"):
        reply = client.request(
            "OPTIONS", path, headers={"Origin": "http://a", "Access-Control-Request-Method": "POST"}, key=None
        )
        assert reply.status in (200, 405) or (path == "/nothing" and reply.status == 404), reply
        assert reply.header("access-control-allow-origin") is None


def test_cors(server_with):
    """6.3: preflight and answers with CORS on."""
    server = server_with(ENABLE_CORS="true", CORS_ORIGINS="https://chat.example,https://other.example")
    with server.client() as client:
        preflight = client.request(
            "OPTIONS",
            "/exec",
            key=None,
            headers={
                "Origin": "https://chat.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "x-api-key, x-odd",
            },
        )
        assert preflight.status == 200, preflight
        assert preflight.header("access-control-allow-origin") == "https://chat.example"
        assert preflight.header("access-control-allow-credentials") == "true"
        assert {"GET", "POST", "PUT", "DELETE", "OPTIONS"} <= {
            m.strip() for m in preflight.header("access-control-allow-methods").split(",")
        }
        allowed = preflight.header("access-control-allow-headers").lower()
        assert "x-odd" in allowed or allowed == "*"
        check(preflight)
        answer = client.get("/files/x", headers={"Origin": "https://chat.example"})
        assert answer.header("access-control-allow-origin") == "https://chat.example"
        assert "content-disposition" in answer.header("access-control-expose-headers").lower()
        stranger = client.get("/files/x", headers={"Origin": "https://evil.example"})
        assert stranger.status == 200 and stranger.header("access-control-allow-origin") is None
        denied = client.get("/files/x", key=None, headers={"Origin": "https://chat.example"})
        assert denied.status == 401 and denied.header("access-control-allow-origin") == "https://chat.example"


def test_cors_any_origin(server_with):
    """6.3: an empty list means any origin, echoed."""
    server = server_with(ENABLE_CORS="true")
    with server.client() as client:
        assert (
            client.get("/files/x", headers={"Origin": "https://any.example"}).header("access-control-allow-origin")
            == "https://any.example"
        )
        assert client.get("/files/x").header("access-control-allow-origin") is None


def test_no_header_splitting(server):
    """6.6: CR LF in a key or a name splits no answer."""
    reply = raw_request(
        server, b"GET /files/x HTTP/1.1\r\nHost: t\r\nx-api-key: a\rb\nX-Injected: 1\r\n\r\n", timeout=5
    )
    assert reply is None or reply.status in (400, 401) and reply.header("x-injected") is None
    with server.client() as client:
        reply = client.get("/files/%0d%0aX-Injected:%201")
        assert reply.header("x-injected") is None


def test_keep_alive(server, client):
    """1.1: one connection serves many requests, also after errors."""
    client.get("/health")
    sock = client.connection.sock
    for request in (
        lambda: client.get("/nothing"),
        lambda: client.exec("echo x", "bash"),
        lambda: client.post("/exec", {}),
        lambda: client.get("/files/x", key=None),
        lambda: client.upload(("x.txt", b"x")),
        lambda: client.request("POST", "/upload", body=b"x", headers={"Content-Type": "text/plain"}),
    ):
        request()
        assert client.connection is not None and client.connection.sock is sock
