#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What keys cost, always two sides in turns:

    eleventh   a key under its limit, alone and while ten others are far over theirs: p99 within 1.2 times
    door       a request that needs a key, on a server that asks for one and on one that does not: at most 20 us more
    print      print(1) with limits and the audit log, and without both: at most 5 % more

    sudo CODECELL_BUILD=build /usr/bin/python3 tests/bench/keys.py [--rounds N] [eleventh] [door] [print]"""

import argparse
import contextlib
import itertools
import multiprocessing
import os
import socket
import sys
import time

from common import percentile, running_server, summary, table, verdict

from support.keys import MASTER, Keys  # noqa: E402 -- common has set the path

TURN_S = 1.0
HAMMERS, LIMIT_A_SECOND, ASKED_A_SECOND = 10, 5, 50
GENEROUS = {"per_second": 10**6, "per_minute": 10**7, "hourly": 10**8, "daily": 10**8, "monthly": 10**9}


def timed(call):
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def in_turns(sides, rounds, batch, settle=20):
    """{name: times in ms}: batches of calls, one side after the other."""
    times = {name: [] for name in sides}
    for call in sides.values():
        for _ in range(settle):
            call()
    for number in range(rounds):
        order = list(sides) if number % 2 else list(reversed(sides))
        for name in order:
            times[name] += [timed(sides[name]) for _ in range(batch)]
    return times


# ---- an eleventh key ----


def answer_status(reader):
    """Reads one answer whose length is told; its status."""
    status, length = int(reader.readline().split()[1]), 0
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    reader.read(length)
    return status


def hammer(port, keys, may_go, counts):
    """Each key asks ten times as often as it may, while may_go is set. Its requests are bytes made before: on a small machine the
    clients' own work is what would slow the eleventh."""
    os.nice(5)
    body = b'{"lang":"py","code":"print(1)"}'
    sides = []
    for key in keys:
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"Host: t\r\nx-api-key: {key}\r\n".encode()
        run = b"POST /exec HTTP/1.1\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body)
        sides.append((connection, connection.makefile("rb"), (b"GET /files/nothing HTTP/1.1\r\n%s\r\n" % head, run)))
    due = time.monotonic()
    for turn in itertools.count():
        may_go.wait()
        connection, reader, requests = sides[turn % len(sides)]
        connection.sendall(requests[turn // len(sides) % 2])
        counts[0] += 1
        counts[1] += answer_status(reader) == 429
        due = max(due + 1 / ASKED_A_SECOND / len(sides), time.monotonic() - 0.1)
        time.sleep(max(0.0, due - time.monotonic()))


def for_a_turn(call):
    end, times = time.monotonic() + TURN_S, []
    while time.monotonic() < end:
        times.append(timed(call))
    return times


def eleventh(rounds):
    """Rows and goals."""
    with running_server(MASTER_API_KEY=MASTER) as server:
        keys = Keys(server)
        others = [keys.make(f"over-{n}", rate_limits={"per_minute": LIMIT_A_SECOND})[0] for n in range(HAMMERS)]
        client = keys.client(rate_limits=GENEROUS)
        may_go, counts = multiprocessing.Event(), multiprocessing.Array("l", 2)
        process = multiprocessing.Process(target=hammer, args=(server.port, others, may_go, counts), daemon=True)
        process.start()
        calls = {"file": lambda: client.get("/files/nothing"), "print(1)": lambda: client.exec("print(1)")}
        times = {f"{name}, {side}": [] for name in calls for side in ("alone", "beside ten")}
        for name, call in calls.items():
            for _ in range(20):
                call()
            for _ in range(rounds):
                times[f"{name}, alone"] += for_a_turn(call)
                may_go.set()
                time.sleep(0.3)  # until all ten are over their limit
                times[f"{name}, beside ten"] += for_a_turn(call)
                may_go.clear()
                time.sleep(0.1)
        process.terminate()
        process.join()
    print(f"the ten sent {counts[0]} requests, {counts[1]} of them were refused")
    goals = []
    for name in calls:
        ratio = percentile(times[f"{name}, beside ten"], 0.99) / percentile(times[f"{name}, alone"], 0.99)
        goals.append(
            (f"{name}: p99 beside ten keys over their limits is {ratio:.2f} times (at most 1.2)", ratio <= 1.2)
        )
    goals.append(("the ten were refused", counts[1] > counts[0] // 2 > 0))
    return times, goals


# ---- the door ----


def door(rounds):
    with contextlib.ExitStack() as stack:
        open_server = stack.enter_context(running_server(AUTH_ENABLED="false"))
        server = stack.enter_context(running_server(MASTER_API_KEY=MASTER))
        managed = Keys(server).client(rate_limits=GENEROUS)
        free, own = open_server.client(), server.client()
        sides = {
            "no key asked for": lambda: free.get("/files/nothing"),
            "key of the environment": lambda: own.get("/files/nothing"),
            "managed key, five limits": lambda: managed.get("/files/nothing"),
        }
        times = in_turns(sides, rounds * 10, 50)
    base = percentile(times["no key asked for"], 0.5)
    goals = []
    for name in list(sides)[1:]:
        more_us = (percentile(times[name], 0.5) - base) * 1000
        goals.append((f"{name}: {more_us:+.1f} us at the median (at most 20)", more_us <= 20))
    return times, goals


# ---- audit and limits ----


def print_one(rounds):
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(running_server(ENABLE_SECURITY_LOGS="false", RATE_LIMIT_ENABLED="false"))
        full = stack.enter_context(running_server(MASTER_API_KEY=MASTER, RATE_LIMIT_EXEC="1000000/60"))
        bare, managed = plain.client(), Keys(full).client(rate_limits=GENEROUS)
        sides = {"without": lambda: bare.exec("print(1)"), "limits and audit": lambda: managed.exec("print(1)")}
        times = in_turns(sides, rounds * 10, 5)
    ratio = percentile(times["limits and audit"], 0.5) / percentile(times["without"], 0.5)
    return times, [(f"print(1) with limits and audit takes {ratio:.3f} times (at most 1.05)", ratio <= 1.05)]


PARTS = {"eleventh": eleventh, "door": door, "print": print_one}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    if set(options.parts) - set(PARTS):
        parser.error(f"the parts are {' '.join(PARTS)}")
    figures, goals = {}, []
    for part in options.parts or PARTS:
        times, met = PARTS[part](options.rounds)
        figures[part] = {name: summary(values) for name, values in times.items()}
        goals += met
        table(f"{part}, ms", list(figures[part].items()))
    return verdict(goals, figures)


if __name__ == "__main__":
    sys.exit(main())
