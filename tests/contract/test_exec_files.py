# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.6 and 10.9: input files and result files."""

import uuid

import pytest


def names(run, kind=None):
    """Names of the entries that are inherited, changed or new."""
    kinds = {
        "inherited": lambda e: e.get("inherited") is True,
        "modified": lambda e: "modified_from" in e,
        "new": lambda e: "inherited" not in e and "modified_from" not in e,
    }
    return [entry["name"] for entry in run.files if kind is None or kinds[kind](entry)]


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
    assert run.stdout == "x.txt\n" and names(run) == ["x.txt"]


def test_both_session_fields(client):
    """10.1: storage_session_id wins; session_id alone is enough."""
    up = client.upload(("x.txt", b"data"))
    both = {"id": up.id, "storage_session_id": up.session, "session_id": "wrong", "name": "x.txt"}
    old = {"id": up.id, "session_id": up.session, "name": "x.txt"}
    assert client.exec("cat x.txt", "bash", files=[both]).stdout == "data\n"
    assert client.exec("cat x.txt", "bash", files=[old]).stdout == "data\n"


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
    assert names(run) == ["My_Report__2024_.csv"] and names(run, "inherited") == names(run)


def test_writing_through_the_link(client):
    """10.6.3: edits the target."""
    up = client.upload(("a b.txt", b"1\n"))
    run = client.exec("echo 2 >> 'a b.txt'; cat a_b.txt", "bash", files=[{**up.reference(), "name": "a b.txt"}])
    assert run.stdout == "1\n2\n" and names(run, "modified") == ["a_b.txt"], dict(run)


def test_link_in_a_directory(client):
    """10.6.3: names with directories on either side."""
    up = client.upload(("data.txt", b"1\n"))
    run = client.exec(
        "cat 'my dir/sub/other name.txt' data.txt",
        "bash",
        files=[{**up.reference(), "name": "my dir/sub/other name.txt"}],
    )
    assert run.stdout == "1\n1\n" and names(run) == ["data.txt"], dict(run)


def test_nested_paths(client):
    """10.6.3: parent directories are created."""
    up = client.upload(("skills/weather/SKILL.md", b"s"), ("skills/weather/lib/x.py", b"x = 1"), path="/upload/batch")
    run = client.exec(
        "find . -type f | sort; touch skills/weather/new.txt", "bash", files=[up.reference(0), up.reference(1)]
    )
    assert run.lines() == ["./skills/weather/SKILL.md", "./skills/weather/lib/x.py"]
    assert names(run, "new") == ["skills/weather/new.txt"]


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
    assert later.stdout == "644\n444\n" and names(later, "modified") == ["own.txt"]


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


# 10.9.1 cases


def test_unchanged(client):
    """10.9.1, 10.12: unchanged, touched, or overwritten with equal bytes: inherited, nothing stored."""
    up = client.upload(("a.txt", b"1"), ("b.txt", b"2"), ("c.txt", b"3"))
    run = client.exec(
        "touch -d 2001-01-01 b.txt; printf 3 > c.txt; chmod 600 a.txt",
        "bash",
        files=[up.reference(i) for i in range(3)],
    )
    assert names(run, "inherited") == ["a.txt", "b.txt", "c.txt"] == names(run), dict(run)
    assert [entry["id"] for entry in run.files] == up.ids
    assert "deleted_files" not in run and len(client.files(run.session)) == 3


@pytest.mark.parametrize(
    "code,content",
    [
        ("open('in.txt', 'w').write('new')", b"new"),
        ("open('in.txt', 'a').write('+')", b"old+"),
        ("open('in.txt', 'r+').write('OLD')", b"OLD"),
        ("import os; open('t', 'w').write('swapped'); os.replace('t', 'in.txt')", b"swapped"),
        ("open('in.txt', 'w').close()", b""),
    ],
)
def test_changed(client, code, content):
    """10.9.1 (pinned): overwrite, append, edit in place, replace, empty: a new file with modified_from, under the same name."""
    up = client.upload(("in.txt", b"old"))
    run = client.exec(code, "py", files=[up.reference()])
    entry = run.file("in.txt")
    assert entry["modified_from"] == {"id": up.id, "storage_session_id": up.session}, entry
    assert (
        "inherited" not in entry
        and entry["id"] != up.id
        and entry["storage_session_id"] == run.session == entry["session_id"]
    )
    assert client.fetch(entry) == content and client.download(up.session, up.id) == b"old"
    assert client.exec("cat in.txt", "bash", session_id=run.session).stdout.rstrip("\n") == content.decode()


