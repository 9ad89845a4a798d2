# SPDX-License-Identifier: Apache-2.0
"""Where one wall is taken away: a copy of the sources that is changed, built and tested."""

import fcntl
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree

from support import host

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PYTEST = ["nice", "-n", "15", "/usr/bin/python3", "-m", "pytest", "-q", "--tb=line"]
# A unit test that fails leaves its files in /tmp; here that is another directory for it, which is swept.
UNIT = ["unshare", "-m", "sh", "-c", 'exec 3<"$0" && mount --bind "$1" /tmp && exec /proc/self/fd/3']
ROW_TIMEOUT_S = 300


def files_of(tree, test):
    prefix = test.split("::")[0]
    return [
        path
        for folder in ("attack", "contract", "fault")
        for path in sorted(glob.glob(f"{tree}/tests/{folder}/{prefix}*.py"))
    ]


def node_ids(tree, tests):
    """What pytest is told: tests/attack/k07_privileged_syscalls.py::test_name."""
    return [
        path + test[len(test.split("::")[0]) :]
        for test in tests
        if not test.startswith("unit:")
        for path in files_of(tree, test)
    ]


def names(test, result):
    """Whether a result came of what a row names: "k07", "k07::test_name", "k07::test_name[one]" or "unit:audit"."""
    if test.startswith("unit:"):
        return test == result
    (file, _, name), (module, _, function) = test.partition("::"), result.partition("::")
    return module.startswith(file) and name in ("", function, function.partition("[")[0])


def not_run(tests, results):
    """What of a row says nothing, and why: {test: reason}. A test that is not found, deselected or skipped cannot notice anything."""
    reasons = {}
    for test in tests:
        own = [message for result, message in results.items() if names(test, result)]
        if not own:
            reasons[test] = "no such test ran"
        elif None in own and ("::" in test or own.count(None) == len(own)):
            reasons[test] = "skipped"
    return reasons


