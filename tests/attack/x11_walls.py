# SPDX-License-Identifier: Apache-2.0
"""What takes the walls away may not be content with tests that say nothing: walls.py and walls_selftest.py must fail aloud when a
test or a case that a row names is not found, deselected or skipped."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import walls  # noqa: E402 -- after the path to it
import walls_selftest  # noqa: E402
from walls_rows.row import wall  # noqa: E402
from walls_workshop import Workshop, not_run  # noqa: E402

RAN = {"k07_calls::test_one": "", "k07_calls::test_two[a]": "failed", "k07_calls::test_three": None, "unit:audit": ""}


@pytest.mark.parametrize(
    "tests,reasons",
    [
        ("k07", {}),
        ("k07::test_one k07::test_two unit:audit", {}),
        ("k07::test_two[a]", {}),
        ("k07::test_two[b]", {"k07::test_two[b]": "no such test ran"}),
        ("k07::test_tw", {"k07::test_tw": "no such test ran"}),
        ("k08", {"k08": "no such test ran"}),
        ("unit:log", {"unit:log": "no such test ran"}),
        ("k07::test_one k07::test_three", {"k07::test_three": "skipped"}),
    ],
)
def test_what_did_not_run_is_told(tests, reasons):
    assert not_run(tests.split(), RAN) == reasons


def test_a_file_of_which_all_is_skipped_did_not_run():
    assert not_run(["k07"], {"k07_calls::test_one": None}) == {"k07": "skipped"}


@pytest.mark.parametrize(
    "tests,results,unsound,happened",
    [
        ("k07::test_two", RAN, (), "held by 1 test"),
        ("k07::test_one", {"k07_calls::test_one": ""}, (), "NOT NOTICED"),
        ("k07::test_two k07::test_gone", RAN, (), "NOT RUN: k07::test_gone (no such test ran)"),
        ("k07::test_two k07::test_three", RAN, (), "NOT RUN: k07::test_three (skipped)"),
        ("k07::test_two", {}, (), "NOT RUN: k07::test_two (no such test ran)"),
        ("k07::test_two", RAN, ("k07_calls::test_two[a]",), "NOT SOUND: what fails without the wall fails with it"),
        ("k07::test_two", None, (), "DOES NOT BUILD"),
        ("k07::test_two", {"(all)": "no end within 1 s"}, (), "held by 1 test"),
        ("k07::test_two", {"k07_calls::test_two": "no server: x"}, (), "held: no cell starts without it"),
    ],
)
def test_verdicts_on_walls(tests, results, unsound, happened):
    said, _ = walls.verdict(wall("x: y", tests), results, unsound)
    assert said == happened
    assert said.startswith(walls.WORTHLESS) == happened.startswith(("NOT", "DOES"))


def test_skipped_and_failed_are_read_from_a_report(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="attack.k07_calls" name="test_one"/>'
        '<testcase classname="attack.k07_calls" name="test_two[a]"><failure message="it passed"/></testcase>'
        '<testcase classname="attack.k07_calls" name="test_two[b]"><error message="the server ended"/></testcase>'
        '<testcase classname="attack.k07_calls" name="test_three"><skipped message="no"/></testcase>'
        "</testsuite></testsuites>"
    )
    assert Workshop.results_of(report) == {
        "k07_calls::test_one": "",
        "k07_calls::test_two[a]": "it passed",
        "k07_calls::test_two[b]": "no server: the server ended",
        "k07_calls::test_three": None,
    }


def test_rows_name_tests_that_exist():
    assert walls.exists("k07::test_k07_every_call_denied") and walls.exists("k07") and walls.exists("unit:audit")
    assert not walls.exists("k07::test_k07_every_call") and not walls.exists("k99") and not walls.exists("unit:audi")


@pytest.mark.parametrize(
    "results,status,happened",
    [
        ({"K7": ("DOWN", ""), "F13": ("held", "")}, 1, "DOWN: K7"),
        ({"K7": ("held", ""), "F13": ("held", "")}, 0, "not seen from outside"),
        ({"K7": ("held", "")}, 0, "NOT TRIED: F13 did not run"),
        ({"K7": ("held", ""), "F13": ("not here", "")}, 0, "NOT TRIED: F13 did not run"),
        ({}, 2, "NOT TRIED: exit status 2"),
        ({}, None, "NOT TRIED: exit status None"),
        ({"K7": ("held", ""), "F13": ("NOT RUN", "")}, 3, "does not run: the server refuses, or a program cannot begin"),
    ],
)
def test_verdicts_of_the_selftest(monkeypatch, results, status, happened):
    monkeypatch.setitem(walls_selftest.CASES, "x", "K7,F13")
    assert walls_selftest.verdict(wall("x: y", ""), results, status) == happened


def test_every_wall_has_cases_or_a_reason():
    assert walls_selftest.misfits() == []


def test_what_was_not_tried_again_stays_and_what_never_was_is_said(tmp_path):
    place = tmp_path / "SECURITY.md"
    names = [row.name for row in walls_selftest.walls.WALLS if not walls_selftest.why_not(row)][:3]
    table = walls_selftest.table([(names[0], "DOWN: K7"), (names[1], "not seen from outside")])
    name = walls_selftest.REPORT
    place.write_text(f"before\n<!-- {name}: begin -->\n{table}<!-- {name}: end -->\nafter\n")
    old = walls_selftest.read_table(place)
    assert old == {names[0]: "DOWN: K7", names[1]: "not seen from outside"}
    merged = dict(walls_selftest.merged(old, [(names[1], "DOWN: K9")]))
    assert [merged[name] for name in names] == ["DOWN: K7", "DOWN: K9", "not tried"]
    assert merged["limits: memory"].startswith("not tried: ") and len(merged) == len(walls_selftest.walls.WALLS)
