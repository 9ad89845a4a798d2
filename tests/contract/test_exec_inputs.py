# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.6: the files that a program finds."""

import uuid

# 10.6.1 which files are mounted


def test_explicit_reference(client):
    """10.6.1.1: at /mnt/data and relative."""
    up = client.upload(("x.txt", b"data"))
    run = client.exec("cat x.txt /mnt/data/x.txt", "bash", files=[up.reference()])
    assert run.stdout == "datadata\n"


def test_native_files_without_references(client):
    """10.6.1.2 (pinned): a follow-up call of the session sees earlier files, with or without references of its own."""
    first = client.exec("echo 1 > a.txt; mkdir d; echo 2 > d/b.txt", "bash")
    assert client.exec("cat a.txt d/b.txt", "bash", session_id=first.session, files=[]).stdout == "1\n2\n"
    up = client.upload(("c.txt", b"3\n"))
    run = client.exec("cat a.txt d/b.txt c.txt", "bash", session_id=first.session, files=[up.reference()])
    assert run.stdout == "1\n2\n3\n"


def test_uploads_of_the_session(client):
    """10.6.1.2: everything uploaded to it."""
    up = client.upload(("a.txt", b"1"), ("b.txt", b"2"))
    assert client.exec("ls", "bash", session_id=up.session).stdout == "a.txt\nb.txt\n"


def test_explicit_wins_over_native(client):
    """10.6.1: for one path the earlier group wins."""
    first = client.exec("echo native > a.txt", "bash")
    up = client.upload(("a.txt", b"explicit\n"))
    run = client.exec("cat a.txt", "bash", session_id=first.session, files=[up.reference()])
    assert run.stdout == "explicit\n"


def test_last_created_wins_inside_a_group(client):
    """10.6.1, 12.3.9: a second edit in the same session mounts the newest version."""
    run = client.exec("echo 1 > a.txt", "bash")
    for number in (2, 3, 4):
        run = client.exec(f"cat a.txt; echo {number} > a.txt", "bash", session_id=run.session)
        assert run.stdout == f"{number - 1}\n"
    assert client.exec("cat a.txt", "bash", session_id=run.session).stdout == "4\n"
    up = client.upload(("x.txt", b"old"), ("x.txt", b"new"))
    assert client.exec("cat x.txt", "bash", session_id=up.session).stdout == "new\n"


# 10.6.2 resolving


def test_resolution_by_name(client):
    """10.6.2: an unknown id is looked up by stored name in that session, newest first."""
    up = client.upload(("x.txt", b"old"), ("x.txt", b"new"))
    run = client.exec("cat x.txt", "bash", files=[{"id": "unknown", "storage_session_id": up.session, "name": "x.txt"}])
    assert run.stdout == "new\n"


def test_unresolvable_is_skipped(client):
    """10.6.2: silently; the others are there."""
    up = client.upload(("x.txt", b"data"))
    run = client.exec(
        "ls",
        "bash",
        files=[
            {"id": "no", "session_id": "no", "name": "no.txt"},
            up.reference(),
            {"id": up.id, "session_id": "other", "name": "z.txt"},
        ],
    )
    assert run.stdout == "x.txt\n" and run.stderr == ""


def test_same_file_twice(client):
    """10.6.2: mounted and answered once."""
    up = client.upload(("x.txt", b"data"))
    run = client.exec(
        "ls",
        "bash",
        files=[up.reference(), up.reference(), {"id": "unknown", "session_id": up.session, "name": "x.txt"}],
    )
    assert run.stdout == "x.txt\n" and run.names() == ["x.txt"]


def test_both_session_fields(client):
    """10.1: storage_session_id wins; session_id alone is enough."""
    up = client.upload(("x.txt", b"data"))
    both = {"id": up.id, "storage_session_id": up.session, "session_id": "wrong", "name": "x.txt"}
    old = {"id": up.id, "session_id": up.session, "name": "x.txt"}
    assert client.exec("cat x.txt", "bash", files=[both]).stdout == "data\n"
    assert client.exec("cat x.txt", "bash", files=[old]).stdout == "data\n"


def test_many_references(client):
    """10.1: a list has no end, but where a session's own has: as of four bundles in one conversation."""
    up = client.upload(*[(f"skill/{number}.txt", str(number).encode()) for number in range(300)], path="/upload/batch")
    unknown = [{**reference, "id": "x" * 21, "name": "none/" + reference["name"]} for reference in up.references()]
    run = client.exec("find . -type f | wc -l; cat skill/299.txt", "bash", files=[*unknown * 9, *up.references()])
    assert run.stdout == "300\n299\n" and len(run.names("inherited")) == 300, dict(run)


# 10.6.3 paths


