# SPDX-License-Identifier: Apache-2.0
"""files.md F3, F4 and F6: listing, object metadata, deletion."""

import datetime
import os
import re
import time

import pytest

from support.multipart import Part

STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


@pytest.fixture(scope="module")
def uploaded(server):
    with server.client() as client:
        reply = client.upload_reply([Part("file", b"a,b\n1,2\n", "My Report (2024).csv", "text/csv")])
        yield reply.json["session_id"], reply.json["files"][0]["fileId"]


def check_stamp(text):
    assert STAMP.match(text), text
    then = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    assert abs(time.time() - then.timestamp()) < 3600


@pytest.mark.parametrize(
    "query", ["", "?detail=full", "?detail=anything", "?kind=user&id=x&version=3&entity_id=e", "?detail="]
)
def test_full(client, uploaded, query):
    """F3 (pinned): the keys of full, which is the default; other queries are ignored."""
    session, file_id = uploaded
    reply = client.get(f"/files/{session}{query}")
    assert reply.status == 200
    (entry,) = reply.json
    check_stamp(entry.pop("lastModified"))
    assert entry == {
        "name": f"{session}/{file_id}",
        "id": file_id,
        "storage_session_id": session,
        "session_id": session,
        "content": None,
        "size": 8,
        "etag": f'"{file_id}"',
        "metadata": {"content-type": "text/csv", "original-filename": "My Report (2024).csv"},
        "contentType": "text/csv",
        "path": "/My_Report__2024_.csv",
    }


def test_summary(client, uploaded):
    """F3 (pinned): name with a slash, lastModified with Z."""
    session, file_id = uploaded
    (entry,) = client.files(session, "summary")
    check_stamp(entry["lastModified"])
    assert (
        set(entry) == {"name", "lastModified", "size", "etag"}
        and entry["name"] == f"{session}/{file_id}"
        and entry["size"] == 8
    )


def test_simple(client, uploaded):
    """F3 (pinned): three keys and no size."""
    session, file_id = uploaded
    assert client.files(session, "simple") == [
        {"id": file_id, "name": "My_Report__2024_.csv", "path": "/My_Report__2024_.csv"}
    ]


def test_normalized(client, uploaded):
    """F3: read_only only when true."""
    session, file_id = uploaded
    (entry,) = client.files(session, "normalized")
    check_stamp(entry.pop("lastModified"))
    assert entry == {
        "id": file_id,
        "name": "My Report (2024).csv",
        "storage_session_id": session,
        "size": 8,
        "contentType": "text/csv",
    }
    up = client.upload(("a.md", b"x"), read_only="true")
    assert client.files(up.session, "normalized")[0]["read_only"] is True


def test_marks(client):
    """F3: resource_id, kind, version and read_only when known."""
    up = client.upload(("a.md", b"x"), kind="agent", id="agent-1")
    (entry,) = client.files(up.session)
    assert (
        entry["kind"] == "agent"
        and entry["resource_id"] == "agent-1"
        and entry["read_only"] is True
        and "version" not in entry
    )


@pytest.mark.parametrize("session", ["unknown", "x" * 21, "func-test-1a2b3c4d5e6f"])
def test_unknown_session(client, session):
    """F3 (pinned): 200 [], never 404."""
    for detail in ("", "?detail=summary", "?detail=simple", "?detail=normalized"):
        reply = client.get(f"/files/{session}{detail}")
        assert reply.status == 200 and reply.json == []


def test_empty_session(client):
    """F3."""
    assert client.files(client.exec("true", "bash").session) == []


def test_bad_version(client, uploaded):
    """F3: version that is no integer is 422."""
    for path in (f"/files/{uploaded[0]}", f"/sessions/{uploaded[0]}/objects/{uploaded[1]}"):
        reply = client.get(path + "?version=abc")
        assert reply.status == 422 and reply.json["details"][0]["field"] == "query -> version", reply


