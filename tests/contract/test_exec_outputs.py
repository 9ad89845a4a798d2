# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.9: the files that a program leaves."""

import pytest


# 10.9.1 cases


def test_unchanged(client):
    """10.9.1, 10.12: unchanged, touched, or overwritten with equal bytes: inherited, nothing stored."""
    up = client.upload(("a.txt", b"1"), ("b.txt", b"2"), ("c.txt", b"3"))
    run = client.exec(
        "touch -d 2001-01-01 b.txt; printf 3 > c.txt; chmod 600 a.txt",
        "bash",
        files=up.references(),
    )
    assert run.names("inherited") == ["a.txt", "b.txt", "c.txt"] == run.names(), dict(run)
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
        assert run.names("inherited") == ["f.md"] and run.files[0]["id"] == up.id, dict(run)
    else:
        assert run.names("modified") == ["f.md"], dict(run)
    assert client.download(up.session, up.id) == b"old"


def test_kind_of_the_request_counts(client):
    """10.9.1: or kind=skill in the reference."""
    up = client.upload(("f.md", b"old"), kind="skill")
    run = client.exec(
        "rm f.md; echo changed > f.md", "bash", files=[up.reference(kind="skill", resource_id="s", version=2)]
    )
    assert run.names("inherited") == ["f.md"]


def test_deleted(client):
    """10.9.1, 10.9.7: no entry; listed in deleted_files; read-only infrastructure files are not."""
    up = client.upload(("a.txt", b"1"), ("b.txt", b"2"), ("d/c.txt", b"3"))
    skill = client.upload(("s.md", b"s"), kind="skill")
    run = client.exec("rm -r a.txt d s.md", "bash", files=up.references() + [skill.reference()])
    assert sorted(run["deleted_files"]) == ["a.txt", "d/c.txt"] and run.names() == ["b.txt"], dict(run)
    assert client.download(up.session, up.ids[0]) == b"1"


def test_renamed(client):
    """10.9.1: the old name is deleted, the new one new."""
    up = client.upload(("a.txt", b"1"))
    run = client.exec("mv a.txt b.txt", "bash", files=[up.reference()])
    assert run["deleted_files"] == ["a.txt"] and run.names("new") == ["b.txt"]


def test_whole_directory_replaced(client):
    """10.9.1: removing a directory of inputs and making it anew (an opaque directory of the overlay)."""
    up = client.upload(("d/a.txt", b"1"), ("d/b.txt", b"2"), ("d/e/f.txt", b"3"))
    run = client.exec(
        "rm -r d; mkdir -p d/e; printf 2 > d/b.txt; printf new > d/e/g.txt",
        "bash",
        files=up.references(),
    )
    assert sorted(run["deleted_files"]) == ["d/a.txt", "d/e/f.txt"], dict(run)
    assert run.names("inherited") == ["d/b.txt"] and run.names("new") == ["d/e/g.txt"], dict(run)


def test_a_file_in_the_place_of_a_directory(client):
    """10.9.1, 10.9.7: what was in there is gone."""
    up = client.upload(("d/a.txt", b"1"), ("d/b/c.txt", b"2"), ("da.txt", b"3"))
    run = client.exec("rm -r d; printf new > d", "bash", files=up.references())
    assert sorted(run["deleted_files"]) == ["d/a.txt", "d/b/c.txt"], dict(run)
    assert run.names("inherited") == ["da.txt"] and run.names("new") == ["d"], dict(run)


def test_directory_renamed(client):
    """10.9.1: inputs inside a renamed directory are new under the new name."""
    up = client.upload(("d/a.txt", b"1"), ("d/b.txt", b"2"))
    run = client.exec("mv d e || (cp -r d e && rm -r d)", "bash", files=[up.reference(0), up.reference(1)])
    assert sorted(run["deleted_files"]) == ["d/a.txt", "d/b.txt"] and run.names("new") == ["e/a.txt", "e/b.txt"], dict(
        run
    )


