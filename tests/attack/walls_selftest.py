#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that `codecell selftest --attack` can fail: takes away one wall after the other (walls.py has the list) and looks
whether the self-test, run with the programs of that copy, says that a wall is down.

    tests/attack/walls_selftest.py                    every wall that a program can meet
    tests/attack/walls_selftest.py --only root,proc   walls whose name contains one of these words
    tests/attack/walls_selftest.py --markdown FILE    writes the table between the two marks in FILE as well
    tests/attack/walls_selftest.py --new --markdown FILE     only walls that were never tried, and those that were not seen
    tests/attack/walls_selftest.py --keep DIR         works there and leaves it, so that the next call builds little
    tests/attack/walls_selftest.py --list             which rows are tried with which cases, and which are not, and why

Ended early (SIGTERM), it writes what it has. As root, on a machine that may be lost. Only cases that stay harmless without the wall are run: no bombs."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import walls  # noqa: E402 -- after the path to it
from support import document, host  # noqa: E402

REPORT = "selftest"
RUN_TIMEOUT_S = 240

# Which cases meet the walls of an area.
CASES = {
    "seccomp": "K1,K2,K3,K5,K6,K7,K8,K9,K12,K13,K15,K16,K17,R3,R9,N7",
    "credentials": "K7,K10,K11,K12,F13,R9,R13",
    "namespaces": "K7,F13,R13,N1,N9,N10",
    "root": "K11,K12,K13,K14,K15,K16,F13",
    "proc": "K12,K16,K17,F13,N9",
    "scratch": "K11,K13,K16,F6",
    "workspace": "K16,F5,F12",
    "copies": "K7,K8,K15,K16,F13,N1,N10,R9,R20",
    "descriptors": "K15,C1",
    "environment": "C9,R12",
    "names": "C9,F13",
    "signals": "R9,R13",
    "state": "C2",
    "outputs": "F4,F6",
    "harvest": "F1,F2,F4,F6,F12",
    "door": "C8,C10,C11,F10",
    "builds": "F14",
    "audit": "C13",
    "warden": "K7,C9",
}
UNHELD = "not tried: its programs would be held by nothing"
NO_NETWORK = "not tried: takes an internet of one's own, as tests/support/lab.py has"
OWN_KEY = "not tried: the self-test's server has a good key of its own"
TAKEN_OVER = "not tried: met by an API process that was taken over, by no program and no client"
# Walls and areas of them without which the self-test is not run, and why.
UNTRIED = {
    "limits: memory": UNHELD,
    "limits: processes": UNHELD,
    "limits: buffers of TCP and UDP": UNHELD,
    "limits: forks in vain go on": "not tried: takes a fork bomb",
    "limits: a keeper that stepped aside arms its next cell there": "not tried: takes a program that is busy for long",
    "end: cells outlive a killed keeper": "not tried: takes a process of the server that is killed",
    "door: the limits of a key": "not tried: the self-test has no key with limits",
    "door: a key that was revoked stays known": "not tried: the self-test has no key of administrators",
    "door: well-known keys": OWN_KEY,
    "door: short keys": OWN_KEY,
    "parked": "not tried: the self-test parks no programs",
    "stock": "not tried: what waits for programs shows in time and memory alone",
    "wire": TAKEN_OVER,
    "keepers": TAKEN_OVER,
    "warden: waits for keepers that do not read": TAKEN_OVER,
    "warden: what ran for a dead api may stay": TAKEN_OVER,
    "root: keepers look for it by its name": TAKEN_OVER,
    "api": TAKEN_OVER,
    "wan": NO_NETWORK,
    "proxy": NO_NETWORK,
}
WORST = ("DOWN", "NOT RUN", "held", "not here")
ALSO = {
    "seccomp: clocks": "R4",
    "seccomp: larger pipes": "K7",
    "seccomp: huge pages": "K7",
    "seccomp: device nodes": "K13,F4",
    "seccomp: ioctl requests": "K7",
    "seccomp: prctl options": "K7",
    "seccomp: personality": "K7",
    "seccomp: access control lists": "K7",
    "seccomp: socket filters": "K7",
    "seccomp: the limit of core dumps": "R9",
    "seccomp: directory notices": "N9",
    "seccomp: inotify": "N9",
    "seccomp: reads that fail for uncached pages": "K7",
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
    "limits: real-time priority": "R3,R9",
    "limits: nice": "R3,R9",
    "limits: kept output": "R6",
    "limits: text of an answer": "R6",
    "api: no filter of its own": "C12",
    "workspace: no size": "R8,K16",
    "door: one address may take all connections": "R17",
    "door: no limit of waiting executions": "R17",
    "limits: flood of output": "R6",
    "end: a client that hangs up is not noticed": "R16",
    "end: the program is no better victim than its init": "R9",
    "end: a slot is used before it is empty": "R13,R14,R15",
    "end: memory of outputs is charged to the next cell": "R8",
    "end: success of the compiler passes for the program's": "C19,R10",
}


def area_of(row):
    return row.name.partition(":")[0]


