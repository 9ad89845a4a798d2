# SPDX-License-Identifier: Apache-2.0
"""F3: links planted where the server writes later (inputs of the next call, the source file, build results) do no harm."""

import hashlib
import os

import pytest

WATCHED = ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/usr/bin/python3"]


def _state():
    return {
        path: (hashlib.sha256(open(path, "rb").read()).hexdigest(), os.stat(path).st_mode, os.stat(path).st_uid)
        for path in WATCHED
    }


def test_f03_links_do_not_survive_to_the_next_call(attack):
    before = _state()
    first = attack.exec(
        """
import os
for name in ("in.txt", "code.py", "code.c", "code", "Code.java", "code.ts", "code.sh", ".bashrc", "sub"):
    os.symlink("/etc/passwd", "/mnt/data/" + name)
    try: os.symlink("/etc/passwd", "/tmp/" + name)
    except OSError: pass
""",
        "py",
    )
    assert first.outcome == "ok" and first.files == [], dict(first)
    up = attack.upload(("in.txt", b"input"), ("sub/in.txt", b"nested"))
    run = attack.exec(
        "cat in.txt sub/in.txt; echo more >> in.txt; ls -lA /tmp | wc -l",
        "bash",
        session_id=first.session,
        files=[up.reference(0), up.reference(1)],
    )
    assert run.outcome == "ok" and run.stdout.startswith("inputnested"), dict(run)
    assert attack.fetch(run.file("in.txt")) == b"inputmore\n"
    assert _state() == before


@pytest.mark.parametrize(
    "language,source,name",
    [
        ("py", "print('from the request')", "code.py"),
        ("c", '#include <stdio.h>\nint main(void) { puts("from the request"); }', "code.c"),
        ("bash", "echo from the request", "code.sh"),
        ("js", "console.log('from the request')", "code.js"),
    ],
)
def test_f03_inputs_named_as_the_source(attack, need_language, language, source, name):
    """A file of the user's with the source's or the program's name neither replaces it nor is overwritten by it."""
    need_language(language)
    up = attack.upload((name, b"the user's own"), ("code", b"the user's program"))
    run = attack.exec(source, language, files=up.references(), timeout=30000)
    assert run.outcome == "ok" and run.stdout == "from the request\n", dict(run)
    assert sorted(entry["name"] for entry in run.files if entry.get("inherited")) == sorted([name, "code"]), dict(run)
    assert attack.download(up.session, up.id) == b"the user's own"


def test_f03_reference_names_as_links(attack):
    """The link made for a request's own name (exec.md 10.6.3) stays inside /mnt/data and takes no occupied place."""
    up = attack.upload(("data.txt", b"data"), ("dir/file.txt", b"file"))
    names = [
        "../../../etc/cron.d/x",
        "/etc/passwd2",
        "a/../../b",
        "dir",
        "dir/file.txt",
        "dir/file.txt/under",
        "data.txt",
        "..",
        ".",
        "",
        "ok name.txt",
        "new/deep/er/name.txt",
        "a\\b",
        "n" * 300,
        "p/" * 600 + "x",
    ]
    files = [{"id": up.ids[0], "storage_session_id": up.session, "name": name} for name in names] + [up.reference(1)]
    run = attack.exec(
        "find /mnt/data -printf '%y %P -> %l\\n' | sort; cat 'ok name.txt'; find / -xdev -name 'passwd2' 2>/dev/null; true",
        "bash",
        files=files,
    )
    assert run.outcome == "ok", dict(run)
    assert "passwd2" not in run.stdout and "cron.d" not in run.stdout, dict(run)
    for line in run.lines():
        if " -> " in line and line.startswith("l "):
            target = line.split(" -> ")[1]
            assert not target.startswith("/"), line
    assert "f dir/file.txt -> " in run.lines() and "f data.txt -> " in run.lines(), dict(run)
