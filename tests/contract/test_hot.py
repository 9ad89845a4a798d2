# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.7: the interpreter of a session lives on between its runs, as long as there is room for it."""

import time

import pytest

from support import host
from support.client import in_threads
from support.events import Events
from support.hot_session import Session, server, session  # noqa: F401 -- fixtures
from support.server import LIBRECHAT, Server

LIVING = """
import threading, sqlite3
def count():
    n = 0
    while True:
        n += 1
        yield n
counter = count()
next(counter)
lock = threading.Lock()
lock.acquire()
database = sqlite3.connect(':memory:')
database.execute('create table t (x)')
database.execute('insert into t values (42)')
x = 1
f = lambda: x
"""
STILL = "print(next(counter), lock.locked(), database.execute('select x from t').fetchall(), f())"


@pytest.fixture(scope="module")
def few(program):
    """A server that keeps one session alive."""
    running = Server({**LIBRECHAT, "HOT_SESSIONS_MAX": "1"})
    yield running
    running.stop()


def test_what_cannot_be_written_lives_on(session):
    """10.7.1: a generator, a lock, a database."""
    session.begin(LIVING)
    assert session.hot(STILL) == "2 True [(42,)] 1\n"
    assert session.hot("x = 5\n" + STILL) == "3 True [(42,)] 5\n"
    assert session.hot("import os; print(os.getpid() == __import__('posix').getpid())") == "True\n"


def test_every_run_has_its_own_request(session):
    """10.4, 10.7.6: arguments, standard streams, name, directory."""
    session.begin("import sys, os\nx = 1\nsys.stdout.write('no newline'); sys.argv.append('mine')\nos.chdir('/tmp')")
    assert session.hot("print(x, sys.argv[1:], os.getcwd(), __name__, input.__name__)", args=["a", "b c"]) == (
        "1 ['a', 'b c'] /mnt/data __main__ input\n"
    )
    assert session.hot("try: input()\nexcept EOFError: print('end', sys.argv[1:])") == "end []\n"
    assert session.hot("sys.stdout.close(); os.close(2)") == ""
    run = session("print('out'); print('err', file=sys.stderr)")
    assert (run.stdout, run.stderr, run.usage["warm"]) == ("out\n", "err\n", "hot"), dict(run)
    assert session.hot("x + 1") == "2\n"


DEFINITIONS = """# lines of the
# first program
class Shape:
    def side(self, area):
        return area / 0  # of the method

def ratio(values):
    return [1 / value for value in values]  # of the function
half = lambda x: x / 0  # of the lambda
"""


@pytest.mark.parametrize("cooled", [False, True], ids=["hot", "stored"])
def test_tracebacks_show_the_lines_of_the_program_that_they_are_of(session, cooled):
    """10.7.6: what an earlier program defined has that one's lines, wherever it is kept in between."""
    session.begin(DEFINITIONS)

    def run(code):
        session("pass")  # or what failed before has ended the interpreter
        if cooled:
            session.client.cool(session.id)
        answer = session(code)
        assert (answer.usage["warm"] == "hot") != cooled, dict(answer)
        return answer

    for call, line, comment in ("Shape().side(1)", 5, "method"), ("ratio([0])", 8, "function"), ("half(1)", 9, "lambda"):
        failed = run("\n\n\ndef mine():\n    return CALL  # mine\nmine()".replace("CALL", call))
        assert '  File "<code>", line 6, in <module>\n    mine()\n  File "<code>", line 5, in mine\n' in failed.stderr, dict(failed)
        of_the_first = failed.stderr.partition("  # mine\n")[2]
        assert f'", line {line}, in ' in of_the_first and f"# of the {comment}\n" in of_the_first, dict(failed)
        assert 'File "<code>"' not in of_the_first, dict(failed)
    shown = run("import inspect\nclass Mine:\n    x = 1\nfor each in Shape, ratio, half, Mine: print(inspect.getsource(each))")
    assert (shown.code, shown.stderr) == (0, ""), dict(shown)
    assert shown.stdout.count("# of the ") == 3 and "class Shape" in shown.stdout and "class Mine:\n    x = 1" in shown.stdout, dict(shown)


def test_a_function_that_is_carried_on_keeps_its_lines(session):
    """10.7.6: over several programs, in whichever way they are kept."""
    session.begin(DEFINITIONS)
    assert session.hot("def second(): return half(1)  # of the second") == ""
    session.client.cool(session.id)
    assert session.stored("third = lambda: second()  # of the third") == ""
    session.client.cool(session.id)
    failed = session("third()")
    assert [line for line in failed.stderr.splitlines() if " of the " in line] == [
        "    third = lambda: second()  # of the third", "    def second(): return half(1)  # of the second",
        "    half = lambda x: x / 0  # of the lambda"], dict(failed)


