# SPDX-License-Identifier: Apache-2.0
"""extensions.md X4: live output."""

import json
import socket
import threading
import time

import pytest

from support import host
from support.client import exec_bytes, raw_connect
from support.events import Events, text_of

KEYS = {"API_KEYS": "another-key-of-sixteen-characters"}


def without_measures(answer):
    """What two runs of one program have in common."""
    return {
        key: value for key, value in answer.items() if key not in ("usage", "wall_time", "execution_id", "session_id", "files")
    }


def test_events_of_a_run(server):
    """X4: started, output, result, end, in this order; ids increase; the headers."""
    with Events.run(server, "echo out; echo err >&2; sleep 0.2; echo 世界") as events:
        got = events.all()
    assert events.headers["cache-control"] == "no-store" and events.headers["x-content-type-options"] == "nosniff"
    names = [event.name for event in got]
    assert names[0] == "started" and names[-2:] == ["result", "end"] and set(names[1:-2]) == {"stdout", "stderr"}, got
    assert [event.id for event in got] == sorted({event.id for event in got})
    assert got[0].data == {"execution_id": events.id, "session_id": got[-2].data["session_id"]}
    assert text_of(got, "stdout") == "out\n世界\n" and text_of(got, "stderr") == "err\n"
    assert got[-2].data["stdout"] == "out\n世界\n" and got[-2].data["outcome"] == "ok" and got[-1].data == {}


def test_under_v1(server):
    """http-api.md 1.6."""
    with Events.run(server, "echo x", path="/v1/exec/stream") as events:
        assert text_of(events.all(), "stdout") == "x\n"


@pytest.mark.parametrize(
    "code",
    [
        "echo -n x",
        "exit 3",
        "echo -n why >&2; exit 4",
        "printf 'a\\x01b\\xffc\\xe4\\xb8'",
        "kill -9 $$",
        "echo -n 'x\"y\\z'; printf '\\t\\r\\n'",
        "",
        "head -c 200000 /dev/zero | tr '\\0' 'x'",
        "head -c 70000 /dev/zero | tr '\\0' 'x'; head -c 90000 /dev/zero | tr '\\0' 'y' >&2; exit 1",
        "for i in $(seq 30000); do printf '世'; done",
    ],
)
def test_result_is_the_answer_of_exec(server, client, code):
    """X4: the complete /exec answer, whatever the program did; its text is what the events said."""
    code = code or "true"
    with Events.run(server, code) as events:
        got = events.all()
    result = got[-2].data
    assert without_measures(result) == without_measures(client.exec(code, "bash"))
    assert result["stdout"].startswith(text_of(got, "stdout")) and result["stderr"].startswith(text_of(got, "stderr"))
    assert len(result["stdout"]) - len(text_of(got, "stdout")) <= 1


def test_result_has_files_and_state(server, client):
    """X4 with 10.7, 10.9: a stream is a run like any other."""
    with Events.run(server, "open('a.txt', 'w').write('hello'); kept = 17", lang="py") as events:
        result = events.all()[-2].data
    assert client.fetch(result["files"][0]) == b"hello"
    assert client.exec("print(kept)", session_id=result["session_id"]).stdout == "17\n"


def test_output_comes_as_it_is_written(server):
    """X4: as produced."""
    with Events.run(server, "for i in 1 2 3; do echo $i; sleep 1; done") as events:
        times = [event.at for event in events if event.name == "stdout"]
    assert len(times) == 3 and all(b - a > 0.4 for a, b in zip(times, times[1:])), times


