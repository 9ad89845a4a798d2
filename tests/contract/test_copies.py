# SPDX-License-Identifier: Apache-2.0
"""A Python program that is a copy of an interpreter at work behaves as one that has an interpreter of its own (exec.md 10.7)."""

import os
import runpy
import sys

import pytest
from support import host


@pytest.fixture(scope="module", params=["copy", "own interpreter"])
def run(request, server, program):
    """exec() on a server with, and on one without, a zygote."""
    from support.server import Server

    if request.param == "copy":
        with server.client() as client:
            yield lambda code, **fields: client.exec(code, "py", **fields)
        return
    other = Server({"AUTH_FAILURE_LIMIT": "0", "SANDBOX_POOL_ENABLED": "false"})
    with other.client() as client:
        yield lambda code, **fields: client.exec(code, "py", **fields)
    other.stop()


def inputs_of(answer):
    return [{"id": file["id"], "session_id": answer.session, "name": file["name"]} for file in answer.files]


def test_it_is_a_copy(server):
    with server.client() as client:
        assert host.until(lambda: "Seccomp_filters:\t2" in client.exec("print(open('/proc/self/status').read())", "py").stdout, 60)


def test_warnings_name_the_program_only(run):
    """exec.md 10.8.4. There is one module of them, whoever imports it first."""
    answer = run(
        "import warnings, importlib.util\nwarnings.warn('early', stacklevel=2)\nprint(importlib.util.warnings is warnings)\n"
        "async def f(): pass\ndef g(): g.x = f()\ng()\nexit(3)"
    )
    shown = "sys:1: UserWarning: early\nsys:1: RuntimeWarning: coroutine 'f' was never awaited\n"
    assert (answer.stdout, answer.stderr, answer.code) == ("True\n", shown, 3), dict(answer)


THREADS = """
import sys
held = '/mnt/data' in sys.path
open('helper.py', 'w').write('x = 1')
import threading
sys.setswitchinterval(1e-6)
def fail():
    barrier.wait()
    raise ValueError('in a thread')
lost = 0
for _ in range(20):
    barrier = threading.Barrier(9)
    threads = [threading.Thread(target=fail) for _ in range(8)]
    for thread in threads: thread.start()
    barrier.wait()
    while any(thread.is_alive() for thread in threads): lost += '/mnt/data' not in sys.path
import helper
print(held, lost, helper.x)
"""


def test_threads_that_fail_leave_imports_alone(run):
    """10.7.6: the program imports from its directory whatever its threads do."""
    answer = run(THREADS)
    assert (answer.code, answer.stdout) == (0, "True 0 1\n"), dict(answer)
    assert "ValueError: in a thread" in answer.stderr, dict(answer)


@pytest.mark.parametrize("code, printed", [
    ("from joblib import Parallel, delayed\nprint(Parallel(n_jobs=2)(delayed(abs)(-i) for i in range(4)))", "[0, 1, 2, 3]\n"),
    ("import multiprocessing, numpy as np\ndef f(x): return float(np.sqrt(x))\n"
     "if __name__ == '__main__': print(multiprocessing.get_context('spawn').Pool(1).map(f, [4]))", "[2.0]\n"),
], ids=["joblib", "spawn"])
def test_libraries_that_start_interpreters(run, code, printed):
    """10.8.4: those find the libraries too, and nobody has anything to say."""
    answer = run(code)
    assert (answer.code, answer.stdout, answer.stderr) == (0, printed, ""), dict(answer)


def libraries():
    """The names that programs may use without importing them, and the modules that they stand for (exec.md 10.7.6)."""
    run = runpy.run_path(os.path.join(os.path.dirname(__file__), "../../guest/python/run.py"), run_name="run")
    return {name: module for name, module in run["PRELOADED"].items() if module.partition(".")[0] not in sys.stdlib_module_names}