def test_every_program_is_warned(session):
    """10.7.6: a warning is shown once, by each program whose it is."""
    warns = "import warnings\nfor level in 1, 1, 2, 2: warnings.warn('careful', stacklevel=level)"
    assert session.begin(warns + "\nkeep = 1").stderr.count("UserWarning: careful") == 2
    for _ in range(2):
        run = session(warns)
        assert (run.usage["warm"], run.stderr.count("UserWarning: careful")) == ("hot", 2), dict(run)


def test_the_lines_of_what_is_gone_are_forgotten(session):
    """10.7.6: a session that goes on for long does not keep the text of each of its programs."""
    session.begin("import linecache")
    for number in range(6):
        session.hot(f"def mine(): return {number}")
    shown = session.hot("print([mine.__code__.co_filename, '<code>'] == sorted(name for name in linecache.cache if 'code' in name))")
    assert shown == "True\n"


def test_every_run_has_its_own_files(session):
    """10.6, 10.9: what was written, changed and deleted in between is there; nothing else is."""
    first = session.begin("open('a.txt', 'w').write('one')\nopen('/tmp/t', 'w').write('t')\nkeep = 1")
    assert [file["name"] for file in first.files] == ["a.txt"]
    again = session("import os\nprint(sorted(os.listdir()), os.listdir('/tmp'), open('a.txt').read())\nopen('b.txt', 'w').write('2')")
    assert (again.stdout, again.usage["warm"]) == ("['a.txt'] [] one\n", "hot"), dict(again)
    assert [file["name"] for file in again.files if not file.get("inherited")] == ["b.txt"]
    identifier = first.files[0]["id"]
    assert session.client.delete(f"/files/{session.id}/{identifier}").status == 200
    assert session.hot("print(sorted(os.listdir()))") == "['b.txt']\n"


def test_every_run_has_its_own_scratch_space(session):
    """10.9: /tmp and /dev/shm are as they are in a new cell, whatever was done to them."""
    kept = "print([(os.listdir(at), oct(os.stat(at).st_mode & 0o7777), os.statvfs(at).f_bavail > 1000) for at in ('/tmp', '/dev/shm')])"
    new = "[([], '0o1777', True), ([], '0o1777', True)]\n"
    session.begin("import os, mmap\n" + kept)
    assert session.hot(kept) == new
    assert session.hot("os.chmod('/tmp', 0o700); os.rmdir(os.mkdir('/dev/shm/d') or '/dev/shm/d'); " + kept).startswith("[([], '0o700'")
    assert session.hot(kept) == new
    assert session.hot("f = open('/dev/shm/f', 'w+b'); os.truncate('/dev/shm/f', 60 << 20); m = mmap.mmap(f.fileno(), 0)\nfor i in range(0, 60 << 20, 4096): m[i] = 1\nos.remove('/dev/shm/f')") == ""
    assert session.hot("f.read(1); m[1 << 20]\nprint(os.statvfs('/dev/shm').f_bavail > (60 << 20) / os.statvfs('/dev/shm').f_frsize)") == "True\n"


def test_what_another_run_filled_is_no_disk_limit(session):
    """extensions.md X1: the outcome is that of the run."""
    session.begin("x = 1")
    fill = "n = 0\ntry:\n  while n < 10**6: open(f'/run/build/{n}', 'x').close(); n += 1\nexcept OSError as e: print(e.errno)"
    assert session.hot(fill) == "28\n"
    run = session("1 / 0")
    assert (run.outcome, run.usage["warm"]) == ("error", "hot"), dict(run)


def test_input_of_who_finds_the_parked_cell_gone(session):
    """10.7: it goes on with what is stored, and with all that it was sent. The parked program can take no descriptors."""
    session.begin("x = 1")
    session.hot("import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6)); x = 2")
    assert session.stored("print(repr(input()), x)", stdin="hello\n") == "'hello' 2\n"


def test_a_keeper_has_the_timers_of_any(server, session):
    """10.9: the programs of its later cells inherit them. "" = this host lets nobody look."""
    session.begin("x = 1")
    keepers = [pid for pid in host.descendants(server.pid) if host.command_line(pid)[:1] == ["codecell-slot"]]
    assert keepers
    assert host.until(lambda: {host.read(f"/proc/{pid}/timerslack_ns") for pid in keepers} <= {"50000\n", ""}, 10)


def test_a_module_of_the_workspace_is_read_again(session):
    """10.3: x.py beside the program, in the version that there is now."""
    session.begin("open('mine.py', 'w').write('value = 1')\nkeep = 0")
    assert session.hot("import mine; print(mine.value); open('mine.py', 'w').write('value = 2000')") == "1\n"
    assert session.hot("import mine; print(mine.value)") == "2000\n"


