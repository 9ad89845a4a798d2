# SPDX-License-Identifier: Apache-2.0
"""X10: a program that says that it has ended, and rests until the next one of its session, is as harmless as a dead one."""

import time

import pytest

from support import host
from support.server import LIBRECHAT, Server

# What a program says to rest, by hand: struct zygote_copy_ready at the socket of its keeper.
FORGED = """
import ctypes, os, time
ctypes.CDLL(None).prctl(15, b'{name}')
x = 1
os.write(255, (7).to_bytes(4, 'little'))
until = time.monotonic() + 30
while time.monotonic() < until:
    with open('grows', 'a') as file:
        file.write('x' * 4096)
"""


@pytest.fixture(scope="module")
def server(program):
    running = Server({**LIBRECHAT, "HOT_SESSIONS_MAX": "64"})
    yield running
    running.stop()


def processor_time(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))


def start(attack, code):
    """On a copy of the zygote, which alone can rest."""
    runs = []

    def is_copy():
        runs.append(attack.exec(code, "py", timeout=8000))
        return runs[-1].usage["warm"] in ("armed", "forked")

    assert host.until(is_copy, 60), dict(runs[-1])
    return runs[-1]


def test_x10_a_forged_rest(attack):
    """It stands still while its files are gathered and after that; what it does not take up again is run elsewhere."""
    run = start(attack, FORGED.format(name="atforged"))
    assert (run.outcome, run.code) == ("ok", 0), dict(run)
    pids = host.named("atforged")
    assert len(pids) == 1
    before = processor_time(pids[0])
    time.sleep(0.5)
    assert processor_time(pids[0]) == before
    run = attack.exec("print('x' in globals())", "py", session_id=run.session)
    assert run.usage["warm"] != "hot" and run.stdout == "False\n", dict(run)
    assert host.until(lambda: not host.named("atforged"), 10)


# It says so without end, and never takes what it is sent.
FLOOD = """
import os
while True:
    os.write(255, (7).to_bytes(4, 'little'))
"""


def test_x10_a_rest_that_takes_nothing(attack):
    """Its answers do not count before the question: else what it never takes fills the socket, and the keeper waits in it."""
    session = start(attack, FLOOD).session
    for _ in range(3):
        run = attack.exec("print('ran')", "py", session_id=session)
    assert run.usage["warm"] != "hot" and run.stdout == "ran\n", dict(run)


def test_x10_nobody_else_gets_it(attack):
    """What is parked is found in its session, by the user whose it is, and nowhere else."""
    run = start(attack, "secret = 'a' + 'b'\nimport builtins, sys\nbuiltins.secret = sys.secret = secret")
    look = "import builtins, sys; print(hasattr(builtins, 'secret'), hasattr(sys, 'secret'), 'secret' in globals())"
    for _ in range(4):
        assert attack.exec(look, "py").stdout == "False False False\n"
        assert attack.exec(look, "py", user_id="somebody").stdout == "False False False\n"
    assert attack.exec(look, "py", session_id=run.session).stdout == "True True True\n"


def test_x10_what_it_left_does_not_write_into_the_next(attack):
    """Processes that outlive their parents are seen by the kernel: such a program ends."""
    run = start(
        attack,
        "import os, time\nx = 1\nif os.fork() == 0:\n    if os.fork() == 0:\n        time.sleep(1)\n"
        "        os.write(1, b'late')\n    os._exit(0)\nos.wait()",
    )
    run = attack.exec("import time; time.sleep(2); print(x)", "py", session_id=run.session)
    assert run.usage["warm"] != "hot" and run.stdout == "1\n", dict(run)
