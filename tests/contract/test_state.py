# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.7 and security.md S3: what a Python run leaves to the next run of its session."""

import glob
import os
import sqlite3
import uuid

import pytest

from support.client import in_threads
from support.state import Session


def unique(prefix="t"):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["stored", "alive"])
def session(client, request):
    """What a program finds must not depend on the way it came: each test takes both."""
    return Session(client, stored=request.param == "stored")


@pytest.fixture
def stored_session(client):
    return Session(client, stored=True)


# 10.7.1: what survives


def test_variables(session):
    """10.7.1 (pinned)."""
    session("x = 42\ntext = 'Grüße'\nitems = {'a': [1, (2, 3)], 'b': {4}}\nnothing = None\nraw = b'\\0\\xff'")
    assert (
        session("print(x, text, items, nothing, raw)") == "42 Grüße {'a': [1, (2, 3)], 'b': {4}} None b'\\x00\\xff'\n"
    )
    session("x += 1; items['a'].append(4)")
    assert session("print(x, items['a'])") == "43 [1, (2, 3), 4]\n"


def test_functions_see_the_names_of_their_caller(session):
    """10.7.1 (pinned): a function of an earlier run has this run's names as its globals."""
    session(
        "x = 1\ndef f(): return x\ng = lambda: f() * 10\ndef counter(n):\n    def add(): return n + x\n    return add\nadd = counter(100)"
    )
    assert session("x = 5\nprint(f(), g(), add(), f.__globals__ is globals())") == "5 50 105 True\n"
    session("def f(): return x + 1000")
    assert session("x = 1; print(g())") == "10010\n"


def test_classes(session):
    """10.7.1 (pinned): classes, their instances, and what methods read."""
    session(
        """
from dataclasses import dataclass, field, fields
import enum
rate = 2
class Shape:
    sides = 0
    def cost(self): return rate * self.sides
    @property
    def double(self): return self.cost() * 2
    @classmethod
    def named(cls): return cls.__name__
    @staticmethod
    def rate(): return rate
class Square(Shape):
    sides = 4
    def cost(self): return super().cost() + 1
@dataclass
class Point:
    x: int
    tags: list = field(default_factory=list)
class Colour(enum.Enum):
    RED = 1
square, point, red = Square(), Point(3), Colour.RED
"""
    )
    assert (
        session(
            """
rate = 3
print(square.cost(), square.double, Square.named(), Shape.rate(), isinstance(square, Shape), type(square) is Square)
print(point, Point(3) == point, [f.name for f in fields(Point)], red is Colour.RED, Colour(1))
class Cube(Square): sides = 6
print(Cube().cost())
"""
        )
        == "13 26 Square 3 True True\nPoint(x=3, tags=[]) True ['x', 'tags'] True Colour.RED\n19\n"
    )
    assert session("print(Cube().cost(), Point(9))") == "19 Point(x=9, tags=[])\n"


def test_recursion_and_caches(session):
    session(
        """
import functools
@functools.lru_cache(maxsize=None)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def odd(n): return n != 0 and even(n - 1)
def even(n): return n == 0 or odd(n - 1)
half = functools.partial(pow, 2)
"""
    )
    assert session("print(fib(90), odd(7), half(5))") == "2880067194370816120 True 32\n"


def test_data_frames(session):
    """10.7.1 (pinned)."""
    session("import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3], 'b': list('xyz')})")
    session("df['c'] = df.a * 2")
    assert session("print(df.c.sum(), df.b.tolist(), type(df) is pd.DataFrame)") == "12 ['x', 'y', 'z'] True\n"


def test_arrays_stay_writable(session):
    session("import numpy as np\na = np.arange(6.).reshape(2, 3)\nf = np.asfortranarray(a)")
    assert (
        session("a[0, 0] = 9; f[1, 1] = 7; print(a.sum(), f.tolist())") == "24.0 [[0.0, 1.0, 2.0], [3.0, 7.0, 5.0]]\n"
    )


