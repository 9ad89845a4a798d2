#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Thousands of executions from many clients, and what they leave: processes, cgroups, mounts, namespaces, files, descriptors, memory.

    soak.py [EXECUTIONS [CLIENTS]]     a mix of languages and of what programs do
    soak.py 100000 8 --python          Python programs alone
    soak.py 20000 8 --python --kills 100   while the processes that they are copies of are killed so many times"""

import argparse
import collections
import contextlib
import functools
import os
import signal
import sys
import threading
import time

from common import host, running_server, summary, table, verdict

# What each tenth request does: most are small, some bring files, some fail, some are compiled.
MIX = [
    ("bash", "echo {n}", "{n}\n"),
    ("bash", "echo {n} > out.txt; cat out.txt", "{n}\n"),
    ("py", "print({n})", "{n}\n"),
    ("bash", "echo {n}; exit 3", "{n}\n"),
    ("bash", "(sleep 30 &) ; echo {n}", "{n}\n"),
    ("bash", "cat in.txt", "input\n"),
    ("bash", "echo {n} | tee /tmp/x", "{n}\n"),
    ("js", "console.log({n})", "{n}\n"),
    ("bash", "mkdir d; echo {n} > d/f.txt; ln -s d e; mkfifo p; echo {n}", "{n}\n"),
    ("bash", "for i in 1 2 3 4 5; do true & done; wait; echo {n}", "{n}\n"),
]


PYTHON = [
    ("py", "print({n})", "{n}\n"),
    ("py", "x = [{n}] * 1000; print(sum(x) // 1000)", "{n}\n"),
    ("py", "open('out.txt', 'w').write('{n}'); print(open('out.txt').read())", "{n}\n"),
    ("py", "import sys; print({n}); sys.exit(3)", "{n}\n"),
    ("py", "print(np.full(10, {n}).max())", "{n}\n"),
]

# Cells that were warm because they were wanted are not, so long after.
REST_S = 34
WARM_UP = 500  # until as many programs are parked, with what they left, as there may be
# A zygote that is not ready so long after the last one was killed will not be, on the slowest machine.
ZYGOTE_TIMEOUT_S = 300


def snapshot(server):
    """Everything that could leak, as counts."""
    below = host.descendants(server.pid)
    directories = {path for pid in [server.pid, *below] for path in host.cgroup_directories(pid)}
    roots = {os.path.dirname(path) for path in directories if "codecell" in path} or directories
    work = [os.path.join(server.data_dir, name) for name in ("work", "blobs/incoming")]
    everyone = [server.pid, *below]
    return {
        "processes": len(below),
        "cgroups": sum(len(host.cgroup_tree(path)) for path in roots if path not in host.cgroup_roots().values()),
        "host mounts": len(host.mounts()),
        "warden mounts": len(host.mounts(server.pid)),
        "namespaces": len({value for pid in [server.pid, *below] for value in host.namespaces(pid).values() if value}),
        "api fds": host.fd_count(server.api_pid),
        "warden fds": host.fd_count(server.pid),
        "all fds": sum(host.fd_count(pid) for pid in everyone),
        "work files": sum(
            len(files) + len(folders) for path in work if os.path.isdir(path) for _, folders, files in os.walk(path)
        ),
        "api RSS KiB": host.rss_kib(server.api_pid),
        "warden RSS KiB": host.rss_kib(server.pid),
        "all anon KiB": sum(host.anonymous_kib(pid) for pid in everyone),
    }


class Load:
    """Clients that share one counter of executions."""

    def __init__(self, server, clients, upload, mix):
        self.server, self.clients, self.upload, self.mix = server, clients, upload, mix
        self.done, self.target, self.errors, self.times = 0, 0, [], []
        self.python = collections.Counter()  # by what the interpreters had been before: usage.warm
        self.lock = threading.Lock()

    def run_until(self, target):
        self.target = target
        threads = [threading.Thread(target=self._client) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _take(self):
        with self.lock:
            if self.done >= self.target:
                return None
            self.done += 1
            return self.done

    def _client(self):
        with self.server.client(timeout=60) as client:
            while (number := self._take()) is not None:
                language, code, expected = self.mix[number % len(self.mix)]
                start = time.perf_counter()
                try:
                    reply = client.exec_reply(
                        code.format(n=number), language, files=[self.upload.reference()] if "in.txt" in code else []
                    )
                    if reply.status != 200 or reply.json["stdout"] != expected.format(n=number):
                        self.errors.append((number, repr(reply)))
                    elif language == "py":
                        self.python[reply.json["usage"]["warm"]] += 1
                except Exception as error:  # noqa: BLE001 -- every failure is counted
                    self.errors.append((number, repr(error)))
                self.times.append((time.perf_counter() - start) * 1000)


def settle(server):
    time.sleep(REST_S)
    return snapshot(server)


class Killer(threading.Thread):
    """Ends both zygotes of Python, each time that both are ready, so many times."""

    NAMES = {"zygote.py": b"zygote: python is ready", "plain.py": b"zygote: plain python is ready"}

    def __init__(self, server, kills):
        super().__init__(daemon=True)
        self.server, self.wanted = server, kills
        self.killed, self.ready, self.log_at = collections.Counter(), collections.Counter(), 0
        self.is_over, self.load_is_over = kills == 0, threading.Event()

    def rounds(self):
        return min(self.killed[agent] for agent in self.NAMES)

    def _are_ready(self):
        """Whether the log tells of more zygotes than were killed here. It is long: each piece is read once."""
        with open(self.server.log_path, "rb") as log:
            log.seek(self.log_at)
            while line := log.readline():
                if line.endswith(b"\n"):
                    self.log_at += len(line)
                    self.ready.update(agent for agent, name in self.NAMES.items() if name in line)
        return all(self.ready[agent] > self.killed[agent] for agent in self.NAMES)

    def run(self):
        until = time.monotonic() + ZYGOTE_TIMEOUT_S
        while self.rounds() < self.wanted and time.monotonic() < until and not self.load_is_over.is_set():
            if self._are_ready():
                for agent in self.NAMES:
                    self.killed[agent] += self._kill(agent)
                until = time.monotonic() + ZYGOTE_TIMEOUT_S
            time.sleep(0.05)
        self.is_over = True

    def _kill(self, agent):
        """Returns how many there were."""
        n = 0
        for pid in host.zygotes(self.server, f"/opt/codecell/guest/python/{agent}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                n += 1
        return n


def has_zygotes(server):
    """Whether Python programs, with libraries and without, are copies, now or soon."""

    def is_copied(client, code):
        return client.exec(code, "py").usage["warm"] in ("armed", "forked")

    with server.client() as client:
        return all(
            host.until(functools.partial(is_copied, client, code), ZYGOTE_TIMEOUT_S, 0.5)
            for code in ("print(1)", "import numpy")
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("executions", nargs="?", type=int, default=10000)
    parser.add_argument("clients", nargs="?", type=int, default=16)
    parser.add_argument("--python", action="store_true")
    parser.add_argument("--kills", type=int, default=0)
    options = parser.parse_args()
    executions, clients = options.executions, options.clients
    with running_server() as server:
        with server.client() as client:
            upload = client.upload(("in.txt", b"input\n"))
        load = Load(server, clients, upload, PYTHON if options.python else MIX)
        has_zygotes(server)
        load.run_until(WARM_UP)
        before = settle(server)
        load.run_until(executions // 10)
        first = settle(server)
        killer = Killer(server, options.kills)
        killer.start()
        load.run_until(executions)
        while not killer.is_over:
            load.run_until(load.done + 500)
        killer.load_is_over.set()
        copied = has_zygotes(server)
        last = settle(server)
    executions = load.done
    table(
        f"{executions} executions from {clients} clients",
        [("at the start", before), (f"after {executions // 10}", first), (f"after {executions}", last)],
    )
    times = summary(load.times)
    print("milliseconds:", times)
    print("interpreters:", dict(load.python))
    for number, error in load.errors[:10]:
        print(f"error at {number}: {error[:300]}")

    def same(name, slack=0):
        return last[name] <= before[name] + slack

    def grew(name):
        return (last[name] - first[name]) / first[name]

    checks = [
        (f"{killer.killed[agent]} times {agent} was killed, of {options.kills}", killer.killed[agent] >= options.kills)
        for agent in killer.NAMES
        if options.kills
    ]
    checks += [("Python programs are copies of zygotes at the end", copied)]
    checks += [(f"no error in {executions} executions ({len(load.errors)})", not load.errors)]
    checks += [
        (f"no leftover in {name} ({before[name]} -> {last[name]})", same(name, slack))
        for name, slack in (
            ("processes", 0),
            ("cgroups", 0),
            ("host mounts", 0),
            ("warden mounts", 0),
            ("namespaces", 0),
            ("api fds", 2),
            ("warden fds", 0),
            ("all fds", 2),
            ("work files", 0),
        )
    ]
    checks += [
        (
            f"{name} grew less than 5 % between {executions // 10} and {executions} ({100 * grew(name):+.1f} %)",
            grew(name) < 0.05,
        )
        for name in ("api RSS KiB", "warden RSS KiB", "all anon KiB")
    ]
    checks += [(f"the api stays under 32 MiB ({last['api RSS KiB'] / 1024:.1f} MiB)", last["api RSS KiB"] < 32 * 1024)]
    return verdict(checks, {"before": before, "first": first, "last": last, "ms": times, "errors": len(load.errors)})


if __name__ == "__main__":
    sys.exit(main())
