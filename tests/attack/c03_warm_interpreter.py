# SPDX-License-Identifier: Apache-2.0
"""C3: whatever a program does to the interpreter it runs in, neither its own result nor the next program is touched by it."""

import pytest

POISONS = {
    "json": "import json; json.dumps = lambda *a, **k: 'poison'",
    "open": "import builtins; builtins.open = None",
    "len": "import builtins; builtins.len = lambda thing: 42",
    "stdout": "import sys; sys.stdout = open('/dev/null', 'w')",
    "exit handlers": "import atexit; atexit.register(lambda: open('/mnt/data/late', 'w').write('late'))",
    "trace": "import sys; sys.settrace(lambda *a: None); sys.setprofile(lambda *a: None)",
    "collector": "import gc; gc.callbacks.append(lambda *a: open('/mnt/data/gc', 'w')); gc.disable()",
    "import hooks": "import sys; sys.meta_path.insert(0, type('F', (), {'find_spec': staticmethod(lambda *a: 1 / 0)}))",
    "modules": "import sys, types; sys.modules['numpy'] = types.ModuleType('numpy')",
    "numpy": "import numpy; numpy.ndarray = None; numpy.sum = lambda *a: 42; numpy.random.seed(1)",
    "environment": "import os; os.environ['PYTHONSTARTUP'] = '/mnt/data/x'; os.environ.clear(); os.chdir('/')",
    "signals": "import signal; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]; signal.pthread_sigmask(0, [14])",
    "limits": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))",
    "memory": "import ctypes, sys; ctypes.memset(id(sys.intern('fresh')) + 48, 88, 5)",
    "threads": "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
}

CLEAN = """
import gc, json, os, resource, signal, sys
import numpy
assert json.dumps([1]) == '[1]' and len('abc') == 3 and numpy.sum(numpy.ones(3)) == 3
assert sys.gettrace() is None and gc.isenabled() and not gc.callbacks and sys.stdout is sys.__stdout__
assert os.getcwd() == '/mnt/data' and os.listdir('.') == [] and os.environ['HOME'] == '/tmp'
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and not signal.pthread_sigmask(0, [])
assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256 and len(os.listdir('/proc/self/task')) == 1
print('fresh')
"""


@pytest.mark.parametrize("name", POISONS)
def test_c03_the_next_program_is_clean(attack, name):
    run = attack.exec("import os\n" + POISONS[name] + "\nos.write(1, b'done\\n')", "py")
    assert "done\n" in run.stdout, dict(run)
    for _ in range(3):
        clean = attack.exec(CLEAN, "py")
        assert (clean.outcome, clean.stdout, clean.files) == ("ok", "fresh\n", []), dict(clean)


def test_c03_the_result_is_gathered_outside(attack):
    """The exit code and the outcome are the kernel's, whatever the interpreter would say."""
    run = attack.exec("import os, sys\nsys.exit = os._exit = lambda *a: None\nos.kill(os.getpid(), 9)", "py")
    assert (run.outcome, run.code) == ("signal", 137), dict(run)
    run = attack.exec("import os\nos._exit(5)", "py")
    assert (run.outcome, run.code) == ("error", 5), dict(run)
