# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the warden: the api and every cell die with it; a new start finds all that was answered and cleans the rest."""

import os
import signal
import time

from support.answered import check_all

from support import host
from support.client import exec_bytes, raw_connect


def kill_all(server):
    server.look()
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait(5)
    assert host.until(lambda: not [pid for pid in server.seen_pids if host.alive(pid)], 3), [
        (pid, host.command_line(pid), host.read(f"/proc/{pid}/comm")) for pid in server.seen_pids if host.alive(pid)
    ]


def test_in_mid_execution(server_with):
    server = server_with()
    with server.client() as client:
        before = client.exec("echo kept > a.txt", "bash", entity_id="warden")
    sock = raw_connect(server)
    sock.sendall(
        exec_bytes(
            server,
            {
                "lang": "bash",
                "code": "trap '' TERM HUP INT; (setsid bash -c 'exec -a ftward sleep 60') & exec -a ftward sleep 60",
            },
        )
    )
    assert host.until(lambda: len(host.marked("ftward")) >= 2, 5)
    kill_all(server)
    assert host.gone("ftward", 2) == []
    sock.close()
    server.start()
    with server.client() as client:
        assert client.fetch(before.files[0]) == b"kept\n"
        again = client.exec("cat a.txt", "bash", entity_id="warden")
        assert again.session == before.session and again.stdout == "kept\n"
    # The new warden has swept what the dead one left: stop() below finds nothing of either.


def test_at_any_instant(loaded):
    server, loads = loaded
    for round_number in range(4):
        time.sleep(0.4 + 0.13 * round_number)
        kill_all(server)
        server.start()
    for load in loads:
        load.stop()
    assert sum(len(load.files) for load in loads) > 10
    check_all(server, loads)


def test_power_cut_of_both(server_with):
    """Everything at once: every process of the server is killed, the warden first."""
    server = server_with()
    with server.client() as client:
        run = client.exec("echo kept > a.txt", "bash")
        up = client.upload(("u.txt", b"u" * 300_000))
    server.look()
    os.kill(server.pid, signal.SIGKILL)
    for pid in server.seen_pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    server.process.wait(5)
    server.start()
    with server.client() as client:
        assert client.fetch(run.files[0]) == b"kept\n" and client.download(up.session, up.id) == b"u" * 300_000
