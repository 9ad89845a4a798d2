#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that the attack tests can fail: takes away one wall after the other and looks whether a test notices.

    tests/attack/walls.py                     every wall; prints the table that docs/SECURITY.md shows
    tests/attack/walls.py --only root,proc    walls whose name contains one of these words
    tests/attack/walls.py --markdown FILE     writes them into the table between the two marks in FILE as well
    tests/attack/walls.py --keep DIR          works there and leaves it, so that the next call builds little
    tests/attack/walls.py --check             only: does every change still fit the sources?

Each row of walls_rows/ is a change of the sources that removes one wall, and the tests that should fail then. A copy of HEAD
is changed, built and tested (walls_workshop.py); the working tree is never touched. Run it as root on a machine that may be
lost: with a wall gone, the programs of the tests are held by what is left. The tests are chosen so that they stay harmless
even then."""

import argparse
import os
import signal
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, os.path.join(TESTS, "attack")]
from support import host  # noqa: E402 -- after the path to it
from support.document import record, recorded, rows  # noqa: E402
from walls_rows import WALLS  # noqa: E402
from walls_workshop import REPOSITORY, ROW_TIMEOUT_S, Workshop, files_of, not_run  # noqa: E402

REPORT = "walls"
WORTHLESS = ("NOT", "DOES NOT BUILD")  # verdicts that make the run fail


def misfits():
    """Rows whose old text does not occur exactly once in the sources, in words."""
    found = []
    for row in WALLS:
        for edit in row.edits:
            count = host.read(os.path.join(REPOSITORY, "src", edit.file)).count(edit.old)
            if count != 1:
                found.append(f"{row.name}: in src/{edit.file} this occurs {count} times:\n    {edit.old}")
        if not row.tests and not row.behind:
            found.append(f"{row.name}: names no test")
        found += [f"{row.name}: there is no test {test}" for test in row.tests if not exists(test)]
    return found


def exists(test):
    if test.startswith("unit:"):
        return f"['{test[5:]}', " in host.read(os.path.join(REPOSITORY, "tests/unit/meson.build"))
    name = test.partition("::")[2].partition("[")[0]
    return any(f"def {name}(" in host.read(path) if name else True for path in files_of(REPOSITORY, test))


def try_wall(shop, row):
    """What the row's tests came to without this wall, as Workshop.test() says; None if it does not build."""
    saved = shop.apply(row)
    try:
        shop.make(row.tests)
        return shop.test(row.tests, row.copies)
    except subprocess.CalledProcessError as error:
        print(error.stdout[-3000:], error.stderr[-2000:])
        return None
    finally:
        shop.restore(saved)


def verdict(row, results, unsound):
    """What happened without the wall, and {test: message} of the tests that noticed. Said in capitals: the row proves nothing."""
    if results is None:
        return "DOES NOT BUILD", {}
    failed = {test: message for test, message in results.items() if message and test not in unsound}
    silent = {} if "(all)" in results else not_run(row.tests, results)
    if silent:
        return "NOT RUN: " + "; ".join(f"{test} ({why})" for test, why in sorted(silent.items())), failed
    if not failed and any(message for test, message in results.items()):
        return "NOT SOUND: what fails without the wall fails with it", failed
    return said(row, failed), failed


def said(row, failed):
    if failed and all(message.startswith("no server") for message in failed.values()):
        return "held: no cell starts without it"
    if failed:
        return f"held by {len(failed)} test{'s' if len(failed) > 1 else ''}"
    return f"no test can notice: {row.behind}" if row.behind else "NOT NOTICED"


def cells(name, happened, failed):
    noticed = sorted({test.split("[")[0].split("::")[-1].replace("unit:", "unit/test_") for test in failed})
    return [name, happened, ", ".join(f"`{each}`" for each in noticed)]


def table(results):
    """Of lists of cells, in the order of the walls."""
    of = {row[0]: f"| {' | '.join(row)} |" for row in results}
    known = [of[row.name] for row in WALLS if row.name in of]
    return "\n".join(["| wall taken away | what happens | tests that fail |", "| --- | --- | --- |", *known]) + "\n"


def try_all(shop, chosen):
    """With every wall in place: the tests that fail, and so prove nothing; and {test: reason} of what rows name and does not run."""
    shop.make(sorted({test for row in chosen for test in row.tests}))
    unsound, silent = set(), {}
    for copies in sorted({row.copies for row in chosen}):
        tests = sorted({test for row in chosen if row.copies == copies for test in row.tests})
        results = shop.test(tests, copies, ROW_TIMEOUT_S * (1 + len(tests) // 10))
        unsound |= {test for test, message in results.items() if message}
        silent |= not_run(tests, results)
    return unsound, silent


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--markdown")
    parser.add_argument("--keep")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    wrong = misfits()
    print("\n".join(wrong))
    if wrong or options.check:
        return 1 if wrong else 0
    if os.geteuid() != 0:
        parser.error("must run as root, to start servers")
    host.become_subreaper()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen = [row for row in WALLS if any(word in row.name for word in options.only.split(","))]
    shop = Workshop(options.keep)
    results = []
    try:
        unsound, silent = try_all(shop, chosen)
        print(f"{len(chosen)} walls; with all of them in place {len(unsound)} tests fail: {sorted(unsound)}")
        print(f"    and {len(silent)} that rows name do not run: {silent}", flush=True)
        for row in chosen:
            began = time.monotonic()
            happened, failed = verdict(row, try_wall(shop, row), unsound)
            results.append(cells(row.name, happened, failed))
            print(f"{row.name}: {happened} ({time.monotonic() - began:.0f} s)", flush=True)
            for test, message in failed.items():
                print(f"    {test}: {message[:160]!r}", flush=True)
    finally:
        shop.close()
    print("\n" + table(results))
    if options.markdown:
        record(options.markdown, REPORT, table(rows(recorded(options.markdown, REPORT)) + results))
    return 1 if unsound or silent or any(happened.startswith(WORTHLESS) for _, happened, _ in results) else 0


if __name__ == "__main__":
    sys.exit(main())
