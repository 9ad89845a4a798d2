# SPDX-License-Identifier: Apache-2.0
"""`codecell bench`: it runs, its reports can be read, and it leaves nothing. How fast anything is decides nothing here."""

import json
import xml.etree.ElementTree

import pytest

from support import command

FIGURES = {"p50", "p90", "p99", "max", "mean", "count", "errors"}


@pytest.fixture
def bench(program, tmp_path):
    """bench("--only", "bash") runs it with a temporary directory of its own, which must be empty afterwards."""

    def run(*arguments, status=0, **env):
        return command.run([program, "bench", *arguments], tmp_path, status, **env)

    return run


def test_its_reports_can_be_read(bench, tmp_path, need_language):
    need_language("bash")
    need_language("py")
    done = bench("--quick", "--only", "bash,floor-http", "--json", "report.json", "--svg", "plot.svg")
    report = json.loads((tmp_path / "report.json").read_text())
    rows = {row["name"]: row for row in report["rows"]}
    assert list(rows) == ["floor-http", "bash", "py-concurrency"]
    assert report["host"]["processors"] >= 1
    assert set(rows["bash"]["server"]) - {"warm"} == FIGURES
    assert set(rows["bash"]["bare"]) == FIGURES
    assert rows["bash"]["server"]["errors"] == rows["bash"]["bare"]["errors"] == 0
    assert rows["bash"]["server"]["count"] >= 2 and rows["bash"]["bare"]["count"] >= 2
    assert rows["bash"]["verdict"] in ("met", "MISSED")
    assert rows["bash"]["ratio"] == pytest.approx(rows["bash"]["server"]["p50"] / rows["bash"]["bare"]["p50"], rel=0.01)
    assert rows["floor-http"]["verdict"] == "measured"
    assert [point["clients"] for point in rows["py-concurrency"]["points"]] == [1, 2, 4, 8, 16, 32, 64]
    plot = xml.etree.ElementTree.fromstring((tmp_path / "plot.svg").read_text())
    assert len(plot.findall("{http://www.w3.org/2000/svg}polyline")) == 3
    table = done.stdout.splitlines()
    assert "verdict" in table[0]
    assert [line.split()[0] for line in table[1:] if not line.startswith(" ")] == list(rows)


def test_a_running_server_is_measured_by_its_address(bench, server, tmp_path):
    bench("--quick", "--only", "floor-http", "--url", server.url, "--json", "report.json", API_KEY=server.key)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["server"] == server.url
    assert [row["name"] for row in report["rows"]] == ["floor-http"]


def test_a_wrong_key_ends_it(bench, default_server):
    done = bench("--quick", "--only", "floor-http", "--url", default_server.url, "--key", "wrong", status=1)
    assert "401" in done.stderr


def test_every_measurement_is_listed(bench):
    names = [line.split()[0] for line in bench("--list").stdout.splitlines()]
    assert len(set(names)) == len(names)
    assert {"py-print", "py-sustained", "java-again", "rs", "state-large"} <= set(names)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--only", "bash,cobol"], ["--only", "cobol"]),
        (["--url", "ftp://x"], ["--url"]),
        (["--url", "http://127.0.0.1:1"], ["--key", "API_KEY"]),
        (["--seconds", "soon"], ["--seconds"]),
        (["--loud"], ["--loud"]),
    ],
)
def test_a_wrong_command_line_is_named(bench, arguments, words):
    done = bench(*arguments, status=2)
    assert all(word in done.stderr for word in words)
    assert done.stdout == ""


def test_an_unwritable_report_is_found_before_measuring(bench):
    assert "/nowhere/report.json" in bench("--json", "/nowhere/report.json", status=1).stderr


def test_an_interrupt_ends_it_and_its_server(program):
    command.interrupt([program, "bench", "--only", "py-print-p99", "--seconds", "120"], after_s=0.5, status=1, within_s=60)
