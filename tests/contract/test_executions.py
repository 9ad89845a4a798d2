# SPDX-License-Identifier: Apache-2.0
"""extensions.md X5: executions asked after and ended by id, and what they read."""

import threading
import time

import pytest

from support import host
from support.client import in_threads, raw_connect
from support.events import Events, text_of

OTHER_KEY = "another-key-of-sixteen-characters"


@pytest.fixture
def two_keys(server_with):
    return server_with(API_KEYS=OTHER_KEY)


def state_of(client, execution):
    return client.get(f"/executions/{execution}").json["state"]


def test_states_of_an_execution(server_with):
    """X5: queued, running, done; outcome and usage at the end."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1")
    with server.client() as client, Events.run(server, "read x; exit 3", stdin_stream=True) as first:
        started = first.next("started").data
        status = client.get(f"/executions/{first.id}").json
        assert status == {"execution_id": first.id, "session_id": started["session_id"], "state": "running"}
        with Events.run(server, "true") as second:  # its head comes while it waits
            assert client.get(f"/executions/{second.id}").json == {
                "execution_id": second.id,
                "session_id": None,
                "state": "queued",
            }
            assert client.post(f"/executions/{first.id}/stdin", "go on").status == 204
            assert client.request("POST", f"/executions/{first.id}/stdin?eof=true").status == 204
            result = first.all()[-2].data
            second.all()
        status = client.get(f"/v1/executions/{first.id}").json
        assert status["state"] == "done" and status["outcome"] == "error" == result["outcome"]
        assert status["usage"]["stdout_bytes"] == 0 and status["usage"]["wall_ms"] == result["usage"]["wall_ms"]


def test_a_plain_run_has_an_entry_too(client):
    """X5: whatever started it."""
    run = client.exec("echo x", "bash")
    status = client.get(f"/executions/{run['execution_id']}").json
    assert status["state"] == "done" and status["outcome"] == "ok" and status["session_id"] == run.session


def test_head_of_a_stream_has_no_body(server):
    """http-api.md 1.8: what a client finds behind the headers it takes for its next answer."""
    with Events.run(server, "true") as run:
        run.all()
    head = f"HEAD /executions/{run.id}/stream HTTP/1.1\r\nHost: x\r\nx-api-key: {server.key}\r\n\r\n".encode()
    with raw_connect(server) as sock:
        sock.sendall(head)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n") and answer.count(b"\r\n\r\n") == 1, answer


def test_unknown_executions(client):
    """X5: 404, whatever is asked."""
    for name in ("nope", "x" * 128, "x" * 129, "%2e%2e", "a" * 21):
        for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/stream"), ("POST", "/stdin")):
            reply = client.request(method, f"/executions/{name}{rest}")
            assert reply.status == 404 and "error" in reply.json, (name, method, rest, reply)


def test_other_keys_see_nothing(two_keys):
    """X5: 404 for another key, and it can do nothing."""
    with Events.run(two_keys, "read x; echo $x", stdin_stream=True) as events:
        events.next("started")
        with two_keys.client(key=OTHER_KEY) as other:
            for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/stream"), ("POST", "/stdin?eof=1")):
                reply = other.request(method, f"/executions/{events.id}{rest}")
                assert reply.status == 404, (method, rest, reply)
                assert reply.json["error"] == other.request(method, f"/executions/nope{rest}").json["error"]
        with two_keys.client() as own:
            assert own.request("POST", f"/executions/{events.id}/stdin", b"mine\n").status == 204
        assert text_of(events.all(), "stdout") == "mine\n"


def test_cancel(server, client):
    """X5: 204, and the run ends with cancelled, at once; again 204."""
    with Events.run(server, "echo before; exec -a ctcancel sleep 60") as events:
        events.next("started")
        events.next("stdout")
        began = time.monotonic()
        reply = client.delete(f"/executions/{events.id}")
        assert reply.status == 204 and reply.body == b""
        result = events.all()[-2].data
        assert time.monotonic() - began < 10
    assert result["outcome"] == "cancelled" and result["status"] == "SG" and result["stdout"] == "before\n"
    assert result["code"] == 137 and result["signal"] == "SIGKILL"
    assert host.gone("ctcancel", 1) == []
    assert client.delete(f"/executions/{events.id}").status == 204
    assert client.get(f"/executions/{events.id}").json["outcome"] == "cancelled"


def test_cancelling_a_plain_run(server):
    """X5: its answer is an ordinary one; the id is in the head that comes after 3 s."""
    seen = {}

    def run():
        with Events.run(server, "sleep 60", path="/exec") as events:
            seen["id"] = events.id
            seen["body"] = b"".join(iter(events._chunk, b""))

    thread = threading.Thread(target=run)
    thread.start()
    assert host.until(lambda: "id" in seen, 10)
    with server.client() as client:
        assert client.delete(f"/executions/{seen['id']}").status == 204
    thread.join()
    assert b'"outcome":"cancelled"' in seen["body"]


def test_cancelling_a_run_that_waits(server_with):
    """X5: it ends as cancelled without ever having run."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1")
    with server.client() as client, Events.run(server, "sleep 8") as first:
        first.next("started")
        with Events.run(server, "touch x") as second:
            assert client.delete(f"/executions/{second.id}").status == 204
            got = second.all()
        assert [event.name for event in got] == ["started", "result", "end"]
        result = got[1].data
        assert result["outcome"] == "cancelled" and result["files"] == [] and result["code"] == 137
        assert "prepare_ms" not in result["usage"] and "cpu_ms" not in result["usage"] and "warm" not in result["usage"]
        assert state_of(client, first.id) == "running"


