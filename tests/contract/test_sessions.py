# SPDX-License-Identifier: Apache-2.0
"""http-api.md section 9: which session an execution lands in."""

import re
import uuid

from support import multipart
from support.client import in_threads

ID = re.compile(r"^[A-Za-z0-9_-]{21}$")


def unique(prefix="t"):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def echo(client, **fields):
    return client.exec("ls", "bash", **fields)


def test_new_session_each_time(client):
    """9.3 step 4, 1.4: without anything to go by every run gets a session of its own."""
    sessions = {echo(client).session for _ in range(5)}
    assert len(sessions) == 5 and all(ID.match(each) for each in sessions)


def test_step_1_by_id(client):
    """9.3 step 1: a living session is continued and its files are there."""
    first = client.exec("echo one > a.txt", "bash")
    second = echo(client, session_id=first.session)
    assert second.session == first.session and second.stdout == "a.txt\n"


def test_step_1_unknown_falls_through(client):
    """9.3 step 1, 10.12: an unknown session is no error; the real id is in the answer."""
    for unknown in ("nope", "x" * 21, "x" * 300, "a/b", "../..", "世界", "\n"):
        run = echo(client, session_id=unknown)
        assert run.session != unknown and ID.match(run.session), unknown


def test_empty_strings_are_absent(client):
    """10.1."""
    run = echo(client, session_id="", user_id="", entity_id="")
    assert ID.match(run.session)
    other = echo(client, session_id="", user_id="", entity_id="")
    assert other.session != run.session


def test_step_2_same_user_with_files(client):
    """9.3 step 2 (pinned): the same user referring to a file continues that file's session."""
    user = unique("user")
    first = client.exec("echo one > a.txt", "bash", user_id=user)
    reference = {"id": first.files[0]["id"], "session_id": first.session, "name": "a.txt"}
    second = echo(client, user_id=user, files=[reference])
    assert second.session == first.session
    other = echo(client, user_id=unique("user"), files=[reference])
    assert other.session != first.session and other.stdout == "a.txt\n"
    nobody = echo(client, files=[reference])
    assert nobody.session != first.session


def test_step_2_first_living_reference_of_that_user(client):
    """9.3 step 2: the first reference whose session is alive and that user's."""
    user = unique("user")
    up = client.upload(("u.txt", b"u"))
    first = client.exec("echo 1 > a.txt", "bash", user_id=user)
    later = client.exec("echo 2 > b.txt", "bash", user_id=user)
    assert first.session != later.session  # user_id alone never selects
    references = [
        {"id": "gone", "session_id": "gone", "name": "g.txt"},
        up.reference(),
        {"id": first.files[0]["id"], "session_id": first.session, "name": "a.txt"},
        {"id": later.files[0]["id"], "session_id": later.session, "name": "b.txt"},
    ]
    assert echo(client, user_id=user, files=references).session == first.session


def test_shared_upload_two_users(client):
    """9.3 step 2 (pinned): two users referring to one upload get two new sessions, neither the upload's."""
    up = client.upload(("shared.txt", b"x"))
    runs = [client.exec("cat shared.txt", "bash", user_id=unique("user"), files=[up.reference()]) for _ in range(2)]
    assert len({runs[0].session, runs[1].session, up.session}) == 3
    assert all(run.stdout == "x\n" for run in runs)


def test_step_3_entity(client):
    """9.3 step 3 (pinned): the same entity shares a session and its files, other entities never do."""
    entity = unique("entity")
    first = client.exec("echo one > a.txt", "bash", entity_id=entity)
    second = echo(client, entity_id=entity)
    assert second.session == first.session and second.stdout == "a.txt\n"
    other = echo(client, entity_id=unique("entity"))
    assert other.session != first.session and other.stdout == ""


def test_step_3_most_recently_used(client):
    """9.3 step 3: of several sessions of an entity, the one used last."""
    entity = unique("entity")
    one = client.upload(("one.txt", b"1"), entity_id=entity)
    two = client.upload(("two.txt", b"2"), entity_id=entity)
    assert echo(client, entity_id=entity).session == two.session
    assert echo(client, session_id=one.session).session == one.session
    assert echo(client, entity_id=entity).session == one.session