def test_the_first_byte_is_quick(server):
    """X4: a write of the program is with the client in milliseconds. Generous: the machine may be busy."""
    code = "import os, time\nfor i in range(40):\n    os.write(1, b'%f\\n' % time.time())\n    time.sleep(0.02)\n"
    late = []
    with Events.run(server, code, lang="py") as events:
        for event in events:
            if event.name == "stdout":
                late.append(time.time() - float(event.data["text"].split()[0]))
    assert len(late) > 20 and sorted(late)[len(late) // 2] < 0.1, late


def test_errors_before_the_run(server):
    """X4: status and body of /exec."""
    for fields, status in (({"lang": "cobol"}, 400), ({"lang": "py", "code": " "}, 400), ({"lang": "py", "timeout": 1}, 422)):
        with Events(server, exec_bytes(server, {"code": "x", **fields}, "/exec/stream")) as events:
            assert events.status == status and "error" in events.body()
    with Events(server, exec_bytes(server, b"{", "/exec/stream")) as events:
        assert events.status == 422
    with server.client() as client:
        assert client.post("/exec/stream", {"lang": "py", "code": "1"}, key=None).status == 401


def test_at_capacity(server_with):
    """X2: refused at once, with a status."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1", MAX_QUEUED_EXECUTIONS="0")
    with Events.run(server, "sleep 30") as first:
        first.next("started")
        with Events.run(server, "true") as second:
            assert second.status == 503 and second.body()["error"] == "Server is at capacity"
            assert int(second.headers["retry-after"]) >= 1


def test_silence_is_broken(server):
    """X4: a comment line every 10 s of silence."""
    with Events.run(server, "echo a; sleep 13; echo b") as events:
        got = events.all()
    names = [event.name for event in got]
    assert names == ["started", "stdout", ":", "stdout", "result", "end"], got
    assert 9 < got[2].at - got[1].at < 13, got


def test_a_waiting_run_shows_life(server_with):
    """X4, 10.11: the head of the answer does not wait for a slot."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1")
    with Events.run(server, "sleep 8") as first:
        first.next("started")
        with Events.run(server, "echo x") as second:
            assert 2.5 < time.monotonic() - second.began < 6.5
            got = second.all()
    assert text_of(got, "stdout") == "x\n" and got[0].name == "started"


