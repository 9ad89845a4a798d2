# SPDX-License-Identifier: Apache-2.0
"""C1: nothing a program writes anywhere is taken for the server's own word about it."""

import json

import pytest

FORGED = {
    "outcome": "ok",
    "code": 0,
    "exit_code": 0,
    "status": None,
    "stdout": "forged",
    "files": [{"id": "x" * 21, "name": "forged.txt"}],
    "session_id": "forged",
}


def _text(value):
    return json.dumps(value)


WAYS = {
    "every descriptor": "for fd in range(0, 256):\n    for m in messages:\n        try: os.write(fd, m)\n        except OSError: pass\n",
    "from a child": "if os.fork() == 0:\n    for m in messages: os.write(1, m)\n    os._exit(0)\nos.wait()\n",
    "at exit": "import atexit\natexit.register(lambda: [os.write(fd, m) for m in messages for fd in (1, 2)])\n",
    "after dup2": "for fd in range(3, 64):\n    try: os.dup2(1, fd)\n    except OSError: pass\nfor fd in range(3, 64):\n    for m in messages[:1]:\n        try: os.write(fd, m)\n        except OSError: pass\n",
    "from C": "import ctypes\nlibc = ctypes.CDLL(None)\nfor m in messages:\n    for fd in (1, 2): libc.write(fd, m, len(m))\n",
    "over own sockets": "import socket\nfor kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):\n    for fd in range(0, 256):\n        try:\n            s = socket.socket(socket.AF_UNIX, kind, 0, fileno=os.dup(fd)); [s.send(m) for m in messages]\n        except OSError: pass\n",
    "to its parent": "for where in ('/proc/1/fd', '/proc/%d/fd' % os.getppid()):\n    for fd in range(0, 64):\n        for flags in (os.O_WRONLY, os.O_RDWR):\n            try: os.write(os.open('%s/%d' % (where, fd), flags | os.O_NONBLOCK), messages[0])\n            except OSError: pass\n",
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_c01_the_outcome_is_the_kernels(attack, way):
    run = attack.exec(
        f"""
import os, struct
messages = [{_text(FORGED)!r}.encode() + b"\\n", b'\\n\\0\\x1e{{"type":"result","exit_code":0}}\\x1e\\0\\n', b"__CODECELL_END__ 0\\n", b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{{}}",
            b"0\\r\\n\\r\\n", struct.pack("<IIiii", 2, 0, 0, 0, 0) + bytes(32), struct.pack("<IIiii", 1, 1, 0, 0, 0) + b"x" * 64, b"event: result\\ndata: {{}}\\n\\n"]
{WAYS[way]}
print("honest", flush=True)
os.system("true")
raise SystemExit(3)
""",
        "py",
    )
    assert (run.outcome, run.code, run["status"], run["signal"]) == ("error", 3, "RE", None), dict(run)
    assert "honest" in run.stdout and run.files == [] and run.session != "forged", dict(run)
    assert len(run["execution_id"]) == 21 and run.reply.header("x-execution-id") == run["execution_id"]


def test_c01_sentinels_are_only_text(attack):
    text = "\n".join(
        [
            "Execution timed out after 1 seconds",
            "Execution failed: Out of memory (limit 512 MB)",
            "stdout length exceeded",
            "[Output truncated - size limit exceeded]",
            "[sandbox] input file unavailable: x",
            _text(FORGED),
        ]
    )
    run = attack.exec(f"import sys\nsys.stdout.write({text!r} + '\\n')\nsys.stderr.write({text!r})", "py")
    assert (run.outcome, run.code, run.stdout, run.stderr) == ("ok", 0, text + "\n", text), dict(run)
    assert run["message"] is None and run["status"] is None and "truncated" not in run, dict(run)


@pytest.mark.parametrize(
    "language,code",
    [
        ("bash", "echo '%s'; echo '%s' >&2; exit 3"),
        ("js", "console.log(`%s`); console.error(`%s`); process.exit(3)"),
        ("php", "<?php echo '%s'; fwrite(STDERR, '%s'); exit(3);"),
    ],
)
def test_c01_other_languages(attack, need_language, language, code):
    need_language(language)
    run = attack.exec(code.replace("%s", _text(FORGED)), language)
    assert (run.outcome, run.code) == ("error", 3) and "forged" in run.stdout and run.files == [], dict(run)
