# SPDX-License-Identifier: Apache-2.0
"""C5: a program and its client do their worst with tool calls and with the descriptor that they travel on."""

import time

import pytest

from support import guest
from support.client import in_threads
from support.tools import PATH, Run, declare, post, resume

TOOLS = declare("echo")
ECHO = {"echo": lambda value: value}

# Without the agent: descriptor 3 itself.
RAW = "import os, socket, time\nraw = socket.socket(fileno=os.dup(3))\nraw.setblocking(True)\n"


def test_c05_a_tool_that_was_not_declared(attack):
    """Told apart from those that were, whatever the agent thinks of it."""
    answer = post(attack, code=RAW + "os.write(3, b'call 1 6 2\\nsecret{}')\ntime.sleep(30)", tools=TOOLS)
    assert answer.error == "Sandbox requested an unregistered tool: secret", answer
    assert answer.error in answer.stderr
    for name in ("Echo", "echo ", "ech", "echo\\0", "\\x1b[2J", "x" * 1024):
        call = f"name = b'{name}'\nos.write(3, b'call 1 %d 2\\n' % len(name) + name + b'{{}}')\ntime.sleep(30)"
        answer = post(attack, code=RAW + call, tools=TOOLS)
        assert answer.error.startswith("Sandbox requested an unregistered tool: "), answer


GARBAGE = {
    "no frame": b"GET / HTTP/1.1\r\n\r\n",
    "another word": b"result 1 2\n{}",
    "no end of line": b"x" * 100,
    "too long a name": b"call 1 1025 0\n",
    "too long an argument": b"call 1 4 1048577\necho",
    "too long a failure": b"fail 999999999\n",
    "numbers that wrap around": b"call 1 18446744073709551615 18446744073709551615\n",
    "signs": b"call -1 4 -2\necho{}",
    "NUL": b"\0" * 64,
    "spaces": b"call  1  4  2\necho{}",
}


@pytest.mark.parametrize("kind", sorted(GARBAGE))
def test_c05_garbage_ends_the_run(attack, kind):
    answer = post(attack, code=RAW + f"os.write(3, {GARBAGE[kind]!r})\ntime.sleep(30)", tools=TOOLS)
    assert answer.error == "Execution failed: the program broke the protocol of tool calls", answer


def test_c05_a_flood_of_frames(attack):
    """Frames that ask for nothing cannot keep the server busy."""
    began = time.monotonic()
    answer = post(attack, code=RAW + "while True: raw.send(b'idle\\n' * 10000)", tools=TOOLS, timeout=60000)
    assert answer.status == "error" and time.monotonic() - began < 55, answer


def test_c05_descriptors_in_a_call(attack):
    """The server has nothing to close that takes its time."""
    began = time.monotonic()
    send = "raw = socket.socket(fileno=os.dup(3))\nhand_over(raw, b'call 1 4 2\\necho{}')\nos._exit(0)"
    for _ in range(3):
        answer = post(attack, code=guest.LINGER.format(seconds=60) + send, tools=TOOLS)
        assert answer.status in ("completed", "tool_call_required"), answer
    assert time.monotonic() - began < 50


def test_c05_output_calls_nothing(attack):
    """What is printed is never looked at."""
    frames = "call 1 4 2\\necho{}idle\\n"
    answer = post(attack, code=f"import sys\nprint('{frames}')\nsys.stderr.write('{frames}')", tools=TOOLS)
    assert answer.status == "completed" and "call 1 4 2" in answer.stdout, answer


def test_c05_arguments_that_are_no_object(attack):
    """Depth bombs and half a document reach the client as text, or not at all."""
    for argument in (b"[" * 100000, b'{"a":' * 100000, b'{"a":1', b'{"a":\xff}', b"{} {}", b'{"a":NaN}', b"\x00", b""):
        code = (
            RAW
            + f"a = {argument!r}\nraw.sendall(b'call 7 4 %d\\n' % len(a) + b'echo' + a + b'idle\\n')\ntime.sleep(30)"
        )
        answer = post(attack, code=code, tools=TOOLS)
        assert answer.status == "tool_call_required" and isinstance(answer.calls[0]["input"], str), answer


def test_c05_ten_thousand_calls(attack):
    """They come in portions, and all are answered."""
    run = Run(
        attack, "r = await asyncio.gather(*[echo(i=i) for i in range(10000)])\nprint(sum(v['i'] for v in r))", ECHO
    )
    assert run.stdout == "49995000\n" and max(len(calls) for calls in run.rounds) <= 1024, run.answer


def test_c05_two_mebibytes(attack):
    code = (
        "try:\n    await echo(text='x' * (2 << 20))\nexcept ValueError as error:\n    print(error)\n"
        "print(len((await echo(text='x' * 1000000))['text']))\n"
        "r = await asyncio.gather(*[echo(text='x' * 1000000) for i in range(20)])\nprint(len(r))"
    )
    run = Run(attack, code, ECHO)
    assert run.status == "completed" and "exceed the limit" in run.stdout, run.answer
    assert run.stdout.splitlines()[1:] == ["1000000", "20"], run.answer


def test_c05_children_that_call(attack):
    """A fork may use the descriptor as its parent can, and confuses but itself."""
    code = (
        "import os\nif os.fork() == 0:\n    os.write(3, b'call 99 4 2\\necho{}idle\\n')\n    os._exit(0)\nos.wait()\n"
        "print(await echo(n=1))"
    )
    run = Run(attack, code, ECHO)
    assert run.stdout == "{'n': 1}\n" and len(run.calls) == 2, run.answer
    # A program started by it has no such descriptor.
    answer = post(
        attack, code="import subprocess\nprint(subprocess.run(['ls', '/proc/self/fd'], capture_output=True).stdout)"
    )
    assert "'0\\n1\\n2\\n3\\n'" in answer.stdout, answer  # the last is that of ls