def test_a_fitted_model(session):
    session("from sklearn.linear_model import LinearRegression\nm = LinearRegression().fit([[1], [2], [3]], [2, 4, 6])")
    assert session("print(round(m.predict([[10]])[0], 6))") == "20.0\n"


def test_figures_are_shown_once(session):
    """A figure comes back as a value, not as one that is still open."""
    first = session.any(
        "fig, ax = plt.subplots()\nax.plot([1, 2])\nimport datetime as d\nfrom datetime import datetime"
    )
    assert (first.outcome, first.stderr, first.names()) == ("ok", "", []), dict(first)
    second = session.any("ax.plot([3, 4]); plt.show(); print(len(ax.lines), datetime(2020, 1, 2).day)")
    assert (second.stdout, second.stderr, second.names()) == ("2 2\n", "", []), dict(second)
    third = session.any("fig.savefig('a.png')")
    assert (third.stderr, third.names()) == ("", ["a.png"]), dict(third)


def test_module_names(session):
    session("import random as rnd, xml.dom.minidom as dom\nfrom math import floor\nx = 1")
    assert session("print(rnd.Random(1).random() < 1, dom.__name__, floor(2.5))") == "True xml.dom.minidom 2\n"
    assert session("print(rnd.__name__)") == "random\n"


def test_functions_find_the_modules_they_read(session):
    """A preloaded or imported name that only a function of an earlier run mentions."""
    session("import string as s\ndef f(): return np.mean([1, 3]), s.digits")
    assert session("print(f())") == "(2.0, '0123456789')\n"


def test_shared_objects_stay_shared(session):
    session("a = [1]\nb = a\nd = {'a': a}\nloop = []\nloop.append(loop)")
    assert session("a.append(2); print(b, d['a'] is a, loop[0] is loop)") == "[1, 2] True True\n"


def test_names_can_be_removed(session):
    session("x = 1; y = 2")
    session("del x")
    assert session("print('x' in globals(), y)") == "False 2\n"
    session("del y")
    assert session("print('y' in globals())") == "False\n"


def test_own_modules_of_the_session(session):
    """A class of a module that lies in the workspace comes back as long as the module does."""
    session("open('helper.py', 'w').write('class H:\\n    v = 7\\n')\nimport helper\nh = helper.H()")
    assert session("print(h.v, helper.H is type(h))") == "7 True\n"


def test_workspace_files_named_like_the_runners_libraries(session):
    """A user's pickle.py or state.py is the user's, and nothing to the runner."""
    session("for n in ('pickle', 'cloudpickle', 'lz4', 'state'): open(n + '.py', 'w').write('print(\"mine\")')")
    session("def f(): return 1\nx = 'y' * 10000")
    assert session("import state; print(f(), len(x))") == "mine\n1 10000\n"


def test_other_languages_have_none(session):
    """10.7.1: and they leave Python's alone."""
    session("x = 1")
    assert session("echo x=$x", "bash") == "x=\n"
    assert session("print(x)") == "1\n"


# 10.7.2: when it is saved


def test_a_failed_run_changes_nothing(session):
    """10.7.2."""
    session("x = 1")
    for code in (
        "x = 2; raise ValueError",
        "x = 2; import sys; sys.exit(3)",
        "x = 2; exit('no')",
        "x = 2; import os; os.kill(os.getpid(), 9)",
    ):
        assert session.any(code).outcome != "ok"
        assert session("print(x)") == "1\n", code
    assert session.any("x = (").outcome == "error"
    assert session.any("x = 2\nwhile True: pass", timeout=1000).outcome == "timeout"
    assert session.any("x = 2\nb = bytearray(1 << 40)").outcome != "ok"
    assert session("print(x)") == "1\n"


def test_an_exit_with_zero_succeeds(session):
    """10.7.2: exit 0, however it comes about. What skips the interpreter's end skips the saving too."""
    session("x = 1; import sys; sys.exit(0)")
    session("y = 2; exit()")
    session("x = 9; import os; os._exit(0)")
    assert session("print(x, y)") == "1 2\n"


