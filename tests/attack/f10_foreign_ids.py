# SPDX-License-Identifier: Apache-2.0
"""F10: the ids of another tenant, guessed ids, ids that are paths, ids of what was deleted: nothing is there."""

import pytest

from support.keys import MASTER, Keys
from support.server import LIBRECHAT, Server

SECRET = b"f10-secret-contents"


@pytest.fixture(scope="module")
def keys(program):
    server = Server({**LIBRECHAT, "MASTER_API_KEY": MASTER})
    yield Keys(server)
    server.stop()


def _reach(client, session, file_id, name="secret.txt"):
    """Every way in which a client can name a file. Returns what came of each."""
    reference = {"id": file_id, "storage_session_id": session, "name": name}
    found = {
        "download": client.get(f"/download/{session}/{file_id}"),
        "v1": client.get(f"/v1/download/{session}/{file_id}?kind=user&id=x"),
        "object": client.get(f"/sessions/{session}/objects/{file_id}"),
        "list": client.get(f"/files/{session}?detail=full"),
        "delete": client.delete(f"/files/{session}/{file_id}"),
    }
    read = "cat /mnt/data/* 2>/dev/null; ls -A /mnt/data"
    found["reference"] = client.exec_reply(read, "bash", files=[reference])
    found["reference by session"] = client.exec_reply(read, "bash", files=[{**reference, "id": "x"}])
    found["session"] = client.exec_reply(read, "bash", session_id=session)
    found["user"] = client.exec_reply(read, "bash", files=[reference], user_id="user-1")
    found["entity"] = client.exec_reply(read, "bash", entity_id="agent-1")
    return found


def _assert_nothing(found, session):
    for way, reply in found.items():
        assert SECRET not in reply.body, way
        if way in ("download", "v1", "object", "delete"):
            assert reply.status == 404, (way, reply)
        elif way == "list":
            assert (reply.status, reply.json) == (200, []), (way, reply)
        else:
            assert reply.status == 200 and reply.json["stdout"].strip() == "", (way, reply)
            assert reply.json["session_id"] != session, way


def test_f10_another_tenant(keys):
    with keys.client() as owner, keys.client() as thief, keys.server.client() as environment:
        up = owner.upload(("secret.txt", SECRET), entity_id="agent-1")
        run = owner.exec("cp /mnt/data/secret.txt /mnt/data/out.txt", "bash", entity_id="agent-1", user_id="user-1")
        for stranger in (thief, environment):
            _assert_nothing(_reach(stranger, up.session, up.id), up.session)
            for entry in run.files:
                _assert_nothing(_reach(stranger, entry["storage_session_id"], entry["id"], entry["name"]), up.session)
        # and the other way round: nothing of the environment is there for a managed key
        ours = environment.upload(("secret.txt", SECRET), entity_id="agent-2")
        _assert_nothing(_reach(thief, ours.session, ours.id), ours.session)
        assert owner.download(up.session, up.id) == SECRET  # the thief's deletion did nothing


def test_f10_same_entity_and_user_in_two_tenants(keys):
    """Names that clients choose do not lead across: each tenant has an entity and a user of that name."""
    with keys.client() as one, keys.client() as other:
        names = {"entity_id": "shared-name", "user_id": "shared-user"}
        first = one.exec("echo one > /mnt/data/of-one", "bash", **names)
        second = other.exec("ls -A /mnt/data", "bash", **names)
        assert second.stdout.strip() == "" and second.session != first.session
        assert one.exec("true", "bash", **names).session == first.session


@pytest.mark.parametrize(
    "file_id", ["..", "../other", "..%2f..%2fetc%2fpasswd", "%00", "*", "0", "A" * 21, "A" * 4000, "%ff", "'--"]
)
def test_f10_guessed_and_crooked_ids(keys, file_id):
    with keys.client() as client:
        up = client.upload(("a.txt", SECRET))
        for path in (f"/download/{up.session}/{file_id}", f"/download/{file_id}/{up.id}", f"/files/{file_id}"):
            reply = client.get(path)
            assert reply.status in (400, 404, 414, 431) or reply.body == b"[]", (path, reply)
            assert SECRET not in reply.body


def test_f10_deleted_stays_deleted(keys):
    with keys.client() as client:
        up = client.upload(("secret.txt", SECRET))
        assert client.delete(f"/files/{up.session}/{up.id}").status == 200
        for way, reply in _reach(client, up.session, up.id).items():
            assert SECRET not in reply.body, way
