# SPDX-License-Identifier: Apache-2.0
"""admin.md A6: documentation and configuration."""

import json
import re

import pytest
from support import multipart, tools
from support.schema import Document

CLIENT_ROUTES = {
    "/exec": {"post"},
    "/exec/programmatic": {"post"},
    "/exec/programmatic/cancel": {"post"},
    "/exec/stream": {"post"},
    "/executions/{execution_id}": {"get", "delete"},
    "/upload": {"post"},
    "/upload/batch": {"post"},
    "/executions/{execution_id}/stream": {"get"},
    "/executions/{execution_id}/stdin": {"post"},
    "/files/{session_id}": {"get"},
    "/files/{session_id}/{file_id}": {"delete"},
    "/sessions/{session_id}/objects/{file_id}": {"get"},
    "/download/{session_id}/{file_id}": {"get"},
    "/languages": {"get"},
    "/ready": {"get"},
    "/health": {"get"},
    "/health/detailed": {"get"},
    "/health/redis": {"get"},
    "/health/s3": {"get"},
    "/health/nsjail": {"get"},
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


class Documented:
    """A client whose every answer is held against the document."""

    def __init__(self, client):
        self.client = client
        self.document = Document(client.get("/openapi.json").json)

    def request(self, method, path, *ids, status=200, query="", body=None, headers=None, **kwargs):
        """path as the document has it, with the ids for what it leaves open. Returns the JSON of the answer."""
        named = iter(ids)
        reply = self.client.request(method, re.sub(r"{\w+}", lambda _: next(named), path) + query, body, headers, **kwargs)
        assert reply.status == status, reply
        if not reply.body:
            assert str(status) in self.document.operation(method, path)["responses"], (method, path, status)
            return None
        faults = self.document.faults(reply.json, self.document.answer(method, path, status))
        assert not faults, (method, path, faults, reply)
        return reply.json

    def post(self, path, value, *ids, **kwargs):
        headers = {"Content-Type": "application/json", **kwargs.pop("headers", {})}
        return self.request("POST", path, *ids, body=json.dumps(value).encode(), headers=headers, **kwargs)

    def upload(self, path, *parts):
        headers = {"Content-Type": multipart.content_type()}
        return self.request("POST", path, body=multipart.encode(parts), headers=headers)


@pytest.fixture(name="documented")
def fixture_documented(client):
    return Documented(client)


def test_answers_of_executions_are_as_documented(documented):
    """A6: their types, null where it is said, and no member that the document does not know."""
    made = documented.upload("/upload", multipart.field("kind", "user"), multipart.file("a.txt"), multipart.file("b.txt"))
    references = [
        {"id": file["fileId"], "session_id": made["session_id"], "name": file["filename"], "kind": "user", "resource_id": "u", "version": 2, "entity_id": "e"}
        for file in made["files"]
    ]
    references.append({**references[0], "id": "gone", "name": "gone"})
    code = "rm b.txt; echo x >> a.txt; for i in $(seq 11); do echo > f$i; done; yes | head -c 70000; exit 3"
    ended = documented.post("/exec", {"lang": "bash", "code": code, "files": references})
    assert {"deleted_files", "artifact_truncation", "truncated"} <= set(ended), ended
    assert documented.request("GET", "/executions/{execution_id}", ended["execution_id"])["outcome"] == "error"
    documented.request("DELETE", "/executions/{execution_id}", ended["execution_id"], status=204)
    documented.post("/exec", {"lang": "bash", "code": "true", "session_id": ended["session_id"], "files": references[:1]})
    documented.post("/exec", {"lang": "bash", "code": "kill -9 $$"})
    documented.post("/exec", {"lang": "py", "code": "display(1)\n2", "display": True})
    for body, status in (({}, 422), ({"lang": "cobol", "code": "x"}, 400), ({"lang": "py", "code": ""}, 400)):
        documented.post("/exec", body, status=status)
        documented.post("/exec/stream", body, status=status)
    documented.request("GET", "/executions/{execution_id}", "nobody", status=404)
    documented.request("POST", "/executions/{execution_id}/stdin", ended["execution_id"], body=b"x", status=409)


def test_answers_of_tools_are_as_documented(documented):
    """A6: those of programs that call tools, wait, end, fail and are cancelled."""
    path, cancel, name = tools.PATH, tools.PATH + "/cancel", "X-LibreChat-Code-Request-ID"
    waits = documented.post(path, {"code": "await echo(a=1)", "tools": tools.declare("echo")})
    results = [{"call_id": waits["tool_calls"][0]["id"], "result": None}]
    documented.post(path, {"continuation_token": waits["continuation_token"], "tool_results": results})
    waits = documented.post(path, {"lang": "bash", "code": "echo no object; echo text >f", "tools": [{"name": "echo", "description": None, "parameters": None}]})
    assert waits["tool_calls"][0]["input"] == "no", waits
    documented.post(path, {"continuation_token": waits["continuation_token"], "tool_results": None})
    for body in ({}, {"continuation_token": "gone"}, {"code": "1/0"}, {"lang": "bash", "code": "exit 7"}):
        assert documented.post(path, body)["status"] == "error", body
    documented.post(path, {"code": "1", "lang": "rs"}, status=422)
    documented.post(path, {"code": "1"}, headers={name: "short"}, status=400)
    documented.post(path, {"code": "1"}, headers={name: "documented-request"})
    documented.post(cancel, {"request_id": "documented-request"}, status=200)
    documented.post(cancel, {"request_id": "documented-request-to-come"}, status=202)
    documented.post(cancel, {}, status=400)


def test_answers_about_files_are_as_documented(documented):
    """A6: uploads, every form of the listing, and what becomes of one file."""
    form = [multipart.field("kind", "skill"), multipart.field("id", "s"), multipart.field("version", "3")]
    made = documented.upload("/upload", *form, multipart.file("a b.txt"))
    documented.upload("/upload/batch", multipart.file("a.txt"), multipart.file("b.exe"))
    documented.request("POST", "/upload", status=422)
    for detail in ("full", "summary", "simple", "normalized"):
        assert documented.request("GET", "/files/{session_id}", made["session_id"], query=f"?detail={detail}&kind=skill&id=s&version=3")
    assert documented.request("GET", "/files/{session_id}", "nobody") == []
    ids = made["session_id"], made["files"][0]["fileId"]
    documented.request("GET", "/sessions/{session_id}/objects/{file_id}", *ids)
    documented.request("GET", "/sessions/{session_id}/objects/{file_id}", *ids, query="?version=x", status=422)
    for status in (200, 404):
        documented.request("DELETE", "/files/{session_id}/{file_id}", *ids, status=status)
    for path in ("/sessions/{session_id}/objects/{file_id}", "/download/{session_id}/{file_id}"):
        documented.request("GET", path, *ids, status=404)


def test_answers_about_the_server_are_as_documented(documented):
    """A6, A1.1 to A1.3: health, readiness and languages; errors without a key."""
    for path in ("/health", "/ready", "/languages", "/health/detailed", "/health/redis", "/health/s3", "/health/nsjail"):
        documented.request("GET", path)
    documented.request("GET", "/health/detailed", query="?use_cache=maybe", status=422)
    documented.request("GET", "/languages", key=None, status=401)


WRONG = {"string": [], "integer": [], "boolean": "maybe", "array": {}, "object": []}


@pytest.mark.parametrize("path", ["/exec", "/exec/stream", "/exec/programmatic"])
def test_what_is_documented_is_taken(client, path):
    """A6, 8.4: every member of a body that the document names is one that the server looks at: of another type it is refused by its name."""
    schema = Document(client.get("/openapi.json").json).body("POST", path)
    for name, member in schema["properties"].items():
        kinds = member.get("type", [])
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if not kinds or name in ("language", "tool_results"):
            continue  # taken as they are, or together with others alone
        body = {"lang": "py", "code": "1", name: WRONG[kinds[0]]}
        reply = client.post(path, body)
        assert reply.status == 422 and [detail["field"] for detail in reply.json["details"]] == [f"body -> {name}"], (name, reply)
        if "null" in kinds and name != "code":
            assert client.post(path, {**body, name: None}).status == 200, name


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
    missing = client.get("/config")
    assert missing.status == 404 and missing.json["detail"] == missing.error == "Not Found" == client.get("/nothing").json["detail"]
    assert client.get("/config", key=None).status == 401
    with server_with(API_DEBUG="true", ENABLE_DOCS="false", MAX_EXECUTION_TIME="20").client() as other:
        reply = other.get("/config")
        assert reply.status == 200, reply
        assert reply.json == {"debug": True, "languages": 13, "max_execution_time": 20, "max_memory_mb": reply.json["max_memory_mb"]}
        assert {other.get(path, key=None).status for path in ("/docs", "/redoc")} == {404}
        assert other.get("/openapi.json", key=None).json == client.get("/openapi.json").json
