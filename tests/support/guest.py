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


def py(body):
    """A Python program that can try things (selftest/attempts.py); it hands its evidence back by tell({...}), last."""
    return PY + body
