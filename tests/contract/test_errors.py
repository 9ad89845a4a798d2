# SPDX-License-Identifier: Apache-2.0
"""http-api.md section 8: one shape for all errors."""

import re
import time

import pytest

from support import multipart

TYPES = {
    400: "validation",
    401: "authentication",
    404: "resource_not_found",
    405: "internal_server",
    409: "resource_conflict",
    413: "resource_exhausted",
    415: "validation",
    422: "validation",
    503: "service_unavailable",
}


def shape(reply):
    body = reply.json
    assert {"error", "error_type", "details", "request_id", "timestamp"} <= set(body), body
    assert isinstance(body["error"], str) and body["error"]
    assert body["error_type"] == TYPES[reply.status], reply
    assert len(body["request_id"]) == 21
    assert isinstance(body["timestamp"], float) and abs(body["timestamp"] - time.time()) < 60
    assert body["details"] is None or isinstance(body["details"], list)
    for detail in body["details"] or []:
        assert set(detail) == {"field", "message", "code"}, detail
        assert isinstance(detail["message"], str)
        assert detail["field"] is None or isinstance(detail["field"], str)
    return body


def test_numbers_are_as_short_as_they_are(client):
    """8.1, A1.2: times of milliseconds have three digits behind the point, whatever the nearest binary number is."""
    for _ in range(20):
        assert re.search(r'"timestamp":\d+\.\d{1,3}[,}]', client.get("/nothing").text)
    for path in ("/health/redis", "/health/s3", "/health/nsjail", "/health/detailed?use_cache=false"):
        assert re.search(r'"response_time_ms":\d+\.\d{1,3}[,}]', client.get(path).text), path


def fields(reply):
    return {detail["field"]: detail["code"] for detail in reply.json["details"]}


def test_shape_of_every_kind(client):
    """8.1, 8.3."""
    for reply in (
        client.get("/nothing"),
        client.get("/files/x", key=None),
        client.get("/exec"),
        client.post("/exec", {}),
        client.exec_reply("x", "cobol"),
        client.exec_reply("", "py"),
        client.request("POST", "/exec", body=b"x", headers={"Content-Type": "a/b"}),
        client.request("POST", "/upload", body=b"x", headers={"Content-Type": "a/b"}),
        client.get("/download/a/b"),
        client.post("/exec", {}, headers={"X-CodeAPI-Expected-Profile": "stateful"}),
        client.upload_reply([multipart.field("x", "y")]),
        client.delete("/files/a/b"),
        client.get("/sessions/a/objects/b"),
    ):
        shape(reply)


def test_not_found_and_not_allowed(client):
    """8.2: with detail too."""
    reply = client.get("/nothing")
    assert reply.json["detail"] == reply.error == "Not Found"
    reply = client.get("/upload")
    assert reply.status == 405 and reply.json["detail"] == reply.error == "Method Not Allowed"


def test_validation_text(client):
    """8.1."""
    assert client.post("/exec", {}).error == "Request validation failed"


