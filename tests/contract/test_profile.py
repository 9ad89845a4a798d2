# SPDX-License-Identifier: Apache-2.0
"""http-api.md 11.4: the execution profile assertion."""

import pytest

from support.client import raw_request

HEADER = "X-CodeAPI-Expected-Profile"


def test_absent_and_equal(client):
    """11.4: fine."""
    assert client.get("/files/x").status == 200
    assert client.get("/files/x", headers={HEADER: "default"}).status == 200
    assert (
        client.get("/files/x", headers={HEADER.lower(): "default"}).header("X-CodeAPI-Execution-Profile") == "default"
    )


def test_other_profile(client):
    """11.4: 409 with the body of the specification."""
    reply = client.get("/files/x", headers={HEADER: "stateful"})
    body = reply.json
    assert (
        reply.status == 409
        and body["error"] == "execution_profile_mismatch"
        and body["error_type"] == "resource_conflict"
    )
    assert body["message"] == "Expected the stateful execution profile, but reached default"
    assert (body["expected_profile"], body["actual_profile"], body["details"]) == ("stateful", "default", None) and len(
        body["request_id"]
    ) == 21


@pytest.mark.parametrize("value", ["unknown", "Default", "default,default", "any", "stateful "])
def test_unknown_profile(client, value):
    """11.4: 400."""
    reply = client.get("/files/x", headers={HEADER: value})
    if value.strip() == "stateful":
        assert reply.status in (400, 409)
        return
    assert (
        reply.status == 400
        and reply.json["error"] == "invalid_execution_profile"
        and reply.json["message"] == f"Invalid execution profile: {value}"
    ), reply


def test_sent_twice(server):
    """11.4: 400."""
    reply = raw_request(
        server,
        f"GET /files/x HTTP/1.1\r\nHost: t\r\nx-api-key: {server.key}\r\n{HEADER}: default\r\n{HEADER}: default\r\n\r\n".encode(),
        method="GET",
    )
    assert reply.status == 400 and reply.json["error"] == "invalid_execution_profile", reply


def test_empty_counts_as_absent(server, client):
    """11.4: alone, and beside one with a value."""
    assert client.get("/files/x", headers={HEADER: ""}).status == 200
    head = f"GET /files/x HTTP/1.1\r\nHost: t\r\nx-api-key: {server.key}\r\n{HEADER}:\r\n{HEADER}: stateful\r\n\r\n"
    assert raw_request(server, head.encode(), method="GET").status == 409


def test_any(server_with):
    """11.4: EXECUTION_PROFILE=any accepts both."""
    server = server_with(EXECUTION_PROFILE="any")
    with server.client() as client:
        for value in ("default", "stateful"):
            assert client.get("/files/x", headers={HEADER: value}).status == 200
        assert client.get("/files/x", headers={HEADER: "other"}).status == 400


@pytest.mark.parametrize("word", ["stateful", "Stateful"])
def test_stateful(server_with, word):
    """11.4: the configured profile is asserted and reported, in the case of the contract."""
    server = server_with(EXECUTION_PROFILE=word)
    with server.client() as client:
        assert client.get("/files/x", headers={HEADER: "default"}).status == 409
        assert client.get("/files/x", headers={HEADER: "stateful"}).header("X-CodeAPI-Execution-Profile") == "stateful"
