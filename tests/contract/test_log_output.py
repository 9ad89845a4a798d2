# SPDX-License-Identifier: Apache-2.0
"""The log goes to whoever reads the server's output; if they stop reading, the server does not wait for them."""

import fcntl
import json
import os
import re
import signal
import threading

from support import host
from support.server import Server

F_SETPIPE_SZ = 1031
MISSING = re.compile(r"(\d+) lines are missing above")


class Output:
    """A small pipe that nobody reads until read_on() is called."""

    def __init__(self):
        self.reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, F_SETPIPE_SZ, 4096)
        self.data = b""
        self.thread = threading.Thread(target=self._read, daemon=True)

    def _read(self):
        while piece := os.read(self.reading, 1 << 16):
            self.data += piece

    def read_on(self):
        self.thread.start()

    def close(self):
        os.close(self.writing)
        self.thread.join(30)
        os.close(self.reading)

    def messages(self):
        lines = [line for line in self.data.decode().splitlines() if line.startswith("{")]
        return [json.loads(line).get("message", "") for line in lines]


def test_nobody_waits_for_whoever_reads_the_log(program):
    """Neither requests nor the warden, which has to start the api again meanwhile; what is missing is counted."""
    output = Output()
    more = {"ENABLE_ACCESS_LOGS": "true", "LOG_LEVEL": "DEBUG", "SANDBOX_POOL_ENABLED": "false"}
    server = Server(more, output=output.writing)
    try:
        with server.client(timeout=60) as client:
            for _ in range(100):
                assert client.get("/files/nothing").status == 200
            assert client.exec("echo 1", "bash").stdout == "1\n"
        first = server.api_pid
        os.kill(first, signal.SIGKILL)
        assert host.until(lambda: not host.alive(first), 10)
        server.wait_ready()
        with server.client(timeout=60) as client:
            for _ in range(100):
                assert client.get("/files/nothing").status == 200
            assert client.exec("echo 2", "bash").stdout == "2\n"
            output.read_on()
            assert host.until(lambda: client.get("/health").status == 200 and MISSING.search(output.data.decode()), 20)
    finally:
        server.stop()
        output.close()
    counts = [int(found[1]) for message in output.messages() if (found := MISSING.search(message))]
    assert sum(counts) > 50, counts
