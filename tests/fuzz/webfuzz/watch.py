# SPDX-License-Identifier: Apache-2.0
"""What a server must not gather: descriptors, threads, memory, connections, and reports of sanitizers in its log."""

import os
import re

from support import host

REPORT = re.compile(rb"Sanitizer|runtime error:|Assertion|terminate called|panic|ended by signal|started again", re.I)
ESTABLISHED, CLOSE_WAIT = "01", "08"


def connections(port):
    """Connections that the server still holds."""
    wanted = f":{port:04X}"
    count = 0
    for name in ("tcp", "tcp6"):
        for line in host.read(f"/proc/net/{name}").splitlines()[1:]:
            fields = line.split()
            count += fields[1].endswith(wanted) and fields[3] in (ESTABLISHED, CLOSE_WAIT)
    return count


def figures(server):
    api = server.api_pid
    return {
        "descriptors": host.fd_count(api),
        "threads": int(host.status_field(api, "Threads")),
        "memory KiB": host.rss_kib(api),
        "warden descriptors": host.fd_count(server.pid),
        "warden memory KiB": host.rss_kib(server.pid),
        "connections": connections(server.port),
    }


class Log:
    """Reads the server's log as it grows, keeps what looks like a report, and throws the rest away."""

    def __init__(self, path):
        self.path, self.found, self.rest, self.bytes = path, [], b"", 0

    def read(self):
        """To be called now and then. What is written while the log is cut is lost, so that is seldom done."""
        with open(self.path, "rb+") as log:
            log.seek(0 if self.bytes == 0 else self.bytes)
            data = self.rest + log.read()
            self.bytes = log.tell()
            if self.bytes > 16 << 20:
                log.truncate(0)
                self.bytes = 0
        *lines, self.rest = data.split(b"\n")
        for number, line in enumerate(lines):
            if REPORT.search(line) and b'"event_type"' not in line:
                self.found.append(b"\n".join(lines[number : number + 30]).decode("utf-8", "replace"))
        return self.found


def grown(before, after, slack):
    """What is more than it was, in words."""
    return [f"{name}: {before[name]} -> {after[name]}" for name in slack if after[name] > before[name] + slack[name]]