def test_programs_without_libraries_have_none_loaded(server):
    """A program that names no library is a copy of an interpreter without them; any of their names brings all."""
    loaded = "import sys; print('num' 'py' in sys.modules)"
    with server.client() as client:
        assert host.until(lambda: client.exec(loaded, "py").stdout == "False\n", 60)
        assert host.until(lambda: client.exec(loaded + " # numpy", "py").stdout == "True\n", 60)
        for name in libraries():
            assert host.until(lambda name=name: client.exec(f"{loaded} # {name}", "py").stdout == "True\n", 60), name
        found = client.exec("__import__('nu' 'mpy'); " + loaded, "py")
        assert (found.outcome, found.stdout) == ("ok", "True\n"), dict(found)


def test_what_it_was_not_expected_to_import(server):
    """Such a program can import a library all the same."""
    with server.client() as client:
        answer = client.exec("m = globals()['__builtins__'].__dict__['__imp' 'ort__']('num' 'py'); print(m.ones(2).sum())", "py")
    assert (answer.outcome, answer.stdout) == ("ok", "2.0\n"), dict(answer)


def test_files_left_open_are_written(run):
    answer = run("f = open('a.txt', 'w'); f.write('left open')\nimport pathlib\nclass Keep: pass\nk = Keep(); k.me = k; k.f = open('b.txt', 'w'); k.f.write('in a cycle')")
    assert sorted(file["name"] for file in answer.files) == ["a.txt", "b.txt"], dict(answer)
    answer = run("import os; print([os.path.getsize(name) for name in ('a.txt', 'b.txt')])", session_id=answer.session, files=inputs_of(answer))
    assert answer.stdout == "[9, 10]\n", dict(answer)


def test_the_end_of_an_interpreter(run):
    """Threads are waited for, then exit handlers run, then what is left is finalised."""
    answer = run(
        "import atexit, threading, time, weakref\n"
        "class Thing:\n    def __del__(self): print('deleted')\n"
        "thing = Thing()\nother = Thing()\nweakref.finalize(other, print, 'finalised')\n"
        "atexit.register(print, 'at exit')\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\nprint('main')"
    )
    assert answer.stdout.split() == ["main", "thread", "at", "exit", "finalised", "deleted", "deleted"], dict(answer)


@pytest.mark.parametrize(
    "code, expected",
    [
        ("import sys; sys.exit()", (0, "")),
        ("import sys; sys.exit(3)", (3, "")),
        ("import sys; sys.exit(-1)", (255, "")),
        ("import sys; sys.exit('why')", (1, "why")),
        ("import sys; sys.exit(2 ** 70)", (255, "")),
        ("import os; os._exit(7)", (7, "")),
        ("raise SystemExit(True)", (1, "")),
        ("import os\nif os.fork() == 0: raise SystemExit(9)\nprint(os.WEXITSTATUS(os.wait()[1]))", (0, "")),
        ("1 / 0", (1, "ZeroDivisionError: division by zero")),
    ],
)
def test_exit_codes(run, code, expected):
    answer = run(code)
    assert (answer.code, expected[1] in answer.stderr) == (expected[0], True), dict(answer)


def test_what_ends_a_thread_is_shown_with_its_lines(run):
    answer = run("import threading\ndef work():\n    raise ValueError('on purpose')  # here\nt = threading.Thread(target=work, name='mine')\nt.start()\nt.join()\nprint('goes on')")
    assert (answer.code, answer.stdout) == (0, "goes on\n"), dict(answer)
    assert answer.stderr.startswith("Exception in thread mine:\nTraceback (most recent call last):\n"), dict(answer)
    assert '''  File "<code>", line 3, in work\n    raise ValueError('on purpose')  # here\n''' in answer.stderr, dict(answer)


