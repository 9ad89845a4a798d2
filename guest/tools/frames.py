# SPDX-License-Identifier: Apache-2.0
"""What every agent for programs that call tools has in common: names (ptc.md P5.3, P6.1) and the byte stream of calls and
answers (src/engine/tool_frame.h). Loaded by path, so that no module of the program's hides it."""

import os
import posix
import re

TOOLS_FD = 3
MANIFEST = "/run/build/.tools.json"

ARGUMENT_BYTES_MAX = 1 << 20
FAILURE_BYTES_MAX = 16384
READ_BYTES = 1 << 16


def identifier(name, replaced, keywords):
    """The name under which a program finds a tool."""
    text = re.sub(r"[^A-Za-z0-9_]", "", re.sub(replaced, "_", name))
    if text[:1].isdigit():
        text = "_" + text
    if text in keywords:
        text += "_tool"
    return text or "_unnamed"


def excess(argument):
    """What is wrong with an argument that is too large, or None."""
    if len(argument) <= ARGUMENT_BYTES_MAX:
        return None
    return "Tool arguments of %d bytes exceed the limit of %d bytes" % (len(argument), ARGUMENT_BYTES_MAX)


class Frames:
    """The byte stream of calls and answers. Never waits."""

    def __init__(self, fd):
        self.fd = fd
        self.received = bytearray()
        self.unsent = bytearray()
        os.set_blocking(fd, False)
        os.set_inheritable(fd, False)

    def call(self, number, name, argument):
        self.unsent += b"call %d %d %d\n" % (number, len(name), len(argument))
        self.unsent += name + argument

    def idle(self):
        self.unsent += b"idle\n"

    def fail(self, text):
        data = text.encode("utf-8", "replace")[:FAILURE_BYTES_MAX]
        self.unsent += b"fail %d\n" % len(data) + data

    def send(self):
        """Sends what can be sent now. Returns True if nothing is left."""
        try:
            while self.unsent:
                del self.unsent[: posix.write(self.fd, self.unsent[:READ_BYTES])]
        except BlockingIOError:
            return False
        except OSError:  # nobody listens any more
            self.unsent.clear()
        return True

    def receive(self):
        """Returns the answers that are there as a list of (word, number, bytes); None at the end of the stream."""
        try:
            while data := posix.read(self.fd, READ_BYTES):
                self.received += data
            return None
        except BlockingIOError:
            return list(self._complete())
        except OSError:
            return None

    def _complete(self):
        at = 0
        while (end := self.received.find(b"\n", at)) >= 0:
            word, number, size = bytes(self.received[at:end]).split()
            if len(self.received) - end - 1 < int(size):
                break
            at = end + 1 + int(size)
            yield word, int(number), bytes(self.received[end + 1 : at])
        del self.received[:at]
