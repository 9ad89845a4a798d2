# SPDX-License-Identifier: Apache-2.0
"""C2: whatever a program leaves as its state is unpacked by nobody but the next program of its session, in its cell."""

import os
import uuid

import pytest

# Bytes that the runner takes for a state with one name, if it ever reads them.
PLANTED = """
import os, pickle, socket
planted = b"\\1" + pickle.dumps(None) + pickle.dumps(({"planted": 1}, {}, []))
where = "/run/build/.state"
def write(path):
    with open(path, "wb") as file: file.write(planted)
"""

# What is no state: each with what it shows if it were taken for one.
SHAPES = {
    "a link beside it": "write('/run/build/real'); os.symlink('real', where)",
    "a link by its path": "write('/run/build/real'); os.symlink('/run/build/real', where)",
    "a link to a file of the host": "os.symlink('/etc/passwd', where)",
    "a magic link": "fd = os.open('/run/build/real', os.O_CREAT | os.O_RDWR); os.write(fd, planted); os.symlink('/proc/self/fd/%d' % fd, where)",
    "a hard link": "write('/run/build/real'); os.link('/run/build/real', where)",
    "a pipe": "os.mkfifo(where)",
    "a pipe with a writer": "os.mkfifo(where); fd = os.open(where, os.O_RDWR); os.write(fd, planted)",
    "a socket": "s = socket.socket(socket.AF_UNIX); s.bind(where); s.listen(1)",
    "a directory": "os.mkdir(where); write(where + '/.state')",
    "ninety megabytes of nothing": "write(where); os.truncate(where, 90 << 20)",
}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_c02_only_a_plain_file_is_a_state(attack, shape):
    session = attack.exec("x = 1").session
    run = attack.exec(PLANTED + SHAPES[shape] + "\nos._exit(0)", session_id=session, timeout=20000)
    assert run.outcome == "ok", dict(run)
    after = attack.exec("print(x, 'planted' in globals())", session_id=session)
    assert (after.outcome, after.stdout, after.stderr) == ("ok", "1 False\n", ""), dict(after)


def test_c02_a_planted_state_is_a_state(attack):
    """What the tests above plant would show: otherwise they could not fail."""
    session = attack.exec("x = 1").session
    attack.exec(PLANTED + "write(where); os._exit(0)", session_id=session)
    after = attack.exec("print('x' in globals(), planted)", session_id=session)
    assert after.stdout == "False 1\n", dict(after)


def test_c02_code_in_a_state_runs_in_its_own_cell(attack):
    """A pickle that runs code runs it as the next program of the same session, which could as well have said it."""
    mark = uuid.uuid4().hex
    session = attack.exec("x = 1").session
    attack.exec(
        f"""
import os
class Run:
    def __reduce__(self):
        return exec, ("import os, sys; open('/mnt/data/ran.txt', 'w').write('{mark} %d %d' % (os.getuid(), os.getpid()))",)
planted = Run()
""",
        session_id=session,
    )
    assert not os.path.exists("/mnt/data/ran.txt")
    attack.cool(session)
    after = attack.exec("import os; print(os.getuid(), os.listdir('/mnt/data'))", session_id=session)
    assert after.outcome == "ok" and after.names() == ["ran.txt"], dict(after)
    told = attack.fetch(after.files[0]).decode().split()
    assert told[0] == mark and told[1] == after.stdout.split()[0], (told, after.stdout)
    other = attack.exec("import os; print(os.listdir('/mnt/data'), 'planted' in globals())")
    assert other.stdout == "[] False\n", dict(other)


BOMBS = {
    "promises more than there is": r"b'\1' + pickle.dumps(None) + b'\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.'",
    "nested to the sky": r"b'\1' + pickle.dumps(None) + b'\x80\x05' + b'(' * 1000000 + b'l' * 1000000 + b'.'",
    "a memo far away": r"b'\1' + pickle.dumps(None) + b'\x80\x05Nr\xff\xff\xff\x7f.'",
    "raises": r"b'\1' + pickle.dumps(None) + b'cbuiltins\nexec\n(V1/0\ntR.'",
    "exits": r"b'\1' + pickle.dumps(None) + b'csys\nexit\n(I3\ntR.'",
    "prints": r"b'\1' + pickle.dumps(None) + b'cbuiltins\nexec\n(Vimport sys; sys.stderr.write(\"boo\")\ntR.'",
    "of another Python": r"b'\1' + pickle.dumps((9, 9)) + pickle.dumps(({'planted': 1}, {}, []))",
    "a frame that lies": r"b'\2\x04\x22\x4d\x18\x68\x40' + bytes(8) + b'\xff' * 100",
    "of a later version": r"b'\x63' + pickle.dumps(({'planted': 1}, {}, []))",
    "of other types": r"b'\1' + pickle.dumps(None) + pickle.dumps(([1], 2, 'three'))",
}


