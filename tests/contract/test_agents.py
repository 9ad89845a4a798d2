# SPDX-License-Identifier: Apache-2.0
"""http-api.md 11 with a real client: the code execution tools of @librechat/agents, as they are published."""

import json
import os

import pytest

from support.agents import HERE, drive

FORMS = {
    "bare URL, key in a header": lambda server: {
        "LIBRECHAT_CODE_BASEURL": server.url,
        "LIBRECHAT_CODE_API_KEY": server.key,
    },
    "/v1, key in the URL": lambda server: {
        "LIBRECHAT_CODE_BASEURL": f"http://{server.key}@{server.host}:{server.port}/v1"
    },
}


@pytest.fixture(scope="module", params=sorted(FORMS))
def report(request, server):
    return drive(server, FORMS[request.param](server))


@pytest.fixture(scope="module")
def report_2(server):
    """2.x sends the key in the header, and along with it, as Basic credentials, one that stands in the URL."""
    url = f"http://{server.key}@{server.host}:{server.port}/v1"
    return drive(server, {"LIBRECHAT_CODE_BASEURL": url, "LIBRECHAT_CODE_API_KEY": server.key}, "drive2.mjs")


def test_what_the_client_shows(report):
    """11.2: stdout and stderr reach the model as the client formats them."""
    assert report["python"]["content"] == "stdout:\nfrom python ['a b', 'c']", report["python"]
    assert report["empty"]["content"].startswith("stdout: Empty."), report["empty"]
    assert "stderr:\nTraceback" in report["stderr"]["content"] and "ValueError: shown" in report["stderr"]["content"]
    assert report["languages"] == {lang: "stdout:\n42" for lang in ("js", "ts", "c", "bash")}, report["languages"]


def test_files_travel_between_calls(report):
    """11.2: results of one call are inputs of the next; an edited input comes back under its name with a new id."""
    made = {entry["name"]: entry for entry in report["made"]["artifact"]["files"]}
    assert set(made) == {"charts/a.png", "data.csv"} and "2 persisted file(s)" in report["made"]["content"], report[
        "made"
    ]
    assert report["seen"]["content"].startswith("stdout:\na\n1\na.png"), report["seen"]
    seen = {entry["name"]: entry for entry in report["seen"]["artifact"]["files"]}
    assert seen["charts/a.png"]["inherited"] is True and seen["charts/a.png"]["id"] == made["charts/a.png"]["id"], seen
    assert "inherited" not in seen["data.csv"] and seen["data.csv"]["id"] != made["data.csv"]["id"], seen
    assert report["edited"]["content"] == "stdout:\na\n1\n2", report["edited"]


def test_a_conversation(report):
    """11.2: the session and its files, as the node of the client's graph carries them from call to call."""
    assert report["conversation"][0].startswith("stdout:\nkept"), report["conversation"]
    assert report["conversation"][1].startswith("stdout:\none"), report["conversation"]
    assert report["conversation"][2].startswith("stdout:\n['one', 'two'] ['new']"), report["conversation"]
    assert report["conversation_files"] == ["notes.txt", "other.txt"], report["conversation_files"]


def test_files_of_a_session(report):
    """F3: what the client asks before it hands them to a program."""
    made = {entry["name"]: entry["id"] for entry in report["made"]["artifact"]["files"]}
    assert {entry["name"]: entry["id"] for entry in report["session_files"]} == made, report["session_files"]
    session = report["made"]["artifact"]["session_id"]
    assert all(entry["storage_session_id"] == session for entry in report["session_files"]), report["session_files"]
    assert report["no_session_files"] == []


def test_long_runs_are_streamed_to_it(report):
    """10.11: a run longer than Node's socket patience."""
    assert report["slow"]["content"] == "stdout:\nslow", report["slow"]


def test_tools_are_called(report):
    """ptc.md: both programmatic tools, in rounds and in parallel, with errors that the program sees."""
    tools = report["tools"]
    assert tools["python"]["content"].startswith("stdout:\n7\nService unavailable"), tools["python"]
    assert [entry["name"] for entry in tools["python"]["artifact"]["files"]] == ["tools.csv"], tools["python"]
    lines = tools["bash"]["content"].splitlines()
    assert lines[1] == "T=28", tools["bash"]
    assert sorted(lines[2:]) == ['{"city":"Lima","temp":28}', '{"city":"Oslo","temp":28}'], tools["bash"]
    assert tools["files"]["content"].startswith("stdout:\n1\n1"), tools["files"]


def test_failures_of_programs_with_tools(report):
    """ptc.md P7: what the client makes of them."""
    tools = report["tools"]
    assert "ToolError: Service unavailable" in tools["failed"], tools["failed"]
    assert "Sandbox exited with code 7" in tools["exited"], tools["exited"]


def test_errors_are_rejections(report):
    """8.7: 4xx is an error for the client, a failing program is not."""
    assert "request was rejected" in report["refused"], report["refused"]
    assert "is not authorized" in report["unauthorised"], report["unauthorised"]


def test_an_old_client(report_2):
    """11.2: the tool of 2.x: what the model reads, with files by session and by reference."""
    assert report_2["python"]["content"] == "stdout:\nfrom python ['a b', 'c']", report_2["python"]
    assert report_2["empty"]["content"].startswith("stdout: Empty."), report_2["empty"]
    assert "ValueError: shown" in report_2["stderr"]["content"], report_2["stderr"]
    assert report_2["slow"]["content"] == "stdout:\nslow", report_2["slow"]
    made = report_2["made"]["content"]
    assert "- /mnt/data/a.png | Image is already displayed" in made and "- /mnt/data/data.csv | File" in made, made
    assert report_2["seen"]["content"].startswith("stdout:\n['a', '1'] 4\n"), report_2["seen"]
    assert report_2["given"]["content"].startswith("stdout:\n['a', '1']\n"), report_2["given"]
    assert report_2["unknown"]["content"] == "stdout:\nstill", report_2["unknown"]


def test_errors_of_an_old_client(report_2):
    """8.7: it shows the status and nothing else."""
    assert report_2["refused"].endswith("HTTP error! status: 400"), report_2["refused"]
    assert report_2["unauthorised"].endswith("HTTP error! status: 401"), report_2["unauthorised"]


def test_the_lock_names_no_registry():
    """The lock file holds versions and hashes, no place to fetch from."""
    with open(os.path.join(HERE, "package-lock.json")) as file:
        lock = json.load(file)
    assert lock["packages"]
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert not name or "integrity" in package or package.get("link") or package.get("inBundle"), name