@pytest.mark.parametrize(
    "body,expected",
    [
        ({}, {"body -> code": "missing", "body -> lang": "missing"}),
        ({"lang": "py"}, {"body -> code": "missing"}),
        ({"code": "x"}, {"body -> lang": "missing"}),
        ({"code": None, "lang": "py"}, {"body -> code": "string_type"}),
        ({"code": 1, "lang": "py"}, {"body -> code": "string_type"}),
        ({"code": ["x"], "lang": {}}, {"body -> code": "string_type", "body -> lang": "string_type"}),
        ({"code": "x", "lang": True}, {"body -> lang": "string_type"}),
        ({"code": "x", "lang": "py", "user_id": 5}, {"body -> user_id": "string_type"}),
        ({"code": "x", "lang": "py", "session_id": []}, {"body -> session_id": "string_type"}),
        ({"code": "x", "lang": "py", "entity_id": "a b"}, {"body -> entity_id": "string_pattern_mismatch"}),
        ({"code": "x", "lang": "py", "entity_id": "a" * 41}, {"body -> entity_id": "string_too_long"}),
        ({"code": "x", "lang": "py", "entity_id": 7}, {"body -> entity_id": "string_type"}),
        ({"code": "x", "lang": "py", "files": "x"}, {"body -> files": "list_type"}),
        ({"code": "x", "lang": "py", "files": {}}, {"body -> files": "list_type"}),
        ({"code": "x", "lang": "py", "files": ["x"]}, {"body -> files -> 0": "model_attributes_type"}),
        (
            {"code": "x", "lang": "py", "files": [{"id": "x", "name": "y"}]},
            {"body -> files -> 0 -> storage_session_id": "missing"},
        ),
        (
            {"code": "x", "lang": "py", "files": [{"storage_session_id": "s", "name": "y"}]},
            {"body -> files -> 0 -> id": "missing"},
        ),
        (
            {"code": "x", "lang": "py", "files": [{"id": "x", "session_id": "s"}]},
            {"body -> files -> 0 -> name": "missing"},
        ),
        (
            {"code": "x", "lang": "py", "files": [{"id": 1, "session_id": "s", "name": "y"}]},
            {"body -> files -> 0 -> id": "string_type"},
        ),
        (
            {
                "code": "x",
                "lang": "py",
                "files": [{"id": "a", "session_id": "s", "name": "y"}, {"id": "a", "session_id": "s"}],
            },
            {"body -> files -> 1 -> name": "missing"},
        ),
        ({"code": "x", "lang": "py", "timeout": 999}, {"body -> timeout": "greater_than_equal"}),
        ({"code": "x", "lang": "py", "timeout": 300001}, {"body -> timeout": "less_than_equal"}),
        ({"code": "x", "lang": "py", "timeout": "abc"}, {"body -> timeout": "int_parsing"}),
        ({"code": "x", "lang": "py", "timeout": []}, {"body -> timeout": "int_type"}),
        (
            {"lang": 1, "timeout": 1, "entity_id": "?", "files": 5},
            {
                "body -> code": "missing",
                "body -> lang": "string_type",
                "body -> timeout": "greater_than_equal",
                "body -> entity_id": "string_pattern_mismatch",
                "body -> files": "list_type",
            },
        ),
    ],
)
def test_all_violations_together(client, body, expected):
    """8.4, 10.1: fields and codes, all violations of one body at once."""
    reply = client.post("/exec", body)
    assert reply.status == 422, reply
    shape(reply)
    assert fields(reply) == expected


def test_messages(client):
    """8.4: the texts."""
    reply = client.post("/exec", {"lang": "py", "entity_id": "a" * 41, "timeout": 5})
    messages = {detail["code"]: detail["message"] for detail in reply.json["details"]}
    assert messages == {
        "missing": "Field required",
        "string_too_long": "String should have at most 40 characters",
        "greater_than_equal": "Input should be greater than or equal to 1000",
    }, reply
    reply = client.exec_reply("x", "py", entity_id="a b")
    assert reply.json["details"][0]["message"] == "String should match pattern '^[A-Za-z0-9_-]+$'", reply


def test_no_internals_leak(server, client):
    """8.5: no error names a path of the server."""
    for reply in (
        client.get("/nothing"),
        client.post("/exec", {}),
        client.get("/download/a/b"),
        client.exec_reply("x", "cobol"),
        client.get("/files/" + "x" * 128),
    ):
        assert server.data_dir not in reply.text and "/src/" not in reply.text and "errno" not in reply.text.lower()


@pytest.mark.parametrize(
    "identifier",
    [
        "func-test-1a2b3c4d5e6f",
        "x",
        "x" * 128,
        "a.b",
        "with%20space",
        "%E4%B8%96",
        "..a",
        "a%25",
        "-",
        "_" * 21,
        "a" * 500,
    ],
)
def test_odd_identifiers_are_unknown(client, identifier):
    """1.4: an identifier of another shape is unknown, never 400."""
    reply = client.get(f"/files/{identifier}")
    assert reply.status in (200, 404), reply
    if reply.status == 200:
        assert reply.json == []
    assert client.get(f"/download/{identifier}/{identifier}").status == 404
    assert client.get(f"/sessions/{identifier}/objects/{identifier}").status == 404
    assert client.delete(f"/files/{identifier}/{identifier}").status == 404


@pytest.mark.parametrize("identifier", ["x" * 129, "a\0b", "\0", "a/b", "../x"])
def test_odd_identifiers_in_a_body_are_unknown(client, identifier):
    """1.4, 10.1, 10.6.3: nor there; the run has a session of its own and goes on without the file."""
    reference = {"id": identifier, "storage_session_id": identifier, "name": identifier}
    run = client.exec("ls", "bash", session_id=identifier, files=[reference])
    assert run.stdout == "" and run.files == [] and run.session != identifier
