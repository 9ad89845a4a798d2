# SPDX-License-Identifier: Apache-2.0
"""http-api.md 11 for what LibreChat's own server does with files, sent by the HTTP packages that it uses."""

import pytest

from support.agents import drive

NAME, STORED = "Zahlen \u2013 2024 (v2).csv", "Zahlen_\u2013_2024__v2_.csv"
SKILL = ["SKILL.md", "references/schema.xsd", "scripts/run.py", "uv.lock"]

FORMS = {
    "key in the URL": lambda server: {"CODE_BASEURL": f"http://{server.key}@{server.host}:{server.port}/v1"},
    "bare URL, key in a header": lambda server: {"CODE_BASEURL": server.url, "CODE_API_KEY": server.key},
}


@pytest.fixture(scope="module", params=sorted(FORMS))
def report(request, server):
    return drive(server, FORMS[request.param](server), "librechat.mjs")


def test_uploads_are_found_fresh(report):
    """F1, F4, 11.1: an upload of unknown length; the probe tells its age and name, and what is gone is no error."""
    assert report["table"] == {"probe": {"fresh": True, "name": NAME}, "unknown": None}
    assert report["again"] == "a,b\n5,6\n"


def test_a_skill_is_uploaded_and_found_fresh(report):
    """F2, F4: in one request, with its folders and endings of every kind."""
    batch = report["batch"]
    assert (batch["message"], batch["failed"], batch["succeeded"]) == ("success", 0, 4)
    assert sorted(file["filename"] for file in batch["files"]) == [f"skills/weather/{name}" for name in SKILL]
    assert all(probe["fresh"] for probe in report["skill_probes"])
    assert [probe["name"] for probe in report["skill_probes"]] == [file["filename"] for file in batch["files"]]


def test_primed_files_reach_the_program(report):
    """10.6, 10.9, 11.2: as they were uploaded; an edited one comes back under its name, a skill's never does."""
    first = report["first"]
    assert first["stdout"] == "a,b\n1,2\n skill runs\n\nread-only\n" and first["stderr"] == "", first
    files = {file["name"]: file for file in first["files"]}
    assert sorted(files) == sorted([STORED, "charts/out.txt", *(f"skills/weather/{name}" for name in SKILL)]), first
    for name in SKILL:
        file = files[f"skills/weather/{name}"]
        assert (file["inherited"], file["kind"], file["version"]) == (True, "skill", 3), file
        assert file["resource_id"] == "skill-66f0c2" and file["id"] in [f["fileId"] for f in report["batch"]["files"]]


def test_outputs_are_fetched(report):
    """F5: what was made or changed, and nothing else; an upload can be had back."""
    assert report["outputs"] == {STORED: "a,b\n1,2\n3,4\n", "charts/out.txt": "made"}
    assert report["streamed"]["text"] == "a,b\n1,2\n"
    assert "filename*=UTF-8''Zahlen_%E2%80%93_2024__v2_.csv" in report["streamed"]["disposition"]


def test_the_sandbox_file_tools(report):
    """10.8.4, 11.2: reading is cat, writing is a heredoc that python3 reads; both in the session of the code tool."""
    assert report["read"] == "made\n"
    assert report["missing"]["text"].endswith("No such file or directory"), report["missing"]
    assert report["written"]["stdout"] == "written\n" and "notes/plan.md" in report["written"]["files"]
    assert report["read_back"] == 'one\n"two" $three\n'
    assert report["warm_up"] == ""


def test_files_are_deleted(report):
    """F6: once; then the probe finds nothing, and what was handed on before stays."""
    assert report["removed"] == [200, 404, None]


def test_what_does_not_fit(report):
    """F2, 8.7: one bad file of a batch, nothing but bad ones, and a wrong key."""
    assert report["partial"] == {"message": "partial", "failed": 1, "states": ["success", "error"]}
    assert report["none"] == "error"
    assert report["refused"]["status"] == 401


def test_the_generation_before(report):
    """11.1: agents' files by entity, references by session, freshness from a listing."""
    assert report["old"] == {"message": "success", "fresh": True, "seen": "x\n1\n\n", "fetched": "x\n1\n"}
