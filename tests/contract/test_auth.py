# SPDX-License-Identifier: Apache-2.0
"""http-api.md section 4: how a key is presented, checked, and refused."""

import base64
import time

import pytest

from support.client import raw_request

WRONG = "wrong-key-0123456789abcdef"


def _basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def _status(client, **headers):
    reply = client.get(
        "/files/nothing", headers={name.replace("_", "-"): value for name, value in headers.items()}, key=None
    )
    if reply.status == 401:
        assert reply.json["error_type"] == "authentication" and "API key" in reply.error
    return reply.status, reply.error if reply.status == 401 else None


def test_header_form(client):
    """4.2 row 1: x-api-key, its name in any case."""
    for name in ("x-api-key", "X-API-Key", "X-Api-Key", "X-API-KEY"):
        assert client.get("/files/nothing", headers={name: client.key}, key=None).status == 200


def test_bearer_form(client):
    """4.2 row 2: Authorization: Bearer, the scheme in any case."""
    for scheme in ("Bearer", "bearer", "BEARER", "BeArEr"):
        assert _status(client, Authorization=f"{scheme} {client.key}")[0] == 200


def test_basic_forms(client):
    """4.2 row 3: the key is the user, or the password if the user is empty, or the whole text without a colon."""
    for text in (f"{client.key}:", f"{client.key}:anything", f":{client.key}", client.key):
        assert _status(client, Authorization=_basic(text))[0] == 200, text
    assert _status(client, Authorization=_basic(f"{client.key}:").replace("Basic", "basic"))[0] == 200
    assert _status(client, Authorization=_basic(f"x:{client.key}"))[0] == 401
    assert _status(client, Authorization=_basic(":"))[0] == 401


def test_undecodable_basic_is_no_key(client):
    """4.2 row 3."""
    for value in ("Basic !!!!", "Basic", "Basic ", "Basic a", "Basic =====", "Basic \u00fc"):
        status, error = _status(client, Authorization=value.encode("latin-1").decode("latin-1"))
        assert status == 401, value
        assert error in ("API key is required", "Invalid API key"), value
    assert _status(client, Authorization="Basic !!!!")[1] == "API key is required"


def test_header_decides_alone(client):
    """4.2: a wrong x-api-key fails whatever Authorization holds, a good one wins over any Authorization (pinned)."""
    good = f"Bearer {client.key}"
    assert _status(client, x_api_key=WRONG, Authorization=good) == (401, "Invalid API key")
    assert _status(client, x_api_key=client.key, Authorization=f"Bearer {WRONG}")[0] == 200
    assert _status(client, x_api_key=client.key, Authorization="Nonsense x")[0] == 200
    assert _status(client, x_api_key="", Authorization=good)[0] == 200  # empty counts as absent


def test_an_empty_header_before_the_key(server):
    """4.2: an empty value counts as absent, so the next decides."""
    for second, status in ((server.key, 200), (WRONG, 401)):
        head = f"GET /files/nothing HTTP/1.1\r\nHost: t\r\nx-api-key:\r\nX-API-Key: {second}\r\n\r\n"
        assert raw_request(server, head.encode(), method="GET").status == status


def test_other_schemes_are_no_key(client):
    """4.2: any other scheme is no key (pinned)."""
    for value in (
        f"ApiKey {client.key}",
        client.key,
        f"Digest {client.key}",
        f"Token {client.key}",
        "Bearer",
        "Bearer ",
        "",
    ):
        assert _status(client, Authorization=value) == (401, "API key is required"), value


def test_the_dashboard_is_open(client):
    """4.1: everything under /admin-dashboard, though there is none; what only begins like it is not open."""
    for path in ("/admin-dashboard", "/admin-dashboard/", "/admin-dashboard/assets/app.js"):
        for key in (None, WRONG):
            assert client.get(path, key=key).status == 404, path
    for path in ("/admin-dashboards", "/admin-dashboard.js", "/v1/admin-dashboard", "/admin", "/api/v1/admin/x"):
        assert client.get(path, key=None).status == 401, path


def test_failure_texts(client):
    """4.5: the texts, and no WWW-Authenticate."""
    assert _status(client) == (401, "API key is required")
    assert _status(client, x_api_key=WRONG) == (401, "Invalid API key")
    reply = client.get("/files/nothing", key=WRONG)
    assert reply.header("www-authenticate") is None
    for almost in (client.key[:-1], client.key + "x", client.key.upper(), client.key[1:], client.key * 2):
        assert _status(client, x_api_key=almost)[0] == 401, almost


def test_key_nowhere_else(client):
    """4.2: not from the query, a cookie or the body."""
    key = client.key
    assert client.get(f"/files/nothing?api_key={key}&x-api-key={key}&key={key}", key=None).status == 401
    assert client.get("/files/nothing", headers={"Cookie": f"x-api-key={key}; api_key={key}"}, key=None).status == 401
    assert (
        client.post("/exec", {"lang": "bash", "code": "echo x", "api_key": key, "x-api-key": key}, key=None).status
        == 401
    )