def test_hanging_up_while_waiting(server_with):
    """X1, X5: who hangs up in the queue has cancelled it, and what never ran has no figures but the wait."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1")
    with server.client() as client, Events.run(server, "read x", stdin_stream=True) as first:
        first.next("started")
        ids = {}
        for path in ("/exec", "/exec/stream"):
            with Events.run(server, "true", path=path) as second:  # its head comes while it waits
                ids[path] = second.id
        for path, execution in ids.items():
            assert host.until(lambda: state_of(client, execution) == "done", 10, 0.1), path
            status = client.get(f"/executions/{execution}").json
            assert status["outcome"] == "cancelled" and status["session_id"] is None, (path, status)
            assert set(status["usage"]) == {"queue_ms"} and status["usage"]["queue_ms"] > 2000, (path, status)
        assert state_of(client, first.id) == "running"


def test_cancelling_what_is_over(client):
    """X5: 204 and nothing changes."""
    run = client.exec("echo x", "bash")
    assert client.delete(f"/executions/{run['execution_id']}").status == 204
    assert client.get(f"/executions/{run['execution_id']}").json["outcome"] == "ok"


def test_cancelled_runs_are_in_the_audit_log(server, client):
    """security.md S5.2: each run, however it ended."""
    with Events.run(server, "sleep 60") as events:
        events.next("started")
        client.delete(f"/executions/{events.id}")
        events.all()
    assert host.until(lambda: server.events("code_execution", execution_id=events.id, outcome="cancelled"), 5)


# ---- standard input ----

READERS = {
    "bash": "cat; echo end",
    "py": "import sys\nsys.stdout.write(sys.stdin.read() + 'end\\n')",
    "js": "process.stdout.write(require('fs').readFileSync(0) + 'end\\n')",
}


@pytest.mark.parametrize("lang", sorted(READERS))
def test_stdin_text(client, need_language, lang):
    """X5: the program reads the text, then the end."""
    need_language(lang)
    for text in ("a\nb", "", "世界\x00\x01\n", "x" * 300000 + "\n"):
        run = client.exec(READERS[lang], lang, stdin=text)
        expected = text.replace("\x00", "").replace("\x01", "")[:65536]
        assert run.stdout.startswith(expected), (text[:20], run.stdout[:80])
        assert len(text) > 65536 or run.stdout == expected + "end\n"
        assert run.usage["stdout_bytes"] == len(text.encode()) + 4


def test_stdin_of_a_compiled_program(client, need_language):
    """X5 with 10.3: the program reads it, not the compiler."""
    need_language("c")
    code = '#include <stdio.h>\nint main(void) { int c; while ((c = getchar()) != EOF) putchar(c); return 0; }'
    assert client.exec(code, "c", stdin="to the program\n").stdout == "to the program\n"


def test_stdin_is_empty_without_it(client):
    """10.3."""
    assert client.exec("cat; echo end", "bash").stdout == "end\n"
    assert client.exec("cat; echo end", "bash", stdin=None, stdin_stream=False).stdout == "end\n"


def test_stdin_nobody_reads(client):
    """X5: no fault, no wait."""
    run = client.exec("exec 0<&-; sleep 0.1; echo x", "bash", stdin="y" * 1000000)
    assert run.stdout == "x\n" and run.outcome == "ok"


def test_bad_stdin_fields(client):
    """8.4."""
    for fields, name, code in (
        ({"stdin": 5}, "stdin", "string_type"),
        ({"stdin": ["a"]}, "stdin", "string_type"),
        ({"stdin_stream": "yes"}, "stdin_stream", "bool_parsing"),
    ):
        reply = client.exec_reply("true", "bash", **fields)
        assert reply.status == 422, reply
        assert [(d["field"], d["code"]) for d in reply.json["details"]] == [(f"body -> {name}", code)]


def test_a_dialogue(server, client):
    """X5: each line is read when it is sent; the end closes."""
    code = "while read x; do echo got $x; done; echo end"
    with Events.run(server, code, stdin="first\n", stdin_stream=True) as events:
        events.next("started")
        assert text_of([events.next("stdout")], "stdout") == "got first\n"
        for index in range(20):
            reply = client.request("POST", f"/executions/{events.id}/stdin", f"line {index}\n".encode())
            assert reply.status == 204 and reply.body == b""
            assert text_of([events.next("stdout")], "stdout") == f"got line {index}\n"
        assert client.request("POST", f"/executions/{events.id}/stdin?eof=true", b"last\n").status == 204
        assert text_of(events.all(), "stdout") == "got last\nend\n"
    assert client.request("POST", f"/executions/{events.id}/stdin", b"x").status == 409


def test_input_of_any_type(server, client):
    """X5: a raw body, any type; also none."""
    with Events.run(server, "cat", stdin_stream=True) as events:
        events.next("started")
        for kind in ("application/octet-stream", "application/xml", "application/json", None):
            headers = {"Content-Type": kind} if kind else {}
            reply = client.request("POST", f"/executions/{events.id}/stdin", b"x", headers=headers)
            assert reply.status == 204, (kind, reply)
        assert client.request("POST", f"/executions/{events.id}/stdin?eof=maybe").status == 422
        assert client.request("POST", f"/executions/{events.id}/stdin?eof=True").status == 204
        assert text_of(events.all(), "stdout") == "xxxx"


def test_stdin_that_is_not_open(server, client):
    """X5: 409 for a run whose input is not open."""
    for fields in ({}, {"stdin": "x"}):
        with Events.run(server, "sleep 1", **fields) as events:
            events.next("started")
            reply = client.request("POST", f"/executions/{events.id}/stdin", b"x")
            assert reply.status == 409 and reply.error, reply
            events.all()


def test_input_waits_within_a_bound(server, client):
    """X5: what is not read is kept up to a limit, then refused; nothing of it is lost or mixed up."""
    with Events.run(server, "sleep 5; wc -c", stdin_stream=True) as events:
        events.next("started")
        sent, statuses = 0, []
        for _ in range(8):
            reply = client.request("POST", f"/executions/{events.id}/stdin", b"x" * (1 << 20))
            statuses.append(reply.status)
            sent += (1 << 20) * (reply.status == 204)
        assert set(statuses) == {204, 503} and statuses[:4] == [204] * 4, statuses
        assert client.request("POST", f"/executions/{events.id}/stdin", b"x" * (5 << 20)).status == 413
        assert client.request("POST", f"/executions/{events.id}/stdin?eof=true").status == 204
        assert text_of(events.all(), "stdout") == f"{sent}\n"


def test_many_at_once(server):
    """X5: entries, input and ends of many do not meet."""

    def one(index):
        with server.client() as client, Events.run(server, "read x; echo $x; sleep 30", stdin_stream=True) as events:
            events.next("started")
            client.request("POST", f"/executions/{events.id}/stdin", f"{index}\n".encode())
            assert text_of([events.next("stdout")], "stdout") == f"{index}\n"
            assert client.delete(f"/executions/{events.id}").status == 204
            return events.all()[-2].data["outcome"]

    assert in_threads([lambda index=index: one(index) for index in range(8)]) == ["cancelled"] * 8
