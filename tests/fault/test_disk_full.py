# SPDX-License-Identifier: Apache-2.0
"""A full data directory: clear refusals, nothing lost, nothing half-written, and all well again when there is room.

The server runs in a mount namespace of its own, in which a small tmpfs lies over its data directory."""

import os
import tempfile

import pytest

from support import host, multipart

SIZE_MB = 96


class Small:
    """A server on a small file system, reachable from here through the server's own view of the tree."""

    def __init__(self, server_with):
        self.place = tempfile.mkdtemp(prefix="codecell-test-full-")
        os.chmod(self.place, 0o755)
        data = os.path.join(self.place, "data")
        os.mkdir(data)
        mount = f'mount -t tmpfs -o size={SIZE_MB}m,mode=0755 codecell-test "{data}" && exec "$@"'
        self.server = server_with(
            data_dir=data,
            prefix=["unshare", "--mount", "sh", "-c", mount, "sh"],
            MAX_FILE_SIZE_MB="100",
            SANDBOX_DISK_MB="16",
        )
        self.data = f"/proc/{self.server.process.pid}/root{data}"

    def fill(self):
        """Takes the last block; returns how much was left."""
        taken = 0
        with open(os.path.join(self.data, "filler"), "ab", 0) as file:
            for block in (1 << 20, 4096, 1):
                try:
                    while True:
                        taken += file.write(b"f" * block)
                except OSError:
                    pass
        return taken

    def make_room(self):
        os.unlink(os.path.join(self.data, "filler"))


@pytest.fixture
def small(server_with):
    made = Small(server_with)
    yield made
    made.server.stop()
    os.rmdir(os.path.join(made.place, "data"))
    os.rmdir(made.place)


def test_full_before_the_request(small):
    with small.server.client() as client:
        kept = client.upload(("kept.txt", b"k" * 500_000))
        run = client.exec("echo kept > out.txt", "bash")
        small.fill()
        for _ in range(3):
            reply = client.upload_reply([multipart.file("new.txt", b"n" * 2_000_000)])
            assert reply.status in (500, 503, 507) and reply.error == "Failed to upload files", reply
            batch = client.upload_reply([multipart.file("new.txt", b"n" * 2_000_000)], "/upload/batch")
            assert batch.status in (200, 500, 503), batch
            if batch.status == 200:
                assert batch.json["message"] == "error" and batch.json["failed"] == 1, batch
        reply = client.exec_reply("head -c 2000000 /dev/zero > big.txt; echo ran", "bash", session_id=run.session)
        assert reply.status in (200, 503), reply
        if reply.status == 200:
            assert reply.json["stdout"] == "ran\n" and "big.txt" not in [
                entry["name"] for entry in reply.json["files"]
            ], reply
            assert reply.json["artifact_delivery"]["failed"] == 1, reply
        else:
            assert reply.error.startswith("Unexpected error during code execution"), reply
        # Reading goes on.
        assert client.download(kept.session, kept.id) == b"k" * 500_000 and client.fetch(run.files[0]) == b"kept\n"
        assert client.get("/health", key=None).status == 200
        small.make_room()
        up = client.upload(("after.txt", b"a" * 500_000))
        again = client.exec(
            "cat out.txt; wc -c < after.txt; echo new > new.txt", "bash", session_id=run.session, files=[up.reference()]
        )
        assert (
            again.outcome == "ok"
            and again.stdout == "kept\n500000\n"
            and client.fetch(again.file("new.txt")) == b"new\n"
        ), dict(again)
        assert len(client.files(kept.session)) == 1
    incoming = os.path.join(small.data, "blobs", "incoming")
    assert not os.path.isdir(incoming) or os.listdir(incoming) == []


def test_filling_up(small):
    """Uploads until it is full: each one answered with 200 is there, also after a restart of the api."""
    stored, refused = [], 0
    with small.server.client() as client:
        for number in range(130):
            data = bytes([number]) * 1_000_000
            reply = client.upload_reply([multipart.file("f.txt", data)])
            if reply.status == 200:
                stored.append((reply.json["session_id"], reply.json["files"][0]["fileId"], data))
            else:
                refused += 1
                assert reply.status in (500, 503, 507), reply
        assert refused > 20 and len(stored) > 20
        for session, file_id, data in stored:
            assert client.download(session, file_id) == data
        # Deleting makes room again, even on a full disk.
        for session, file_id, _ in stored[:10]:
            assert client.delete(f"/files/{session}/{file_id}").status == 200
        assert client.upload(("x.txt", b"x" * 1_000_000))["message"] == "success"
    old = small.server.api_pid
    os.kill(old, 9)
    assert host.until(lambda: not host.alive(old), 5)
    small.server.wait_ready()
    with small.server.client() as client:
        for session, file_id, data in stored[10:]:
            assert client.download(session, file_id) == data