def test_further_keys(server_with):
    """4.3: each entry of API_KEYS; MASTER_API_KEY is no normal key."""
    others = ["second-key-0123456789", "third-key-0123456789ab"]
    server = server_with(API_KEYS=",".join(others), MASTER_API_KEY="master-key-0123456789")
    with server.client() as client:
        for key in [server.key] + others:
            assert client.get("/files/nothing", key=key).status == 200
        assert client.get("/files/nothing", key="master-key-0123456789").status == 401
        assert client.get("/files/nothing", key=",".join(others)).status == 401
        # F9: the keys of the environment are one tenant.
        up = client.upload(("x.txt", b"x"))
        reply = client.get(f"/download/{up.session}/{up.id}", key=others[0])
        assert reply.status == 200 and reply.body == b"x"


def test_bearer_can_be_turned_off(server_with):
    """4.2: AUTH_BEARER_ENABLED=false makes Bearer no key; the other forms stay."""
    server = server_with(AUTH_BEARER_ENABLED="false")
    with server.client() as client:
        assert _status(client, Authorization=f"Bearer {client.key}") == (401, "API key is required")
        assert _status(client, Authorization=_basic(client.key + ":"))[0] == 200
        assert _status(client, x_api_key=client.key)[0] == 200


def test_authentication_off(server_with):
    """4.8: every request is accepted, with or without a key, and nothing is ever 401."""
    server = server_with(AUTH_ENABLED="false")
    with server.client() as client:
        for key in (None, WRONG, server.key):
            assert client.get("/files/nothing", key=key).status == 200
            assert client.get("/nothing/here", key=key).status == 404
            assert client.get("/health/detailed", key=key).status != 401
        assert client.exec("echo open", "bash").stdout == "open\n"


@pytest.fixture
def strict(server_with):
    return server_with(AUTH_FAILURE_LIMIT="10", AUTH_FAILURE_WINDOW_SECONDS="5", TRUSTED_PROXIES="127.0.0.0/8")


def test_failure_limit(strict):
    """4.6: after ten failures an address gets 429 with Retry-After, whatever key it carries, until the counter expires."""
    with strict.client() as client:
        for _ in range(10):
            assert client.get("/files/x", key=WRONG).status == 401
        for key in (WRONG, client.key, None):
            reply = client.get("/files/x", key=key)
            assert reply.status == 429, reply
            assert (
                reply.error == "Too many authentication failures. Please try again later."
                and reply.json["error_type"] == "rate_limited"
            )
            assert 1 <= int(reply.header("retry-after")) <= 5
        assert client.get("/health", key=None).status == 200  # open paths stay open
        time.sleep(5.2)  # blocked requests did not prolong the block
        assert client.get("/files/x").status == 200


def test_failure_limit_does_not_count_missing_keys(strict):
    """4.6: requests without any key are not counted; a success does not reset the counter."""
    with strict.client() as client:
        for _ in range(30):
            assert client.get("/files/x", key=None).status == 401
        assert client.get("/files/x").status == 200
        for _ in range(9):
            client.get("/files/x", key=WRONG)
        assert client.get("/files/x").status == 200
        client.get("/files/x", key=WRONG)
        assert client.get("/files/x").status == 429


def test_failure_limit_is_per_address(strict):
    """4.6, 4.7: by the first entry of X-Forwarded-For, else X-Real-IP, when the peer is a trusted proxy."""
    with strict.client() as client:
        for _ in range(10):
            client.get("/files/x", key=WRONG, headers={"X-Forwarded-For": "203.0.113.5, 10.0.0.1"})
        assert client.get("/files/x", headers={"X-Forwarded-For": "203.0.113.5"}).status == 429
        assert client.get("/files/x", headers={"X-Real-IP": "203.0.113.5"}).status == 429
        assert client.get("/files/x", headers={"X-Forwarded-For": "203.0.113.6, 203.0.113.5"}).status == 200
        assert client.get("/files/x", headers={"X-Real-IP": "203.0.113.7"}).status == 200
        for nobody in ("unknown", "", " , 203.0.113.7"):
            assert client.get("/files/x", headers={"X-Forwarded-For": nobody, "X-Real-IP": "203.0.113.5"}).status == 429
            assert client.get("/files/x", headers={"X-Forwarded-For": nobody, "X-Real-IP": "203.0.113.7"}).status == 200
        assert client.get("/files/x").status == 200


def test_forwarded_headers_of_strangers(server_with):
    """4.7: the headers are ignored from a peer that is no trusted proxy."""
    server = server_with(AUTH_FAILURE_LIMIT="3", AUTH_FAILURE_WINDOW_SECONDS="60", TRUSTED_PROXIES="192.0.2.0/24")
    with server.client() as client:
        for number in range(3):
            assert (
                client.get(
                    "/files/x",
                    key=WRONG,
                    headers={"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"},
                ).status
                == 401
            )
        assert client.get("/files/x", headers={"X-Forwarded-For": "203.0.113.99"}).status == 429


def test_the_log_names_no_full_key(server, client):
    """4.9: at most the first six characters."""
    client.get("/files/x", key=WRONG)
    time.sleep(0.1)
    log = server.log()
    assert WRONG not in log and client.key not in log