def test_threads_are_waited_for(session):
    session(
        "import threading, time\nx = []\ndef later(): time.sleep(0.3); x.append(1)\nthreading.Thread(target=later).start()"
    )
    assert session("print(x)") == "[1]\n"


def test_pools_end_as_without_state(session):
    """Idle threads of a pool that nobody shut down, daemons, and what a thread says when it fails."""
    session(
        """
from concurrent.futures import ThreadPoolExecutor
import threading, time
pool = ThreadPoolExecutor(2)
done = pool.submit(pow, 2, 5).result()
late = []
pool.submit(lambda: (time.sleep(0.3), late.append(1)))
threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
"""
    )
    assert session("print(done, late, 'pool' in globals())") == "32 [1] False\n"
    failed = session.any("import threading\nx = 1\nthreading.Thread(target=lambda: 1 / 0).start()")
    assert failed.outcome == "ok" and "ZeroDivisionError" in failed.stderr, dict(failed)
    assert session("import atexit; atexit.register(print, 'bye', x); x = 2") == "bye 1\n"
    session("import multiprocessing as mp\nwith mp.Pool(2) as p: y = p.map(abs, [-1, -2])\nq = mp.Queue(); q.put(1)")
    assert session("print(x, y)") == "2 [1, 2]\n"


def test_a_forked_child_saves_nothing(session):
    session("import os\nx = 'parent'\nif os.fork() == 0: x = 'child'\nelse: os.wait()")
    assert session("print(x)") == "parent\n"


def test_capture_on_error(server_with):
    """10.7.2: STATE_CAPTURE_ON_ERROR."""
    with server_with(STATE_CAPTURE_ON_ERROR="true").client() as client:
        session = Session(client)
        assert session.any("x = 1; raise ValueError").outcome == "error"
        assert session("print(x)") == "1\n"
        assert session.any("x = 2; import sys; sys.exit(3)").code == 3
        assert session("print(x)") == "2\n"
        assert session.any("x = 3\nwhile True: pass", timeout=1000).outcome == "timeout"
        assert session("print(x)") == "2\n"


# 10.7.3: what is not saved


def test_not_saved(stored_session):
    """10.7.3: underscore names and modules."""
    session = stored_session
    session("_x = 1\n__y = 2\nimport base64\nz = 3")
    assert session("print(sorted(n for n in globals() if n.strip('_') in ('x', 'y', 'z')))") == "['z']\n"
    assert session("print('base64' in globals())") == "False\n"


def test_each_value_is_skipped_alone(stored_session):
    """10.7.3: never an error."""
    session = stored_session
    session(
        """
import sys, threading
before = 1
lock = threading.Lock()
gen = (i for i in range(3))
frame = sys._getframe()
class Refuses:
    def __reduce__(self): raise SystemExit(7)
class Talks:
    def __reduce__(self):
        print('not for you', file=sys.stderr)
        raise ValueError('really not')
refuses, talks = Refuses(), Talks()
deep = []
for i in range(100000): deep = [deep]
def uses(): return lock, before
after = 2
"""
    )
    assert (
        session(
            "print(before, after, [n in globals() for n in ('lock', 'gen', 'frame', 'refuses', 'talks', 'deep', 'uses')])"
        )
        == "1 2 [False, False, False, False, False, False, True]\n"
    )
    assert session("lock = 'new'; print(uses())") == "('new', 1)\n"


