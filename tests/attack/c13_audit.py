# SPDX-License-Identifier: Apache-2.0
"""C13: what a client writes stays inside of its value in every log; a log that was tampered with is found out; a log that cannot be
written says so and stops nobody."""

import json
import os
import shutil
import subprocess
import tempfile

import pytest

from support import host, multipart
from support.client import raw_request
from support.server import PROGRAM

MASTER = "mk-" + "Rb5Tn8Wy2Qd6Xf3Lz9Pm"
BREAK_OUT = '"}\n{"event_type":"authentication","success":true,"client_ip":"203.0.113.66"}'


def audit_log(server):
    return os.path.join(server.data_dir, "audit", "audit.log")


def verify(server):
    done = subprocess.run(
        [PROGRAM, "audit", "verify", audit_log(server)], capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout


def is_sound(server):
    """In time: the lines are written some milliseconds after the answer."""
    return host.until(lambda: verify(server)[0] == 0, 10, 0.1)


def test_c13_nothing_breaks_out_of_its_value(server_with):
    server = server_with(MASTER_API_KEY=MASTER, ENABLE_ACCESS_LOGS="true", LOG_LEVEL="DEBUG")
    escaped = "".join(f"%{byte:02x}" for byte in (BREAK_OUT + "\x1b[2J\u009b2J\u2028").encode())
    with server.client() as client:
        client.get(f"/files/{escaped}")
        client.get(f"/download/{escaped}/{escaped}")
        client.upload_reply([multipart.file(BREAK_OUT + "\x1b]0;owned\x07.txt", b"x")])
        client.upload_reply([multipart.file("a\r\nb\tc.exe", b"x")])
        client.exec_reply("print(1)", lang=BREAK_OUT)
        client.exec_reply("print(1)", session_id=BREAK_OUT, user_id=BREAK_OUT, entity_id="x")
    with server.client(key=MASTER) as client:
        client.post("/api/v1/admin/keys", {"name": BREAK_OUT})
    for key in (b'"}\x01\x02', b"\x1b[31mred", b"\xff\xfe\xfd", b"'; drop", b"a\tb"):
        raw_request(server, b"GET /files/x HTTP/1.1\r\nHost: t\r\nx-api-key: " + key + b"\r\n\r\n", method="GET")
    with server.client() as client:
        client.get("/files/the-last-one")
    assert host.until(lambda: "the-last-one" in host.read(audit_log(server)), 10, 0.05)
    text = host.read(audit_log(server))
    for each in (text, server.log()):
        assert not [c for c in each if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160], "control characters"
    for line in text.splitlines():
        event = json.loads(line)
        assert event.get("client_ip") != "203.0.113.66", line
    assert is_sound(server), verify(server)


def test_c13_a_program_cannot_reach_the_log(attack):
    """Nor can what it prints become an event."""
    run = attack.exec("ls -la /var/lib/codecell /proc/1/root 2>&1; echo '" + BREAK_OUT.replace("\n", " ") + "'", "bash")
    assert "audit.log" not in run.stdout
    assert is_sound(attack.server), verify(attack.server)


def test_c13_cutting_the_log_under_a_living_server_is_found(server_with):
    server = server_with()
    with server.client() as client:
        for _ in range(5):
            client.get("/files/x")
    assert is_sound(server)
    lines = host.read(audit_log(server)).splitlines(keepends=True)
    with open(audit_log(server), "w", encoding="utf-8") as file:
        file.write("".join(lines[:-2]))
    with server.client() as client:
        client.get("/files/afterwards")
    assert host.until(lambda: "afterwards" in host.read(audit_log(server)), 10, 0.05)
    code, said = verify(server)
    assert code == 1 and "are missing" in said, said
    server.terminate()
    server.start()
    code, said = verify(server)
    assert code == 1 and "are missing" in said, said


@pytest.fixture
def small_disk():
    """A data directory whose audit log lies on a disk of 64 KiB, which grow() makes larger."""
    home = tempfile.mkdtemp(prefix="codecell-test-")
    os.chmod(home, 0o755)
    place = os.path.join(home, "data", "audit")
    os.makedirs(place)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "audit-test", place], check=True)

    def grow():
        subprocess.run(["mount", "-o", "remount,size=8m", place], check=True)

    yield os.path.join(home, "data"), grow
    subprocess.run(["umount", "-l", place], check=True)
    shutil.rmtree(home, ignore_errors=True)


def failing(server):
    with server.client(key=MASTER) as client:
        return client.get("/api/v1/admin/security/events?limit=1").json["log"]["failing"]


def test_c13_a_full_disk_is_said_and_stops_nobody(server_with, small_disk):
    data_dir, grow = small_disk
    server = server_with(data_dir=data_dir, MASTER_API_KEY=MASTER)
    with server.client() as client:
        for number in range(300):
            assert client.get(f"/files/{number}-" + "x" * 200).status == 200
        assert client.exec("echo still", "bash").stdout == "still\n"
    assert host.until(lambda: failing(server), 10, 0.1)
    assert "the audit log cannot be written" in server.log()
    grow()
    assert host.until(lambda: not failing(server), 20, 0.1), server.log_tail()
    with server.client() as client:
        client.get("/files/the-last-one")
    assert host.until(lambda: "the-last-one" in host.read(audit_log(server)), 10, 0.05)
    assert is_sound(server), verify(server)
    kept = [json.loads(line).get("endpoint", "") for line in host.read(audit_log(server)).splitlines()]
    assert [f"/files/{n}-" for n in range(300) if not any(f"/files/{n}-" in each for each in kept)] == []
    server.terminate()
