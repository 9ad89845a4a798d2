#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every fuzz target of a parser for a long time, and reports what that came to.

    /usr/bin/python3 tests/fuzz/long.py                    an hour for each target, one process for each processor
    ... request text                                       of these two
    ... --seconds 120 --jobs 1 exec_body multipart         less of it
    ... --record docs/FUZZING.md                           puts the report there, beside those of other targets
    ... --keep                                             new inputs that reach new code go to tests/fuzz/corpus

Time is the processor's, whatever else the machine does: a run that was given less goes on. Ended early (SIGTERM), it reports
what it has; the report's seconds and executions add up over runs, as long as nothing is found. Builds build-fuzz with clang
if it is not there. What was found in earlier runs lies in build-fuzz/corpus, is where the next run begins, and is made
small again after each. An input that crashes, leaks, or takes longer than five minutes
lies in build-fuzz/<target>-<kind>-<hash>, and the exit status is 1."""

import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support.document import commit, record, recorded, rows  # noqa: E402 -- after the path to it

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(ROOT, "tests", "fuzz", "corpus")
KEPT_MAX_BYTES = 2048  # of a new input that is put among the sources
KEPT_MAX = 10  # of them, for each target and run
HOUR_S = 3600
INPUT_WITHIN_S = 300  # by the clock, and whoever runs at the lowest priority may wait for long
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
REPORT = "parsers"
COLUMNS = ["target", "date", "commit", "runs", "seconds", "executions", "edges", "features", "new inputs", "crashes", "leaks"]
SUMS = ["runs", "seconds", "executions", "new inputs"]

SETUP = ["meson", "setup", "--buildtype=debugoptimized", "-Dtests=disabled", "-Dfuzz=true"]
SETUP += ["-Db_sanitize=address,undefined", "-Db_lundef=false"]


def build(directory):
    if not os.path.exists(os.path.join(directory, "build.ninja")):
        subprocess.run([*SETUP, directory], check=True, cwd=ROOT, env={**os.environ, "CC": "clang"})
    subprocess.run(["ninja", "-C", directory], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    programs = sorted(glob.glob(os.path.join(directory, "tests", "fuzz", "fuzz_*")))
    return {os.path.basename(path)[len("fuzz_") :]: path for path in programs if os.path.isfile(path)}


class Ending:
    """Ends the programs that run when this one is to end: libFuzzer says what it did so far."""

    def __init__(self):
        self.running, self.asked = set(), False
        signal.signal(signal.SIGTERM, self)

    def __call__(self, *_):
        self.asked = True
        for process in list(self.running):
            process.send_signal(signal.SIGUSR1)


class Target:
    """One target: its program, and where its inputs are."""

    ending = None  # of all

    def __init__(self, name, program, directory):
        self.name, self.program, self.directory = name, program, directory
        self.kept = os.path.join(CORPUS, name)
        self.found = os.path.join(directory, "corpus", name)
        os.makedirs(self.found, exist_ok=True)

    def command(self, *arguments):
        limits = [f"-timeout={INPUT_WITHIN_S}", "-rss_limit_mb=2048", "-print_final_stats=1"]
        return [self.program, *limits, f"-artifact_prefix={self.directory}/{self.name}-", *arguments]

    def run_once(self, seconds):
        """Returns what was said, the exit status, and the seconds of a processor that it took."""
        with tempfile.TemporaryFile(dir=self.directory) as said:
            process = subprocess.Popen(
                self.command(f"-max_total_time={max(seconds, 1)}", self.found, self.kept), stderr=said, env=ENVIRONMENT
            )
            self.ending.running.add(process)
            _, status, usage = os.wait4(process.pid, 0)
            self.ending.running.remove(process)
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            return said.read().decode("utf-8", "replace"), process.returncode, usage.ru_utime + usage.ru_stime

    def run(self, seconds, commit_name):
        """One row of the report."""
        row = dict.fromkeys(COLUMNS, 0)
        row |= {"target": self.name, "date": time.strftime("%Y-%m-%d", time.gmtime()), "commit": commit_name}
        row |= {"status": 0, "output": "", "runs": 1}
        used = 0
        while used < seconds and row["status"] == 0 and not self.ending.asked:
            text, row["status"], more = self.run_once(round(seconds - used))
            used += more
            row["executions"] += last(r"stat::number_of_executed_units:\s*(\d+)", text)
            row["new inputs"] += last(r"stat::new_units_added:\s*(\d+)", text)
            row["edges"] = last(r"cov: (\d+)", text)
            row["features"] = last(r"ft: (\d+)", text)
        row["seconds"] = round(used)
        if row["status"]:
            row["output"] = text
            row["leaks"] = len(re.findall("ERROR: LeakSanitizer", text))
            row["crashes"] = int(row["leaks"] == 0)
        return row

    def make_small(self):
        """Of what was found, keeps what reaches something that the sources' own inputs do not."""
        with tempfile.TemporaryDirectory(dir=self.directory) as small:
            for name in os.listdir(self.kept):
                shutil.copy(os.path.join(self.kept, name), small)
            before = set(os.listdir(small))
            merged = subprocess.run(self.command("-merge=1", small, self.found), capture_output=True, check=False)
            if merged.returncode:
                return
            shutil.rmtree(self.found)
            os.makedirs(self.found)
            for name in set(os.listdir(small)) - before:
                shutil.copy(os.path.join(small, name), self.found)

    def keep(self):
        """The smallest of the new ones go to the sources. Returns how many."""
        paths = sorted((os.path.join(self.found, name) for name in os.listdir(self.found)), key=os.path.getsize)
        new = [path for path in paths if os.path.getsize(path) <= KEPT_MAX_BYTES][:KEPT_MAX]
        for path in new:
            shutil.copy(path, os.path.join(self.kept, os.path.basename(path)[:16]))
        return len(new)


