# SPDX-License-Identifier: Apache-2.0
"""X10: a program that says that it has ended, and rests until the next one of its session, is as harmless as a dead one."""

import json
import time

import pytest

from support import guest, host
from support.server import LIBRECHAT, Server

# What a program says to rest, by hand: struct zygote_copy_ready at the socket of its keeper.
FORGED = """
import ctypes, os, time
ctypes.CDLL(None).prctl(15, b'{name}')
x = 1
os.write(255, (7).to_bytes(8, 'little'))
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
    os.write(255, (7).to_bytes(8, 'little'))
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


SOCKET = "rest = socket.socket(fileno=%d)\n" % guest.REST_FD

# What it tells of the process at its other end, which is root's on the host.
LOOK = """
rest.setblocking(False)
def option(number, size=64):
    try: return rest.getsockopt(socket.SOL_SOCKET, number, size).hex()
    except OSError as error: return name(error.errno)
def of_pidfd(fd, call, *rest):
    return sc(call, fd, *rest)
facts = dict(kind=rest.type & 15, names=[repr(rest.getsockname()), repr(rest.getpeername())], read=attempt(rest.recv, 1))
facts.update(peer=struct.unpack("iii", rest.getsockopt(socket.SOL_SOCKET, 17, 12)), groups=option(59), label=option(31))
pidfd = option(77, 4)
if len(pidfd) == 8:
    fd = int.from_bytes(bytes.fromhex(pidfd), "little")
    lines = dict(line.split(":", 1) for line in open("/proc/self/fdinfo/%d" % fd))
    facts.update(pid=lines["Pid"].strip(), signal=sc("pidfd_send_signal", fd, 9, 0, 0), take=sc("pidfd_getfd", fd, 0, 0))
"""


def test_x10_what_the_socket_tells(attack):
    """Nothing can be read from it, and its peer has no number, no user and no name here; a child that executes has it not."""
    child = "facts['child'] = subprocess.run(['test', '-e', '/proc/self/fd/255'], close_fds=False).returncode\n"
    run = start(attack, guest.py(SOCKET + LOOK + child + "rest.detach()\ntell(facts)"))
    told = json.loads(run.stdout)
    assert (told["kind"], told["names"], told["read"], told["child"]) == (5, ["''", "''"], "EAGAIN", 1), told
    assert told["peer"] == [0, 65534, 65534], told
    assert told["groups"] in ("", "feff0000") and set(told["label"]) <= set("ENOPROTOOPT"), told
    assert told.get("pid", "0") in ("0", "-1"), told
    assert set(told.get(each, "EPERM") for each in ("signal", "take")) <= {"EPERM", "EINVAL", "ENOSYS", "ESRCH"}, told


# What a program may do with it besides resting: each ends well, as if it had none, and the next finds what was stored.
MISUSE = {
    "closes it": "rest.close()",
    "shuts it down": "rest.shutdown(socket.SHUT_RDWR); rest.detach()",
    "puts something else in its place": "rest.detach(); os.dup2(1, 255)",
    "says nothing": "rest.send(b''); rest.detach()",
    "says too much": "rest.send(bytes(4096)); rest.detach()",
    "says it in a child": "rest.detach()\nif os.fork() == 0:\n    os.write(255, bytes(8))\n    time.sleep(60)",
    "says it in a child, often": "rest.detach()\nif os.fork() == 0:\n    while True: os.write(255, bytes(8))",
}


@pytest.mark.parametrize("how", sorted(MISUSE))
def test_x10_misuse_of_the_socket(attack, how):
    run = start(attack, f"import os, socket, time\nx = 1\n{SOCKET}{MISUSE[how]}\ndel rest\ntime.sleep(0.2)\nprint('whole')")
    assert (run.outcome, run.stdout) == ("ok", "whole\n"), dict(run)
    run = attack.exec("print(x)", "py", session_id=run.session)
    assert run.usage["warm"] != "hot" and run.stdout == "1\n", dict(run)


def test_x10_descriptors_with_a_rest(attack):
    """The keeper has nothing to close that takes its time: while it waits, nobody looks at the program's clock."""
    began = time.monotonic()
    for _ in range(3):
        run = start(attack, guest.LINGER.format(seconds=60) + SOCKET + "hand_over(rest, bytes(8))\nos._exit(0)")
        assert run.outcome == "ok", dict(run)
    assert time.monotonic() - began < 50


# Takes what the next program should have taken, and goes on by itself.
TAKES = """
import array, socket, time
rest = socket.socket(fileno=255)
rest.send(bytes(8))
message, control, *_ = rest.recvmsg(64, socket.CMSG_SPACE(4 * 16))
fds = array.array("i", control[0][2])
rest.send(bytes(8))
import os
os.write(fds[2], b"mine")
while True: pass
"""


def test_x10_a_rest_that_takes_it_all(attack):
    """What comes is the next program of its own session, with that one's limits."""
    session = attack.exec("x = 1").session
    run = attack.exec(TAKES, session_id=session)
    assert run.outcome in ("ok", "timeout"), dict(run)  # that is its own interpreter, or a new one, which has no socket
    run = attack.exec("print(x)", session_id=session, timeout=1000)
    assert (run.outcome, run.stdout) in (("timeout", "mine\n"), ("ok", "1\n")), dict(run)
    assert attack.exec("print(x)", session_id=session).stdout == "1\n"