def cases_of(row):
    return ALSO.get(row.name) or CASES.get(area_of(row))


def why_not(row):
    """Why the self-test is not tried without this wall; None if it is."""
    return UNTRIED.get(row.name) or (None if row.name in ALSO else UNTRIED.get(area_of(row)))


def misfits():
    """Tables of this file that name what is not there, and walls that are in none of them, in words."""
    rows, areas = {row.name for row in walls.WALLS}, {area_of(row) for row in walls.WALLS}
    found = [f"there is no wall {name}" for name in ALSO if name not in rows]
    found += [f"there is no area or wall {name}" for name in [*CASES, *UNTRIED] if name not in rows | areas]
    return found + [f"{row.name}: no case, and no reason" for row in walls.WALLS if not cases_of(row) and not why_not(row)]


def selftest(shop, row):
    """Runs it with the copy's programs: {case: (verdict, evidence)}, the worst of each, and the exit status."""
    report = os.path.join(shop.home, "selftest.json")
    if os.path.exists(report):
        os.unlink(report)
    env = {"PATH": os.environ["PATH"], "TMPDIR": shop.scratch}
    if not row.copies:
        env["SANDBOX_POOL_ENABLED"] = "false"
    command = [os.path.join(shop.build, "codecell"), "selftest", "--attack", "--only", cases_of(row), "--json", report]
    try:
        # With root's group, as from a login: what the starter has must not reach a program.
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False, extra_groups=[0])
        status, said = done.returncode, done.stderr
    except subprocess.TimeoutExpired:
        status, said = None, "no end"
    finally:
        shop.sweep()
    if not os.path.exists(report) or not os.path.getsize(report):
        return {}, status, said
    with open(report, encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    results = {}
    for case in cases:  # a case may have several programs
        if case["id"] not in results or WORST.index(case["verdict"]) < WORST.index(results[case["id"]][0]):
            results[case["id"]] = case["verdict"], case["evidence"]
    return results, status, said


def verdict(row, results, status):
    """In capitals, but for DOWN: the row proves nothing."""
    down = [case for case, (said, _) in results.items() if said == "DOWN"]
    silent = [case for case in cases_of(row).split(",") if results.get(case, ("not here",))[0] == "not here"]
    if down:
        return "DOWN: " + ", ".join(down)
    if status == 3:
        return "does not run: the server refuses, or a program cannot begin"
    if status != 0:
        return f"NOT TRIED: exit status {status}"
    return f"NOT TRIED: {', '.join(silent)} did not run" if silent else "not seen from outside"


def try_wall(shop, row):
    saved = shop.apply(row)
    try:
        shop.make()
        return selftest(shop, row)
    finally:
        shop.restore(saved)


def table(rows):
    return "\n".join(["| wall taken away | self-test |", "| --- | --- |", *(f"| {n} | {s} |" for n, s in rows)]) + "\n"


def read_table(path):
    """{wall: verdict} of the table that is there."""
    return dict(document.rows(document.recorded(path, REPORT)))


def merged(old, rows):
    """What was tried now in the place of what was tried before, in the order of the walls; and what was never tried."""
    known = old | dict(rows)
    return [(row.name, why_not(row) or known.get(row.name, "not tried")) for row in walls.WALLS]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--markdown")
    parser.add_argument("--keep")
    parser.add_argument("--new", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    wrong = misfits()
    print("\n".join(wrong))
    if options.list:
        print("\n".join(f"{row.name}: {why_not(row) or cases_of(row)}" for row in walls.WALLS))
    if wrong or options.list:
        return 1 if wrong else 0
    if os.geteuid() != 0:
        parser.error("must run as root, to start servers")
    host.become_subreaper()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    words = options.only.split(",")
    chosen = [row for row in walls.WALLS if any(word in row.name for word in words)]
    chosen = [row for row in chosen if not why_not(row)]
    if options.new:
        known = read_table(options.markdown)
        chosen = [row for row in chosen if not known.get(row.name, "not").startswith(("DOWN", "does not run"))]
    chosen.sort(key=lambda row: [word in row.name for word in words].index(True))
    shop = walls.Workshop(options.keep)
    rows = []
    try:
        shop.make()
        for row in chosen:
            began = time.monotonic()
            try:
                results, status, said = try_wall(shop, row)
            except subprocess.CalledProcessError as error:
                results, status, said = {}, "of the build", error.stderr[-500:]
            rows.append((row.name, verdict(row, results, status)))
            print(f"{row.name}: {rows[-1][1]} ({time.monotonic() - began:.0f} s)", flush=True)
            for case, (each, evidence) in results.items():
                if each != "held":
                    print(f"    {case}: {each}: {evidence[:160]}", flush=True)
            if said:
                print("    " + said[-200:].strip(), flush=True)
    except KeyboardInterrupt:
        print("ended early")
    finally:
        shop.close()
    print("\n" + table(rows))
    if options.markdown:
        document.record(options.markdown, REPORT, table(merged(read_table(options.markdown), rows)))
    return 1 if any(said.startswith("NOT") for _, said in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