def test_pandas_edit(client):
    """12.1: test_mounted_file_edits."""
    up = client.upload(("sales.csv", b"qty,price\n2,3\n4,5\n"))
    run = client.exec(
        "import pandas as pd\nd = pd.read_csv('sales.csv')\nd['total'] = d.qty * d.price\nd.to_csv('sales.csv', index=False)\nprint(d.total.sum())",
        "py",
        files=[up.reference()],
    )
    assert run.stdout == "26\n" and client.fetch(run.file("sales.csv")) == b"qty,price,total\n2,3,6\n4,5,20\n", dict(
        run
    )


def test_native_file_changed(client):
    """10.9.1: a file of the session itself, changed: modified_from names it."""
    first = client.exec("echo 1 > a.txt", "bash")
    second = client.exec("echo 2 > a.txt", "bash", session_id=first.session)
    assert second.file("a.txt")["modified_from"] == {"id": first.files[0]["id"], "storage_session_id": first.session}


@pytest.mark.parametrize(
    "fields,dropped",
    [
        ({"read_only": "true"}, True),
        ({"kind": "skill", "version": "3"}, True),
        ({"kind": "agent"}, False),
        ({"entity_id": "an-entity"}, False),
    ],
)
def test_infrastructure_changes_are_dropped(client, fields, dropped):
    """10.9.1, F1: changes of read_only and skill files are dropped and shown as inherited; agent files are only mounted read-only."""
    up = client.upload(("f.md", b"old"), **fields)
    run = client.exec("rm -f f.md; echo changed > f.md", "bash", files=[up.reference()])
    if dropped:
        assert names(run, "inherited") == ["f.md"] and run.files[0]["id"] == up.id, dict(run)
    else:
        assert names(run, "modified") == ["f.md"], dict(run)
    assert client.download(up.session, up.id) == b"old"


def test_kind_of_the_request_counts(client):
    """10.9.1: or kind=skill in the reference."""
    up = client.upload(("f.md", b"old"), kind="skill")
    run = client.exec(
        "rm f.md; echo changed > f.md", "bash", files=[up.reference(kind="skill", resource_id="s", version=2)]
    )
    assert names(run, "inherited") == ["f.md"]


def test_deleted(client):
    """10.9.1, 10.9.7: no entry; listed in deleted_files; read-only infrastructure files are not."""
    up = client.upload(("a.txt", b"1"), ("b.txt", b"2"), ("d/c.txt", b"3"))
    skill = client.upload(("s.md", b"s"), kind="skill")
    run = client.exec("rm -r a.txt d s.md", "bash", files=[up.reference(i) for i in range(3)] + [skill.reference()])
    assert sorted(run["deleted_files"]) == ["a.txt", "d/c.txt"] and names(run) == ["b.txt"], dict(run)
    assert client.download(up.session, up.ids[0]) == b"1"


def test_renamed(client):
    """10.9.1: the old name is deleted, the new one new."""
    up = client.upload(("a.txt", b"1"))
    run = client.exec("mv a.txt b.txt", "bash", files=[up.reference()])
    assert run["deleted_files"] == ["a.txt"] and names(run, "new") == ["b.txt"]


def test_whole_directory_replaced(client):
    """10.9.1: removing a directory of inputs and making it anew (an opaque directory of the overlay)."""
    up = client.upload(("d/a.txt", b"1"), ("d/b.txt", b"2"), ("d/e/f.txt", b"3"))
    run = client.exec(
        "rm -r d; mkdir -p d/e; printf 2 > d/b.txt; printf new > d/e/g.txt",
        "bash",
        files=[up.reference(i) for i in range(3)],
    )
    assert sorted(run["deleted_files"]) == ["d/a.txt", "d/e/f.txt"], dict(run)
    assert names(run, "inherited") == ["d/b.txt"] and names(run, "new") == ["d/e/g.txt"], dict(run)


