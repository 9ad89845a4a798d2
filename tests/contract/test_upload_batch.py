# SPDX-License-Identifier: Apache-2.0
"""files.md F2: POST /upload/batch."""

import pytest

from support.multipart import Part, field, file


@pytest.fixture(scope="module")
def strict(default_server):
    with default_server.client() as client:
        yield client


def batch(client, parts, **kwargs):
    return client.upload_reply(parts, "/upload/batch", **kwargs)


def test_all_good(client):
    """F2 (pinned): 200, success, entries in order, both session keys."""
    reply = batch(client, [file("skills/weather_lookup/SKILL.md", b"skill"), file("b.txt", b"2")])
    body = reply.json
    assert reply.status == 200 and set(body) == {
        "message",
        "storage_session_id",
        "session_id",
        "files",
        "succeeded",
        "failed",
    }
    assert (body["message"], body["succeeded"], body["failed"]) == ("success", 2, 0) and body["session_id"] == body[
        "storage_session_id"
    ]
    assert [entry["filename"] for entry in body["files"]] == ["skills/weather_lookup/SKILL.md", "b.txt"]
    for entry, data in zip(body["files"], (b"skill", b"2")):
        assert set(entry) == {"status", "fileId", "filename"} and entry["status"] == "success"
        assert client.download(body["session_id"], entry["fileId"]) == data


def test_sub_directories_survive(client):
    """F2 (pinned): into filename, stored name and mount path."""
    up = batch(client, [file("skills/weather_lookup/SKILL.md", b"skill")]).json
    run = client.exec("cat skills/weather_lookup/SKILL.md", "bash", session_id=up["session_id"])
    assert run.stdout == "skill\n"


def test_partial(strict):
    """F2 (pinned): 200, partial, an entry for each part in order, names as received."""
    reply = batch(
        strict,
        [
            file("good one.txt", b"1"),
            file("tool.exe", b"2"),
            file("../x.txt", b"3"),
            file("big.txt", b"x" * ((10 << 20) + 1)),
            file("last.txt", b"5"),
        ],
    )
    body = reply.json
    assert reply.status == 200 and (body["message"], body["succeeded"], body["failed"]) == ("partial", 2, 3), body
    assert [entry["status"] for entry in body["files"]] == ["success", "error", "error", "error", "success"]
    assert body["files"][0]["filename"] == "good_one.txt"
    assert body["files"][1] == {"status": "error", "filename": "tool.exe", "error": "File type not allowed: tool.exe"}
    assert body["files"][2] == {"status": "error", "filename": "../x.txt", "error": "Invalid filename: path traversal"}
    assert body["files"][3] == {"status": "error", "filename": "big.txt", "error": "File exceeds 10MB limit"}
    assert len(strict.files(body["session_id"])) == 2


def test_all_failed(strict):
    """F2 (pinned): still 200, error, with a session."""
    reply = batch(strict, [file("a.exe"), file("b.dll")])
    body = reply.json
    assert (
        reply.status == 200
        and (body["message"], body["succeeded"], body["failed"]) == ("error", 0, 2)
        and len(body["session_id"]) == 21
    )


@pytest.mark.parametrize(
    "parts", [[], [file("a.txt", name="files")], [file("a.txt", name="files[]")], [field("kind", "skill")]]
)
def test_no_file(client, parts):
    """F2 (pinned): 422, body -> file, At least one file required."""
    reply = batch(client, parts)
    assert reply.status == 422 and reply.json["details"][0] == {
        "field": "body -> file",
        "message": "At least one file required",
        "code": "missing",
    }, reply


def test_no_body(client):
    """7.3, F2 (pinned)."""
    reply = client.request("POST", "/upload/batch")
    assert reply.status == 422 and reply.json["details"][0]["field"] == "body -> file", reply


def test_agent_files_skip_the_extension_check(strict):
    """F2: with entity_id, or kind skill or agent; not otherwise."""
    for fields in (
        [field("entity_id", "batch-agent")],
        [field("kind", "skill"), field("id", "s"), field("version", "1")],
        [field("kind", "agent")],
    ):
        body = batch(
            strict, fields + [file("schema.xsd"), file("pyproject.toml"), file("yarn.lock"), file("tool.exe")]
        ).json
        assert body["message"] == "success", body
    assert batch(strict, [field("kind", "user"), file("schema.xsd")]).json["message"] == "error"
    # Names are still checked.
    assert batch(strict, [field("kind", "skill"), file("../x.xsd")]).json["message"] == "error"


def test_bypass_can_be_turned_off(server_with):
    """F2: AGENT_UPLOAD_BYPASS_EXTENSIONS=false."""
    server = server_with(AGENT_UPLOAD_BYPASS_EXTENSIONS="false")
    with server.client() as client:
        assert batch(client, [field("kind", "skill"), file("schema.xsd")]).json["message"] == "error"


def test_single_upload_has_no_bypass(strict):
    """F2 only: /upload checks extensions of agent files too."""
    assert strict.upload_reply([field("kind", "skill"), file("schema.xsd")]).status == 415


def test_part_without_name(client):
    """F2: a part without file name is called unknown."""
    body = batch(
        client, [Part("file", b"data", disposition=b'form-data; name="file"; filename=""'), file("b.txt")]
    ).json
    assert len(body["files"]) in (1, 2), body
    if len(body["files"]) == 2:
        assert body["files"][0]["filename"] == "unknown", body


def test_marks(client):
    """F1, F2: a skill's files are mounted 0444 and changes dropped."""
    up = batch(
        client,
        [
            field("kind", "skill"),
            field("id", "s1"),
            field("version", "2"),
            field("read_only", "true"),
            file("s/SKILL.md", b"skill"),
        ],
    ).json
    entry = up["files"][0]
    run = client.exec(
        "stat -c %a s/SKILL.md; rm s/SKILL.md; echo x > s/SKILL.md",
        "bash",
        files=[
            {
                "id": entry["fileId"],
                "storage_session_id": up["session_id"],
                "name": entry["filename"],
                "kind": "skill",
                "resource_id": "s1",
                "version": 2,
            }
        ],
    )
    assert run.stdout == "444\n" and run.files[0]["inherited"] is True and run.files[0]["version"] == 2, dict(run)


@pytest.mark.needs_values("MAX_FILES_PER_SESSION", reason="300 files in one request")
def test_large_batches(client):
    """11.1: skill bundles of hundreds of files (MAX_FILES_PER_SESSION=300) in one request."""
    parts = [file(f"skills/big/f{i:03}.md", b"%d" % i) for i in range(300)]
    body = batch(client, parts).json
    assert body["message"] == "success" and body["succeeded"] == 300
    run = client.exec("ls skills/big | wc -l; cat skills/big/f299.md", "bash", session_id=body["session_id"])
    assert run.stdout == "300\n299\n"
    assert batch(client, parts + [file("x.md")]).status == 413