def test_order(client):
    """F3: by creation, then id; uploads, outputs and aliases together."""
    up = client.upload(("z.txt", b"1"), ("a.txt", b"2"), ("m.txt", b"3"))
    client.exec("echo 4 > b.txt", "bash", session_id=up.session)
    client.exec("echo 5 > a.txt", "bash", session_id=up.session)
    listed = client.files(up.session, "simple")
    names = [entry["name"] for entry in listed]
    assert sorted(names[:3]) == ["a.txt", "m.txt", "z.txt"] and names[-1] == "a.txt", listed
    places = [(entry["lastModified"], entry["id"]) for entry in client.files(up.session, "normalized")]
    assert places == sorted(places) and [place[1] for place in places] == [entry["id"] for entry in listed]
    assert [entry["path"] for entry in listed][-2:] == ["/outputs/b.txt", "/outputs/a.txt"], listed


def test_object(client, uploaded):
    """F4: the superset; lastModified equals F3 summary's (pinned)."""
    session, file_id = uploaded
    for query in ("", "?kind=user&id=u&version=1"):
        reply = client.get(f"/sessions/{session}/objects/{file_id}{query}")
        assert reply.status == 200
        entry = reply.json
        assert entry.pop("lastModified") == client.files(session, "summary")[0]["lastModified"]
        entry.pop("readOnly", None)
        assert entry == {
            "name": f"{session}/{file_id}",
            "originalFilename": "My Report (2024).csv",
            "size": 8,
            "etag": f'"{file_id}"',
            "contentType": "text/csv",
        }


def test_object_read_only(client):
    """F4: readOnly."""
    up = client.upload(("a.md", b"x"), read_only="yes")
    assert client.get(f"/sessions/{up.session}/objects/{up.id}").json["readOnly"] is True


def test_object_absent(client, uploaded):
    """F4 (pinned): 404 File not found."""
    for session, file_id in (("x", "y"), (uploaded[0], "y"), ("x", uploaded[1])):
        reply = client.get(f"/sessions/{session}/objects/{file_id}")
        assert reply.status == 404 and reply.error == "File not found" and "detail" not in reply.json, reply


def test_freshness_is_the_entrys(client):
    """F4: lastModified is the creation of the entry: an alias is newer than its source."""
    up = client.upload(("a.txt", b"x"))
    time.sleep(0.05)
    run = client.exec("true", "bash", files=[up.reference()])
    assert (
        client.files(run.session, "summary")[0]["lastModified"] > client.files(up.session, "summary")[0]["lastModified"]
    )


def test_delete(client):
    """F6: 200 with its body, then gone everywhere; absent is 404."""
    up = client.upload(("a.txt", b"1"), ("b.txt", b"2"))
    reply = client.delete(f"/files/{up.session}/{up.id}")
    assert reply.status == 200 and reply.json == {
        "message": "File deleted successfully",
        "session_id": up.session,
        "fileId": up.id,
    }
    assert client.delete(f"/files/{up.session}/{up.id}").status == 404
    assert client.download_reply(up.session, up.id).status == 404
    assert client.get(f"/sessions/{up.session}/objects/{up.id}").status == 404
    assert [entry["name"] for entry in client.files(up.session, "simple")] == ["b.txt"]
    assert client.exec("ls", "bash", session_id=up.session).stdout == "b.txt\n"
    assert client.delete(f"/files/other/{up.ids[1]}").status == 404


def test_delete_frees_the_bytes(server, client):
    """F6: the last entry's bytes go with it."""
    data = os.urandom(300_000)
    up = client.upload(("a.txt", data))

    def stored():
        return sum(
            os.path.getsize(os.path.join(root, name)) == len(data)
            and open(os.path.join(root, name), "rb").read() == data
            for root, _, files in os.walk(server.data_dir)
            for name in files
        )

    assert stored() == 1
    client.delete(f"/files/{up.session}/{up.id}")
    assert stored() == 0