def test_a_file_in_the_place_of_a_directory(client):
    """10.9.1, 10.9.7: what was in there is gone."""
    up = client.upload(("d/a.txt", b"1"), ("d/b/c.txt", b"2"), ("da.txt", b"3"))
    run = client.exec("rm -r d; printf new > d", "bash", files=[up.reference(i) for i in range(3)])
    assert sorted(run["deleted_files"]) == ["d/a.txt", "d/b/c.txt"], dict(run)
    assert names(run, "inherited") == ["da.txt"] and names(run, "new") == ["d"], dict(run)


def test_directory_renamed(client):
    """10.9.1: inputs inside a renamed directory are new under the new name."""
    up = client.upload(("d/a.txt", b"1"), ("d/b.txt", b"2"))
    run = client.exec("mv d e || (cp -r d e && rm -r d)", "bash", files=[up.reference(0), up.reference(1)])
    assert sorted(run["deleted_files"]) == ["d/a.txt", "d/b.txt"] and names(run, "new") == ["e/a.txt", "e/b.txt"], dict(
        run
    )


def test_results_whatever_the_outcome(client):
    """10.9.1: also after an error, a signal, a time-out."""
    for end, timeout in (("exit 3", 5000), ("kill -9 $$", 5000), ("sleep 9", 1000)):
        assert names(client.exec(f"echo x > a.txt; {end}", "bash", timeout=timeout)) == ["a.txt"]


def test_links_and_specials_are_ignored(client):
    """10.9.1: symbolic links, FIFOs and sockets are no results."""
    run = client.exec(
        "echo x > real.txt; ln -s real.txt link.txt; ln -s /etc/passwd abs.txt; mkfifo fifo.txt; ln -s . dir; mkdir empty; ln real.txt hard.txt",
        "bash",
    )
    assert names(run) == ["hard.txt", "real.txt"]


# 10.9.2 skipped

SKIPPED_DIRECTORIES = [
    "node_modules",
    "__pycache__",
    ".git",
    ".cache",
    ".npm",
    ".npm-cache",
    ".venv",
    "venv",
    "env",
    ".tox",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    "target",
    "dist",
    "build",
    "vendor",
    ".bundle",
    ".gradle",
    ".m2",
    ".cargo",
    "pkg",
]


def test_skip_list(client):
    """10.9.2: dot segments and everything below the listed directories, at any depth."""
    lines = "".join(
        f"mkdir -p {d}/sub a/{d}; echo x > {d}/sub/f.txt; echo x > a/{d}/f.txt\n" for d in SKIPPED_DIRECTORIES
    )
    run = client.exec(
        lines
        + "echo x > .hidden; mkdir .dir; echo x > .dir/f.txt; mkdir a/.b; echo x > a/.b/f.txt; echo x > shown.txt; echo x > target.txt; mkdir targets; echo x > targets/f.txt",
        "bash",
    )
    assert names(run) == ["shown.txt", "target.txt", "targets/f.txt"], dict(run)


def test_skip_list_unless_an_input_is_there(client):
    """10.9.2: a listed directory in which an input was mounted counts."""
    up = client.upload(("build/in.txt", b"1"))
    run = client.exec(
        "echo 2 > build/in.txt; echo 3 > build/out.txt; mkdir dist; echo 4 > dist/out.txt",
        "bash",
        files=[up.reference()],
    )
    assert (
        names(run, "modified") == ["build/in.txt"]
        and "build/out.txt" in names(run, "new")
        and "dist/out.txt" not in names(run)
    ), dict(run)


def test_empty_files_are_kept(client):
    """10.9.2."""
    run = client.exec("touch empty.txt", "bash")
    assert names(run) == ["empty.txt"] and client.fetch(run.files[0]) == b""


