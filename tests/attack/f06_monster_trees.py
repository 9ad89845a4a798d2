# SPDX-License-Identifier: Apache-2.0
"""F6: sparse giants, huge counts, endless depth and hostile names are counted, capped, escaped; nothing crashes."""

import json
import time


def test_f06_giant_files(attack):
    told = attack.evidence(
        """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
facts = {}
def sparse(size):
    fd = os.open("/mnt/data/big.txt", os.O_CREAT | os.O_WRONLY, 0o644)
    try:
        os.ftruncate(fd, size)
    finally:
        os.close(fd)
for exponent in (62, 50, 40, 37, 31):
    facts["2^%d" % exponent] = attempt(sparse, 1 << exponent)
facts["fallocate 100 GB"] = attempt(lambda: os.posix_fallocate(os.open("/mnt/data/big2.txt", os.O_CREAT | os.O_WRONLY), 0, 100 << 30))
facts["seek"] = attempt(lambda: os.pwrite(os.open("/mnt/data/big3.txt", os.O_CREAT | os.O_WRONLY), b"x", 1 << 40))
for n in ("", "2", "3"):
    try: os.unlink("/mnt/data/big%s.txt" % n)
    except OSError: pass
tell(facts)
"""
    )
    worked = {way: answer for way, answer in told.items() if answer.startswith("ok")}
    assert not worked, worked
    assert set(told.values()) <= {"EFBIG", "ENOSPC", "EINVAL"}, told


def test_f06_many_sparse_files_under_the_cap(attack):
    """Sparse files below the size cap count by apparent size too: the answer stays small and quick."""
    start = time.monotonic()
    run = attack.exec("for i in $(seq 40); do truncate -s 99M s$i.txt; done", "bash", timeout=20000)
    assert run.outcome in ("ok", "disk_limit", "error"), dict(run)
    assert len(run.files) <= 10, dict(run)
    assert time.monotonic() - start < 60


def test_f06_too_large_is_skipped_with_a_reason(server_with):
    server = server_with(MAX_FILE_SIZE_MB="1")
    with server.client() as client:
        run = client.exec(
            "head -c 1048577 /dev/zero > over.txt; head -c 1048576 /dev/zero > exact.txt; echo x > small.txt", "bash"
        )
        assert run.names() == ["exact.txt", "small.txt"], dict(run)
        assert (
            run["artifact_truncation"]["skipped"] == ["over.txt"] and run["artifact_truncation"]["skipped_count"] == 1
        ), dict(run)
        assert client.exec("echo on", "bash").stdout == "on\n"


def test_f06_hundred_thousand_files(attack):
    start = time.monotonic()
    code = r"""
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    char name[64];
    int made = 0;
    for (; made < 100000; made++) {
        sprintf(name, "/mnt/data/f%06d.txt", made);
        int fd = open(name, O_CREAT | O_WRONLY, 0644);
        if (fd < 0) break;
        write(fd, "x", 1);
        close(fd);
    }
    printf("%d\n", made);
    return 0;
}
"""
    run = attack.exec(code, "c", timeout=30000)
    assert run.outcome in ("ok", "out_of_memory", "disk_limit"), dict(run)
    assert len(run.files) <= 10, dict(run)
    if run.outcome == "ok":
        truncation = run["artifact_truncation"]
        assert truncation["skipped_count"] > 0 and len(truncation["skipped"]) <= 20, dict(run)
    assert "deleted_files" not in run
    assert time.monotonic() - start < 40
    assert len(json.dumps(dict(run))) < 65536


def test_f06_depth(attack):
    start = time.monotonic()
    run = attack.exec(
        """
import os
made = 0
os.chdir("/mnt/data")
try:
    for _ in range(4096):
        os.mkdir("d"); os.chdir("d"); made += 1
    open("bottom.txt", "w").write("x")
except OSError as error:
    print(error.errno)
os.chdir("/mnt/data")
open("top.txt", "w").write("x")
print(made)
""",
        "py",
        timeout=30000,
    )
    assert run.outcome == "ok", dict(run)
    assert "top.txt" in run.names(), dict(run)
    for entry in run.files:
        assert len(entry["name"]) <= 1024 and attack.fetch(entry) == b"x"
    assert time.monotonic() - start < 30


def test_f06_hostile_names(attack):
    run = attack.exec(
        r"""
import os
os.chdir(b"/mnt/data")
names = [b"new\nline.txt", b"tab\t.txt", b"esc\x1b[31m.txt", b"a%2e%2e%2fb.txt", b"..%2f..%2fetc%2fpasswd", b"...", b"-rf", b"--help.txt", b"back\\slash.txt",
         b"quote\"'.txt", b"<script>.html", b"bad\xff\xfeutf8.txt", b"\xe2\x80\xaertl.txt", b"nfd-e\xcc\x81.txt", b"nfd-\xc3\xa9.txt", b"n" * 255, b"\xf0\x9f\x93\x8a.csv",
         b" ", b"trail. ", b"con.txt", b"c1\xc2\x85.txt", b"bel\x07.txt", b"x;rm -rf .txt", b"$(id).txt", b"*?.txt"]
for n in names:
    with open(n, "w") as f:
        f.write("x")
too_long = 0
try:
    open(b"m" * 256, "w")
except OSError as error:
    too_long = error.errno
print(len(os.listdir(b".")), too_long)
""",
        "py",
    )
    assert run.outcome == "ok" and run.stdout == "25 36\n", dict(run)
    names = run.names()
    assert len(names) == 10, names
    for name in names:
        assert (
            name == name.strip("/")
            and "\\" not in name
            and "\n" not in name
            and "\x1b" not in name
            and ".." not in name.split("/")
        ), names
        assert all(ord(letter) >= 0xA0 or letter.isalnum() or letter in "._-/" for letter in name), name
        assert len(name.encode()) <= 255
    for entry in run.files:
        reply = attack.download_reply(entry["storage_session_id"], entry["id"])
        assert reply.status == 200 and reply.body == b"x"
        assert len(reply.values("content-disposition")) == 1 and "\n" not in reply.header("content-disposition")
    assert run["artifact_truncation"]["skipped_count"] == 13, run["artifact_truncation"]  # two begin with a dot


def test_f06_names_that_meet_after_sanitising(attack):
    """Two different paths may come to one stored name; both answers stay consistent with their bytes."""
    run = attack.exec("printf one > 'a b.txt'; printf two > 'a?b.txt'; printf three > 'a_b.txt'", "bash")
    assert run.outcome == "ok" and run.names() == ["a_b.txt"] * 3 or len(run.names()) in (1, 2, 3), dict(run)
    contents = {attack.fetch(entry) for entry in run.files}
    assert contents <= {b"one", b"two", b"three"} and len(contents) == len(run.files), dict(run)
    again = attack.exec("cat a_b.txt", "bash", session_id=run.session)
    assert again.stdout.strip() in ("one", "two", "three"), dict(again)