def test_hanging_up_frees_the_slot(server_with):
    """X2, X4: the run is cancelled, and the next one starts."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1", MAX_QUEUED_EXECUTIONS="0")
    for half in (False, True):
        events = Events.run(server, "exec -a ctlive sleep 60")
        events.next("started")
        assert host.until(lambda: host.marked("ctlive"), 5)
        if half:
            events.sock.shutdown(socket.SHUT_WR)
        else:
            events.close()
        assert host.gone("ctlive", 2) == []
        deadline = time.monotonic() + 5
        while True:
            with server.client() as client:
                reply = client.exec_reply("echo on", "bash")
            if reply.status == 200 or time.monotonic() > deadline:
                break
        assert reply.status == 200, reply


def test_a_slow_reader_holds_up_its_program_only(server_with):
    """X4: the program stops at its next write, others go on; then it goes on where it was."""
    server = server_with(MAX_OUTPUT_BYTES=str(64 << 20), MAX_EXECUTION_TIME="120")
    code = "import os\nfor i in range(2000):\n    os.write(1, b'%07d\\n' % i * 2048)\n    open('/tmp/n', 'w').write(str(i))\n"
    with Events.run(server, code, lang="py", timeout=120000) as events:
        events.next("started")
        with server.client() as client:
            for _ in range(5):
                assert client.exec("echo on", "bash").stdout == "on\n"
                time.sleep(0.2)
            status = client.get(f"/executions/{events.id}").json
            assert status["state"] == "running", status
        got = events.all()
    text = text_of(got, "stdout")
    assert len(text) == 2000 * 2048 * 8 and text[-9:] == "\n0001999\n"
    assert got[-2].data["outcome"] == "ok" and got[-2].data["usage"]["wall_ms"] > 800


# Megabytes of events of one byte each, then a question.
CRUMBS = """
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
int main(void)
{
    struct pollfd input = { .fd = 0, .events = POLLIN };
    for (int i = 0, left; i < 200000; i++) {
        write(1, "x", 1);
        do
            ioctl(1, FIONREAD, &left);
        while (left > 0);
    }
    write(1, "name? ", 6);
    return poll(&input, 1, 15000) == 1 ? 0 : 1;
}
"""


def test_what_is_held_is_sent_in_a_silence(server_with):
    """X4: as produced, also where a program wrote so many crumbs that they are gathered."""
    server, seen = server_with(MAX_OUTPUT_BYTES=str(4 << 20)), []
    with server.client() as client, Events.run(server, CRUMBS, lang="c", stdin_stream=True) as events:
        while not seen or "name? " not in seen[-1].text:
            seen.append(events.next())
        assert client.request("POST", f"/executions/{events.id}/stdin", b"somebody\n").status == 204
        assert events.next("result").data["code"] == 0
    assert len(seen) < 199000  # they were


def test_a_reader_that_never_reads(server_with):
    """X4: the time limit ends the program; its slot is free while the reader still does not read."""
    server = server_with(MAX_OUTPUT_BYTES=str(64 << 20), MAX_CONCURRENT_EXECUTIONS="1")
    with Events.run(server, "yes", timeout=2000) as events:
        with server.client() as client:
            run = client.exec("echo on", "bash")
        assert run.stdout == "on\n"
        got = events.all()
    assert got[-2].data["outcome"] == "timeout" and got[-1].name == "end"


def test_following_a_run(server):
    """X4: Last-Event-ID goes on after that event, while it runs and after its end, also without that header."""
    with Events.run(server, "echo one; sleep 1; echo two") as events:
        first = [events.next("started"), events.next("stdout")]
        with Events.follow(server, events.id, first[0].id, path="/v1/executions") as late:
            got = late.all()
        rest = events.all()
    assert [(event.id, event.text) for event in got] == [(event.id, event.text) for event in first[1:] + rest]
    for last, expected in ((None, first + rest), (first[1].id, rest), (rest[-2].id, rest[-1:]), (rest[-1].id, [])):
        with Events.follow(server, events.id, last) as late:
            assert [event.text for event in late.all()] == [event.text for event in expected]


def test_following_what_is_not_there(server, client):
    """X4: unknown executions, ids that no event has, runs that were no streams."""
    with Events.run(server, "echo x") as events:
        events.all()
    for last in ("7", "99999", "-1", "x", "18446744073709551615", "99999999999999999999999"):
        with Events.follow(server, events.id, last) as late:
            assert late.status == 400, last
    run = client.exec("echo x", "bash")
    for execution in (run["execution_id"], "nope", "x" * 128):
        with Events.follow(server, execution) as late:
            assert late.status == 404


def test_only_the_key_that_started_it_follows(server_with):
    """X4."""
    server = server_with(**KEYS)
    with Events.run(server, "echo x") as events:
        events.all()
    with Events.follow(server, events.id, key=KEYS["API_KEYS"]) as late:
        assert late.status == 404
    with Events.follow(server, events.id) as late:
        assert late.status == 200


def test_a_follower_that_leaves_cancels_nothing(server):
    """X4: only the connection that started it counts."""
    with Events.run(server, "sleep 1; echo x") as events:
        events.next("started")
        for _ in range(5):
            Events.follow(server, events.id).close()
        assert text_of(events.all(), "stdout") == "x\n"


def test_many_streams_at_once(server):
    """9.6: each has its own text."""
    results = {}

    def one(index):
        with Events.run(server, f"for i in 1 2 3 4 5; do echo {index}-$i; sleep 0.05; done") as events:
            results[index] = text_of(events.all(), "stdout")

    threads = [threading.Thread(target=one, args=(index,)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {index: "".join(f"{index}-{i}\n" for i in range(1, 6)) for index in range(12)}


def test_stopping_while_streaming(server_with):
    """http-api.md 8.6: the stream ends whole, with what the run came to."""
    server = server_with(CODECELL_DRAIN_SECONDS="1")
    with Events.run(server, "echo x; sleep 60") as events:
        events.next("started")
        events.next("stdout")
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        got = events.all()
        stopper.join()
    assert [event.name for event in got] == ["result", "end"] and got[0].data["outcome"] == "cancelled"


def test_old_clients(server):
    """An HTTP/1.0 client gets the same without chunks."""
    request = exec_bytes(server, {"lang": "bash", "code": "echo x"}, "/exec/stream").replace(b"HTTP/1.1", b"HTTP/1.0")
    with raw_connect(server) as sock:
        sock.sendall(request)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head and body.startswith(b"id: 1\nevent: started\n") and body.endswith(b"event: end\ndata: {}\n\n")
    assert json.loads(body.split(b"event: result\ndata: ")[1].split(b"\n")[0])["stdout"] == "x\n"