def test_stored_name_and_the_requests_name(client):
    """10.6.3: mounted under the stored name; the request's name is a relative link to it, and no result."""
    up = client.upload(("My Report (2024).csv", b"a,b\n"))
    run = client.exec(
        "cat 'My Report (2024).csv' My_Report__2024_.csv; readlink 'My Report (2024).csv'",
        "bash",
        files=[{**up.reference(), "name": "My Report (2024).csv"}],
    )
    assert run.stdout == "a,b\na,b\nMy_Report__2024_.csv\n", dict(run)
    assert run.names() == ["My_Report__2024_.csv"] and run.names("inherited") == run.names()


def test_writing_through_the_link(client):
    """10.6.3: edits the target."""
    up = client.upload(("a b.txt", b"1\n"))
    run = client.exec("echo 2 >> 'a b.txt'; cat a_b.txt", "bash", files=[{**up.reference(), "name": "a b.txt"}])
    assert run.stdout == "1\n2\n" and run.names("modified") == ["a_b.txt"], dict(run)


def test_link_to_an_edited_file(client):
    """10.6.3, 11.2: a client that merges by name sends the references to an upload and to its edition; what it knows the upload
    as opens the edition, in every later turn."""
    up = client.upload(("sales data.csv", b"a,b\n"))
    mine = {**up.reference(), "name": "sales data.csv"}
    run = client.exec("echo 1,2 >> 'sales data.csv'", "bash", files=[mine])
    for row in ("3,4", "5,6"):
        edition = run.file("sales_data.csv")
        run = client.exec(
            f"ls; readlink 'sales data.csv'; tail -n 1 'sales data.csv'; echo {row} >> 'sales data.csv'",
            "bash",
            files=[mine, edition],
            session_id=run.session,
        )
        assert run.lines()[:3] == ["sales data.csv", "sales_data.csv", "sales_data.csv"], dict(run)
        assert run.file("sales_data.csv")["modified_from"]["id"] == edition["id"], dict(run)
    assert run.lines()[3] == "3,4" and run.names() == ["sales_data.csv"], dict(run)


def test_link_to_an_edited_file_of_another_session(client):
    """The same where sessions refer to each other: what stands for what stands for the upload is the upload."""
    up = client.upload(("sales data.csv", b"a,b\n"))
    mine = {**up.reference(), "name": "sales data.csv"}
    second = client.exec("true", "bash", files=[mine])
    (standing,) = client.files(second.session)
    theirs = {"id": standing["id"], "storage_session_id": second.session, "name": "sales data.csv"}
    third = client.exec("true", "bash", files=[theirs])
    edition = client.exec("echo 1,2 >> sales_data.csv", "bash", session_id=third.session).file("sales_data.csv")
    for reference in mine, theirs:
        run = client.exec("tail -n 1 'sales data.csv'", "bash", files=[reference, edition], session_id=third.session)
        assert run.stdout == "1,2\n", dict(run)


def test_a_link_leads_to_no_other_file(client):
    """10.6.3: where two names are stored alike, the file that gave way is not there under its own name either."""
    spaced, other = client.upload(("sales data.csv", b"mine\n")), client.upload(("sales_data.csv", b"other\n"))
    both = [{**spaced.reference(), "name": "sales data.csv"}, {**other.reference(), "name": "sales_data.csv"}]
    twins = client.upload(("Report (1).csv", b"first\n"), ("Report [1].csv", b"second\n"))
    named = [{**twins.reference(i), "name": name} for i, name in enumerate(("Report (1).csv", "Report [1].csv"))]
    for files, lost, kept in (both, "sales data.csv", "sales_data.csv"), (named, "Report (1).csv", "Report [1].csv"):
        run = client.exec(f"cat '{lost}'; cat '{kept}'", "bash", files=files)
        assert run.stdout in ("other\n", "second\n") and "No such file" in run.stderr, dict(run)


def test_link_in_a_directory(client):
    """10.6.3: names with directories on either side."""
    up = client.upload(("data.txt", b"1\n"))
    run = client.exec(
        "cat 'my dir/sub/other name.txt' data.txt",
        "bash",
        files=[{**up.reference(), "name": "my dir/sub/other name.txt"}],
    )
    assert run.stdout == "1\n1\n" and run.names() == ["data.txt"], dict(run)


def test_nested_paths(client):
    """10.6.3: parent directories are created."""
    up = client.upload(("skills/weather/SKILL.md", b"s"), ("skills/weather/lib/x.py", b"x = 1"), path="/upload/batch")
    run = client.exec(
        "find . -type f | sort; touch skills/weather/new.txt", "bash", files=[up.reference(0), up.reference(1)]
    )
    assert run.lines() == ["./skills/weather/SKILL.md", "./skills/weather/lib/x.py"]
    assert run.names("new") == ["skills/weather/new.txt"]


def test_file_and_directory_collide(client):
    """10.6.3: a file that collides with a directory another file needs is skipped."""
    up = client.upload(("a/b.txt", b"inner"), ("a", b"file"))
    run = client.exec("find . -type f -exec cat {} +", "bash", files=[up.reference(0), up.reference(1)])
    assert run.outcome == "ok" and run.stdout in ("inner\n", "file\n"), dict(run)


