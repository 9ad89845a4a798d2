#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a network costs a program that does not use it: `print(1)` in turns on a server with ENABLE_WAN_ACCESS, on one with
an allow-list, and on one with neither; and what it costs one that does. Fails if a mode adds more than a tenth.

    sudo CODECELL_BUILD=build /usr/bin/python3 tests/bench/network.py [rounds]"""

import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import host, lab  # noqa: E402 -- after the path to it
from support.server import LIBRECHAT, Server  # noqa: E402

MODES = {
    "neither": {},
    "allow-list": {"ENABLE_SANDBOX_NETWORK": "true", "SANDBOX_EGRESS_ALLOWLIST": "public.test"},
    "wan": {"ENABLE_WAN_ACCESS": "true", "WAN_DNS_SERVERS": lab.RESOLVER},
}
USE = f"import socket; socket.create_connection(('{lab.PUBLIC}', 80)).recv(10); print(1)"


def timed(client, code):
    began = time.perf_counter()
    assert client.exec(code, "py").stdout == "1\n"
    return (time.perf_counter() - began) * 1000


def show(name, times):
    print(f"{name:12} median {statistics.median(times):8.2f} ms   p90 {statistics.quantiles(times, n=10)[8]:8.2f} ms")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    host.become_subreaper()
    built = lab.Lab()
    with built.inside(built.host):
        servers = {mode: Server({**LIBRECHAT, **env}) for mode, env in MODES.items()}
        clients = {mode: server.client() for mode, server in servers.items()}
        times = {mode: [] for mode in MODES}
        for _ in range(rounds):
            for mode, client in clients.items():
                times[mode].append(timed(client, "print(1)"))
        for mode in MODES:
            show(mode, times[mode])
        show("wan, used", [timed(clients["wan"], USE) for _ in range(rounds // 4)])
        for server in servers.values():
            server.stop()
    built.close()
    return any(statistics.median(times[mode]) > 1.1 * statistics.median(times["neither"]) for mode in MODES)


if __name__ == "__main__":
    sys.exit(main())
