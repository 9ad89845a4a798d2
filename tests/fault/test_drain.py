# SPDX-License-Identifier: Apache-2.0
"""SIGTERM drains: running executions end and are answered, new ones are refused, nothing is left, within ten seconds."""

import http.client
import signal
import threading
import time

import pytest

from support import host
from support.server import STOP_WITHIN_S


def in_background(server, code, **fields):
    found = {}

    def go():
        try:
            with server.client(timeout=40) as client:
                found["reply"] = client.exec_reply(code, "bash", **fields)
        except OSError as error:
            found["error"] = error

    thread = threading.Thread(target=go)
    thread.start()
    return thread, found


def test_idle(server_with):
    server = server_with()
    start = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - start < 3
    assert server.leftovers() == []


def test_running_executions_are_answered(server_with):
    server = server_with()
    thread, found = in_background(server, "exec 1>&1; (exec -a ftdrain sleep 1.5); echo finished; echo x > out.txt")
    assert host.until(lambda: host.marked("ftdrain"), 5)
    server.look()
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    refused = None
    try:
        with server.client(timeout=5) as client:
            refused = client.exec_reply("echo x", "bash")
    except OSError:
        pass  # no longer listening is a refusal too
    thread.join()
    assert server.wait_exit(STOP_WITHIN_S) == 0
    assert "reply" in found and found["reply"].status == 200, found
    run = found["reply"].json
    assert (
        run["outcome"] == "ok"
        and run["stdout"] == "finished\n"
        and [entry["name"] for entry in run["files"]] == ["out.txt"]
    ), run
    assert refused is None or (refused.status == 503 and refused.error == "Service is shutting down"), refused
    assert server.leftovers() == []
    server.start()
    with server.client() as client:
        assert client.fetch(run["files"][0]) == b"x\n"


def test_health_while_draining(server_with):
    """A1.1: 503 with status unhealthy, on a connection that is already there."""
    server = server_with()
    thread, found = in_background(server, "(exec -a ftheal sleep 1.5); echo x")
    assert host.until(lambda: host.marked("ftheal"), 5)
    with server.client(timeout=5) as client:
        client.get("/health")
        server.look()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        try:
            reply = client.get("/health")
            assert reply.status == 503 and reply.json["status"] == "unhealthy", reply
        except (OSError, http.client.HTTPException):
            pass
    thread.join()
    assert server.wait_exit(STOP_WITHIN_S) == 0 and found["reply"].status == 200


def test_endless_executions_are_cancelled(server_with):
    """Programs that would run for ever do not hold the stop up."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="4")
    started = [in_background(server, "trap '' TERM; exec -a ftlong sleep 100") for _ in range(10)]
    assert host.until(lambda: len(host.marked("ftlong")) >= 4, 5)
    assert server.terminate() == 0
    for thread, found in started:
        thread.join(5)
        assert not thread.is_alive()
        assert "error" in found or found["reply"].status in (200, 503), found
    assert host.gone("ftlong") == [] and server.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_twice(server_with, number):
    """A second signal does no harm; Ctrl-C ends like SIGTERM."""
    server = server_with()
    server.look()
    server.process.send_signal(number)
    time.sleep(0.05)
    try:
        server.process.send_signal(number)
    except ProcessLookupError:
        pass
    assert server.wait_exit(STOP_WITHIN_S) in (0, -number)
    assert server.leftovers() == []
