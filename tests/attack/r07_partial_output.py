# SPDX-License-Identifier: Apache-2.0
"""R7: what was printed before a time-out, crash or memory kill is returned, and so are the files written."""

import pytest

ENDS = {
    "timeout": ("time.sleep(60)", "timeout"),
    "crash": ("ctypes.string_at(0)", "signal"),
    "abort": ("os.abort()", "signal"),
    "kill": ("os.kill(os.getpid(), 9)", "signal"),
    "memory": ("x = []\nwhile True: x.append(bytearray(b'1' * (1 << 20)))", "out_of_memory"),
    "exit": ("os._exit(5)", "error"),
    "exception": ("raise KeyError('gone')", "error"),
    "flood": ("while True: os.write(2, b'x' * 65536)", "output_limit"),
}


@pytest.mark.parametrize("way", sorted(ENDS))
def test_r07_kept(attack, way):
    end, outcome = ENDS[way]
    run = attack.exec(
        f"""
import ctypes, os, sys, time
print("printed before", flush=True)
print("said before", file=sys.stderr, flush=True)
open("/mnt/data/before.txt", "w").write("written before")
{end}
""",
        "py",
        timeout=2000 if way == "timeout" else 20000,
    )
    assert run.outcome == outcome or (way == "memory" and "MemoryError" in run.stderr), dict(run)
    assert run.stdout == "printed before\n" and run.stderr.startswith("said before\n"), dict(run)
    assert attack.fetch(run.file("before.txt")) == b"written before"