def last(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def one(target, options):
    row = target.run(options.seconds, options.commit)
    if not target.ending.asked:
        target.make_small()
    row["kept"] = target.keep() if options.keep else 0
    print(f"{row['target']}: {row['executions']} executions, {row['edges']} edges, status {row['status']}", flush=True)
    return row


def line(row):
    return "| " + " | ".join(str(row[name]) for name in COLUMNS) + " |"


def earlier(path):
    """{target: row} of the report that is there."""
    return {row[0]: dict(zip(COLUMNS, row)) for row in rows(recorded(path, REPORT))}


def report(results):
    """The table, and what it comes to."""
    results = sorted(results, key=lambda row: row["target"])
    lines = ["| " + " | ".join(COLUMNS) + " |", "| --- | --- | --- |" + " ---: |" * (len(COLUMNS) - 3)]
    total = sum(int(row["executions"]) for row in results)
    hours = sum(int(row["seconds"]) >= HOUR_S for row in results)
    bad = sum(map(found, results))
    first = f"{len(results)} targets, {hours} of them for an hour or more, {total} executions: "
    return "\n".join(
        [first + f"**{f'{bad} targets failed' if bad else 'nothing wrong'}**.", ""] + lines + [line(row) for row in results] + [""]
    )


def found(row):
    return int(row["crashes"]) + int(row["leaks"]) > 0


def merge(before, results):
    """Runs of a target add up; behind one that found something they begin anew."""
    merged = dict(before)
    for row in results:
        old = before.get(row["target"])
        if old and not found(old):
            row = {**row, **{name: int(old[name]) + row[name] for name in SUMS}}
        merged[row["target"]] = row
    return list(merged.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--build", default=os.path.join(ROOT, "build-fuzz"))
    parser.add_argument("--record", help="a document with marks, to put the report in")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    programs = build(os.path.abspath(options.build))
    unknown = set(options.targets) - set(programs)
    if unknown:
        parser.error(f"no target {sorted(unknown)}; there are: {' '.join(programs)}")
    options.commit = commit(ROOT)  # of what was built, whatever happens to the sources meanwhile
    Target.ending = Ending()
    targets = [Target(name, programs[name], os.path.abspath(options.build)) for name in options.targets or programs]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda target: one(target, options), targets))
    print(report(results))
    for row in results:
        if row["status"]:
            print(f"---- {row['target']}\n{row['output'][-4000:]}")
    if options.record:
        record(options.record, REPORT, report(merge(earlier(options.record), results)))
    return any(row["status"] for row in results)


if __name__ == "__main__":
    sys.exit(main())
