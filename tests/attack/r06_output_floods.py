# SPDX-License-Identifier: Apache-2.0
"""R6: floods of output are cut, their beginning is kept, and the server's memory stays as it was."""

import time

import pytest

from support import host
from support.events import Events

KEPT = 65536
CUT = "\n[Output truncated - size limit exceeded]"

FLOODS = {
    "yes": ("bash", "echo first; yes", "stdout"),
    "one-line": ("bash", "echo first; tr '\\0' x < /dev/zero", "stdout"),
    "nul": ("bash", "echo first; cat /dev/zero", "stdout"),
    "not-utf8": ("bash", "echo first; tr '\\0' '\\377' < /dev/zero", "stdout"),
    "stderr": ("bash", "echo first >&2; yes >&2", "stderr"),
    "python": ("py", "print('first')\nwhile True: print('x' * 100000)", "stdout"),
    "both": ("bash", "echo first; echo first >&2; yes & yes >&2", "stdout"),
    "children": ("bash", "echo first; for i in 1 2 3 4 5 6 7 8; do yes $i & done; wait", "stdout"),
}


@pytest.mark.parametrize("way", sorted(FLOODS))
def test_r06_endless_output(attack, way):
    language, code, stream = FLOODS[way]
    before = host.rss_kib(attack.server.api_pid)
    start = time.monotonic()
    run = attack.exec(code, language, timeout=30000)
    assert run.outcome == "output_limit", (run.outcome, run["status"], run.stderr[-200:])
    assert (run.code, run["status"], run["message"]) == (137, "OL", "stdout length exceeded")
    assert run[stream].startswith("first\n"), run[stream][:50]
    assert CUT in run[stream] and len(run[stream].encode()) <= KEPT * 3 + 200
    assert run["truncated"][stream] is True
    assert run.stderr.endswith("stdout length exceeded")
    assert max(run.usage["stdout_bytes"], run.usage["stderr_bytes"]) > 60 << 20, run.usage  # whichever was first
    assert time.monotonic() - start < 25
    assert host.rss_kib(attack.server.api_pid) - before < 24 * 1024


def test_r06_cut_but_not_killed(attack):
    run = attack.exec(
        "import sys\nsys.stdout.write('a' * 2000000)\nsys.stderr.write('b' * 70000)\nsys.stderr.write('end')\nsys.exit(0)",
        "py",
    )
    assert (run.outcome, run.code) == ("ok", 0), dict(run)
    assert run.stdout == "a" * KEPT + CUT + "\n" or run.stdout == "a" * KEPT + CUT, run.stdout[-80:]
    assert run.stderr == "b" * KEPT + CUT, run.stderr[-80:]
    assert run["truncated"] == {"stdout": True, "stderr": True}
    assert run.usage["stdout_bytes"] == 2000000 and run.usage["stderr_bytes"] == 70003


def test_r06_cut_on_a_character_boundary(attack):
    run = attack.exec("print('x' + '世' * 40000)", "py")
    assert run["truncated"]["stdout"] is True
    kept = run.stdout[: run.stdout.index(CUT)]
    assert set(kept[1:]) == {"世"} and KEPT - 3 <= len(kept.encode()) <= KEPT, len(kept.encode())


def test_r06_mixed_rubbish(attack):
    run = attack.exec(
        "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 10 + b'\\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xc0\\x80 \\xf0\\x9f\\x93')",
        "py",
    )
    assert run.outcome == "ok", dict(run)
    assert "\0" not in run.stdout and "\x1b" not in run.stdout and "\ufffd" in run.stdout
    assert not any(0xD800 <= ord(letter) < 0xE000 for letter in run.stdout)


def test_r06_huge_traceback(attack):
    run = attack.exec("raise ValueError('x' * (20 << 20))", "py")
    assert (run.outcome, run.code) == ("error", 1), (run.outcome, run.code)
    assert run.stderr.startswith("Traceback") and CUT in run.stderr and run["truncated"]["stderr"] is True


def test_r06_much_output_in_little_memory(server_with):
    """X4: 100 MB pass, all of it, live and in the result, and the api stays small."""
    server = server_with(MAX_OUTPUT_BYTES=str(128 << 20), MAX_EXECUTION_TIME="120")
    length = 0
    with Events.run(server, "yes 0123456789abcde | head -c 104857600; exit 5", timeout=120000) as events:
        for event in events:
            if event.name == "stdout":
                length += len(event.data["text"])
            elif event.name == "result":
                result = event.data
    assert length == 100 << 20 and result["code"] == 5 and "truncated" not in result
    assert len(result["stdout"]) == 100 << 20 and result["stdout"].endswith("abcde\n")
    assert int(host.status_field(server.api_pid, "VmHWM").split()[0]) < 64 << 10
