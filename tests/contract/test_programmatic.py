# SPDX-License-Identifier: Apache-2.0
"""ptc.md: programs that call tools which live at the client: requests, sessions, cancelling."""

import json
import threading
import time

import pytest
from support import host
from support.client import exec_bytes, raw_connect
from support.tools import ECHO, PATH, WAITS, WEATHER, Run, declare, post, resume


# P1, P2, P4


def test_example(client):
    """P10: the example, with both calls in one answer and the original names."""
    code = (
        "a, b = await asyncio.gather(get_weather(city='Bern'), get_weather(city='Oslo'))\nprint(a['temp'] - b['temp'])"
    )
    first = post(client, code=code, tools=[WEATHER], timeout=15000, files=[])
    assert first.status == "tool_call_required" and first.stdout == "" and first.files == [], first
    assert [(call["name"], call["input"]) for call in first.calls] == [
        ("get_weather", {"city": "Bern"}),
        ("get_weather", {"city": "Oslo"}),
    ]
    assert len({call["id"] for call in first.calls}) == 2
    results = [{"call_id": call["id"], "result": {"temp": 21 - 7 * i}} for i, call in enumerate(first.calls)]
    last = resume(client, first, results)
    assert last.status == "completed" and last.stdout == "7\n" and last.stderr == "" and last.files == [], last
    assert last.session == first.session and last["outcome"] == "ok" and last["usage"]["wall_ms"] >= 0, last


@pytest.mark.parametrize("path", ["/exec/programmatic", "/v1/exec/programmatic"])
def test_both_paths(client, path):
    """P1, 1.6: 200 at both paths."""
    assert Run(client, "print(await echo(a=1))", ECHO, path=path).stdout == "{'a': 1}\n"


@pytest.mark.parametrize(
    "body",
    [
        {"code": 5},
        {"code": "x", "lang": "ruby"},
        {"code": "x", "lang": 5},
        {"code": "x", "tools": {}},
        {"code": "x", "tools": [{}]},
        {"code": "x", "tools": [{"name": None}]},
        {"code": "x", "tools": [{"name": ""}]},
        {"code": "x", "tools": [{"name": "a\0b"}]},
        {"code": "x", "tools": [{"name": "x" * 2000}]},
        {"code": "x", "tools": [{"name": "x", "description": 5}]},
        {"code": "x", "tools": [{"name": "x", "parameters": []}]},
        {"code": "x", "tools": [{"name": "x"}] * 1025},
        {"code": "x", "timeout": 999},
        {"code": "x", "timeout": 300001},
        {"code": "x", "entity_id": "a b"},
        {"code": "x", "files": [{"filename": "a.txt", "content": "inline"}]},
        {"continuation_token": 5},
        {"continuation_token": "x", "tool_results": {}},
        {"continuation_token": "x", "tool_results": [{}]},
        {"continuation_token": "x", "tool_results": [{"call_id": "a", "is_error": "yes"}]},
    ],
)
def test_malformed(client, body):
    """P2: 422 with the field."""
    reply = client.post(PATH, body)
    assert reply.status == 422 and reply.json["details"][0]["field"].startswith("body"), reply


@pytest.mark.parametrize(
    ("item", "field", "code", "message"),
    [
        ({"tools": [{}]}, "tools -> 0 -> name", "missing", "Field required"),
        ({"tools": [{"name": None}]}, "tools -> 0 -> name", "string_type", "Field required"),
        (
            {"tools": [{"name": "t"}, {"name": "u", "parameters": []}]},
            "tools -> 1 -> parameters",
            "model_attributes_type",
            "Input should be a valid object",
        ),
        (
            {"continuation_token": "t", "tool_results": [{"call_id": "c", "is_error": "maybe"}]},
            "tool_results -> 0 -> is_error",
            "bool_parsing",
            "Input should be a valid boolean",
        ),
    ],
)
def test_what_is_wrong_with_an_item(client, item, field, code, message):
    """8.4, P2: the codes and words of the table."""
    reply = client.post(PATH, {"code": "1", **item})
    assert reply.status == 422 and reply.json["details"] == [
        {"field": f"body -> {field}", "message": message, "code": code}
    ], reply