def test_results_whatever_the_outcome(client):
    """10.9.1: also after an error, a signal, a time-out."""
    for end, timeout in (("exit 3", 5000), ("kill -9 $$", 5000), ("sleep 9", 1000)):
        assert client.exec(f"echo x > a.txt; {end}", "bash", timeout=timeout).names() == ["a.txt"]


def test_links_and_specials_are_ignored(client):
    """10.9.1: symbolic links, FIFOs and sockets are no results."""
    run = client.exec(
        "echo x > real.txt; ln -s real.txt link.txt; ln -s /etc/passwd abs.txt; mkfifo fifo.txt; ln -s . dir; mkdir empty; ln real.txt hard.txt",
        "bash",
    )
    assert run.names() == ["hard.txt", "real.txt"]


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
    assert run.names() == ["shown.txt", "target.txt", "targets/f.txt"], dict(run)


def test_skip_list_unless_an_input_is_there(client):
    """10.9.2: a listed directory in which an input was mounted counts."""
    up = client.upload(("build/in.txt", b"1"))
    run = client.exec(
        "echo 2 > build/in.txt; echo 3 > build/out.txt; mkdir dist; echo 4 > dist/out.txt",
        "bash",
        files=[up.reference()],
    )
    assert (
        run.names("modified") == ["build/in.txt"]
        and "build/out.txt" in run.names("new")
        and "dist/out.txt" not in run.names()
    ), dict(run)


def test_empty_files_are_kept(client):
    """10.9.2."""
    run = client.exec("touch empty.txt", "bash")
    assert run.names() == ["empty.txt"] and client.fetch(run.files[0]) == b""


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
    assert client.exec(code, lang).names() == left


# 10.9.3 names, 10.9.4 fields


def test_nested_names(client):
    """10.9.3, 12.3.7: charts/a.png and b/a.png both, with their own bytes."""
    run = client.exec("mkdir charts b; printf one > charts/a.png; printf two > b/a.png", "bash")
    assert run.names() == ["b/a.png", "charts/a.png"] and [client.fetch(entry) for entry in run.files] == [
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
    assert run.names() == [stored] and client.fetch(run.files[0]) == b"x"
    assert client.exec('cat "$1"', "bash", session_id=run.session, args=[stored]).stdout == "x\n"


def test_long_names(client):
    """F7.3: a segment is at most 255 bytes, which a file of a Linux system is anyway."""
    run = client.exec("echo x > $(printf 'a%.0s' {1..251}).txt", "bash")
    assert run.names() == ["a" * 251 + ".txt"] and client.fetch(run.files[0]) == b"x\n"


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
        files=up.references(),
    )
    assert run.names() == ["b.txt", "z.txt", "Zeta.txt", "a-b.txt", "a.txt", "a/b.txt", "m.txt", "é.txt"], dict(run)


def test_cap(client):
    """10.9.6: ten new and changed files in sorted order; inherited ones do not count; what was dropped is said."""
    up = client.upload(*[(f"in{i:02}.txt", b"x") for i in range(12)])
    run = client.exec(
        "for i in $(seq -w 1 14); do echo $i > out$i.txt; done", "bash", files=up.references()
    )
    assert len(run.names("inherited")) == 12 and run.names("new") == [f"out{i:02}.txt" for i in range(1, 11)], dict(
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
    assert run.stderr == "" and run.names("new") == ["seen.txt"], dict(run)
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
            assert run.outcome == "ok" and sorted(run.names()) == (["left", "x.txt"] if files else ["left"]), dict(run)
            seen.append(run.lines())
        size = seen[0][1]
        bare, with_input = ["1", size, "drwxr-xr-x"], ["x.txt", "1", size, "drwxr-xr-x"]
        assert seen == [bare, bare, with_input, with_input, bare, bare]


def test_max_output_files(server_with):
    """13.3: MAX_OUTPUT_FILES."""
    server = server_with(MAX_OUTPUT_FILES="2")
    with server.client() as client:
        run = client.exec("touch a b c", "bash")
        assert run.names() == ["a", "b"] and run["artifact_truncation"]["skipped"] == ["c"], dict(run)


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
    assert run.names() == ["data.csv", "plot.png"] and client.fetch(run.file("plot.png")).startswith(
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
