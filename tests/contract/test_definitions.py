# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.7.1: functions, classes and what they need, as programs find them that have nothing but what was saved."""

import pytest

from support.state import Session


@pytest.fixture
def stored_session(client):
    return Session(client, stored=True)


TIMED = """
import functools
def timed(function):
    @functools.wraps(function)
    def call(*arguments): return function(*arguments)
    return call
"""
READERS = {
    "container": ("shown = {'all': [lambda: s.digits[math.floor(2.5)]]}", "shown['all'][0]()"),
    "decorated": (TIMED + "@timed\ndef shown(): return s.digits[math.floor(2.5)]", "shown()"),
    "partial": ("def f(i): return s.digits[math.floor(i)]\nshown = functools.partial(f, 2.5)\ndel f", "shown()"),
    "setter": (
        "class C:\n    x = property(lambda self: self.y, lambda self, i: setattr(self, 'y', s.digits[math.floor(i)]))\nc = C()",
        "(setattr(c, 'x', 2.5), c.x)[1]",
    ),
    "nested class": (
        "class C:\n    class D:\n        @staticmethod\n        def f(): return s.digits[math.floor(2.5)]",
        "C.D.f()",
    ),
    "deleted class": ("class C:\n    def f(self): return s.digits[math.floor(2.5)]\nc = C()\ndel C", "c.f()"),
}


@pytest.mark.parametrize("defines, calls", READERS.values(), ids=READERS)
def test_whatever_reads_a_module_finds_it(stored_session, defines, calls):
    """10.7.1, 10.7.6: also in a run behind one that has not asked for it."""
    stored_session("import string as s\n" + defines)
    assert stored_session(f"print({calls})") == "2\n"
    stored_session("x = 1")
    assert stored_session(f"print({calls})") == "2\n"


def test_whatever_reads_a_private_name_finds_it(stored_session):
    """10.7.3: or it would be saved for nothing."""
    session = stored_session
    session(TIMED + "_unread, _rate = 1, 7\ndef _helper(): return _rate\n@timed\ndef f(): return _helper()")
    for _ in range(2):
        assert session("print(f(), '_unread' in globals())") == "7 False\n"
    session("import threading\n_rate = threading.Lock()\ny = 1")
    assert session("print(y, callable(f), '_rate' in globals())") == "1 True False\n"


def test_derived_classes_stay_the_programs(stored_session):
    """10.7.1: however often they are saved; what a class says itself holds also where a base says the same."""
    session = stored_session
    session(
        """
import abc, string as s
class Shape: pass
class Circle(Shape):
    def area(self): return s.digits
class Plan(abc.ABC):
    @abc.abstractmethod
    def f(self): ...
class Impl(Plan):
    def f(self): return 1
class A: x = 2
class B(A): pass
class C: x = 1
class D(B, C): x = 1
c, i = Circle(), Impl()
"""
    )
    for _ in range(2):
        session("kept = [c]")
        assert session("print(c.area(), Circle, Impl, D.x)") == (
            "0123456789 <class '__main__.Circle'> <class '__main__.Impl'> 1\n"
        )
    assert session(
        "import pickle, multiprocessing\nwith multiprocessing.Pool(1) as pool: print(pool.map(type, [c, i]))\n"
        "print(pickle.loads(pickle.dumps(i)).f())"
    ) == "[<class '__main__.Circle'>, <class '__main__.Impl'>]\n1\n"


def test_variables_that_functions_share(stored_session):
    """10.7.1: they are one variable in the next run too."""
    session = stored_session
    session(
        """
def account(b):
    def deposit(x):
        nonlocal b
        b += x
    def balance(): return b
    def again(n): return n and again(n - 1) or b
    return deposit, balance, again
kept = account(100)
deposit, balance, again = kept
def late():
    def f(): return never
    if 0: never = 1
    return f
f = late()
class Base:
    def name(self): return 'base'
class Derived(Base):
    def name(self): return 'derived ' + super().name()
d = Derived()
"""
    )
    for total in 150, 200:
        assert session("deposit(50)\nprint(balance(), kept[1](), again(3), d.name())") == f"{total} {total} {total} derived base\n"
    assert session("try: f()\nexcept NameError: print('empty')") == "empty\n"