def test_all_that_is_wrong(client):
    """8.4, P2: every violation of a body is reported, whichever part of the body it is in."""
    wrong = {
        **{"code": 5, "lang": "ruby", "tools": [{}, {"name": "x", "parameters": 1}], "timeout": 999, "entity_id": "a b"},
        **{"files": [{"id": "a", "name": "b"}], "continuation_token": 5},
    }
    reply = client.post(PATH, wrong)
    assert reply.status == 422 and [detail["field"] for detail in reply.json["details"]] == [
        *("body -> continuation_token", "body -> lang", "body -> tools -> 0 -> name", "body -> tools -> 1 -> parameters"),
        *("body -> code", "body -> entity_id", "body -> files -> 0 -> storage_session_id", "body -> timeout"),
    ], reply
    reply = client.post(PATH, {"code": "", "lang": "ruby"})
    assert reply.status == 422 and [detail["field"] for detail in reply.json["details"]] == ["body -> lang"], reply


def test_malformed_json_and_keys(client):
    assert client.request("POST", PATH, b"{", {"Content-Type": "application/json"}).status == 422
    assert client.post(PATH, {"code": "print(1)"}, key=None).status == 401
    assert client.post(PATH, {"code": "print(1)"}, key="wrong").status == 401


@pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": None}, {"code": " \n"}, {"continuation_token": ""}])
def test_neither_code_nor_token(client, body):
    """P7: 200."""
    answer = post(client, **body)
    assert answer.error == "Either 'code' or 'continuation_token' must be provided" and answer.session is None, answer


def test_aliases_and_ignored_fields(client):
    """P2."""
    for lang in ("py", "python", "python3", "PY"):
        assert post(client, code="print(1)", lang=lang).stdout == "1\n"
    for lang in ("bash", "sh"):
        assert post(client, code="echo 1", lang=lang).stdout == "1\n"
    assert post(client, code="echo 1", language="bash").stdout == "1\n"
    assert post(client, code="print(1)", tools=None, files=None, timeout=None, runtime_session_hint="x", more=1).stdout


# P3


def test_sessions_and_files(client):
    """P3, P4: explicit references are there before and after a pause; new and changed files come back."""
    sent = client.upload(("report.csv", b"a\n1\n"))
    code = (
        "print(open('/mnt/data/report.csv').read())\nx = await echo(a=1)\n"
        "open('/mnt/data/report.csv', 'a').write('2\\n')\nopen('out.txt', 'w').write('x')"
    )
    run = Run(client, code, ECHO, files=[sent.reference()])
    assert run.status == "completed" and sorted(run.answer.names()) == ["out.txt", "report.csv"], run.answer
    changed = next(entry for entry in run.answer.files if entry["name"] == "report.csv")
    assert changed["modified_from"]["id"] == sent.id and client.fetch(changed) == b"a\n1\n2\n"
    again = Run(client, "import os\nprint(sorted(os.listdir()))", session_id=run.answer.session)
    assert again.answer.session == run.answer.session and "out.txt" in again.stdout, again.answer


def test_session_is_the_named_one_or_new(client):
    """P3: an unknown session is replaced, an absent one is new, whatever entity or user say; no state is loaded."""
    first = post(client, code="x = 5", entity_id="agent-1", user_id="u")
    second = post(client, code="x = 5", entity_id="agent-1", user_id="u")
    assert first.session != second.session
    assert post(client, code="print('x' in globals())", session_id=first.session).stdout == "False\n"
    assert post(client, code="print(1)", session_id="nope").session not in (None, "nope")
    kept = client.exec("y = 7", session_id=first.session)
    assert kept.session == first.session
    assert post(client, code="print('y' in globals())", session_id=first.session).stdout == "False\n"


def test_unresolvable_reference(client):
    """P3, P7."""
    answer = post(client, code="print(1)", files=[{"id": "x", "storage_session_id": "y", "name": "z"}])
    assert answer.error == "Referenced PTC file metadata could not be loaded: y/x" and answer.stdout == "", answer


# P9

ID = "0123456789abcdef0123456789abcdef"


