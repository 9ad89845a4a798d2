# SPDX-License-Identifier: Apache-2.0
"""The process that speaks HTTP, taken over: what its channel to the warden is good for. hostile_api.py is in its place."""

import json
import os
import shutil
import signal
import stat
import tempfile

import pytest

from support import host
from support.need import require
from support.server import BUILD, REPOSITORY, Server

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hostile_api.py")
SETTINGS = {"SANDBOX_POOL_ENABLED": "false", "MAX_CONCURRENT_EXECUTIONS": "2", "CODECELL_DRAIN_SECONDS": "0"}

# Is the warden, but for the program of the api: Python, which finds a program of the name "api" where it is started.
WARDEN = """#!/usr/bin/python3
import os, sys
arguments = ["codecell-warden", *sys.argv[1:]]
arguments[arguments.index("--api-program") + 1] = "/usr/bin/python3"
os.chdir({place!r})
os.execve({warden!r}, arguments, {{}})
"""


class TakenOver:
    """A server whose api does what a scenario of hostile_api.py says."""

    def __init__(self, scenario):
        self.place = tempfile.mkdtemp(prefix="codecell-test-")
        os.chmod(self.place, 0o755)
        binaries = os.path.join(self.place, "bin")
        os.makedirs(binaries)
        os.makedirs(os.path.join(self.place, "share"))
        os.symlink(REPOSITORY, os.path.join(self.place, "share", "codecell"))
        for name in ("codecell", "codecell-zygote.so"):
            shutil.copy(os.path.join(BUILD, name), binaries)
        shutil.copy(SOURCE, os.path.join(self.place, "api"))
        self.write("scenario", scenario)
        self.write("bin/codecell-warden", WARDEN.format(place=self.place, warden=os.path.join(BUILD, "codecell-warden")))
        os.chmod(os.path.join(binaries, "codecell-warden"), stat.S_IRWXU)
        instead = ["sh", "-c", f'shift; exec "{binaries}/codecell" "$@"', "sh"]
        self.server = Server(SETTINGS, data_dir=os.path.join(self.place, "data"), prefix=instead, wait=False)

    def write(self, name, text):
        with open(os.path.join(self.place, name), "w", encoding="utf-8") as file:
            file.write(text)

    def said(self):
        path = os.path.join(self.place, "data", "said")
        return [json.loads(line) for line in host.read(path).splitlines()] if os.path.exists(path) else []

    def was(self):
        """The process that was the api first."""
        return next((what["was"] for what in self.said() if "was" in what), None)

    def codes(self):
        return [what["codes"] for what in self.said() if "codes" in what]

    def close(self):
        try:
            self.server.stop()
        finally:
            shutil.rmtree(self.place, ignore_errors=True)


@pytest.fixture
def taken_over():
    made = []

    def begin(scenario):
        made.append(TakenOver(scenario))
        return made[-1]

    yield begin
    for each in made:
        each.close()


SERVED, CODES = {"served": [7] * 4}, {"codes": [7] * 4}


@pytest.mark.parametrize(("scenario", "said"), [("flood", [CODES]), ("refuse", [SERVED, CODES])], ids=["flood", "refuse"])
def test_x12_nobody_waits_for_it(taken_over, scenario, said):
    """Neither the warden nor a keeper blocks in what it says, or passes on: the api that is started next is served, and a
    keeper serves on without being ended with the first."""
    hostile = taken_over(scenario)
    assert host.until(hostile.codes, 90, 0.2), (hostile.said(), hostile.server.log_tail())
    assert hostile.said() == said


def test_x12_what_ran_for_it_ends(taken_over):
    """A dead api cancels everything, also a program that holds its own channel open."""
    hostile = taken_over("hold")
    assert host.until(lambda: host.marked("ctholds"), 30, 0.1), hostile.server.log_tail()
    assert host.until(hostile.codes, 60, 0.2), hostile.server.log_tail()
    assert hostile.codes() == [[7] * 4] and host.gone("ctholds", 20) == []


def test_x12_the_root_of_cells_is_what_was_built(taken_over):
    """Its mount point lies in DATA_DIR. Keepers that are started later find the tree, whatever the name leads to."""
    hostile = taken_over("replace_root")
    assert host.until(hostile.codes, 90, 0.2), (hostile.said(), hostile.server.log_tail())
    assert hostile.said() == [SERVED, CODES], hostile.server.log_tail()
    assert os.path.exists(os.path.join(hostile.place, "data", "gone", "tree"))