def test_steps_in_order(client):
    """9.3: session_id before files before entity_id."""
    user, entity = unique("user"), unique("entity")
    by_id = client.exec("echo 1 > id.txt", "bash", user_id=user)
    by_file = client.exec("echo 2 > file.txt", "bash", user_id=user)
    by_entity = client.exec("echo 3 > entity.txt", "bash", entity_id=entity, user_id=user)
    reference = {"id": by_file.files[0]["id"], "session_id": by_file.session, "name": "file.txt"}
    every = dict(user_id=user, entity_id=entity, files=[reference])
    assert echo(client, session_id=by_id.session, **every).session == by_id.session
    assert echo(client, session_id="gone", **every).session == by_file.session
    assert echo(client, user_id=user, entity_id=entity).session == by_entity.session


def test_user_alone_selects_nothing(client):
    """9.3."""
    user = unique("user")
    assert echo(client, user_id=user).session != echo(client, user_id=user).session


def test_user_scoping_by_id(client):
    """9.4: another user's session is skipped in step 1."""
    mine = client.exec("echo secret > a.txt", "bash", user_id=unique("user"))
    other = client.exec("ls; cat a.txt", "bash", user_id=unique("user"), session_id=mine.session)
    assert other.session != mine.session and "secret" not in other.stdout
    assert echo(client, session_id=mine.session).session == mine.session  # no user in the request


def test_user_scoping_by_entity(client):
    """9.4: and in step 3."""
    entity, user = unique("entity"), unique("user")
    mine = client.exec("echo secret > a.txt", "bash", user_id=user, entity_id=entity)
    other = client.exec("ls", "bash", user_id=unique("user"), entity_id=entity)
    assert other.session != mine.session and other.stdout == ""
    assert echo(client, user_id=user, entity_id=entity).session == mine.session


def test_take_over(client):
    """9.4: a session without user takes over the request's when it is reused."""
    user = unique("user")
    first = client.exec("echo 1 > a.txt", "bash")
    assert echo(client, session_id=first.session, user_id=user).session == first.session
    assert echo(client, session_id=first.session, user_id=unique("user")).session != first.session
    assert echo(client, session_id=first.session, user_id=user).session == first.session


def test_uploads_register_with_the_entity(client):
    """9.5: a following run of the entity lands in the upload's session."""
    for path in ("/upload", "/upload/batch"):
        entity = unique("entity")
        up = client.upload(("a.txt", b"agent's"), path=path, entity_id=entity)
        run = client.exec("cat a.txt", "bash", entity_id=entity)
        assert run.session == up.session and run.stdout == "agent's\n"


def test_user_id_header_is_not_the_user(client):
    """F1: User-Id does not become the session's user."""
    reply = client.upload_reply(
        [multipart.file("a.txt", b"x")], headers={"User-Id": "someone", "User-Agent": "LibreChat/1.0"}
    )
    session = reply.json["session_id"]
    assert echo(client, session_id=session, user_id=unique("user")).session == session


def test_concurrent_runs_in_one_session(server, client):
    """9.6 (pinned): concurrent calls naming one session all succeed, each in its own cell and workspace."""
    first = client.exec("echo start > a.txt", "bash")

    def job(number):
        def run():
            with server.client() as other:
                return other.exec(
                    f"echo {number} > mine.txt; sleep 0.5; cat mine.txt a.txt; echo {number} > out{number}.txt",
                    "bash",
                    session_id=first.session,
                )

        return run

    runs = in_threads([job(number) for number in range(5)])
    for number, run in enumerate(runs):
        assert run.outcome == "ok" and run.session == first.session and run.stdout == f"{number}\nstart\n", dict(run)
    after = echo(client, session_id=first.session)
    assert set(after.lines()) == {"a.txt", "mine.txt"} | {f"out{number}.txt" for number in range(5)}


def test_sessions_share_nothing(client):
    """9.7: /tmp and unrelated files."""
    first = client.exec("echo x > /tmp/left; echo y > a.txt", "bash")
    for fields in ({}, {"session_id": first.session}):
        assert client.exec("ls -A /tmp", "bash", **fields).stdout == ""


def test_expiry(server_with):
    """9.2: an expired session is unknown; each use renews it. (A clock in hours: only the renewal can be seen here.)"""
    server = server_with(SESSION_TTL_HOURS="1")
    with server.client() as client:
        run = client.exec("echo 1 > a.txt", "bash")
        assert echo(client, session_id=run.session).session == run.session


def test_survives_a_restart(server_with):
    """1.4, 9.1: sessions and files live in the store."""
    server = server_with()
    with server.client() as client:
        run = client.exec("echo kept > a.txt", "bash", entity_id="survivor")
    server.terminate()
    server.start()
    with server.client() as client:
        again = client.exec("cat a.txt", "bash", entity_id="survivor")
        assert again.session == run.session and again.stdout == "kept\n"
        assert client.fetch(run.files[0]) == b"kept\n"