def named(name):
    return {"X-LibreChat-Code-Request-ID": name}


def test_request_id_pattern(client):
    """P9: a name of another form is refused."""
    for bad in ("short", "x" * 129, "a b c d e f g h i j", "x" * 16 + "!"):
        reply = client.post(PATH, {"code": "print(1)"}, headers=named(bad))
        assert reply.status == 400 and reply.error == "Invalid programmatic request ID", reply
    for bad in ({}, {"request_id": "short"}, {"request_id": 5}, {"request_id": "x" * 129}):
        reply = client.post(PATH + "/cancel", bad)
        assert reply.status == 400 and reply.error == "Invalid or missing request_id", reply


def test_cancel_a_running_request(server, client):
    """P9: it ends as cancelled."""
    answers = []

    def run():
        with server.client() as other:
            answers.append(post(other, code="print('x')\nwhile True: pass", headers=named(ID + "-running")))

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(1)
    taken = client.post(PATH, {"code": "print(1)"}, headers=named(ID + "-running"))
    assert taken.status == 409 and taken.error == "Programmatic request ID is already in use", taken
    reply = client.post(PATH + "/cancel", {"request_id": ID + "-running"})
    assert reply.status == 202 and reply.json == {"status": "cancellation_requested"}, reply
    thread.join(30)
    assert answers and answers[0].error == "Execution cancelled" and answers[0].stderr == "", answers
    reply = client.post(PATH + "/cancel", {"request_id": ID + "-running"})
    assert reply.status == 200 and reply.json == {"status": "already_completed"}, reply


def test_cancel_before_it_comes(client):
    """P9: a later request of that name ends at once."""
    assert client.post(PATH + "/cancel", {"request_id": ID + "-later"}).status == 202
    answer = post(client, code="print(1)", headers=named(ID + "-later"))
    assert answer.error == "Execution cancelled", answer


def test_cancel_of_another_principal(server_with):
    """P9: another key's is not touched."""
    server = server_with(API_KEYS="another-key-for-this-test-0123456789")
    with server.client() as client, server.client(key="another-key-for-this-test-0123456789") as stranger:
        assert post(client, code="print(1)", headers=named(ID)).status == "completed"
        reply = stranger.post(PATH + "/cancel", {"request_id": ID})
        assert reply.status == 403 and reply.error == "Programmatic request belongs to another principal", reply
        assert client.post(PATH + "/cancel", {"request_id": ID}).status == 200


def test_a_client_that_hangs_up_cancels_its_round(server_with):
    """P9, X2: and its cell is gone."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="2")
    with server.client() as client:
        first = client.post(PATH, {"code": "await echo()\nwhile True: pass", "tools": declare("echo"), "timeout": 30000})
        execution, call = first.header("X-Execution-Id"), first.json["tool_calls"][0]["id"]
        body = {"continuation_token": first.json["continuation_token"], "tool_results": [{"call_id": call, "result": 1}]}
        with raw_connect(server) as sock:
            sock.sendall(exec_bytes(server, body, PATH))
            assert host.until(lambda: client.get(f"/executions/{execution}").json["state"] == "running", 20, 0.1)
        assert host.until(lambda: client.get(f"/executions/{execution}").json["state"] == "done", 15, 0.1)
        assert client.get(f"/executions/{execution}").json["outcome"] == "cancelled"
        assert client.exec("print(1)").stdout == "1\n"


def test_executions_can_be_asked_for(server, client):
    """extensions.md X5: a run that waits says so, and can be cancelled by its execution id."""
    reply = client.post(PATH, {"code": WAITS, "tools": [WEATHER]})
    execution_id = reply.header("X-Execution-Id")
    state = client.get(f"/executions/{execution_id}").json
    assert state["state"] == "waiting" and state["session_id"] == reply.json["session_id"], state
    assert client.delete(f"/executions/{execution_id}").status == 204
    body = {"continuation_token": reply.json["continuation_token"], "tool_results": []}
    assert "Invalid or expired" in client.post(PATH, body).json["error"]
    state = json.loads(client.get(f"/executions/{execution_id}").body)
    assert state["state"] == "done" and state["outcome"] == "cancelled", state
