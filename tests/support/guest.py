# SPDX-License-Identifier: Apache-2.0
"""Programs that run inside cells: those of the self-test, and others over the same pieces that hand back evidence as JSON."""

import pathlib

SELFTEST = pathlib.Path(__file__).parents[2] / "selftest"


def text_of(*names):
    """Files of the self-test, one after the other."""
    return "".join((SELFTEST / name).read_text("utf-8") for name in names)


PY = (
    text_of("calls.py", "attempts.py")
    + """
import json

def tell(facts):
    print(json.dumps(facts), flush=True)
"""
)

_words = {}
exec(PY, _words)
DENIED, NO_SOCKET, BAD_TYPE = (_words[name] for name in ("DENIED", "NO_SOCKET", "BAD_TYPE"))

# Where a program that may rest has the socket to its keeper (tests/attack/x10_parked.py): no child that executes something
# has it, and nothing else is open.
REST_FD = 255

# A connection that is full, and an attempt to make its close wait for the other end. hand_over() leaves both to be closed by who
# receives them.
LINGER = """
import array, os, socket, struct, time
listening = socket.create_server(("127.0.0.1", 0))
near = socket.create_connection(listening.getsockname())
far, _ = listening.accept()
near.setblocking(False)
try:
    while True: near.send(bytes(65536))
except BlockingIOError:
    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, {seconds}))
both = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [near.fileno(), far.fileno()]))]
def hand_over(socket, message):
    try:
        socket.sendmsg([message], both)
    except OSError:
        socket.send(message)  # Linux 6.16 and later refuse the descriptors
    os.close(near.detach())
    os.close(far.detach())
"""


def py(body):
    """A Python program that can try things (selftest/attempts.py); it hands its evidence back by tell({...}), last."""
    return PY + body
