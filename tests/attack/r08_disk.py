# SPDX-License-Identifier: Apache-2.0
"""R8: filling the disk is typed, cleaned up in bounded time, and the next cell starts empty."""

import time

import pytest

from support.client import in_threads
from support.server import Server


@pytest.fixture(scope="module")
def small(program):
    server = Server({"SANDBOX_DISK_MB": "32", "SANDBOX_TMPFS_SIZE_MB": "20", "AUTH_FAILURE_LIMIT": "0"})
    yield server
    server.stop()


def _next_is_clean(client):
    run = client.exec(
        "ls -A /mnt/data /tmp; head -c 8M /dev/zero > /mnt/data/room.txt && head -c 8M /dev/zero > /tmp/room && echo room",
        "bash",
    )
    assert run.outcome == "ok" and run.stdout.endswith("room\n"), dict(run)


@pytest.mark.parametrize("place", ["/mnt/data", "/tmp"])
def test_r08_full(small, place):
    with small.client() as client:
        run = client.exec(f"cat /dev/zero > {place}/full.txt; s=$?; echo status $s; exit $s", "bash", timeout=20000)
        assert run.outcome == "disk_limit" and run.code == 1 and run["status"] == "RE", dict(run)
        assert "No space left on device" in run.stderr, dict(run)
        _next_is_clean(client)


def test_r08_one_file_too_large(attack):
    """The limit of one file, 100 MB, with room to spare on the file system."""
    run = attack.exec("head -c 101M /dev/zero > /mnt/data/big.txt; s=$?; exit $s", "bash", timeout=20000)
    assert run.outcome == "disk_limit", dict(run)
    assert run.code in (1, 153), dict(run)  # EFBIG or SIGXFSZ


def test_r08_full_but_survived(small):
    with small.client() as client:
        run = client.exec(
            "cat /dev/zero > /mnt/data/full.bin2 2>/dev/null; rm /mnt/data/full.bin2; echo fine; exit 0",
            "bash",
            timeout=20000,
        )
        assert (run.outcome, run.stdout) == ("ok", "fine\n"), dict(run)


def test_r08_many_tiny_files(attack):
    """A million tiny files, as far as they go: cleaning up is quick and other runs go on meanwhile."""
    code = r"""
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
    char name[64];
    for (int d = 0; d < 1000; d++) {
        sprintf(name, "/tmp/d%d", d);
        if (mkdir(name, 0755)) return 1;
        for (int i = 0; i < 1000; i++) {
            sprintf(name, "/tmp/d%d/f%d", d, i);
            int fd = open(name, O_CREAT | O_WRONLY, 0644);
            if (fd < 0) return 1;
            close(fd);
        }
    }
    return 0;
}
"""
    start = time.monotonic()
    run = attack.exec(code, "c", timeout=20000)
    assert run.outcome in ("disk_limit", "out_of_memory"), dict(run)
    assert time.monotonic() - start < 25
    start = time.monotonic()
    assert attack.exec("ls -A /tmp", "bash").stdout == ""
    assert time.monotonic() - start < 2


def test_r08_all_at_once(small):
    def fill():
        with small.client() as client:
            return client.exec("cat /dev/zero > /mnt/data/full.txt; exit 1", "bash", timeout=20000).outcome

    assert set(in_threads([fill] * 8)) == {"disk_limit"}
    with small.client() as client:
        for _ in range(8):
            _next_is_clean(client)