@pytest.mark.parametrize("code", ["x = 2\nraise ValueError", "x = 2\nimport sys; sys.exit(1)", "x = 2\nimport sys; sys.exit(0.0)", "x = 2\nimport os; os._exit(3)", "x = 2\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_run_that_fails_leaves_the_session(session, code):
    """10.7.2: what was before it is there, as far as it could be stored."""
    session.begin("x = 1\ng = (i for i in range(3))")
    assert session(code).code != 0
    assert session.stored("print(x, 'g' in globals())") == "1 False\n"


def test_a_run_that_is_stopped_leaves_the_session(session):
    """10.7.2, 10.5: the time limit holds for each run."""
    session.begin("x = 1")
    run = session("x = 2\nwhile True: pass", timeout=1000)
    assert (run.outcome, run.usage["warm"]) == ("timeout", "hot"), dict(run)
    assert session.stored("print(x)") == "1\n"
    run = session("x = 2\nblock = b'x' * (1 << 31)")
    assert run.code != 0 and run.usage["warm"] == "hot", dict(run)
    assert session.stored("print(x)") == "1\n"


@pytest.mark.parametrize(
    "code",
    [
        "import threading, time\nt = threading.Thread(target=time.sleep, args=(60,), daemon=True); t.start()",
        "import subprocess\np = subprocess.Popen(['sleep', '60'])",
        "import os\nif os.fork() == 0:\n    os.setsid()\n    os.execlp('sleep', 'sleep', '60')",
        "import os\nif os.fork() == 0:\n    if os.fork() == 0: os.execlp('sleep', 'sleep', '60')\n    os._exit(0)\nos.wait()",
        "import atexit\natexit.register(print, 'bye')",
        "file = open('left.txt', 'w')",
        "class Thing:\n    def __del__(self): pass\nt = Thing()",
    ],
)
def test_a_program_that_is_not_over_is_ended(session, code):
    """10.7.1: what it left is stored, and nothing of it runs on."""
    assert session.begin("x = 1\n" + code).code == 0
    assert session.stored("print(x)") == "1\n"


def test_concurrent_runs(server, session):
    """9.6: both succeed, one in the living interpreter."""
    session.begin("x = 1\ng = (i for i in range(3))")

    def one(i):
        with server.client() as own:
            return own.exec(f"import time; time.sleep(0.5); print(x); y = {i}", "py", session_id=session.id)

    runs = in_threads([lambda i=i: one(i) for i in range(2)])
    assert [run.stdout for run in runs] == ["1\n", "1\n"], [dict(run) for run in runs]
    assert sorted(run.usage["warm"] == "hot" for run in runs) == [False, True]
    assert session("print(y in (0, 1), x)").stdout == "True 1\n"


def test_the_least_recently_used_goes(few):
    """10.7.1: HOT_SESSIONS_MAX=1; what goes is found as it was stored."""
    with few.client() as client:
        one, two = Session(client), Session(client)
        one.begin("x = 1")
        assert one.hot("print(x)") == "1\n"
        two.begin("x = 2")
        assert two.hot("print(x)") == "2\n"
        assert one.stored("print(x)") == "1\n"


def test_programs_without_names_end_nobody(few):
    """10.7.1: what leaves nothing takes nobody's place."""
    with few.client() as client:
        one = Session(client)
        one.begin("x = 1")
        for _ in range(3):
            client.exec("print(1)", "py")
        assert one.hot("print(x)") == "1\n"


def test_too_many_at_once(few):
    """9.6: all sessions end well, whichever stays."""

    def one(i):
        with few.client() as own:
            session = Session(own)
            session(f"x = {i}")
            return session("print(x)").stdout

    assert in_threads([lambda i=i: one(i) for i in range(8)]) == [f"{i}\n" for i in range(8)]


def test_what_is_parked_does_not_run(few):
    """security.md: frozen by the kernel."""
    with few.client() as client:
        one = Session(client)
        one.begin("import time\nbefore = time.process_time()")
        time.sleep(0.5)
        assert float(one.hot("print(time.process_time() - before)")) < 0.3


def test_live_output_input_and_cancelling(server, session):
    """extensions.md X5: a run in a living interpreter is one like any other."""
    session.begin("x = 1")
    with Events.run(server, "print('a'); print('b', x); y = 2", "py", session_id=session.id) as events:
        told = events.all()
    assert "".join(event.data["text"] for event in told if event.name == "stdout") == "a\nb 1\n"
    assert [event.data["usage"]["warm"] for event in told if event.name == "result"] == ["hot"]
    with Events.run(server, "print('before', flush=True)\nimport time; time.sleep(60)", "py", session_id=session.id) as events:
        assert events.next("started") and events.next("stdout").data["text"].startswith("before")
        with server.client() as own:
            assert own.delete(f"/executions/{events.id}").status == 204
        result = [event for event in events.all() if event.name == "result"][0].data
    assert (result["outcome"], result["usage"]["warm"]) == ("cancelled", "hot")
    assert session.stored("print(x, y)") == "1 2\n"


def test_off(server_with):
    """HOT_SESSIONS_MAX=0."""
    server = server_with(HOT_SESSIONS_MAX="0", SANDBOX_POOL_ENABLED="true")
    with server.client() as client:
        session = Session(client)
        session.begin("x = 1\ng = (i for i in range(3))")
        assert session.stored("print(x, 'g' in globals())") == "1 False\n"
