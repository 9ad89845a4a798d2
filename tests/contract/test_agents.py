# SPDX-License-Identifier: Apache-2.0
"""http-api.md 11 with a real client: the code execution tools of @librechat/agents, as they are published."""

import base64
import json
import os
import shutil
import subprocess

import pytest

from support.need import require

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "agents")

FORMS = {
    "bare URL, key in a header": lambda server: {
        "LIBRECHAT_CODE_BASEURL": server.url,
        "LIBRECHAT_CODE_API_KEY": server.key,
    },
    "/v1, Basic": lambda server: {
        "LIBRECHAT_CODE_BASEURL": server.url + "/v1",
        "CODE_AUTHORIZATION": "Basic " + base64.b64encode(f"{server.key}:".encode()).decode(),
    },
}


def drive(server, form):
    require(shutil.which("node"), "node")
    require(
        os.path.isdir(os.path.join(HERE, "node_modules", "@librechat", "agents")), "npm ci in tests/contract/agents"
    )
    env = {"PATH": os.environ["PATH"], "HOME": server.home, "NODE_NO_WARNINGS": "1", **FORMS[form](server)}
    return subprocess.run(["node", "drive.mjs"], cwd=HERE, env=env, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module", params=sorted(FORMS))
def report(request, server):
    done = drive(server, request.param)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


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
    assert "Execution error: Service unavailable" in tools["failed"] and "ToolError" in tools["failed"], tools["failed"]
    assert "Sandbox exited with code 7" in tools["exited"], tools["exited"]


def test_errors_are_rejections(report):
    """8.7: 4xx is an error for the client, a failing program is not."""
    assert "returned 400" in report["refused"] and "Code cannot be empty" in report["refused"], report["refused"]
    assert "returned 401" in report["unauthorised"] and "Invalid API key" in report["unauthorised"], report[
        "unauthorised"
    ]


def test_the_lock_names_no_registry():
    """The lock file holds versions and hashes, no place to fetch from."""
    with open(os.path.join(HERE, "package-lock.json")) as file:
        lock = json.load(file)
    assert lock["packages"]
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert not name or "integrity" in package or package.get("link") or package.get("inBundle"), name
