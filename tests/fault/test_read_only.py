# SPDX-License-Identifier: Apache-2.0
"""A data directory that cannot be written: at the start a refusal that names it, later clear errors and recovery."""

import os
import subprocess
import tempfile

import pytest

from support import multipart
from support.server import PROGRAM, refused_start


@pytest.fixture
def place():
    made = tempfile.mkdtemp(prefix="codecell-test-ro-")
    os.chmod(made, 0o755)
    yield made
    subprocess.run(["rm", "-rf", made], check=True)


def test_read_only_at_the_start(program, place):
    os.mkdir(os.path.join(place, "data"))
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" serve'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", place, PROGRAM]
    said = refused_start(command, "/", 30, API_KEY="Read-only-key-7f3q9", DATA_DIR=os.path.join(place, "data"))
    assert ("DATA_DIR" in said or place in said) and "ead-only" in said, said


def test_not_a_directory(program, place):
    path = os.path.join(place, "file")
    open(path, "w").close()
    said = refused_start([program, "serve"], "/", 30, API_KEY="Read-only-key-7f3q9", DATA_DIR=path)
    assert "DATA_DIR" in said or path in said, said


def test_becomes_read_only(server_with):
    """Directories that lose their write permission while the server runs (the api is not root)."""
    server = server_with()
    with server.client() as client:
        kept = client.upload(("kept.txt", b"kept"))
        modes = {root: os.stat(root).st_mode & 0o7777 for root, _, _ in os.walk(server.data_dir)}
        for path in modes:
            os.chmod(path, 0o555)
        try:
            reply = client.upload_reply([multipart.file("new.txt", b"n" * 200_000)])
            assert reply.status in (500, 503) and reply.error == "Failed to upload files", reply
            ran = client.exec_reply("echo ran; echo x > out.txt", "bash")
            assert ran.status in (200, 503), ran
            assert client.download(kept.session, kept.id) == b"kept"
            assert client.get("/health", key=None).status == 200
        finally:
            for path, mode in modes.items():
                if os.path.isdir(path):
                    os.chmod(path, mode)
        assert client.upload(("new.txt", b"n" * 200_000))["message"] == "success"
        run = client.exec("echo x > out.txt", "bash")
        assert client.fetch(run.files[0]) == b"x\n"