@pytest.mark.parametrize("bomb", sorted(BOMBS))
def test_c02_what_cannot_be_unpacked_is_absent(attack, bomb):
    session = attack.exec("x = 1").session
    planted = f"import os, pickle\nopen('/run/build/.state', 'wb').write({BOMBS[bomb]})\nos._exit(0)"
    assert attack.exec(planted, session_id=session).outcome == "ok"
    after = attack.exec("print('x' in globals(), 'planted' in globals()); y = 2", session_id=session)
    assert (after.outcome, after.stdout, after.stderr) == ("ok", "False False\n", ""), dict(after)
    assert attack.exec("print(y)", session_id=session).stdout == "2\n"


def test_c02_memory_is_the_cells(attack):
    """A state that unpacks to more than the cell's memory ends its own cell, and nothing else."""
    session = attack.exec("x = 1").session
    planted = attack.exec(
        """
import lz4.frame, os, pickle
file = lz4.frame.open("/run/build/body", "wb")
file.write(pickle.dumps(None))
file.write(b"\\x80\\x05(")
zeros = b"\\x8e" + (64 << 20).to_bytes(8, "little") + bytes(64 << 20)
for i in range(64): file.write(zeros)
file.write(b"l.")
file.close()
with open("/run/build/.state", "wb") as state: state.write(b"\\2" + open("/run/build/body", "rb").read())
print(os.path.getsize("/run/build/.state") >> 20)
os._exit(0)
""",
        session_id=session,
        timeout=60000,
    )
    assert planted.outcome == "ok" and int(planted.stdout) < 50, dict(planted)
    after = attack.exec("print('x' in globals())", session_id=session, timeout=60000)
    assert after.outcome == "out_of_memory" or (after.outcome, after.stdout) == ("ok", "False\n"), dict(after)
    assert attack.exec("print(1)").stdout == "1\n"


def test_c02_a_writer_that_stays_behind(attack):
    """Nobody writes any more when the state is read: the run's processes are dead."""
    session = attack.exec("x = 1").session
    run = attack.exec(
        PLANTED
        + """
import time
for i in range(4):
    if os.fork() == 0:
        os.setsid()
        while True:
            write("/run/build/.new%d" % i); os.rename("/run/build/.new%d" % i, where)
            try: os.unlink(where); os.symlink("/etc/passwd", where)
            except OSError: pass
time.sleep(0.5)
os._exit(0)
""",
        session_id=session,
    )
    assert run.outcome == "ok", dict(run)
    after = attack.exec("print(globals().get('x', globals().get('planted')))", session_id=session)
    assert (after.outcome, after.stdout, after.stderr) == ("ok", "1\n", ""), dict(after)


def test_c02_the_runner_turned_against_itself(attack):
    """A program that spoils what saves its state is told nothing, and loses nothing but its state: and, if it lives on, the run
    that finds it so."""
    for spoil in (
        "import sys; sys.modules['codecell_state'] = 7",
        "import builtins; builtins.open = None; builtins.__import__ = None",
        "import sys; sys.modules.clear()",
        "import sys; sys.stderr = None; sys.stdout = None",
        "class N(dict): pass\nimport sys; sys.modules['__main__'] = N()",
        "globals().update({i: i for i in range(9)})",
        "def f(): pass\nf.__code__ = (lambda: 1).__code__; f.__dict__['x'] = f; f.__module__ = None",
        "import sys; sys.setrecursionlimit(60); deep = lambda: deep",
        "import signal, os; signal.signal(15, lambda *_: 1 / 0); x = type('X', (), {'__reduce__': lambda s: os.kill(os.getpid(), 15)})()",
    ):
        run = attack.exec("x = 1\n" + spoil)
        assert (run.outcome, run.stderr) == ("ok", ""), (spoil, dict(run))
        attack.exec("pass", session_id=run.session)
        attack.cool(run.session)
        after = attack.exec("print(1)", session_id=run.session)
        assert (after.outcome, after.stdout, after.stderr) == ("ok", "1\n", ""), (spoil, dict(after))