def test_what_cannot_be_made_again_is_absent_alone(stored_session):
    """10.7.3: what can be written, and not be read, takes nothing along but what leads to it."""
    session = stored_session
    session(
        """
class Strict(Exception):
    def __init__(self, code, why): super().__init__(f"{code}: {why}")
class Refuses:
    def __init__(self): self.x = 1
    def __setstate__(self, state): raise SystemExit(7)
class Unhashed:
    def __init__(self): self.key = 5
    def __hash__(self): return self.key
try: raise Strict(4, 'because')
except Strict as error: kept = error
refuses = Refuses()
again = refuses
inside = [1, {'deep': (refuses,)}]
child = [refuses]
refuses.child = child
unhashed = Unhashed()
unhashed.all = {unhashed}
def closes(it=refuses): return it
before, rows, shared = 1, [{'a': 1}] * 2, []
other = shared
import math as m
def f(): return before + m.floor(2.5)
"""
    )
    there = "[n for n in ('Strict', 'Refuses', 'kept', 'refuses', 'again', 'inside', 'child', 'unhashed', 'closes', 'rows') if n in globals()]"
    for _ in range(2):
        assert (
            session(f"print(before, f(), rows[0] is rows[1], shared is other, {there}, Strict(1, 2)); before += 0")
            == "1 3 True True ['Strict', 'Refuses', 'rows'] 1: 2\n"
        )


def test_a_large_state_with_what_cannot_be_made_again(stored_session):
    session = stored_session
    session(
        """
import numpy as np, pandas as pd
class Strict(Exception):
    def __init__(self, code, why): super().__init__(code)
error = Strict(1, 2)
array = np.arange(100000)
frame = pd.DataFrame({'a': range(1000), 'b': list('xy') * 500})
text = 'Grüße' * 10000
"""
    )
    assert (
        session("print('error' in globals(), int(array.sum()), frame.b.iloc[3], frame.a.sum(), len(text))")
        == "False 4999950000 y 499500 50000\n"
    )


def test_named_tuples(session):
    """10.7.1."""
    session(
        """
from collections import namedtuple
from typing import Generic, NamedTuple, TypeVar
T = TypeVar('T')
box = (7,)
if sys.version_info > (3, 11):
    class Box(NamedTuple, Generic[T]): x: T
    box = Box(7)
class Point(NamedTuple):
    x: int
    y: int = 2
    def sum(self): return self.x + self.y
Old = namedtuple('Old', 'a b')
p, old = Point(1), Old(3, 4)
"""
    )
    for _ in range(2):
        assert (
            session("print(p, p.sum(), Point(5, 6)._asdict(), type(p) is Point, old, Point._field_defaults, box[0])")
            == "Point(x=1, y=2) 3 {'x': 5, 'y': 6} True Old(a=3, b=4) {'y': 2} 7\n"
        )


def test_preloaded_names_are_the_libraries(session):
    """10.7.3, 10.7.6."""
    session("import numpy as np, json, os\nx = 1")
    assert session("print(np.__name__, json.__name__, os.sep)") == "numpy json /\n"


def test_odd_names(session):
    session("globals()[1] = 2; globals()[''] = 3; globals()['a b'] = 4; x = 5")
    assert session("print(x, globals()['a b'])") == "5 4\n"


# 10.7.4 and security.md S3


def test_not_visible(client, session):
    """S3.3 (pinned): no route knows it, no answer holds it."""
    session("secret = 'marmalade' * 100")
    for method, path in (
        ("GET", "/state/" + session.id),
        ("DELETE", "/state/" + session.id),
        ("POST", "/state"),
        ("GET", "/state"),
    ):
        assert client.request(method, path).status in (404, 405), path
    assert client.get("/state/" + session.id).status == 404
    assert client.files(session.id) == []
    assert session("print(1)") == "1\n"
    assert session.any("print(2)").files == []


def test_entity_and_user(client):
    """S3.3, S3.8, 9.3, 9.4: same entity and user share it; nobody else gets it."""
    entity, user = unique("e"), unique("u")
    first = Session(client, entity_id=entity, user_id=user)
    first("x = 'mine'")
    assert Session(client, entity_id=entity, user_id=user)("print(x)") == "mine\n"
    assert Session(client, entity_id=entity, user_id=unique("u"))("print('x' in globals())") == "False\n"
    assert Session(client, entity_id=unique("e"), user_id=user)("print('x' in globals())") == "False\n"
    assert Session(client)("print('x' in globals())") == "False\n"
    stranger = client.exec("print('x' in globals())", session_id=first.id, user_id=unique("u"))
    assert stranger.stdout == "False\n" and stranger.session != first.id


