#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A fuzzer of HTTP requests that knows their structure: routes, methods, headers, fields, forms, chunks, keys, ids. It
talks to a server of its own, in a build that finds memory errors, and judges every answer.

    meson setup build-asan --buildtype=debugoptimized -Db_sanitize=address,undefined && ninja -C build-asan
    sudo CODECELL_BUILD=build-asan /usr/bin/python3 tests/fuzz/http_requests.py 1000000
    ... --seed 7 --processes 4 --rate 500      other requests; slower
    ... --record docs/FUZZING.md               puts the report there
    ... --every 50000                          rests and looks at the server's memory more often

Wrong is: an answer that is no HTTP or has not the form of the specification, a status that it does not declare, a 500,
a connection that ends late or never, a report of a sanitizer, a server that died, holds more descriptors, threads or
connections than before or ever more memory, or does not run a program right afterwards. Exit status 1 then; what was
sent is kept in --findings. docs/FUZZING.md has more."""

import argparse
import collections
import multiprocessing
import os
import sys
import tempfile
import time

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__))), os.path.dirname(os.path.abspath(__file__))]

from support import host  # noqa: E402 -- after the path to it
from support.document import commit, record  # noqa: E402
from support.keys import Keys  # noqa: E402
from support.server import BUILD, Server  # noqa: E402
from webfuzz import requests, talk, watch  # noqa: E402

SETTINGS = {
    "MASTER_API_KEY": requests.CODECELL_MASTER,
    "AUTH_FAILURE_LIMIT": "20",
    "AUTH_FAILURE_WINDOW_SECONDS": "1",  # lock-outs come and go
    "SANDBOX_POOL_ENABLED": "false",
    "MAX_EXECUTION_TIME": "5",
    "PTC_PAUSE_TTL_SECONDS": "5",
    "MAX_REQUEST_SIZE_MB": "4",
    "MAX_JSON_BODY_MB": "1",
    "MAX_FILE_SIZE_MB": "1",
    "SESSION_TTL_HOURS": "1",
    "LOG_MAX_SIZE_MB": "8",
    "MAX_CONCURRENT_EXECUTIONS": "4",
}
SETTLE_S = 30  # for connections, programs and their pauses to end
RESTS = (0.1, 0.3, 0.65, 1)  # after so much of the requests the server rests and is looked at
WARM = 2  # the rest from which on memory is expected to grow no more; the first is after a few requests
# The warden keeps two slots that were started for waiting programs, each with its socket (SPARES_KEPT in src/warden/spares.h).
SLACK = {"descriptors": 4, "threads": 4, "connections": 0, "warden descriptors": 2}
MEMORY_SHARE = 0.2  # by which memory may be more in the end than it was then


def work(address, seed, keys, directory, count, rate, end, done, results):
    talker = talk.Talker(address, seed, keys, directory)

    def tell(n):
        with done.get_lock():
            done.value += n

    talker.run(count, rate, end, tell)
    results.put((talker.counts, talker.kinds, talker.sent, talker.findings))


def settled(server, before):
    """The figures once everything that ran has ended, as far as it ends."""
    time.sleep(1)
    host.until(lambda: not watch.grown(before or watch.figures(server), watch.figures(server), SLACK), SETTLE_S, 0.5)
    return watch.figures(server)


class Run:
    """One server and the processes that talk to it."""

    def __init__(self, options, server, keys):
        self.options, self.server, self.keys = options, server, keys
        self.log = watch.Log(server.log_path)
        self.counts, self.kinds = collections.Counter(), collections.Counter()
        self.sent, self.wrong, self.seconds = 0, [], 0.0
        self.marks = []  # [requests sent, figures], at rest
        self.end = time.monotonic() + (options.minutes or float("inf")) * 60

    def part(self, count, number):
        """So many requests, and then rest."""
        n = self.options.processes
        done, results = multiprocessing.Value("l", 0), multiprocessing.Queue()
        began = time.monotonic()
        shares = [count // n + (index < count % n) for index in range(n)]
        talkers = [
            multiprocessing.Process(
                target=work,
                args=(("127.0.0.1", self.server.port), f"{self.options.seed}/{number}/{index}", self.keys),
                kwargs={
                    "directory": self.options.findings,
                    "count": share,
                    "rate": self.options.rate / n,
                    "end": self.end,
                    "done": done,
                    "results": results,
                },
                daemon=True,
            )
            for index, share in enumerate(shares)
        ]
        for talker in talkers:
            talker.start()
        collected = self.collect(talkers, results, done)
        self.seconds += time.monotonic() - began
        for counts, kinds, sent, findings in collected:
            self.counts += counts
            self.kinds += kinds
            self.sent += sent
            self.wrong += findings
        self.marks.append((self.sent, settled(self.server, self.marks[0][1] if self.marks else None)))
        print(f"{self.sent} requests, {self.seconds:.0f} s, {self.marks[-1][1]}", flush=True)

    def collect(self, talkers, results, done):
        """Results of all; a server that died, or talkers that no longer send anything, end it early."""
        collected, last, moved = [], 0, time.monotonic()
        while len(collected) < len(talkers):
            try:
                collected.append(results.get(timeout=1))
            except multiprocessing.queues.Empty:
                pass
            if done.value != last:
                last, moved = done.value, time.monotonic()
            reports = self.log.read()
            silent = time.monotonic() - moved > 3 * talk.ANSWER_WITHIN_S
            if self.server.process.poll() is not None or silent or len(reports) > 50:
                self.wrong.append("the server ended, or answers no more")
                break
        for talker in talkers:
            talker.terminate() if talker.is_alive() and len(collected) < len(talkers) else talker.join()
        return collected

    def judge(self, api_pid):
        """What the whole of it shows."""
        with self.server.client() as client:
            run = client.exec("echo $((6 * 7))", "bash")
            if run.stdout != "42\n":
                self.wrong.append(f"a program no longer runs: {run}")
        if self.server.api_pid != api_pid:
            self.wrong.append("the api was started again")
        first, last = self.marks[0][1], self.marks[-1][1]
        self.wrong += watch.grown(first, last, SLACK)
        if len(self.marks) > WARM + 1:
            warm = self.marks[WARM][1]
            slack = {name: warm[name] * MEMORY_SHARE for name in ("memory KiB", "warden memory KiB")}
            self.wrong += watch.grown(warm, last, slack)


def by_route(counts):
    """One row a route: how many got which answer."""
    rows = collections.defaultdict(collections.Counter)
    for (label, what), n in counts.items():
        rows[label][str(what)] += n
    lines = ["| route | requests answered | answers |", "| --- | ---: | --- |"]
    for label in sorted(rows, key=lambda each: each.split(" ")[::-1]):
        answers = ", ".join(f"{what}: {n}" for what, n in sorted(rows[label].items()))
        lines.append(f"| `{label}` | {sum(n for what, n in rows[label].items() if what.isdigit())} | {answers} |")
    return lines


def report(run, options):
    """The report in Markdown."""
    verdict = "nothing wrong" if not run.wrong else f"{len(run.wrong)} findings"
    today = time.strftime("%Y-%m-%d", time.gmtime())
    lines = [
        f"{run.sent} requests on {today}, commit {options.commit}, "
        f"seed {options.seed}, {options.processes} processes, {run.seconds:.0f} s "
        f"({run.sent / max(run.seconds, 0.001):.0f} a second): **{verdict}**.",
        "",
        "Conversations: " + ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in sorted(run.kinds.items())) + ".",
        "",
        "| at rest after | " + " | ".join(run.marks[0][1]) + " |",
        "| ---: |" + " ---: |" * len(run.marks[0][1]),
    ]
    lines += [
        f"| {sent} | " + " | ".join(str(value) for value in figures.values()) + " |" for sent, figures in run.marks
    ]
    return "\n".join([*lines, "", *by_route(run.counts), ""])


def fuzz(options):
    host.become_subreaper()
    server = Server(SETTINGS)
    try:
        managed = Keys(server)
        managed.http = server.client(key=requests.CODECELL_MASTER)
        keys = {
            "normal": server.key,
            "master": requests.CODECELL_MASTER,
            "limited": managed.make("limited", rate_limits={"per_second": 3})[0],
        }
        managed.http.close()
        api_pid = server.api_pid
        run = Run(options, server, keys)
        for number, target in enumerate(targets(options.count, options.every)):
            if server.process.poll() is None and time.monotonic() < run.end:
                run.part(target - run.sent, number)
        if server.process.poll() is None:
            run.judge(api_pid)
        finish(server, run)
    except BaseException:
        server.abandon()
        raise
    return run


def targets(count, every):
    """How many requests are to have been sent at each rest; a short run has the first and the last."""
    if every:
        return [min(200, count // 2), *range(every, count, every), count]
    shares = RESTS if count >= 10000 else RESTS[-1:]
    return [min(200, count // 2)] + [int(count * share) for share in shares]


def finish(server, run):
    """Ends the server; leaks show when it does."""
    status = server.terminate()
    run.wrong += [f"the server ended with {status}"] if status else []
    run.wrong += [f"left behind: {each}" for each in server.leftovers()]
    run.wrong += [f"in the log: {each}" for each in run.log.read()]
    server.abandon()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument(
        "--rate", type=float, default=0, help="requests a second, all processes together; 0: as many as come"
    )
    parser.add_argument("--every", type=int, default=0, help="rest after so many requests each; 0: four times")
    parser.add_argument("--minutes", type=float, help="end after so long, with fewer requests")
    parser.add_argument("--findings", help="a directory for what was sent when an answer was wrong")
    parser.add_argument("--record", help="a document with marks, to put the report in")
    options = parser.parse_args()
    options.findings = options.findings or tempfile.mkdtemp(prefix="codecell-findings-")
    os.makedirs(options.findings, exist_ok=True)
    print(f"build {BUILD}, findings in {options.findings}", flush=True)
    options.commit = commit(os.path.dirname(__file__))  # whatever happens to the sources meanwhile
    run = fuzz(options)
    text = report(run, options)
    print(text)
    for each in run.wrong[:50]:
        print(f"WRONG  {each[:3000]}")
    if options.record:
        record(options.record, "http", text)
    if not run.wrong:
        os.rmdir(options.findings)
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