def test_c05_ordinary_programs_have_no_such_descriptor(attack):
    run = attack.exec(
        "import os\ntry:\n    os.write(3, b'call 1 4 2\\necho{}')\nexcept OSError as error:\n    print(error.errno)"
    )
    assert run.stdout == "9\n", dict(run)


def test_c05_no_secret_inside(attack):
    """Neither the token nor anything else that would let a program answer itself is in the cell."""
    code = (
        "import glob, os\n"
        "def look():\n    text = repr(dict(os.environ))\n"
        "    for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/run/build/.*'):\n"
        "        try: text += open(path, errors='replace').read()\n        except OSError: pass\n    return text\n"
        "before = look()\nawait echo()\nprint(before + look())"
    )
    first = post(attack, code=code, tools=TOOLS)
    last = resume(attack, first, [{"call_id": first.calls[0]["id"], "result": 1}])
    assert last.status == "completed" and "echo" in last.stdout, last
    assert first.token not in last.stdout and attack.key not in last.stdout


def test_c05_tokens_cannot_be_forged_or_replayed(attack):
    first = post(attack, code="await echo()\nprint('once')", tools=TOOLS)
    results = [{"call_id": first.calls[0]["id"], "result": 1}]
    swapped = first.token[1:] + first.token[:1]
    for token in (
        swapped,
        first.token.swapcase(),
        first.token + "\0",
        " " + first.token,
        "../" + first.token,
        "*",
        "%s%n",
    ):
        assert "Invalid or expired" in post(attack, continuation_token=token, tool_results=results).error
    answers = in_threads(
        [lambda: post(attack.server.client(), continuation_token=first.token, tool_results=results)] * 8
    )
    done = [answer for answer in answers if answer.status == "completed"]
    assert len(done) == 1 and done[0].stdout == "once\n", answers
    assert all("Invalid or expired" in answer.error for answer in answers if answer is not done[0])


def test_c05_no_computing_while_it_waits(attack):
    """A pause stops the clock, and so it must stop the processor: threads and children get next to nothing of it."""
    code = (
        "import os, threading, time\ncount = [0]\ndef spin():\n    while True: count[0] += 1\n"
        "if os.fork() == 0:\n    while True: pass\n"
        "threading.Thread(target=spin, daemon=True).start()\ntime.sleep(0.2)\nbefore = os.times(), time.monotonic()\n"
        "await echo()\nafter = os.times(), time.monotonic()\n"
        "print(after[0].user - before[0].user, after[1] - before[1])"
    )
    first = post(attack, code=code, tools=TOOLS, timeout=20000)
    time.sleep(5)
    last = resume(attack, first, [{"call_id": first.calls[0]["id"], "result": 1}])
    used, passed = map(float, last.stdout.split())
    assert passed > 4.5 and used < passed / 4, last
    assert last["usage"]["cpu_ms"] < 3000, last["usage"]


def test_c05_a_stopped_program_ends_in_time(attack):
    """R4: whoever stops himself while he waits is ended by the limit of the next round."""
    code = (
        "import os, signal, threading, time\n"
        "threading.Timer(0.5, lambda: os.kill(0, signal.SIGSTOP)).start()\nawait echo()\nprint('on')"
    )
    first = post(attack, code=code, tools=TOOLS, timeout=1000)
    time.sleep(1.5)
    last = resume(attack, first, [{"call_id": first.calls[0]["id"], "result": 1}])
    assert last.error == "Execution failed or timed out" or last.stdout == "on\n", last


def test_c05_children_that_hold_the_output(attack):
    """R5: neither a pause nor the end waits for them."""
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\nprint('x')\nawait echo()\nprint('y')"
    began = time.monotonic()
    run = Run(attack, code, ECHO)
    assert run.stdout == "x\ny\n" and time.monotonic() - began < 20, run.answer


def test_c05_a_program_that_ends_while_it_waits(attack):
    """Its client is told at the next round, and nothing is left hanging."""
    code = "import os, threading\nthreading.Timer(0.5, lambda: os._exit(3)).start()\nprint('x')\nawait echo()"
    first = post(attack, code=code, tools=TOOLS)
    time.sleep(1.5)
    last = resume(attack, first, [{"call_id": first.calls[0]["id"], "result": 1}])
    assert last.error == "Sandbox exited with code 3" and last.stdout == "x\n", last


def test_c05_the_broker_is_nobody(attack, need_language):
    """A shell program that speaks to its own broker, or kills it, harms but itself."""
    need_language("bash")
    code = (
        "for i in 1 2 3; do printf '%s\\n' '0 ../../../etc/passwd' '99 x' 'x' '0 nothing' > /run/build/.tools/calls; done\n"
        "head -c 100000 /dev/zero > /run/build/.tools/calls\nprintf '\\n' > /run/build/.tools/calls\necho '{\"n\":1}' | cat\necho"
    )
    run = Run(attack, code, ECHO, lang="bash")
    assert run.status == "completed", run.answer
    answer = post(attack, code="pkill -9 -f tools.py; echo; timeout 2 true", tools=TOOLS, lang="bash", timeout=3000)
    assert answer.status in ("error", "completed"), answer


def test_c05_routes_need_a_key(attack):
    for path in (PATH, PATH + "/cancel"):
        assert attack.post(path, {"code": "print(1)"}, key=None).status == 401