def test_a_session_that_finds_its_user(client):
    """9.4: a session without user keeps its state when it takes over a request's."""
    session, user = Session(client), unique("u")
    session("x = 1")
    assert session("print(x)", user_id=user) == "1\n"
    session("x = 2", user_id=user)
    assert session("print(x)", user_id=user) == "2\n"
    assert client.exec("print('x' in globals())", session_id=session.id, user_id=unique("u")).stdout == "False\n"


def test_files_of_the_same_user_continue_it(client):
    """9.3 step 2 (pinned): the user's file leads back to the session and its state."""
    user = unique("u")
    session = Session(client, user_id=user)
    made = session.any("x = 11; open('a.txt', 'w').write('a')")
    reference = {"id": made.files[0]["id"], "session_id": made.session, "name": "a.txt"}
    again = client.exec("print(x)", user_id=user, files=[reference])
    assert (again.session, again.stdout) == (made.session, "11\n")


def test_five_at_once(server, client, session):
    """9.6 (pinned): all succeed, and what is kept is one of them, whole."""
    session("n = 0; data = [0] * 1000")

    def run(value):
        with server.client() as own:
            return own.exec(f"n = {value}; data = [{value}] * 1000", session_id=session.id)

    runs = in_threads([lambda value=value: run(value) for value in range(1, 6)])
    assert [(each.outcome, each.session) for each in runs] == [("ok", session.id)] * 5
    assert session("print(n in range(1, 6), set(data) == {n}, len(data))") == "True True 1000\n"


def stored(server, session_id):
    """The record of a state as it lies in the store, or None."""
    with sqlite3.connect(f"file:{server.data_dir}/codecell.db?mode=ro", uri=True) as db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for row in db.execute(f"select * from {table}"):
                if f"state:{session_id}" == row[0]:
                    return next(
                        bytes(v) if isinstance(v, bytes) else v.encode() for v in row[1:] if isinstance(v, (bytes, str))
                    )
    return None


def test_at_rest(server_with):
    """S3.2: a version byte, lz4 or nothing, and base64 around it."""
    import base64

    server = server_with()
    with server.client() as client:
        session = Session(client)
        session("x = 'small'")
        text = stored(server, session.id).split(b"\n", 1)[1]
        assert base64.b64decode(text, validate=True)[0] == 1
        session("x = 'large' * 10000")
        raw = base64.b64decode(stored(server, session.id).split(b"\n", 1)[1], validate=True)
        assert raw[0] == 2 and raw[1:5] == b"\x04\x22\x4d\x18" and len(raw) < 10000


def test_nothing_is_stored_for_nothing(server_with):
    server = server_with()
    with server.client() as client:
        run = client.exec("print(1)")
        assert stored(server, run.session) is None
        assert stored(server, client.exec("import os, json; print(2)").session) is None
        assert stored(server, client.exec("x = 1").session) is not None


def test_size_limit(server_with):
    """S3.5: the run succeeds, the earlier state stays, and a warning is logged."""
    server = server_with(STATE_MAX_SIZE_MB="1")
    with server.client() as client:
        session = Session(client)
        session("x = 1")
        session("import os; big = os.urandom(3 << 20); x = 2")
        assert session("print(x, 'big' in globals())") == "1 False\n"
        assert [
            line
            for line in server.log().splitlines()
            if session.id in line and "larger than" in line and "warning" in line.lower()
        ]
        session("x = 3; zeros = bytes(30 << 20)")  # compressed it is small
        assert session("print(x, len(zeros))") == f"3 {30 << 20}\n"


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "alive"])
def test_the_text_of_programs_leaves_room_for_what_they_define(server_with, stored):
    """S3.5: what is kept for tracebacks counts little against the limit; the latest programs have it."""
    with server_with(STATE_MAX_SIZE_MB="1").client() as client:
        session = Session(client, stored=stored)
        for number in range(8):
            session(f"def f{number}(x): return {number} / x  # {os.urandom(25000).hex() if number < 7 else 'the last'}")
            session(f"# {os.urandom(400000).hex()}\ndef g{number}(): return {number}")
        client.cool(session.id)
        assert session("print(sum(f(1) + g() for f, g in zip((f0, f1, f2, f3, f4, f5, f6, f7), (g0, g1, g2, g3, g4, g5, g6, g7))))") == "56.0\n"
        assert "  # the last\n" in session.any("f7(0)").stderr
        assert 'File "<code ' in session.any("f0(0)").stderr


