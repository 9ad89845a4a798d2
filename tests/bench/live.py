#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tool calls and live output: a round trip, the first byte, 100 MB in little memory, a slow reader, a hundred that wait.

usage: live.py [COUNT]"""

import sys
import time

from common import running_server, summary, table, verdict

from support import host
from support.events import Events
from support.tools import declare, post, resume

PAUSED = 100
WRITES = "import os, time\nfor i in range(%d):\n    os.write(1, b'%%f\\n' %% time.time())\n    time.sleep(0.005)\n"
MUCH = "yes 0123456789abcde | head -c 104857600"
PATIENT = "import os\nfor i in range(4000):\n    os.write(1, b'%07d\\n' % i * 2048)\n"


def results(answer):
    return [{"call_id": call["id"], "result": 1} for call in answer.calls]


def round_trips(client, count):
    """Milliseconds from the answer to one call to the next call, in a program that does nothing else."""
    took = []
    while len(took) < count:
        answer = post(client, code="for i in range(40): await echo(n=i)", tools=declare("echo"))
        while answer.status == "tool_call_required":
            begun = time.perf_counter()
            answer = resume(client, answer, results(answer))
            took.append((time.perf_counter() - begun) * 1000)
        assert answer.status == "completed", answer
    return took[:count]


def first_bytes(server, count):
    """Milliseconds from a write of the program to its event at the client."""
    took = []
    with Events.run(server, WRITES % count, lang="py", timeout=60000) as events:
        for event in events:
            if event.name == "stdout":
                took.append((time.time() - float(event.data["text"].split()[0])) * 1000)
    return took


def memory_kib(server, field):
    lines = host.read(f"/proc/{server.api_pid}/status").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def much_output(server):
    """Seconds for 100 MB, and the most memory that the api had in MiB."""
    begun, n_bytes = time.perf_counter(), 0
    with Events.run(server, MUCH, timeout=120000) as events:
        for event in events:
            if event.name == "stdout":
                n_bytes += len(event.data["text"])
    assert n_bytes == 100 << 20, n_bytes
    return time.perf_counter() - begun, memory_kib(server, "VmHWM") / 1024


def beside_a_slow_reader(server, client, count):
    """Milliseconds of small programs while nobody reads what another one writes, and whether that one stood still."""
    with Events.run(server, PATIENT, lang="py", timeout=120000) as events:
        events.next("started")
        took = [timed(client) for _ in range(count)]
        stood = client.get(f"/executions/{events.id}").json["state"] == "running"
        whole = sum(len(event.data["text"]) for event in events if event.name == "stdout") == 4000 * 2048 * 8
    return took, stood and whole


def timed(client):
    begun = time.perf_counter()
    assert client.exec("echo x", "bash").stdout == "x\n"
    return (time.perf_counter() - begun) * 1000


def processes_kib(server):
    rollups = [host.read(f"/proc/{pid}/smaps_rollup") for pid in host.descendants(server.pid)]
    return sum(int(line.split()[1]) for rollup in rollups for line in rollup.splitlines() if line.startswith("Pss:"))


def hundred(server, client):
    """MiB that each of a hundred programs that wait costs, and threads that all of them do."""
    memory, threads = processes_kib(server), memory_kib(server, "Threads:")
    waiting = [post(client, code="print(await echo())", tools=declare("echo")) for _ in range(PAUSED)]
    each = (processes_kib(server) - memory) / 1024 / PAUSED
    threads = memory_kib(server, "Threads:") - threads
    assert client.exec("print(1)").stdout == "1\n"
    assert all(resume(client, answer, results(answer)).stdout == "1\n" for answer in waiting)
    return each, threads


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    with running_server() as server, server.client() as client:
        host.until(lambda: client.exec("print(1)")["usage"]["warm"] != "started", 60, 0.2)
        rows = [("tool round trip", summary(round_trips(client, count))), ("first byte", summary(first_bytes(server, count)))]
        each_mib, threads = hundred(server, client)
    with running_server(MAX_OUTPUT_BYTES=str(128 << 20), MAX_EXECUTION_TIME="120") as server, server.client() as client:
        alone = [timed(client) for _ in range(count // 4)]
        beside, stood = beside_a_slow_reader(server, client, count // 4)
        rows += [("echo x alone", summary(alone)), ("beside a slow reader", summary(beside))]
    with running_server(MAX_OUTPUT_BYTES=str(128 << 20), MAX_EXECUTION_TIME="120") as server:
        seconds, api_mib = much_output(server)
    table("milliseconds", rows)
    figures = {name: values for name, values in rows}
    figures["100 MB"] = {"seconds": round(seconds, 2), "api_mib": round(api_mib, 1)}
    figures["100 paused"] = {"mib_each": round(each_mib, 2), "threads": threads}
    return verdict(
        [
            (f"a tool round trip takes {rows[0][1]['p50']} ms (p50), at most 3", rows[0][1]["p50"] <= 3),
            (f"the first byte comes after {rows[1][1]['p50']} ms (p50), at most 5", rows[1][1]["p50"] <= 5),
            (f"100 MB pass with {api_mib:.1f} MiB in the api, at most 64", api_mib <= 64),
            (f"a slow reader: {rows[3][1]['p50']} ms for others, {rows[2][1]['p50']} alone", stood),
            (f"a hundred that wait cost {each_mib:.2f} MiB each, at most 10, and {threads} threads", each_mib < 9.5 and threads <= 2),
        ],
        figures,
    )


if __name__ == "__main__":
    sys.exit(main())
