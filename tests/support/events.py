# SPDX-License-Identifier: Apache-2.0
"""A reader of text/event-stream on a connection of its own, which notes when each event came."""

import json
import time

from .client import exec_bytes, raw_connect


class Event:
    def __init__(self, name, number, text, at):
        self.name, self.id, self.text, self.at = name, number, text, at

    @property
    def data(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"<{self.name} {self.id} {self.text[:80]}>"


class Events:
    """The events of an answer, one after the other; comments come as events named ":"."""

    def __init__(self, server, request, timeout=60):
        self.server, self.began = server, time.monotonic()
        self.sock = raw_connect(server, timeout)
        self.sock.sendall(request)
        self.file = self.sock.makefile("rb")
        self.reply = None
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.buffer = bytearray()

    @classmethod
    def run(cls, server, code, lang="bash", path="/exec/stream", **fields):
        return cls(server, exec_bytes(server, {"lang": lang, "code": code, **fields}, path))

    @classmethod
    def follow(cls, server, execution, last=None, key=None, path="/executions"):
        extra = f"Last-Event-ID: {last}\r\n" if last is not None else ""
        return cls(
            server,
            f"GET {path}/{execution}/stream HTTP/1.1\r\nHost: test\r\nx-api-key: {key or server.key}\r\n{extra}\r\n".encode(),
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.sock.close()

    @property
    def id(self):
        return self.headers["x-execution-id"]

    def _chunk(self):
        size = int(self.file.readline().split(b";")[0], 16)
        data = self.file.read(size)
        self.file.readline()
        return data

    def body(self):
        """The whole of an answer that is no stream, as JSON."""
        return json.loads(self.file.read(int(self.headers["content-length"])))

    def __iter__(self):
        assert self.status == 200 and self.headers["content-type"] == "text/event-stream", self.headers
        while True:
            end = self.buffer.find(b"\n\n")
            while end < 0:
                data = self._chunk()
                if not data:
                    return
                looked_at = max(0, len(self.buffer) - 1)
                self.buffer += data
                end = self.buffer.find(b"\n\n", looked_at)
            block = self.buffer[:end].decode()
            del self.buffer[: end + 2]
            yield self._parse(block)

    def _parse(self, block):
        at = time.monotonic() - self.began
        if block == ":":
            return Event(":", None, "", at)
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert set(fields) == {"id", "event", "data"}, block
        return Event(fields["event"], int(fields["id"]), fields["data"], at)

    def next(self, name=None):
        """The next event; it must have this name."""
        event = next(iter(self))
        assert name is None or event.name == name, event
        return event

    def all(self):
        return list(self)


def text_of(events, name):
    return "".join(event.data["text"] for event in events if event.name == name)


