# SPDX-License-Identifier: Apache-2.0
"""The process that speaks HTTP, taken over: what the kernel still lets it do. tests/unit/test_confine.c tries the walls
call by call; here the running server is looked at, every thread of it."""

import os
import signal
import tempfile

import pytest

from support import host, multipart
from support.need import require


def statuses(pid):
    return [f"/proc/{pid}/task/{thread}/status" for thread in os.listdir(f"/proc/{pid}/task")]


def test_x06_every_thread_is_behind_the_filter(server):
    with server.client() as client:
        assert client.exec("echo 1", "bash").stdout == "1\n"
    fields = [dict(line.split(":", 1) for line in host.read(path).splitlines()) for path in statuses(server.api_pid)]
    assert len(fields) > 2, fields
    for each in fields:
        assert each["Seccomp"].strip() == "2" and each["NoNewPrivs"].strip() == "1", each


def test_x06_no_helper_stays(server):
    """The child that asked the runtimes for their versions ends once it has answered."""
    assert host.until(lambda: not host.descendants(server.api_pid), 60, 0.2)


def test_x06_versions_are_known_all_the_same(server):
    def known():
        with server.client() as client:
            return all(entry.get("version") for entry in client.get("/languages").json if entry["available"])

    assert host.until(known, 60, 0.2)


@pytest.fixture
def open_place():
    """A directory that every user may write to."""
    with tempfile.TemporaryDirectory(prefix="codecell-test-") as place:
        os.chmod(place, 0o777)
        yield place


def test_x06_the_log_file_is_opened_again(server_with, open_place):
    """By the warden, whatever the directory is. For the api no place outside of DATA_DIR is to be written."""
    path = f"{open_place}/codecell.log"
    server = server_with(LOG_FILE=path)
    os.rename(path, f"{open_place}/old")
    os.kill(server.pid, signal.SIGHUP)
    assert host.until(lambda: os.path.exists(path) and "opened again" in host.read(path), 20, 0.05)


def test_x06_what_left_its_place_is_out_of_reach(server_with, open_place):
    """A directory that is the api's and that it holds open: outside of DATA_DIR Landlock refuses it, not its user's rights."""
    require(host.landlock() >= 2, "Landlock in the kernel")
    server = server_with()
    blobs = f"{server.data_dir}/blobs"
    with server.client() as client:
        client.upload(("a.txt", b"1"))
        os.rename(blobs, f"{open_place}/blobs")
        try:
            assert client.upload_reply([multipart.file("a.txt", b"1")]).status >= 500
        finally:
            os.rename(f"{open_place}/blobs", blobs)
        client.upload(("a.txt", b"1"))


def test_x06_another_directory_of_the_same_name_is_not_taken(server_with, open_place):
    """The log stays in the directory that it had, where that is now."""
    place = f"{open_place}/log"
    os.mkdir(place)
    server = server_with(LOG_FILE=f"{place}/codecell.log")
    os.rename(place, f"{open_place}/old")
    os.mkdir(place)
    os.chmod(place, 0o777)
    os.kill(server.pid, signal.SIGHUP)
    old = f"{open_place}/old/codecell.log"
    assert host.until(lambda: "opened again" in host.read(old), 20, 0.05), host.read(old)
    assert os.listdir(place) == []


def test_x06_the_log_needs_no_right_of_the_apis(server_with, tmp_path):
    """Only root reaches tmp_path: the log goes there from the start, and after a rename; the api writes to the new file."""
    path, old = tmp_path / "codecell.log", tmp_path / "old"
    server = server_with(LOG_FILE=str(path))
    path.rename(old)
    os.kill(server.pid, signal.SIGHUP)
    assert host.until(lambda: "opened again" in host.read(path), 20, 0.05), host.read(old)
    assert {os.readlink(f"/proc/{server.api_pid}/fd/{fd}") for fd in (1, 2)} == {str(path)}
    os.kill(server.api_pid, signal.SIGHUP)  # it has nothing to do with it
    with server.client() as client:
        assert client.exec("echo 1", "bash").stdout == "1\n"