@pytest.mark.parametrize(
    "lang,code,left",
    [
        (
            "c",
            '#include <stdio.h>\nint main(void) { fclose(fopen("code.csv", "w")); fclose(fopen("out.txt", "w")); }',
            ["code.csv", "out.txt"],
        ),
        ("py", "open('code.csv', 'w').write('x')\nopen('code', 'w').write('y')\nimport json", ["code", "code.csv"]),
        ("bash", "echo x > code.csv; echo y > Code.txt", ["Code.txt", "code.csv"]),
    ],
)
def test_tool_chain_files_are_no_results(client, lang, code, left):
    """10.3, 10.9.2, 12.3.8: the source and what compilers make are hidden; code.csv written by a program is returned."""
    assert names(client.exec(code, lang)) == left


# 10.9.3 names, 10.9.4 fields


def test_nested_names(client):
    """10.9.3, 12.3.7: charts/a.png and b/a.png both, with their own bytes."""
    run = client.exec("mkdir charts b; printf one > charts/a.png; printf two > b/a.png", "bash")
    assert names(run) == ["b/a.png", "charts/a.png"] and [client.fetch(entry) for entry in run.files] == [
        b"two",
        b"one",
    ]


@pytest.mark.parametrize(
    "written,stored",
    [
        ("file with spaces.txt", "file_with_spaces.txt"),
        ("analysis (v2).xlsx", "analysis__v2_.xlsx"),
        ("special@chars#here!.pdf", "special_chars_here_.pdf"),
        ("日本語 レポート.xlsx", "日本語_レポート.xlsx"),
        ("re\u0301sume\u0301.docx", "r\u00e9sum\u00e9.docx"),
        ("chart📊.csv", "chart📊.csv"),
        ("my charts/foo bar.png", "my_charts/foo_bar.png"),
        ("back\\slash.txt", "back_slash.txt"),
        ("a\u0085b.txt", "a_b.txt"),
    ],
)
def test_sanitised_names(client, written, stored):
    """10.9.3, F7.3, 10.12: each segment is sanitised, other scripts stay, in NFC."""
    run = client.exec(
        "import os, sys\nos.makedirs(os.path.dirname(sys.argv[1]) or '.', exist_ok=True)\nopen(sys.argv[1], 'w').write('x')",
        "py",
        args=[written],
    )
    assert names(run) == [stored] and client.fetch(run.files[0]) == b"x"
    assert client.exec('cat "$1"', "bash", session_id=run.session, args=[stored]).stdout == "x\n"


def test_long_names(client):
    """F7.3: a segment is at most 255 bytes, which a file of a Linux system is anyway."""
    run = client.exec("echo x > $(printf 'a%.0s' {1..251}).txt", "bash")
    assert names(run) == ["a" * 251 + ".txt"] and client.fetch(run.files[0]) == b"x\n"


def test_entry_fields(client):
    """10.9.4 (pinned): never fileId or filename; absent rather than null."""
    up = client.upload(("in.txt", b"1"), ("edit.txt", b"2"))
    run = client.exec(
        "echo x > new.txt; echo y > edit.txt",
        "bash",
        files=[
            up.reference(0, kind="user", resource_id="u-17"),
            up.reference(1, kind="user", resource_id="u-17", version=4),
        ],
    )
    for entry in run.files:
        assert {"id", "name", "storage_session_id", "session_id"} <= set(entry) and not {"fileId", "filename"} & set(
            entry
        )
        assert None not in entry.values() and entry["session_id"] == entry["storage_session_id"]
        assert set(entry) <= {
            "id",
            "name",
            "storage_session_id",
            "session_id",
            "inherited",
            "modified_from",
            "entity_id",
            "resource_id",
            "kind",
            "version",
            "path",
        }, entry
        if "path" in entry:
            assert entry["path"] == "/mnt/data/" + entry["name"]
    assert run.file("new.txt")["storage_session_id"] == run.session


