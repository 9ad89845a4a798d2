# SPDX-License-Identifier: Apache-2.0
"""F1: an output that is a symbolic link is not followed and not returned."""

import json
import os


def test_f01_links_are_no_results(attack):
    secret = os.path.join(attack.server.home, "secret.txt")
    with open(secret, "w") as file:
        file.write("host-secret-f01")
    os.chmod(secret, 0o644)
    other = attack.upload(("other.txt", b"other-session-f01"))
    data = attack.server.data_dir
    targets = [
        "/etc/shadow",
        "/etc/passwd",
        "/etc/hostname",
        "/proc/1/environ",
        "/proc/self/environ",
        "/proc/self/mem",
        "/dev/zero",
        "/",
        f"{data}/codecell.db",
        f"{data}/blobs",
        secret,
        f"/mnt/data/../../{secret}",
        "../../../../etc/passwd",
        f"/proc/1/root{secret}",
        f"/proc/self/root{secret}",
        "/proc/self/fd/1",
        "/proc/self/cwd/real.txt",
        "real.txt",
        "loop",
    ]
    run = attack.exec(
        """
import os, json
open("/mnt/data/real.txt", "w").write("mine")
for i, target in enumerate(json.loads(%r)):
    os.symlink(target, "/mnt/data/link%%02d.txt" %% i)
os.symlink("loop", "/mnt/data/loop")
os.makedirs("/mnt/data/deep/er")
os.symlink("/etc", "/mnt/data/deep/er/etc")
os.symlink("../../real.txt", "/mnt/data/deep/er/up.txt")
"""
        % json.dumps(targets),
        "py",
    )
    assert run.outcome == "ok", dict(run)
    assert run.names() == ["real.txt"], dict(run)
    assert attack.fetch(run.files[0]) == b"mine"
    listed = attack.files(run.session)
    assert [entry["path"] for entry in listed] == ["/outputs/real.txt"], listed
    again = attack.exec("cat link* loop deep/er/* 2>/dev/null; ls -A", "bash", session_id=run.session)
    assert "f01" not in again.stdout and again.stdout == "real.txt\n", dict(again)
    assert other.session not in run.stdout


def test_f01_link_in_place_of_an_input(attack):
    up = attack.upload(("in.txt", b"original"))
    run = attack.exec("rm in.txt; ln -s /etc/passwd in.txt", "bash", files=[up.reference()])
    assert run.outcome == "ok", dict(run)
    assert run.files == [] and run.get("deleted_files") == ["in.txt"], dict(run)
    assert attack.download(up.session, up.id) == b"original"