def test_enums(stored_session):
    """10.7.1: with what their members have beside a value, and with names beside the first of it."""
    session = stored_session
    session(
        """
import enum, threading
class Planet(enum.Enum):
    EARTH = 5.976e+24, 6.37814e6
    def __init__(self, mass, radius):
        self._mass, self.radius = mass, radius
        self._lock, self._others = threading.Lock(), [type(self)]
    @property
    def mass(self): return self._mass
class Status(enum.IntEnum):
    def __new__(cls, value, phrase):
        member = int.__new__(cls, value)
        member._value_, member.phrase = value, phrase
        return member
    OK = 200, 'fine'
class Color(enum.Enum):
    "colours"
    RED = 1
    CRIMSON = 1
class Perm(enum.Flag):
    R, W = 4, 2
    RW = R | W
mine = Perm.RW
"""
    )
    shown = "Planet.EARTH.radius, Planet.EARTH.mass, Planet.EARTH._others, Status(200).phrase, Status.OK + 1, Color['CRIMSON'], list(Color.__members__), Color.__doc__, Perm['RW'], mine is Perm.R | Perm.W, list(Perm)"
    first = session(f"print({shown})")
    assert first == "6378140.0 5.976e+24 [<enum 'Planet'>] fine 201 Color.RED ['RED', 'CRIMSON'] colours Perm.RW True [<Perm.R: 4>, <Perm.W: 2>]\n", first
    assert session(f"print({shown})") == first


def test_dictionaries_with_types_for_their_keys(stored_session):
    """10.7.1."""
    session = stored_session
    session(
        "from typing import TypedDict\nclass Movie(TypedDict): title: str\nclass Rated(Movie, total=False): stars: int\n"
        "def tidy(m: Rated): return m['title']"
    )
    for _ in range(2):
        assert session("print(tidy({'title': 'x'}), Rated(title='y'), Rated.__name__)") == "x {'title': 'y'} Rated\n"


def test_deep_structures_and_classes_in_classes(stored_session):
    """10.7.1."""
    session = stored_session
    session(
        """
import typing
from dataclasses import dataclass
class Shop:
    @dataclass
    class Item: n: int
    class Price(typing.NamedTuple): cents: int
class Node:
    def __init__(self, value, rest): self.value, self.rest = value, rest
head = item = None
for i in range(1000): head = Node(i, head)
item = Shop.Item(3)
"""
    )
    for _ in range(2):
        assert session("n, at = 0, head\nwhile at: n, at = n + 1, at.rest\nprint(n, item, Shop.Price.__qualname__)") == "1000 Shop.Item(n=3) Shop.Price\n"


def test_modules_that_what_is_reached_by_no_name_needs(stored_session):
    """10.7.6."""
    session = stored_session
    session("def test_x(): return math.sqrt(4)")
    assert session("print([f() for n, f in list(globals().items()) if n.startswith('test_')])") == "[2.0]\n"


def test_properties_that_are_computed_once(stored_session):
    """10.7.1."""
    session = stored_session
    session(
        "class C:\n    n = 3\n    @functools.cached_property\n    def p(self):\n        'text'\n        return self.n + 1\n"
        "c, d = C(), C()\nd.p"
    )
    for _ in range(2):
        assert session("print(vars(c), vars(d), C.p.__doc__, C().p)") == "{} {'p': 4} text 4\n"
    assert session("c.n = 9\nprint(c.p, vars(c))") == "10 {'n': 9, 'p': 10}\n"


def test_functions_by_the_type_of_what_they_get(stored_session):
    """10.7.1."""
    session = stored_session
    session(
        """
class C: pass
@functools.singledispatch
def show(x): return 'any'
@show.register
def _(x: int): return s.digits
show.register(C, lambda x: 'C')
import string as s
show(1)
"""
    )
    for _ in range(2):
        assert session("print(show(1), show(C()), show(''))") == "0123456789 C any\n"
    session("show.register(str, lambda x: 'text')")
    assert session("print(show(1), show(C()), show(''), show(2.5))") == "0123456789 C text any\n"


def test_weak_dictionaries(stored_session):
    """10.7.1: they hold what something else holds."""
    session = stored_session
    session(
        """
import weakref
class C:
    made = weakref.WeakValueDictionary()
    notes = weakref.WeakKeyDictionary()
    def __init__(self, name):
        self.made[name] = self
        self.notes[self] = {'name': name, 'self': [self.made]}
c, d = C('c'), C('d')
"""
    )
    for _ in range(2):
        assert session("print(sorted(C.made), C.made['d'] is d, C.notes[c]['name'], C.notes[c]['self'][0] is C.made)") == (
            "['c', 'd'] True c True\n"
        )
    session("del C.notes[d], d")
    assert session("print(sorted(C.made), len(C.notes))") == "['c'] 1\n"
