# SPDX-License-Identifier: Apache-2.0
"""`codecell selftest --attack`: the walls of this build hold, its report can be read, and it leaves nothing. The whole of it takes a
minute or two; here are the cases that are quick. tests/attack/x09_selftest.py shows that they can fail."""

import json
import os

import pytest

from support import command

# Of every kind one that takes about a second: programs, pairs of programs, requests, the host's side, and both ends.
QUICK = "K1,K5,K7,K10,K14,F1,F3,F10,F12,R7,R15,R16,R17,R18,R20,N1,C1,C3,C5,C8,C10,C11,C13,C19,K18,R19"


@pytest.fixture
def selftest(program, tmp_path):
    """selftest("--attack") runs it with a temporary directory of its own, which must be empty afterwards."""

    def run(*arguments, status=0, **env):
        return command.run([program, "selftest", *arguments], tmp_path, status, **env)

    return run


def test_the_walls_hold(selftest, tmp_path):
    done = selftest("--attack", "--only", QUICK, "--json", "report.json", SANDBOX_DISK_MB="64", HOT_SESSIONS_MAX="64")
    report = json.loads((tmp_path / "report.json").read_text())
    cases = report["cases"]
    assert {case["verdict"] for case in cases} == {"held", "not here"}, done.stdout
    assert {case["id"] for case in cases if case["verdict"] == "not here"} == {"K18", "R19"}, done.stdout
    assert {case["id"] for case in cases} == set(QUICK.split(","))
    assert all(case["evidence"] and case["promise"] for case in cases), cases
    assert report["verdict"] == "held" and report["server"] == "its own"
    assert report["count"] == {"held": len(cases) - 2, "down": 0, "not_run": 0, "not_here": 2}
    assert "a server of its own, with" in done.stderr and "SANDBOX_DISK_MB=64" in done.stderr, done.stderr
    assert report["settings"]["SANDBOX_DISK_MB"] == "64" and "***" in report["settings"]["MASTER_API_KEY"]
    assert report["host"]["kernel"] == os.uname().release and report["host"]["root"] is True
    table = done.stdout.splitlines()
    assert table[0].split()[:3] == ["case", "promise", "verdict"] and table[-1].startswith(f"{len(cases) - 2} held, 0 DOWN")
    assert [line.split()[0] for line in table[1:-1]] == [case["id"] for case in cases]


def test_a_running_server_is_attacked_by_its_address(selftest, server, tmp_path):
    """What would disturb its users is left out, and nothing of the attack stays in it."""
    ids = "K2,F1,F10,R5,C13"
    selftest("--attack", "--url", server.url, "--only", ids, "--json", "report.json", API_KEY=server.key)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["server"] == server.url and report["verdict"] == "held"
    left_out = [case["id"] for case in report["cases"] if case["verdict"] == "not here"]
    assert left_out == ["F10", "C13"], report["cases"]


def test_a_wrong_key_ends_it(selftest, default_server):
    done = selftest("--attack", "--url", default_server.url, "--key", "wrong", "--only", "K5", status=3)
    assert "401" in done.stderr


def test_nobody_answers(selftest):
    done = selftest("--attack", "--url", "http://127.0.0.1:1", "--key", "x", status=3)
    assert "refused" in done.stderr


def test_every_case_is_listed(selftest):
    """Each id of the list of attacks, run or with the reason why not."""
    lines = selftest("--list").stdout.splitlines()
    wanted = {f"{letter}{n}" for letter, last in (("K", 18), ("F", 15), ("R", 20), ("N", 10), ("C", 20)) for n in range(1, last + 1)}
    assert {line.split()[0] for line in lines} == wanted
    absent = [line for line in lines if "not here: " in line]
    assert 5 < len(absent) < 25 and all(line.partition("not here: ")[2] for line in absent)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["--attack"]),
        (["--attack", "--only", "K1,Q9"], ["--only", "Q9"]),
        (["--attack", "--url", "https://x"], ["--url"]),
        (["--attack", "--url", "http://127.0.0.1:1"], ["--key", "API_KEY"]),
        (["--loud"], ["--loud"]),
    ],
)
def test_a_wrong_command_line_is_named(selftest, arguments, words):
    done = selftest(*arguments, status=2)
    assert all(word in done.stderr for word in words)
    assert done.stdout == ""


def test_an_unwritable_report_is_found_before_the_attack(selftest):
    assert "/nowhere/report.json" in selftest("--attack", "--json", "/nowhere/report.json", status=3).stderr


def test_an_interrupt_ends_it_and_its_server(program):
    command.interrupt([program, "selftest", "--attack"], after_s=1, status=3, within_s=120)