def test_echoed_fields(client):
    """10.9.4: kind, resource_id, version and entity_id of the reference come back on inherited entries, and only there."""
    up = client.upload(("a.txt", b"1"), ("b.txt", b"2"))
    extra = dict(kind="skill", resource_id="skill-7", version=3, entity_id="agent-1")
    run = client.exec("true", "bash", files=[up.reference(0, **extra), up.reference(1)])
    assert {key: run.file("a.txt")[key] for key in extra} == extra
    assert not set(extra) & set(run.file("b.txt"))


def test_both_session_values_download(client):
    """10.9.4 (pinned): the top-level session_id works for new and changed files."""
    up = client.upload(("in.txt", b"1"))
    run = client.exec("echo 2 > in.txt; echo 3 > new.txt", "bash", files=[up.reference()])
    assert (
        client.download(run.session, run.file("in.txt")["id"]) == b"2\n"
        and client.download(run.session, run.file("new.txt")["id"]) == b"3\n"
    )


# 10.9.5 order, 10.9.6 cap


def test_order(client):
    """10.9.5: inherited first by name, then new and changed by path in byte order."""
    up = client.upload(("z.txt", b"1"), ("m.txt", b"2"), ("b.txt", b"3"))
    run = client.exec(
        "echo x > m.txt; echo x > Zeta.txt; echo x > a.txt; mkdir a; echo x > a/b.txt; echo x > a-b.txt; echo x > é.txt",
        "bash",
        files=[up.reference(i) for i in range(3)],
    )
    assert names(run) == ["b.txt", "z.txt", "Zeta.txt", "a-b.txt", "a.txt", "a/b.txt", "m.txt", "é.txt"], dict(run)


def test_cap(client):
    """10.9.6: ten new and changed files in sorted order; inherited ones do not count; what was dropped is said."""
    up = client.upload(*[(f"in{i:02}.txt", b"x") for i in range(12)])
    run = client.exec(
        "for i in $(seq -w 1 14); do echo $i > out$i.txt; done", "bash", files=[up.reference(i) for i in range(12)]
    )
    assert len(names(run, "inherited")) == 12 and names(run, "new") == [f"out{i:02}.txt" for i in range(1, 11)], dict(
        run
    )
    assert run["artifact_truncation"] == {
        "skipped_count": 4,
        "reasons": {"max_files": 4},
        "skipped": ["out11.txt", "out12.txt", "out13.txt", "out14.txt"],
    }, dict(run)


def test_cap_names_at_most_twenty(client):
    """10.9.6."""
    run = client.exec("for i in $(seq -w 1 60); do echo $i > out$i.txt; done", "bash")
    assert run["artifact_truncation"]["skipped_count"] == 50 and len(run["artifact_truncation"]["skipped"]) == 20, dict(
        run
    )


@pytest.mark.parametrize(
    "write",
    {
        "a result too deep": "mkdir -p {deep}; echo x > {deep}/lost.txt",
        "a path too long": "mkdir -p {long}; echo x > {long}/one-name-more-than-there-is-room-for",
        "an input too deep that changes": "echo more >> {input}",
        "an input too deep that goes": "rm {input}",
    }.items(),
    ids=lambda item: item[0],
)
def test_what_the_scan_does_not_reach(client, write):
    """10.9.6, 10.9.7: where files may be missing the answer says so, and then it calls none deleted."""
    deep, long = "/".join(["d"] * 40), "/".join(["n" * 250] * 4)
    up = client.upload(("gone.txt", b"x"), (f"{deep}/in.txt", b"x"))
    places = {"deep": deep, "long": long, "input": f"{deep}/in.txt"}
    run = client.exec(f"{write[1].format(**places)}; rm gone.txt; echo x > seen.txt", "bash", files=[up.reference(0), up.reference(1)])
    assert run.stderr == "" and names(run, "new") == ["seen.txt"], dict(run)
    assert run["artifact_truncation"] == {"skipped_count": 1, "reasons": {"max_scan": 1}, "skipped": []}, dict(run)
    assert "deleted_files" not in run, dict(run)


