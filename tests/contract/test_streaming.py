# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.11: keep-alive streaming, seen on the raw connection."""

import json
import threading
import time

from support import host
from support.client import exec_bytes, raw_connect


class Watch:
    """Reads one answer and notes when each byte of it came."""

    def __init__(self, server, code, lang="bash", path="/exec", **fields):
        self.chunks, self.times = [], []
        with raw_connect(server, 30) as sock:
            start = time.monotonic()
            sock.sendall(exec_bytes(server, {"lang": lang, "code": code, **fields}, path))
            buffer = b""
            while b"\r\n\r\n" not in buffer:
                buffer += sock.recv(1)
            self.head_time = time.monotonic() - start
            head, _, rest = buffer.partition(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            self.status = int(lines[0].split()[1])
            self.headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
            reader = sock.makefile("rb")
            if "content-length" in self.headers:
                self.body = reader.read(int(self.headers["content-length"]))
                return
            while True:
                size = int(reader.readline().split(b";")[0], 16)
                data = reader.read(size)
                reader.readline()
                if size == 0:
                    break
                self.chunks.append(data)
                self.times.append(time.monotonic() - start)
            self.body = b"".join(self.chunks)


def test_short_run(server):
    """10.11.1: an ordinary answer with Content-Length."""
    watch = Watch(server, "echo x")
    assert watch.status == 200 and "content-length" in watch.headers and "transfer-encoding" not in watch.headers
    assert watch.body[:1] == b"{"


def test_long_run(server):
    """10.11.2 to 4 (pinned): status, headers and one space at 3 s, one more every 3 s, then the document; each chunk flushed at once."""
    watch = Watch(server, "sleep 6.6; echo x")
    assert (
        watch.status == 200
        and watch.headers["transfer-encoding"] == "chunked"
        and watch.headers["content-type"].startswith("application/json")
    )
    assert watch.headers["x-content-type-options"] == "nosniff" and watch.headers["x-frame-options"] == "DENY"
    assert 2.8 <= watch.head_time < 4.0, watch.head_time
    assert watch.chunks[0] == b" " == watch.chunks[1], watch.chunks
    assert 2.8 <= watch.times[0] < 4.0 and 5.8 <= watch.times[1] < 7.0, watch.times
    document = json.loads(watch.body)
    assert document["stdout"] == "x\n" and watch.body.lstrip(b" ")[:1] == b"{"
    assert watch.body.count(b" {") == 1 and 6.5 < watch.times[-1] < 8


def test_five_second_run(server):
    """10.11.2 (pinned): the first body byte of a 5 s run before 4.5 s, a space."""
    watch = Watch(server, "sleep 5", path="/v1/exec")
    assert watch.times[0] < 4.5 and watch.chunks[0][:1] == b" "
    assert json.loads(watch.body)["outcome"] == "ok"


def test_streamed_timeout(server):
    """10.8.6 and 10.11 together."""
    watch = Watch(server, "sleep 60", timeout=4000)
    run = json.loads(watch.body)
    assert watch.status == 200 and run["outcome"] == "timeout" and run["code"] == 124


def test_keep_alive_after_a_stream(client):
    """1.1: the connection goes on."""
    assert client.exec("sleep 3.3; echo a", "bash").stdout == "a\n"
    sock = client.connection.sock
    assert client.exec("echo b", "bash").stdout == "b\n" and client.connection.sock is sock


def test_errors_are_never_streamed(server):
    """10.11: all 4xx come before the run."""
    for body in ({"lang": "cobol", "code": "x"}, {"lang": "py", "code": ""}, {}):
        with raw_connect(server) as sock:
            sock.sendall(exec_bytes(server, body))
            assert b" 4" in sock.recv(20)


def test_streaming_while_waiting(server_with):
    """10.11, X2: a run that waits in the queue shows life too."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1")
    blocker = threading.Thread(target=lambda: server.client().exec("sleep 4.2", "bash"))
    blocker.start()
    time.sleep(0.3)
    watch = Watch(server, "echo x")
    blocker.join()
    assert watch.chunks[0] == b" " and watch.times[0] < 4.0, watch.times
    run = json.loads(watch.body)
    assert run["stdout"] == "x\n" and run["usage"]["queue_ms"] > 3000


def test_disconnect_while_streaming(server, client):
    """10.11.6: the run is cancelled and its sandbox destroyed."""
    sock = raw_connect(server)
    sock.sendall(exec_bytes(server, {"lang": "bash", "code": "exec -a ctstream sleep 60"}))
    sock.settimeout(10)
    assert sock.recv(100).startswith(b"HTTP/1.1 200")
    assert host.marked("ctstream")
    sock.close()
    assert host.gone("ctstream", 1) == []
    assert client.exec("echo on", "bash").stdout == "on\n"
