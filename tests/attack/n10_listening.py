# SPDX-License-Identifier: Apache-2.0
"""N10: a server inside a cell cannot be reached from outside."""

import socket
import threading
import time

from support import host

PROGRAM = """
ctypes.CDLL(None).prctl(15, b"n10listen", 0, 0, 0)
came, ready = [], []
def serve(family, kind, address):
    s = socket.socket(family, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address)
    if kind == socket.SOCK_STREAM: s.listen()
    s.settimeout(0.1)
    ready.append(str(address))
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            s.accept() if kind == socket.SOCK_STREAM else s.recv(10)
            came.append(str(address))
        except OSError: pass
places = [(socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", 48124)), (socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", 48124)), (socket.AF_UNIX, socket.SOCK_STREAM, "\\0n10-abstract"),
          (socket.AF_UNIX, socket.SOCK_STREAM, "/mnt/data/n10.sock")]
threads = [threading.Thread(target=serve, args=p) for p in places]
[t.start() for t in threads]; [t.join() for t in threads]
tell(dict(ready=ready, came=came))
"""


def _local_addresses():
    found = {"127.0.0.1"}
    for line in host.read("/proc/net/fib_trie").split("/32 host LOCAL")[:-1]:
        found.add(line.split()[-1])
    return sorted(found)


def test_n10_from_the_host(attack):
    told = {}
    thread = threading.Thread(target=lambda: told.update(type(attack)(attack.server).evidence(PROGRAM, timeout=20000)))
    thread.start()
    assert host.until(lambda: host.marked("n10listen"), 5)
    time.sleep(0.7)
    reached = []
    for address in _local_addresses():
        with socket.socket() as sock:
            sock.settimeout(1)
            if sock.connect_ex((address, 48124)) == 0:
                reached.append(address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", (address, 48124))
    with socket.socket(socket.AF_UNIX) as sock:
        if sock.connect_ex("\0n10-abstract") == 0:
            reached.append("abstract")
    other = attack.exec("exec 3<>/dev/tcp/127.0.0.1/48124 && echo reached", "bash")
    thread.join()
    assert reached == [] and other.stdout == "", (reached, dict(other))
    assert told["came"] == [] and len(told["ready"]) == 4, told