@pytest.mark.parametrize("place", [".cache", "node_modules", "a/.b/venv"])
def test_what_the_scan_does_not_reach_where_no_results_are(client, place):
    """10.9.2, 10.9.6: it is not missing."""
    deep = "/".join([place] + ["d"] * 40)
    up = client.upload(("gone.txt", b"x"))
    run = client.exec(f"mkdir -p {deep}; echo x > {deep}/x; rm gone.txt", "bash", files=[up.reference(0)])
    assert run["deleted_files"] == ["gone.txt"] and "artifact_truncation" not in run, dict(run)


def test_what_is_laid_out_ahead(server_with):
    """10.6.1: with and without inputs in turns, in one slot, whose cell has an empty workspace before its program is known."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1")
    code = "ls; grep -c ' /mnt/data ' /proc/self/mountinfo; df --output=size -k . | tail -n 1; touch left; ls -ld . | cut -c 1-10"
    with server.client() as client:
        up = client.upload(("x.txt", b"data"))
        seen = []
        for files in (None, None, [up.reference()], [up.reference()], None, None):
            run = client.exec(code, "bash", **({"files": files} if files else {}))
            assert run.outcome == "ok" and sorted(names(run)) == (["left", "x.txt"] if files else ["left"]), dict(run)
            seen.append(run.lines())
        size = seen[0][1]
        bare, with_input = ["1", size, "drwxr-xr-x"], ["x.txt", "1", size, "drwxr-xr-x"]
        assert seen == [bare, bare, with_input, with_input, bare, bare]


def test_max_output_files(server_with):
    """13.3: MAX_OUTPUT_FILES."""
    server = server_with(MAX_OUTPUT_FILES="2")
    with server.client() as client:
        run = client.exec("touch a b c", "bash")
        assert names(run) == ["a", "b"] and run["artifact_truncation"]["skipped"] == ["c"], dict(run)


# 10.9.8 stored outputs


def test_stored_outputs(client):
    """10.9.8, F3, F8: content type from the name, original name = name, path below /outputs, not read-only."""
    run = client.exec(
        "printf '\\x89PNG' > a.png; mkdir d; echo 1 > d/b.csv; echo x > c.unknown; echo x > noext", "bash"
    )
    listed = {entry["id"]: entry for entry in client.files(run.session)}
    expected = {
        "a.png": "image/png",
        "d/b.csv": "text/csv",
        "c.unknown": "application/octet-stream",
        "noext": "application/octet-stream",
    }
    for entry in run.files:
        shown = listed[entry["id"]]
        assert shown["contentType"] == expected[entry["name"]] == shown["metadata"]["content-type"], shown
        assert (
            shown["metadata"]["original-filename"] == entry["name"]
            and shown["path"] == "/outputs/" + entry["name"]
            and "read_only" not in shown
        ), shown
        reply = client.download_reply(entry["storage_session_id"], entry["id"])
        assert reply.header("content-type") == expected[entry["name"]] and reply.header("x-read-only") is None


def test_artifacts(client):
    """12.1: test_generated_artifacts: PNG bytes, several outputs, reuse of an output."""
    run = client.exec(
        "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.savefig('plot.png')\nopen('data.csv', 'w').write('a\\n1\\n')",
        "py",
    )
    assert names(run) == ["data.csv", "plot.png"] and client.fetch(run.file("plot.png")).startswith(
        b"\x89PNG\r\n\x1a\n"
    ), dict(run)
    entry = run.file("data.csv")
    again = client.exec(
        "cat data.csv",
        "bash",
        files=[{"id": entry["id"], "storage_session_id": entry["storage_session_id"], "name": entry["name"]}],
    )
    assert again.stdout == "a\n1\n"


def test_binary_round_trip(client):
    """12.1: bytes come out as they went in."""
    data = bytes(range(256)) * 5000
    up = client.upload(("blob.txt", data))
    run = client.exec(
        "cp blob.txt copy.txt; mkdir -p deep/er; cp blob.txt deep/er/copy.txt", "bash", files=[up.reference()]
    )
    assert client.fetch(run.file("copy.txt")) == data and client.fetch(run.file("deep/er/copy.txt")) == data
