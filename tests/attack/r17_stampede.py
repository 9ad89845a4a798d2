# SPDX-License-Identifier: Apache-2.0
"""R17: hundreds of simultaneous starts: no race, a bounded queue, first come first served, 503 with Retry-After beyond it."""

import threading
import time

import pytest

from support.client import in_threads


@pytest.mark.parametrize("count", [64, 200])
def test_r17_simultaneous_starts(attack, count):
    barrier = threading.Barrier(count)

    def job(number):
        def run():
            with attack.server.client() as client:
                barrier.wait()
                return client.exec_reply(f"echo {number}; echo {number} > n.txt; ls -A; hostname", "bash")

        return run

    replies = in_threads([job(number) for number in range(count)])
    for number, reply in enumerate(replies):
        if reply.status == 503:
            assert int(reply.header("retry-after")) >= 1 and reply.error == "Server is at capacity", reply
            continue
        assert reply.status == 200, reply
        run = reply.json
        assert (run["outcome"], run["stdout"], run["stderr"]) == ("ok", f"{number}\nn.txt\nsandbox\n", ""), run
        assert [entry["name"] for entry in run["files"]] == ["n.txt"], run
    assert sum(reply.status == 200 for reply in replies) == count, "all of them fit into the queue of 256"


def test_r17_bounded_queue(server_with):
    server = server_with(MAX_CONCURRENT_EXECUTIONS="2", MAX_QUEUED_EXECUTIONS="10")
    barrier = threading.Barrier(40)

    def run():
        with server.client() as client:
            barrier.wait()
            start = time.monotonic()
            reply = client.exec_reply("sleep 0.3; echo ok", "bash")
            return reply, time.monotonic() - start

    answers = in_threads([run] * 40)
    served = [reply for reply, _ in answers if reply.status == 200]
    refused = [(reply, took) for reply, took in answers if reply.status == 503]
    assert len(served) + len(refused) == 40 and 12 <= len(served) <= 16, (len(served), len(refused))
    assert all(reply.json["stdout"] == "ok\n" for reply in served)
    for reply, took in refused:
        assert took < 1.5, took  # at once
        assert reply.error == "Server is at capacity" and reply.json["error_type"] == "service_unavailable", reply
        assert int(reply.header("retry-after")) >= 1 and reply.json["retry_after_seconds"] >= 1, reply
    with server.client() as client:
        assert client.exec("echo on", "bash").outcome == "ok"


def test_r17_order(server_with):
    """Within a key: first come, first served."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1")
    finished, lock = [], threading.Lock()

    def job(number):
        def run():
            time.sleep(0.05 * number)
            with server.client() as client:
                client.exec("sleep 0.15", "bash")
            with lock:
                finished.append(number)

        return run

    in_threads([job(number) for number in range(12)])
    assert finished == sorted(finished), finished