def test_a_thread_may_end_the_way_it_likes(run):
    answer = run("import sys, threading\nthreading.Thread(target=sys.exit).start()\nthreading.excepthook = lambda args: print('mine', args.exc_type.__name__)\nthreading.Thread(target=int, args=['x']).start()")
    assert (answer.code, answer.stdout, answer.stderr) == (0, "mine ValueError\n", ""), dict(answer)


@pytest.mark.parametrize("statement", ["await f()", "return 1", "break", "def f(a, a): pass", "nonlocal x"])
def test_what_the_compiler_refuses_is_shown_with_its_line(run, statement):
    answer = run(f"x = 1\n{statement}  # here\n")
    assert answer.stderr.startswith(f'  File "<code>", line 2\n    {statement}  # here\n'), dict(answer)
    assert "\nSyntaxError: " in answer.stderr, dict(answer)


def test_own_modules_come_first(run):
    """A file of the session's is imported instead of a library of that name, loaded or not."""
    made = run("open('networkx.py', 'w').write('mine = 42'); open('colorsys.py', 'w').write('mine = 43')")
    answer = run("import networkx, colorsys; print(networkx.mine, colorsys.mine)", session_id=made.session, files=inputs_of(made))
    assert answer.stdout == "42 43\n", dict(answer)


def test_environment_and_arguments(run):
    answer = run("import os, sys; print(sys.argv, os.environ['HOME'], sorted(os.environ), os.getcwd())", args=["a b", "ü"])
    assert answer.stdout.startswith("['/mnt/data/code.py', 'a b', 'ü'] /tmp ["), dict(answer)
    assert answer.stdout.rstrip().endswith("/mnt/data") and "OPENBLAS" not in answer.stdout, dict(answer)


def test_what_is_loaded_does_not_show(run):
    """Names are there only if the program uses them; a traceback shows the program alone."""
    assert run("print(sorted(name for name in globals() if not name.startswith('__')))").stdout == "[]\n"
    assert run("print(np.arange(3).sum(), pd.Series([1]).sum(), math.pi > 3)").stdout == "3 1 True\n"
    assert run("def f(): return missing\nf()").stderr.count("File ") == 2


def test_signals_are_as_after_exec(run):
    answer = run("import signal; print([s.name for s in signal.Signals if signal.getsignal(s) == signal.SIG_IGN], signal.getsignal(signal.SIGINT).__name__)")
    assert answer.stdout == "['SIGPIPE', 'SIGXFSZ'] default_int_handler\n", dict(answer)


def test_an_uncaught_base_exception_is_shown(run):
    answer = run("import asyncio\nasync def main():\n    asyncio.current_task().cancel()\n    await asyncio.sleep(1)\nasyncio.run(main())")
    assert answer.code == 1 and "CancelledError" in answer.stderr, dict(answer)


def test_names_that_survive_are_cleared(run):
    """A function of the program that the interpreter holds keeps all names; what they hold is finalised all the same."""
    answer = run(
        "import gzip, signal\nsignal.signal(signal.SIGTERM, lambda *a: None)\n"
        "class Thing:\n    def __del__(self): print('deleted')\n"
        "thing = Thing()\nf = gzip.open('x.gz', 'wt'); f.write('hello ' * 1000)"
    )
    assert answer.stdout == "deleted\n", dict(answer)
    later = run("import gzip; print(len(gzip.open('x.gz').read()))", session_id=answer.session, files=inputs_of(answer))
    assert later.stdout.startswith("6000\n"), dict(later)


def test_a_directory_of_data_hides_no_library(run):
    made = run("import os; os.mkdir('numpy'); open('numpy/a.csv', 'w').write('1'); open('matplotlibrc', 'w').write('figure.dpi: 33')")
    answer = run(
        "import numpy, matplotlib; print(numpy.ones(2).sum(), matplotlib.rcParams['figure.dpi'])",
        session_id=made.session,
        files=inputs_of(made),
    )
    assert (answer.stdout, answer.stderr) == ("2.0 33.0\n", ""), dict(answer)