def test_x12_the_root_of_cells_stays_where_it_is(taken_over):
    """Who removes a mount point where it is none takes away what is mounted there elsewhere. Nobody but root reaches it."""
    hostile = taken_over("remove_root")
    assert host.until(hostile.codes, 90, 0.2), (hostile.said(), hostile.server.log_tail())
    assert hostile.said() == [SERVED, CODES], hostile.server.log_tail()
    place = os.stat(os.path.join(hostile.place, "data", "root"))
    assert (place.st_uid, stat.S_IMODE(place.st_mode)) == (0, 0o700)


@pytest.mark.parametrize("what", ["link", "file", "inner link", "inner file"])
def test_x12_what_it_leaves_keeps_no_server_from_starting(taken_over, what):
    """Where the root of cells is mounted, the next start finds something else, of which nothing is followed or kept."""
    hostile = taken_over(f"plant {what}")
    assert host.until(hostile.was, 60, 0.1), (hostile.said(), hostile.server.log_tail())
    hostile.server.terminate()
    hostile.server.start(wait=False)
    assert host.until(hostile.codes, 60, 0.2), (hostile.said(), hostile.server.log_tail())
    assert hostile.codes() == [[7] * 4] and os.path.isfile("/etc/passwd")


@pytest.mark.parametrize("which", ["directory", "place", "socket", "file", "memory"])
def test_x12_no_program_gets_what_no_api_has(taken_over, which):
    """Of a descriptor of the host's a program would make what the api's own walls forbid. Whoever sends one is ended."""
    hostile = taken_over(f"strange {which}")
    assert host.until(hostile.codes, 60, 0.2), (hostile.said(), hostile.server.log_tail())
    assert hostile.said() == [{"codes": [7] * 4}]
    assert "the api sent an invalid message and is ended" in hostile.server.log()


def test_x12_descriptors_lead_nowhere(taken_over):
    """A program may be sent one by whoever it speaks with. What lies outside its root stays closed: Landlock refuses."""
    require(host.landlock() >= 2, "Landlock in the kernel")
    hostile = taken_over("lead_out")
    assert host.until(hostile.codes, 60, 0.2), (hostile.said(), hostile.server.log_tail())
    assert hostile.said() == [{"reached": 0}] * 3 + [{"codes": [7] * 4}]


@pytest.mark.parametrize("code", [0, 78, 127])
def test_x12_it_has_no_say_in_the_servers_end(taken_over, code):
    """An exit status that means "do not start me again" counts of one that could not start, not of one that served."""
    hostile = taken_over(f"resign {code}")
    assert host.until(hostile.codes, 60, 0.2), (hostile.said(), hostile.server.log_tail())
    assert hostile.codes() == [[7] * 4]


def test_x12_without_its_channel_it_ends(taken_over):
    hostile = taken_over("let_go")
    assert host.until(hostile.codes, 30, 0.2), (hostile.said(), hostile.server.log_tail())
    assert hostile.codes() == [[7] * 4] and not host.alive(hostile.was())


def test_x12_it_ends_with_the_server(taken_over):
    """Told to stop it does not, and has some time."""
    hostile = taken_over("deaf")
    assert host.until(hostile.was, 30, 0.1), hostile.server.log_tail()
    hostile.server.look()
    hostile.server.process.send_signal(signal.SIGTERM)
    assert hostile.server.wait_exit(60) == 1
    assert not host.alive(hostile.was()) and "the api does not stop and is ended" in hostile.server.log()


def test_x12_it_does_not_outlive_the_server(taken_over):
    hostile = taken_over("deaf")
    assert host.until(hostile.was, 30, 0.1), hostile.server.log_tail()
    hostile.server.look()
    os.kill(hostile.server.pid, signal.SIGKILL)
    assert host.until(lambda: not host.alive(hostile.was()), 5)
    hostile.server.wait_exit(30)
    hostile.server.start(wait=False)  # which clears away what that one left
    assert host.until(hostile.codes, 60, 0.2) and hostile.codes() == [[7] * 4]
