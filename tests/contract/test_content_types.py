# SPDX-License-Identifier: Apache-2.0
"""http-api.md 7.1 to 7.3: content types."""

import http.client
import json

import pytest

from support import multipart

GOOD = json.dumps({"lang": "bash", "code": "echo x"}).encode()


def _post(client, kind, body=GOOD, path="/exec", **kwargs):
    headers = {"Content-Type": kind} if kind is not None else {}
    return client.request("POST", path, body=body, headers=headers, **kwargs)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "text/plain",
        "text/plain;charset=UTF-8",
        None,
    ],
)
def test_json_is_parsed(client, kind):
    """7.2: parsed as application/json, text/plain or without a type."""
    reply = _post(client, kind)
    assert reply.status == 200, reply


@pytest.mark.parametrize(
    "kind",
    [
        "application/xml",
        "text/html",
        "image/png",
        "application/octet-stream",
        "application/vnd.api",
        "",
        "json",
        "text/xml; x=application",
    ],
)
def test_refused_types(client, kind):
    """7.1: 415 naming the value."""
    reply = _post(client, kind)
    if kind == "":
        assert reply.status in (200, 415), reply
        return
    assert reply.status == 415, reply
    assert reply.error == f"Unsupported content type: {kind}" and reply.json["error_type"] == "validation", reply


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded"])
def test_allowed_but_not_json(client, kind):
    """7.2: other allowed types are 422 on JSON routes."""
    reply = _post(client, kind)
    assert reply.status == 422, reply


def test_plus_json(client):
    """7.2 names application/*+json, which 7.1 lets through only where it contains one of the four."""
    reply = _post(client, "application/vnd.x+json")
    assert reply.status in (200, 415), reply


def test_containment_is_what_counts(client):
    """7.1: contains, in any case."""
    assert _post(client, "APPLICATION/JSON").status == 200
    assert _post(client, "x-application/json-y").status in (200, 422)


@pytest.mark.parametrize(
    "body", [b"{", b"[", b"nonsense", b"{'a': 1}", b'{"lang": }', b"\xff", b'{"lang":"bash","code":"x"']
)
def test_malformed_json(client, body):
    """7.2: 422 with code json_invalid."""
    reply = _post(client, "application/json", body)
    assert reply.status == 422, reply
    assert (
        reply.json["details"][0]["code"] == "json_invalid"
        and reply.json["details"][0]["message"] == "JSON decode error"
    ), reply


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_json_that_is_no_object(client, body):
    """7.2: 422."""
    assert _post(client, "application/json", body).status == 422


def test_no_body(client):
    """7.1, 7.3: without body and type the type rule passes; /exec and the uploads answer 422."""
    reply = client.request("POST", "/exec")
    assert reply.status == 422, reply
    for path in ("/upload", "/upload/batch"):
        reply = client.request("POST", path)
        assert reply.status == 422 and reply.json["details"][0]["code"] == "missing", reply


@pytest.mark.parametrize("path", ["/upload", "/upload/batch", "/v1/upload", "/v1/upload/batch"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/xml", "application/octet-stream"])
def test_uploads_need_multipart(client, path, kind):
    """7.3: any other type is 400 (7.1 does not apply to upload paths)."""
    reply = _post(client, kind, b"x", path)
    assert reply.status == 400 and reply.error == "Invalid content type. Must be multipart/form-data.", reply


def test_missing_boundary_is_taken_from_the_body(client):
    """7.3: a bare multipart/form-data takes the boundary from the first line."""
    body = multipart.encode([multipart.file("x.txt", b"data")], "from-the-body")
    reply = _post(client, "multipart/form-data", body, "/upload")
    assert reply.status == 200, reply
    assert client.download(reply.json["session_id"], reply.json["files"][0]["fileId"]) == b"data"


@pytest.mark.parametrize(
    "value",
    [
        'multipart/form-data; boundary="{}"',
        "multipart/form-data;boundary={}",
        "Multipart/Form-Data; charset=utf-8; boundary={}",
        "multipart/form-data; BOUNDARY={}",
    ],
)
def test_boundary_forms(client, value):
    """7.3: quoted, unquoted, with other parameters, in any case."""
    body = multipart.encode([multipart.file("x.txt", b"data")])
    assert _post(client, value.format(multipart.BOUNDARY), body, "/upload").status == 200


def test_unknown_fields_are_ignored(client):
    """1.3 (pinned)."""
    run = client.exec(
        "echo x", "bash", intent="y", workspace_instance_id=1, language="nonsense", nested={"a": [1]}, version=None
    )
    assert run.stdout == "x\n"


def test_chunked_bodies(client, server):
    """1.2: bodies with Transfer-Encoding: chunked, JSON and multipart."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    pieces = [GOOD[:5], GOOD[5:6], GOOD[6:]]
    connection.request(
        "POST",
        "/exec",
        body=iter(pieces),
        headers={"x-api-key": server.key, "Content-Type": "application/json"},
        encode_chunked=True,
    )
    answer = connection.getresponse()
    assert answer.status == 200 and json.loads(answer.read())["stdout"] == "x\n"
    body = multipart.encode([multipart.file("x.txt", b"z" * 1_000_000)])
    connection.request(
        "POST",
        "/upload",
        body=(body[i : i + 50_000] for i in range(0, len(body), 50_000)),
        headers={"x-api-key": server.key, "Content-Type": multipart.content_type()},
        encode_chunked=True,
    )
    answer = connection.getresponse()
    up = json.loads(answer.read())
    assert answer.status == 200, up
    assert client.download(up["session_id"], up["files"][0]["fileId"]) == b"z" * 1_000_000
