# SPDX-License-Identifier: Apache-2.0
"""F12: changes to inputs are found by content, not by times; read-only inputs stay what they are; originals never change."""

from support.client import in_threads


def test_f12_mtime_and_size_do_not_hide_an_edit(attack):
    up = attack.upload(("in.txt", b"original"))
    run = attack.exec(
        """
import os
state = os.stat("in.txt")
with open("in.txt", "r+") as file:
    file.write("tampered")
os.utime("in.txt", ns=(state.st_atime_ns, state.st_mtime_ns))
os.utime("in.txt", (0, 0))
""",
        "py",
        files=[up.reference()],
    )
    entry = run.file("in.txt")
    assert entry["modified_from"] == {"id": up.id, "storage_session_id": up.session} and "inherited" not in entry, dict(
        run
    )
    assert attack.fetch(entry) == b"tampered"
    assert attack.download(up.session, up.id) == b"original"


def test_f12_edit_through_a_mapping(attack):
    up = attack.upload(("in.txt", b"original"))
    run = attack.exec(
        """
import mmap, os
fd = os.open("in.txt", os.O_RDWR)
mapping = mmap.mmap(fd, 8, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
mapping[:8] = b"mmapped!"
os._exit(0)
""",
        "py",
        files=[up.reference()],
    )
    assert attack.fetch(run.file("in.txt")) == b"mmapped!" and "modified_from" in run.file("in.txt"), dict(run)
    assert attack.download(up.session, up.id) == b"original"


def test_f12_read_only_inputs(attack):
    up = attack.upload(("agent.txt", b"agent's"), entity_id="f12-agent")
    skill = attack.upload(
        ("SKILL.md", b"skill"), ("sub/tool.py", b"print(1)"), kind="skill", id="s1", version="1", read_only="true"
    )
    run = attack.exec(
        """
import os, json
said = {}
def attempt(name, call):
    try:
        call(); said[name] = "ok"
    except OSError as error:
        said[name] = error.errno
attempt("write", lambda: open("agent.txt", "w"))
attempt("append", lambda: open("SKILL.md", "a"))
attempt("truncate", lambda: os.truncate("SKILL.md", 0))
attempt("mapped", lambda: os.open("sub/tool.py", os.O_RDWR))
attempt("fd", lambda: os.open("/proc/self/fd/%d" % os.open("SKILL.md", os.O_RDONLY), os.O_WRONLY))
said["mode"] = oct(os.stat("SKILL.md").st_mode & 0o7777)
said["owner"] = os.stat("SKILL.md").st_uid
attempt("chmod", lambda: os.chmod("SKILL.md", 0o666))
attempt("forced", lambda: open("SKILL.md", "w").write("evil"))
open("/tmp/new", "w").write("replaced")
attempt("replace", lambda: os.replace("/mnt/data/own.txt", "/mnt/data/sub/tool.py") if os.path.exists("own.txt") else (open("own.txt", "w").write("evil"), os.replace("own.txt", "sub/tool.py")))
attempt("remove", lambda: os.remove("agent.txt"))
print(json.dumps(said))
""",
        "py",
        files=[up.reference(), skill.reference(0, kind="skill"), skill.reference(1, kind="skill")],
    )
    said = run.result()
    for way in ("write", "append", "truncate", "mapped", "fd"):
        assert said[way] == 13, said  # EACCES
    assert said["mode"] == "0o444" and said["owner"] == 1001, said
    assert said["remove"] == "ok", said
    for index, name in enumerate(("SKILL.md", "sub/tool.py")):
        entry = run.file(name)
        assert entry.get("inherited") is True and entry["id"] == skill.ids[index], dict(run)
    assert attack.download(skill.session, skill.ids[0]) == b"skill"
    assert attack.download(skill.session, skill.ids[1]) == b"print(1)"
    assert attack.download(up.session, up.id) == b"agent's"


def test_f12_delete_and_rename_over(attack):
    up = attack.upload(("a.txt", b"a"), ("b.txt", b"b"), ("c.txt", b"c"))
    run = attack.exec("mv a.txt b.txt; rm c.txt; echo", "bash", files=up.references())
    assert sorted(run.get("deleted_files")) == ["a.txt", "c.txt"], dict(run)
    assert attack.fetch(run.file("b.txt")) == b"a" and run.file("b.txt")["modified_from"]["id"] == up.ids[1], dict(run)
    assert [attack.download(up.session, each) for each in up.ids] == [b"a", b"b", b"c"]


def test_f12_two_cells_with_one_input(attack):
    """The bytes of one input are shared by cells that run at once: neither sees what the other writes."""
    up = attack.upload(("in.txt", b"original"))

    def run(text):
        with type(attack)(attack.server) as client:
            return client.exec(f"echo {text} > in.txt; sleep 1; cat in.txt", "bash", files=[up.reference()])

    runs = in_threads([lambda i=i: run(f"text{i}") for i in range(4)])
    assert [r.stdout for r in runs] == [f"text{i}\n" for i in range(4)]
    assert attack.download(up.session, up.id) == b"original"