def test_saving_never_ends_a_run_that_succeeded(client):
    """S3.5: what there is no memory to save is not saved; what was saved can be loaded."""
    for value in ("'abcdef' * (60 << 20)", "['string number %d' % i for i in range(4000000)]", "list(range(11000000))"):
        session = Session(client)
        session(f"big = {value}; print(len(big))")
        assert session("print('big' in globals())") in ("True\n", "False\n"), value


def blobs(server):
    return [path for path in glob.glob(server.data_dir + "/blobs/objects/*/*") if os.path.isfile(path)]


def test_large_states_survive_a_restart(server_with):
    """S3.5: above the hot store's limit a state lies in the archive from the start. One at a time."""
    server = server_with()
    with server.client() as client:
        session, small = Session(client), Session(client)
        small("y = 'kept'")
        for size in (3, 5, 4):
            session(f"import os; big = os.urandom({size} << 20)\nimport hashlib\nsum = hashlib.sha256(big).hexdigest()")
            assert [os.path.getsize(path) >> 20 for path in blobs(server)] == [size * 4 // 3]
        assert session("print(len(big), sum == hashlib.sha256(big).hexdigest())") == f"{4 << 20} True\n"
    server.terminate()
    server.start()
    with server.client() as client:
        again = Session(client, session_id=session.id)
        assert again("print(len(big), sum == hashlib.sha256(big).hexdigest())") == f"{4 << 20} True\n"
        again("del big")
        assert Session(client, session_id=small.id)("print(y)") == "kept\n"


def test_what_cannot_be_loaded_is_absent(client, session):
    """S3.6, C2: whatever a program puts in the place of its state, the next one runs, in silence."""
    for junk in (
        b"",
        b"\0",
        b"\1",
        b"\2",
        b"\1junk",
        b"\2junk",
        b"\xff" * 1000,
        b"\1\x80\x05N.\x80\x05K\x01.",
        b"\1(i__main__\nnope\n.",
    ):
        session(
            f"x = 1\nimport os\nopen('/run/build/.state', 'wb').write({junk!r})\nos.chmod('/run/build/.state', 0)\nos._exit(0)"
        )
        assert session("print('x' in globals())") == "False\n", junk
        assert session("print(1 + 1)") == "2\n"


def test_damage_at_rest_counts_as_absent(server_with):
    """S3.6: damaged, cut, or another session's."""
    server = server_with()
    with server.client() as client:
        session = Session(client)
        session("import os; big = os.urandom(3 << 20); x = 1")
        (path,) = blobs(server)
        with open(path, "r+b") as file:
            file.seek(1 << 20)
            file.write(b"AAAA")
        assert session("print('x' in globals())") == "False\n"
        session("import os; big = os.urandom(3 << 20); x = 2")
        for path in blobs(server):
            os.unlink(path)
        assert session("print('x' in globals())") == "False\n"
        session("x = 3")
        assert session("print(x)") == "3\n"


# 10.7.5


def test_disabled(server_with):
    """10.7.5, S3.7."""
    server = server_with(STATE_PERSISTENCE_ENABLED="false")
    with server.client() as client:
        session = Session(client)
        session("x = 1\ndef f(): pass")
        assert session("print('x' in globals(), 'f' in globals())") == "False False\n"
        assert stored(server, session.id) is None