# 10.6.4 modes


def test_modes(client):
    """10.6.4, F1: 0644, or 0444 for read-only, agent and skill files; directories 0755; owner is the sandbox user."""
    plain = client.upload(("plain.txt", b"x"), ("dir/plain.txt", b"x"))
    marks = [
        client.upload((f"f{i}.txt", b"x"), **fields)
        for i, fields in enumerate(
            [
                {"entity_id": f"e{uuid.uuid4().hex[:8]}"},
                {"kind": "skill", "version": 1},
                {"kind": "agent"},
                {"read_only": "true"},
                {"read_only": "1"},
                {"read_only": "YES"},
                {"kind": "user"},
                {"read_only": "false"},
                {"kind": "other"},
            ]
        )
    ]
    run = client.exec(
        "stat -c '%n %a %U %u' plain.txt dir dir/plain.txt f*.txt; stat -c '%a %u' .",
        "bash",
        files=[plain.reference(0), plain.reference(1)] + [up.reference() for up in marks],
    )
    expected = ["plain.txt 644", "dir 755", "dir/plain.txt 644"] + [
        f"f{i}.txt {'444' if i < 6 else '644'}" for i in range(9)
    ]
    assert [" ".join(line.split()[:2]) for line in run.lines()[:-1]] == expected
    assert {line.split()[3] for line in run.lines()[:-1]} == {"1001"}
    assert run.lines()[-1] == "755 1001"


def test_read_only_can_be_removed(client):
    """10.6.4 (pinned): os.remove of an agent file works, and so does replacing it."""
    up = client.upload(("agent.txt", b"a"), ("other.txt", b"b"), kind="agent")
    run = client.exec(
        "import os\nos.remove('agent.txt')\nos.remove('other.txt')\nopen('other.txt', 'w').write('new')",
        "py",
        files=[up.reference(0), up.reference(1)],
    )
    assert run.outcome == "ok" and run.stderr == ""
    assert client.download(up.session, up.ids[0]) == b"a"


# 10.6.5 aliases


def test_alias(client):
    """10.6.5 (pinned): after a run with foreign references the session lists the file under a new id, which works like it."""
    up = client.upload(("My File.txt", b"data"))
    run = client.exec("true", "bash", files=[up.reference()])
    assert run.session != up.session
    listed = client.files(run.session)
    assert len(listed) == 1
    alias = listed[0]
    assert (
        alias["id"] != up.id and alias["size"] == 4 and alias["metadata"]["original-filename"] == "My File.txt"
    ), alias
    assert client.download(run.session, alias["id"]) == b"data"
    later = client.exec("cat My_File.txt", "bash", session_id=run.session)
    assert later.stdout == "data\n"
    by_alias = client.exec(
        "cat My_File.txt", "bash", files=[{"id": alias["id"], "storage_session_id": run.session, "name": "My_File.txt"}]
    )
    assert by_alias.stdout == "data\n"


def test_alias_is_reused(client):
    """10.6.5: one alias for each source."""
    up = client.upload(("x.txt", b"data"))
    run = client.exec("true", "bash", files=[up.reference()])
    for _ in range(3):
        client.exec("true", "bash", session_id=run.session, files=[up.reference()])
    assert len(client.files(run.session)) == 1


def test_alias_keeps_the_read_only_flag(client):
    """10.6.5: the source's flag is copied, a user's own upload stays editable in later turns."""
    own, agents = client.upload(("own.txt", b"1")), client.upload(("agent.txt", b"2"), kind="agent")
    run = client.exec("true", "bash", files=[own.reference(), agents.reference()])
    later = client.exec("stat -c %a own.txt agent.txt; echo more >> own.txt", "bash", session_id=run.session)
    assert later.stdout == "644\n444\n" and later.names("modified") == ["own.txt"]


def test_answer_names_the_source(client):
    """10.6.6: ids of the source, not of the alias, for explicit references."""
    up = client.upload(("x.txt", b"data"))
    run = client.exec("true", "bash", files=[up.reference()])
    entry = run.file("x.txt")
    assert (entry["id"], entry["storage_session_id"], entry["session_id"]) == (up.id, up.session, up.session)


def test_deleting_the_source_keeps_the_alias(client):
    """10.6.5, F6: bytes live until the last alias goes."""
    up = client.upload(("x.txt", b"data"))
    run = client.exec("true", "bash", files=[up.reference()])
    alias = client.files(run.session)[0]["id"]
    assert client.delete(f"/files/{up.session}/{up.id}").status == 200
    assert client.download_reply(up.session, up.id).status == 404
    assert client.download(run.session, alias) == b"data"
    assert client.exec("cat x.txt", "bash", session_id=run.session).stdout == "data\n"
    assert client.delete(f"/files/{run.session}/{alias}").status == 200
    assert client.download_reply(run.session, alias).status == 404
