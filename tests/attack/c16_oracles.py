# SPDX-License-Identifier: Apache-2.0
"""C16: an answer does not tell whether something exists that the caller may not see, nor where the server keeps it."""

import pytest

from support.keys import ADMIN, MASTER, Keys
from support.server import LIBRECHAT, Server

VOLATILE = ("request_id", "timestamp")


@pytest.fixture(scope="module")
def keys(program):
    server = Server({**LIBRECHAT, "MASTER_API_KEY": MASTER})
    yield Keys(server)
    server.stop()


def _essence(reply, *ids):
    """What a caller can tell two answers apart by, his own ids aside."""
    body = reply.text
    if reply.body[:1] == b"{":
        body = str({name: value for name, value in reply.json.items() if name not in VOLATILE})
    for name in ids:
        body = body.replace(name, "ID")
    return reply.status, body, sorted(name.lower() for name, _ in reply.headers)


def test_c16_foreign_and_missing_are_one(keys):
    with keys.client() as owner, keys.client() as other:
        up = owner.upload(("a.txt", b"a"))
        live = (up.session, up.id)
        none = (up.session[::-1], up.id[::-1])
        half = (up.session, up.id[::-1])
        for method, path in (
            ("GET", "/download/{}/{}"),
            ("GET", "/sessions/{}/objects/{}"),
            ("DELETE", "/files/{}/{}"),
            ("GET", "/files/{}?x={}"),
        ):
            answers = [_essence(other.request(method, path.format(*ids)), *ids) for ids in (live, half, none)]
            assert answers[0] == answers[1] == answers[2], path
        runs = []
        for session, file_id in (live, half, none):
            reply = other.exec_reply(
                "ls -A /mnt/data",
                "bash",
                session_id=session,
                files=[{"id": file_id, "storage_session_id": session, "name": "a.txt"}],
            )
            assert reply.status == 200
            runs.append({name: reply.json.get(name) for name in ("stdout", "stderr", "code", "files", "outcome")})
        assert runs[0] == runs[1] == runs[2]


def test_c16_keys_are_no_oracle(keys):
    """Neither a wrong key nor a normal one learns whether a managed key exists."""
    key, record = keys.make()
    for presented in (None, "wrong-key-0123456789", key):
        with keys.server.client(key=presented) as client:
            answers = {
                str(_essence(client.request(method, f"{ADMIN}/{name}")))
                for method in ("PATCH", "DELETE", "GET")
                for name in (record["key_hash"], "0" * 64, "x")
            }
        assert len(answers) == 1, answers


@pytest.mark.parametrize(
    "method,path,body",
    [
        ("GET", "/download/x/y", None),
        ("GET", "/download/..%2f..%2fetc/passwd", None),
        ("GET", "/files/%2fvar%2flib", None),
        ("DELETE", "/files/x/y", None),
        ("POST", "/exec", b"{"),
        ("POST", "/exec", b'{"lang":"nothing","code":"x"}'),
        ("POST", "/upload", b"x"),
        ("GET", "/nothing", None),
        ("PATCH", ADMIN + "/x", b"{"),
        ("POST", ADMIN, b'{"name":1}'),
    ],
)
def test_c16_errors_name_no_path(keys, method, path, body):
    key = MASTER if path.startswith(ADMIN) else True
    with keys.server.client() as client:
        reply = client.request(method, path, body=body, headers={"Content-Type": "application/json"}, key=key)
    assert reply.status >= 400, reply
    for word in (keys.server.data_dir, keys.server.home, "/src/", "sqlite", "errno", ".c:"):
        assert word not in reply.text, reply
