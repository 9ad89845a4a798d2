# SPDX-License-Identifier: Apache-2.0
"""guest/python/state.py by itself, in an interpreter of its own: the bytes, the limits, and what is missing."""

import json
import os
import pickle
import subprocess

from support.server import REPOSITORY

GUEST = os.path.join(REPOSITORY, "guest", "python")

START = f"""
import sys
sys.path.insert(0, {GUEST!r})
import builtins, json, os, state
main = type(sys)("__main__")
main.__builtins__ = builtins
sys.modules["__main__"] = main
space = main.__dict__
def put(source): exec(compile(source, "<code>", "exec"), space)
def save(limit=1 << 20, loaded=None, skip=("np", "os")):
    if os.path.exists("out"): os.unlink("out")
    state.save("out", space, frozenset(skip), limit, 0, loaded)
    return os.path.getsize("out") if os.path.exists("out") else None
"""


def guest(tmp_path, body):
    """Runs a body in an interpreter with the module and an empty __main__; returns what it prints last, as JSON."""
    ended = subprocess.run(
        ["/usr/bin/python3", "-c", START + body], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0 and ended.stderr == "", ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_nothing_makes_no_file(tmp_path):
    assert guest(tmp_path, "put('import os; _x = 1'); print(json.dumps([save(), os.listdir()]))") == [None, []]


def test_plain_values_load_neither_cloudpickle_nor_lz4(tmp_path):
    told = guest(
        tmp_path,
        """
put("x = 42; y = [1, {'a': 2.5}]")
size = save()
print(json.dumps([size, sorted({"cloudpickle", "lz4"} & sys.modules.keys()), open("out", "rb").read(1)[0]]))
""",
    )
    assert told[0] < 100 and told[1:] == [[], 1]


def test_the_bytes_are_a_version_and_two_pickles(tmp_path):
    guest(tmp_path, "put('import random as r, os\\nx = 42\\ndef f(): return os, r'); print(save())")
    with open(tmp_path / "out", "rb") as file:
        assert file.read(1) == b"\1"
        assert pickle.load(file)[0] == 3
    guest(tmp_path, "put('import random as r, os\\nx = 42'); print(save())")
    with open(tmp_path / "out", "rb") as file:
        assert file.read(1) == b"\1"
        assert pickle.load(file) is None
        assert pickle.load(file) == ({"x": 42}, {"r": "random"}, [])


def test_what_is_long_is_an_lz4_frame(tmp_path):
    assert guest(tmp_path, "put(\"x = 'ab' * 100000\"); print(save())") < 4000
    with open(tmp_path / "out", "rb") as file:
        assert file.read(5) == b"\2\x04\x22\x4d\x18"


def test_without_lz4_it_is_whole(tmp_path):
    told = guest(
        tmp_path,
        """
sys.modules["lz4"] = sys.modules["lz4.frame"] = None
put("x = 'ab' * 100000")
size = save()
first = open("out", "rb").read(1)[0]
space.clear(); space["__builtins__"] = builtins
found = state.load("out", space)
print(json.dumps([size > 200000, first, len(space["x"]), sorted(found.names)]))
""",
    )
    assert told == [True, 1, 200000, ["x"]]


def test_without_cloudpickle_plain_values_only(tmp_path):
    told = guest(
        tmp_path,
        """
sys.modules["cloudpickle"] = None
put("x = 1")
plain = save()
put("def f(): pass")
print(json.dumps([plain, save(), os.listdir()]))
""",
    )
    assert told[0] > 0 and told[1:] == [None, []]


def test_the_limit(tmp_path):
    """Beyond it lies a file without contents that is larger than the limit, and no other."""
    told = guest(
        tmp_path,
        """
put("import os; x = os.urandom(300000)")
made = save(200000)
print(json.dumps([made, os.stat("out").st_blocks, os.listdir(), save(301000) <= 301000]))
""",
    )
    assert told == [200001, 0, ["out"], True]


def test_no_room_is_like_too_large(tmp_path):
    """Writing fails: the disk of the cell is full."""
    told = guest(
        tmp_path,
        """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100001, 100001))
put("import os; x = os.urandom(300000)")
print(json.dumps([save(100000), os.listdir()]))
""",
    )
    assert told == [100001, ["out"]]


def test_unchanged_means_no_file(tmp_path):
    told = guest(
        tmp_path,
        """
put("x = [1, 2]; t = 'text'")
save(); os.rename("out", "in")
space.clear(); space["__builtins__"] = builtins
found = state.load("in", space)
same = save(loaded=found)
put("x.append(3)")
changed = save(loaded=found)
put("del x, t")
print(json.dumps([same, changed > 0, save(loaded=found) > 0]))
""",
    )
    assert told == [None, True, True]


def test_code_of_another_python_is_not_read(tmp_path):
    told = guest(
        tmp_path,
        """
put("def f(): return 1")
state.PYTHON = (2, 7)
save()
state.PYTHON = sys.version_info[:2]
space.clear()
other = state.load("out", space)
state.PYTHON = (2, 7)
own = state.load("out", space)
print(json.dumps([other is None, sorted(own.names)]))
""",
    )
    assert told == [True, ["f"]]


def test_half_a_state_leaves_nothing_behind(tmp_path):
    """What fails in the middle has put nothing into the namespace."""
    told = guest(
        tmp_path,
        """
put("a = 1; z = 'long' * 50000")
save()
data = open("out", "rb").read()
results = []
for size in (0, 1, 2, 20, len(data) // 2, len(data) - 100):
    open("cut", "wb").write(data[:size])
    clean = {"__name__": "__main__"}
    results.append(state.load("cut", clean) is None and clean == {"__name__": "__main__"})
print(json.dumps(results + [state.load("missing", {}) is None]))
""",
    )
    assert told == [True] * 7


def test_a_class_is_as_it_was_after_it_was_saved(tmp_path):
    told = guest(
        tmp_path,
        """
put("from typing import NamedTuple\\nclass Point(NamedTuple):\\n    x: int\\np = Point(1)")
size = save()
print(json.dumps([size > 0, space["Point"].__orig_bases__ == (space["NamedTuple"],), space["p"].x]))
""",
    )
    assert told == [True, True, 1]


def test_what_cannot_be_made_again_is_lost_alone(tmp_path):
    """Whole and compressed; what is loaded then is not what was there, and is saved again."""
    for size in 1, 100000:
        told = guest(
            tmp_path,
            f"""
put('''
class Strict(Exception):
    def __init__(self, code, why): super().__init__(code)
error = Strict(1, 2)
behind = [error]
x = 'y' * {size}
''')
save(1 << 22)
first = open("out", "rb").read()
space.clear(); space["__builtins__"] = builtins
loaded = state.load("out", space)
names = sorted(space.keys() - {{"__builtins__"}})
save(1 << 22, loaded)
print(json.dumps([names, len(space["x"]), first[0], len(open("out", "rb").read()) < len(first)]))
""",
        )
        assert told == [["Strict", "x"], size, 1 if size == 1 else 2, True]


def test_what_was_saved_is_held_by_nothing(tmp_path):
    """Not until the collector comes either, which may take long."""
    told = guest(
        tmp_path,
        """
import gc, weakref
gc.disable()
put("_private = 1\\ndef f(): return _private, os")
place = weakref.ref(space["f"])
size = save()
del space["f"]
print(json.dumps([size > 0, place() is None]))
""",
    )
    assert told == [True, True]


def test_what_cannot_be_saved_has_the_needs_that_were_found(tmp_path):
    told = guest(
        tmp_path,
        """
put("def f(): return os")
save()
space.clear(); space["__builtins__"] = builtins
found = state.load("out", space)
put("x = bytes(1 << 20)")
found = state.keep("out", space, {"os"}, 1 << 20, 0, found)
put("g = (i for i in 'abc')")
first = [sorted(found.names), sorted(found.needs)]
put("x = __import__('os').urandom(1 << 20)")
found = state.keep("out", space, {"os"}, 1 << 10, 0, found)
print(json.dumps(first + [os.path.getsize("out"), sorted(found.names), sorted(found.needs)]))
""",
    )
    assert told == [["f", "x"], ["os"], 1025, ["f", "g", "x"], ["os"]]


def test_large_values_need_no_room_twice(tmp_path):
    """A state of 256 MiB is saved and loaded within little more than its own size."""
    told = guest(
        tmp_path,
        """
# Not ru_maxrss, which a process inherits from the one that started it.
peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) >> 10
put("x = bytearray(256 << 20)")
save(64 << 20)
space.clear(); space["__builtins__"] = builtins
print(json.dumps(peak()))
import gc; gc.collect()
state.load("out", space)
print(json.dumps([len(space["x"]), peak()]))
""",
    )
    assert told[0] == 256 << 20 and told[1] < 340, told
