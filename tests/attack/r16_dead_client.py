# SPDX-License-Identifier: Apache-2.0
"""R16: a client that goes away cancels its run: the program dies and the slot is free again within 100 ms."""

import socket
import struct
import time

import pytest

from support import host
from support.client import exec_bytes, raw_connect


@pytest.fixture
def single(server_with):
    return server_with(MAX_CONCURRENT_EXECUTIONS="1")


def _hang_up(sock, how):
    if how == "close":
        sock.close()
    elif how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    else:
        sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
@pytest.mark.parametrize("after", [0.3, 3.5], ids=["quiet", "streaming"])
def test_r16_slot_is_freed(single, how, after):
    with single.client() as client:
        sock = raw_connect(single)
        sock.sendall(exec_bytes(single, {"lang": "bash", "code": "exec -a r16client sleep 100"}))
        assert host.until(lambda: host.marked("r16client"), 5)
        time.sleep(after)
        _hang_up(sock, how)
        run = client.exec("echo free", "bash")
        assert run.outcome == "ok" and run.stdout == "free\n", dict(run)
        assert run.usage["queue_ms"] <= 100, run.usage
        assert host.gone("r16client", 0.2) == []
        sock.close()


def test_r16_many_dead_clients(attack):
    socks = [raw_connect(attack.server) for _ in range(40)]
    for sock in socks:
        sock.sendall(exec_bytes(attack.server, {"lang": "bash", "code": "exec -a r16many sleep 100"}))
    host.until(lambda: host.marked("r16many"), 5)
    for index, sock in enumerate(socks):
        _hang_up(sock, ("close", "reset")[index % 2])
    start = time.monotonic()
    assert attack.exec("echo free", "bash").stdout == "free\n"
    assert time.monotonic() - start < 5
    assert host.gone("r16many", 2) == []


def test_r16_hang_up_before_the_body_is_complete(attack):
    data = exec_bytes(attack.server, {"lang": "bash", "code": "touch /mnt/data/x" + " " * 50000})
    for cut in (1, 10, 60, 200, 1000, len(data) - 1):
        sock = raw_connect(attack.server)
        sock.sendall(data[:cut])
        _hang_up(sock, "reset")
    assert attack.exec("echo on", "bash").stdout == "on\n"