class Workshop:
    """A copy of HEAD with one build directory. Leaves nothing behind unless it is kept."""

    def __init__(self, keep):
        self.kept = keep
        self.home = keep or tempfile.mkdtemp(prefix="codecell-walls-")
        os.makedirs(self.home, exist_ok=True)
        os.chmod(self.home, 0o755)
        self.tree, self.build, self.scratch = (os.path.join(self.home, name) for name in ("tree", "build", "tmp"))
        os.makedirs(self.scratch, exist_ok=True)
        self.copy()
        if not os.path.exists(os.path.join(self.build, "build.ninja")):
            self.run(
                [
                    "meson",
                    "setup",
                    self.build,
                    self.tree,
                    "--buildtype=release",
                    "-Dtests=enabled",
                    "-Db_colorout=never",
                ]
            )

    def copy(self):
        """Files that have not changed keep their times, so that only what differs is compiled."""
        fresh = os.path.join(self.home, "fresh")
        os.makedirs(fresh)
        archive = subprocess.run(["git", "-C", REPOSITORY, "archive", "HEAD"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-m", "-C", fresh], input=archive, check=True)
        for folder, _, names in os.walk(fresh):
            target = os.path.join(self.tree, os.path.relpath(folder, fresh))
            os.makedirs(target, exist_ok=True)
            for name in names:
                old = os.path.join(target, name)
                if not os.path.exists(old) or open(old, "rb").read() != open(os.path.join(folder, name), "rb").read():
                    shutil.move(os.path.join(folder, name), old)
        shutil.rmtree(fresh)

    @staticmethod
    def remove_orphaned_cgroups():
        """Those of servers that are dead, and whose lock is free; other servers may be starting at this moment."""
        for path in sorted(
            {
                path
                for root in set(host.cgroup_roots().values())
                for path in glob.glob(f"{root}/**/codecell.*/", recursive=True)
            }
        ):
            owner = os.path.basename(path.rstrip("/")).split(".")[1]
            if not owner.isdigit() or os.path.exists(f"/proc/{owner}"):
                continue
            try:
                lock = os.open(path, os.O_RDONLY)
            except FileNotFoundError:  # another server cleans up too
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for each in sorted(host.cgroup_tree(path), key=len, reverse=True):
                    os.rmdir(each)
            except OSError:
                pass
            finally:
                os.close(lock)

    def run(self, command, **kwargs):
        return subprocess.run(["nice", "-n", "15", *command], check=True, capture_output=True, text=True, **kwargs)

    def make(self, tests=()):
        targets = ["codecell", "codecell-warden", "codecell-zygote.so"] + [
            "tests/unit/test_" + test[5:] for test in tests if test.startswith("unit:")
        ]
        self.run(["ninja", "-C", self.build, "-j1", *targets])

    def test(self, tests, copies, timeout_s=ROW_TIMEOUT_S):
        """{test: "" or what it failed with; None if it was skipped}."""
        results = {}
        for test in (each for each in tests if each.startswith("unit:")):
            results[test] = self.unit(test)
        nodes = node_ids(self.tree, tests)
        if nodes:
            results.update(self.pytest(nodes, copies, timeout_s))
        return results

    def unit(self, test):
        """What a unit test failed with, or that it waits for ever for what a wall would have brought about."""
        program = os.path.join(self.build, "tests/unit/test_" + test[5:])
        try:
            done = subprocess.run([*UNIT, program, self.scratch], capture_output=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            return "no end within 120 s"
        return "" if done.returncode == 0 else f"exit {done.returncode}"

    def pytest(self, nodes, copies, timeout_s):
        report = os.path.join(self.home, "report.xml")
        if os.path.exists(report):
            os.unlink(report)
        env = {**os.environ, "CODECELL_BUILD": self.build, "CODECELL_READY_WITHIN_S": "15", "TMPDIR": self.scratch}
        env.pop("CI", None)
        env["CODECELL_TEST_POOL"] = "true" if copies else "false"
        process = subprocess.Popen(
            [*PYTEST, f"--junitxml={report}", *nodes],
            cwd=os.path.join(self.tree, "tests"),
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate()
            return {"(all)": f"no end within {timeout_s} s"}
        finally:
            self.sweep()
        if process.returncode not in (0, 1):  # what it did not run is missing in the report, and said by not_run()
            print(output[-2000:], flush=True)
        return self.results_of(report) if os.path.exists(report) else {}

    @staticmethod
    def results_of(report):
        results = {}
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            bad = [part for part in case if part.tag in ("failure", "error")]
            name = case.get("classname").split(".")[-1] + "::" + case.get("name")
            if any(part.tag == "skipped" for part in case):
                results.setdefault(name)
                continue
            text = " ".join((part.get("message") or "") for part in bad)
            results[name] = results.get(name) or (
                ("no server: " if "the server ended" in text or "not ready within" in text else "") + text
                if bad
                else ""
            )
        return results

    def sweep(self):
        """What a server without one of its walls may leave: processes, System V memory, cgroups, files."""
        for _ in range(50):
            left = [pid for pid in host.descendants(os.getpid()) if host.alive(pid)]
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass
            if not left:
                break
            time.sleep(0.05)
        for kind, option in (("shm", "-m"), ("msg", "-q"), ("sem", "-s")):
            for line in host.read(f"/proc/sysvipc/{kind}").splitlines()[1:]:
                if line.split()[0] in [str(key) for key in (0x6E3039, 0x6E303A, 0x6E303B)]:
                    subprocess.run(["ipcrm", option, line.split()[1]], check=False)
        self.remove_orphaned_cgroups()
        for name in os.listdir(self.scratch):
            shutil.rmtree(os.path.join(self.scratch, name), ignore_errors=True)

    def apply(self, row):
        saved = {}
        for edit in row.edits:
            path = os.path.join(self.tree, "src", edit.file)
            text = host.read(path)
            saved.setdefault(path, text)
            if text.count(edit.old) != 1:
                raise SystemExit(f"{row.name}: the text to replace in src/{edit.file} is not there once")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(edit.old, edit.new))
        return saved

    @staticmethod
    def restore(saved):
        for path, text in saved.items():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)

    def close(self):
        self.sweep()
        if not self.kept:
            shutil.rmtree(self.home, ignore_errors=True)
