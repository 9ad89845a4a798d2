# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the api: the warden starts it again, cells end with it, what was answered is there, nothing is half-written."""

import os
import signal
import socket
import threading
import time

from support.answered import check_all

from support import host, multipart
from support.client import exec_bytes, raw_connect


def kill_api(server):
    pid = server.api_pid
    os.kill(pid, signal.SIGKILL)
    assert host.until(lambda: not host.alive(pid), 5)
    return pid


def wait_again(server, old):
    assert host.until(
        lambda: any("api" in host.command_line(p)[1:2] and p != old for p in host.descendants(server.process.pid)), 10
    ), "the api was not started again"
    server.wait_ready()


def test_in_mid_execution(server_with):
    server = server_with()
    with server.client() as client:
        before = client.exec("echo kept > a.txt", "bash")
    sock = raw_connect(server)
    sock.sendall(exec_bytes(server, {"lang": "bash", "code": "exec -a ftapi sleep 60"}))
    assert host.until(lambda: host.marked("ftapi"), 5)
    warden = server.pid
    old = kill_api(server)
    sock.settimeout(5)
    try:
        assert sock.recv(100) == b"", "the connection must end with the process"
    except ConnectionResetError:
        pass
    assert host.gone("ftapi", 2) == []
    wait_again(server, old)
    assert server.pid == warden, "the warden must survive its api"
    with server.client() as client:
        assert client.fetch(before.files[0]) == b"kept\n"
        assert client.exec("cat a.txt", "bash", session_id=before.session).stdout == "kept\n"
        run = client.exec("echo new > b.txt", "bash")
        assert client.fetch(run.files[0]) == b"new\n"


def test_in_mid_upload(server_with):
    server = server_with(MAX_FILE_SIZE_MB="100")
    with server.client() as client:
        kept = client.upload(("kept.txt", b"kept" * 100000))
    body = multipart.encode([multipart.field("entity_id", "half"), multipart.file("half.txt", b"h" * 20_000_000)])
    sock = raw_connect(server)
    sock.sendall(
        b"POST /upload HTTP/1.1\r\nHost: t\r\nx-api-key: "
        + server.key.encode()
        + b"\r\nContent-Type: "
        + multipart.content_type().encode()
        + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body[:12_000_000]
    )
    time.sleep(0.2)
    old = kill_api(server)
    wait_again(server, old)
    sock.close()
    with server.client() as client:
        assert client.download(kept.session, kept.id) == b"kept" * 100000
        assert client.exec("ls", "bash", entity_id="half").stdout == ""
    assert _unfinished(server) == []


def _unfinished(server):
    found = []
    for root, _, files in os.walk(server.data_dir):
        if {"incoming", "work"} & set(os.path.relpath(root, server.data_dir).split(os.sep)):
            found += [os.path.join(root, name) for name in files]
    return found


def test_at_any_instant(loaded):
    """Six kills under load, at odd times: whatever was answered is there each time."""
    server, loads = loaded
    for round_number in range(6):
        time.sleep(0.15 + 0.1 * round_number)
        old = kill_api(server)
        wait_again(server, old)
    for load in loads:
        load.stop()
    assert sum(len(load.files) for load in loads) > 30, "hardly anything was answered between the kills"
    check_all(server, loads)
    assert host.until(lambda: _unfinished(server) == [], 5), _unfinished(server)


def test_hundred_connections_die_with_it(server_with):
    """Clients that wait see their connection end; the next api serves them."""
    server = server_with()
    socks = [raw_connect(server) for _ in range(50)]
    ended = []

    def wait(sock):
        sock.sendall(exec_bytes(server, {"lang": "bash", "code": "exec -a ftmany sleep 60"}))
        sock.settimeout(10)
        try:
            data = b"x"
            while data:
                data = sock.recv(1000)
        except OSError:
            pass
        ended.append(True)

    threads = [threading.Thread(target=wait, args=(sock,)) for sock in socks]
    for thread in threads:
        thread.start()
    assert host.until(lambda: host.marked("ftmany"), 5)
    old = kill_api(server)
    for thread in threads:
        thread.join(10)
    assert len(ended) == 50
    assert host.gone("ftmany", 2) == []
    wait_again(server, old)
    with server.client() as client:
        assert client.exec("echo on", "bash").stdout == "on\n"
    for sock in socks:
        sock.close()


def binds(sock, server):
    try:
        sock.bind((server.host, server.port))
        return True
    except OSError:
        return False


def test_the_port_is_taken_meanwhile(server_with):
    """Another program has the port when the api comes back: it comes when that is gone, and the server does not end."""
    server = server_with()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        os.kill(server.pid, signal.SIGSTOP)  # else the next api may be there before
        try:
            kill_api(server)
            assert host.until(lambda: binds(taken, server), 5)  # its last thread may take a moment longer
            taken.listen()
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert host.until(lambda: "cannot start: HTTP server" in server.log(), 10), server.log_tail()
        time.sleep(1)
        assert server.process.poll() is None, server.log_tail()
    server.wait_ready()
    with server.client() as client:
        assert client.exec("echo back", "bash").stdout == "back\n"


def test_a_file_that_only_a_person_can_mend(server_with):
    """A server that has served goes on as soon as it is mended, and says until then what it is. A start ends, with the status
    that says so."""
    server = server_with()
    key, warden = os.path.join(server.data_dir, "state.key"), server.pid
    os.truncate(key, 3)
    kill_api(server)
    assert host.until(lambda: server.log().count("state.key is damaged") > 1, 20, 0.1), server.log_tail()
    os.remove(key)
    server.wait_ready()
    assert server.pid == warden
    server.terminate()
    os.truncate(key, 3)
    server.start(wait=False)
    assert server.wait_exit(20) == 78, server.log_tail()


def test_told_to_stop_alone(server_with):
    """SIGTERM to the api only, as a daemon that watches memory sends it: the server is not over."""
    server = server_with()
    warden, api = server.pid, server.api_pid
    os.kill(api, signal.SIGTERM)
    assert host.until(lambda: not host.alive(api), 20)
    wait_again(server, api)
    assert server.pid == warden and "is started again" in server.log()
    with server.client() as client:
        assert client.exec("echo on", "bash").stdout == "on\n"
