# SPDX-License-Identifier: Apache-2.0
"""admin.md A6: documentation and configuration."""

import re

import pytest

CLIENT_ROUTES = {
    "/exec": {"post"},
    "/exec/programmatic": {"post"},
    "/exec/programmatic/cancel": {"post"},
    "/exec/stream": {"post"},
    "/executions/{execution_id}": {"get", "delete"},
    "/upload": {"post"},
    "/upload/batch": {"post"},
    "/files/{session_id}": {"get"},
    "/files/{session_id}/{file_id}": {"delete"},
    "/sessions/{session_id}/objects/{file_id}": {"get"},
    "/download/{session_id}/{file_id}": {"get"},
    "/health": {"get"},
}


def references(value):
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def test_openapi(client):
    """A6: an OpenAPI 3 document that lists the routes of clients, open."""
    reply = client.get("/openapi.json", key=None)
    assert reply.status == 200 and reply.header("content-type") == "application/json"
    document = reply.json
    assert document["openapi"].startswith("3.") and document["info"]["title"] == "Code Interpreter API" and document["info"]["version"] == "1.2.0"
    for path, methods in CLIENT_ROUTES.items():
        assert methods <= set(document["paths"][path]), path
    known = {"#/components/schemas/" + name for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_what_is_documented_is_there(client):
    """A6: no route is described that the server does not have."""
    for path, methods in client.get("/openapi.json").json["paths"].items():
        for method in methods:
            reply = client.request(method.upper(), re.sub(r"{\w+}", "x" * 21, path), body=b"" if method == "post" else None)
            assert reply.status != 405 and (reply.status != 404 or reply.error != "Not Found"), (method, path, reply)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_pages(client, path):
    """A6, 6.2: a page that shows the document, open, without scripts or anything of another origin."""
    reply = client.get(path, key=None)
    assert reply.status == 200 and reply.header("content-type").startswith("text/html")
    page = reply.body.decode()
    assert "/openapi.json" in page and all(path in page for path in CLIENT_ROUTES)
    assert not re.search(r"<script|<style|<link|<img|style=| on\w+=|https?:", page), page[:2000]
    assert reply.header("content-security-policy") == "default-src 'self'"


def test_config_is_for_debugging(client, server_with):
    """A6, 13.1: /config is there with API_DEBUG alone, with a key; the pages can be switched off, the document cannot."""
    assert client.get("/config").status == 404 and client.get("/config", key=None).status == 401
    with server_with(API_DEBUG="true", ENABLE_DOCS="false", MAX_EXECUTION_TIME="20").client() as other:
        reply = other.get("/config")
        assert reply.status == 200, reply
        assert reply.json == {"debug": True, "languages": 13, "max_execution_time": 20, "max_memory_mb": reply.json["max_memory_mb"]}
        assert {other.get(path, key=None).status for path in ("/docs", "/redoc")} == {404}
        assert other.get("/openapi.json", key=None).json == client.get("/openapi.json").json
