#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that `codecell selftest --attack` can fail: takes away one wall after the other (walls.py has the list) and looks
whether the self-test, run with the programs of that copy, says that a wall is down.

    tests/attack/walls_selftest.py                    every wall that a program can meet
    tests/attack/walls_selftest.py --only root,proc   walls whose name contains one of these words
    tests/attack/walls_selftest.py --markdown FILE    writes the table between the two marks in FILE as well
    tests/attack/walls_selftest.py --keep DIR         works there and leaves it, so that the next call builds little

As root, on a machine that may be lost. Only cases that stay harmless without the wall are run: no bombs."""

import argparse
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import walls  # noqa: E402 -- after the path to it
from support import host  # noqa: E402

BEGIN, END = "<!-- selftest: begin -->", "<!-- selftest: end -->"
RUN_TIMEOUT_S = 240

# Which cases meet the walls of an area.
CASES = {
    "seccomp": "K1,K2,K3,K5,K6,K7,K8,K9,K12,K13,K15,K16,K17,R3,R9,N7",
    "credentials": "K7,K10,K11,K12,F13,R9,R13",
    "namespaces": "K7,F13,R13,N1,N9,N10",
    "root": "K11,K12,K13,K14,K15,K16,F13",
    "proc": "K12,K16,K17,F13",
    "scratch": "K11,K13,K16,F6",
    "workspace": "K16,F5,F12",
    "copies": "K7,K8,K15,K16,F13,N1,N10,R9,R20",
    "descriptors": "K15,C1",
    "environment": "C9,R12",
    "names": "C9,F13",
    "signals": "R9,R13",
    "state": "C2",
    "outputs": "F4,F6",
    "harvest": "F1,F2,F4,F12",
    "door": "C8,C10,C11,F10",
    "builds": "F14",
    "audit": "C13",
    "warden": "K7,C9",
}
# Their programs would be held by nothing.
UNSAFE = {"limits: memory", "limits: processes"}
ALSO = {
    "seccomp: clocks": "R4",
    "seccomp: directory notices": "N9",
    "seccomp: inotify": "N9",
    "seccomp: reads that fail for uncached pages": "N9",
    "seccomp: flushes of all file systems": "N9",
    "limits: open files": "R9",
    "limits: stack": "R9",
    "limits: locked memory": "R9",
    "limits: message queues": "R9",
    "limits: pending signals": "R9",
    "limits: size of a file": "F6",
    "limits: core dumps": "R9",
    "limits: time": "R7",
    "limits: processor": "R2",
    "limits: flood of output": "R6",
    "end: a client that hangs up is not noticed": "R16",
    "end: the program is no better victim than its init": "R9",
}


def cases_of(row):
    return ALSO.get(row.name) or CASES.get(row.name.partition(":")[0])


def selftest(shop, row):
    """Runs it with the copy's programs: {case: evidence} of what is down, and the exit status."""
    report = os.path.join(shop.home, "selftest.json")
    if os.path.exists(report):
        os.unlink(report)
    env = {"PATH": os.environ["PATH"], "TMPDIR": shop.scratch}
    if not row.copies:
        env["SANDBOX_POOL_ENABLED"] = "false"
    command = [os.path.join(shop.build, "codecell"), "selftest", "--attack", "--only", cases_of(row), "--json", report]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False)
        status, said = done.returncode, done.stderr
    except subprocess.TimeoutExpired:
        status, said = None, "no end"
    finally:
        shop.sweep()
    if not os.path.exists(report) or not os.path.getsize(report):
        return {}, status, said
    with open(report, encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    return {case["id"]: case["evidence"] for case in cases if case["verdict"] == "DOWN"}, status, said


def verdict(down, status):
    if down:
        return "DOWN: " + ", ".join(down)
    if status == 3:
        return "does not run: the server refuses, or a program cannot begin"
    return "not seen from outside" if status == 0 else f"exit status {status}"


def try_wall(shop, row):
    saved = shop.apply(row)
    try:
        shop.make()
        return selftest(shop, row)
    finally:
        shop.restore(saved)


def table(rows):
    return "\n".join(["| wall taken away | self-test |", "| --- | --- |", *(f"| {n} | {s} |" for n, s in rows)]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--markdown")
    parser.add_argument("--keep")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("must run as root, to start servers")
    host.become_subreaper()
    words = options.only.split(",")
    chosen = [row for row in walls.WALLS if any(word in row.name for word in words)]
    chosen = [row for row in chosen if cases_of(row) and row.name not in UNSAFE]
    chosen.sort(key=lambda row: [word in row.name for word in words].index(True))
    shop = walls.Workshop(options.keep)
    rows = []
    try:
        shop.make()
        for row in chosen:
            began = time.monotonic()
            try:
                down, status, said = try_wall(shop, row)
            except subprocess.CalledProcessError as error:
                down, status, said = {}, "of the build", error.stderr[-500:]
            rows.append((row.name, verdict(down, status)))
            print(f"{row.name}: {rows[-1][1]} ({time.monotonic() - began:.0f} s)", flush=True)
            for case, evidence in down.items():
                print(f"    {case}: {evidence[:160]}", flush=True)
            if not down and said:
                print("    " + said[-200:].strip(), flush=True)
    finally:
        shop.close()
    print("\n" + table(rows))
    if options.markdown:
        walls.write_between(options.markdown, BEGIN, END, table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
