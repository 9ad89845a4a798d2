# SPDX-License-Identifier: Apache-2.0
"""R4: whatever a program does to time or to itself, the limit ends it on time."""

import time

import pytest

from support import host

PROGRAMS = {
    "sleep": ("bash", "exec -a r04time sleep 1000"),
    "busy": ("bash", "exec -a r04time bash -c 'while :; do :; done'"),
    "stop-self": ("bash", "exec -a r04time bash -c 'kill -STOP $$; sleep 1000'"),
    "stop-group": ("bash", "exec -a r04time bash -c 'kill -STOP 0; sleep 1000'"),
    "stop-all": ("bash", "exec -a r04time bash -c 'kill -STOP -1; kill -STOP 1; sleep 1000'"),
    "blocked-read": ("bash", "mkfifo /tmp/f; exec -a r04time cat /tmp/f"),
    "ignores-everything": (
        "py",
        "import signal, time, ctypes\nctypes.CDLL(None).prctl(15, b'r04time', 0, 0, 0)\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\nwhile True: time.sleep(100)",
    ),
    "vfork-wait": (
        "c",
        '#define _GNU_SOURCE\n#include <unistd.h>\n#include <sys/prctl.h>\nint main(void) { prctl(PR_SET_NAME, "r04time"); if (vfork() == 0) for (;;) pause(); return 0; }',
    ),
    "many-threads-in-futex": (
        "py",
        "import threading, ctypes\nctypes.CDLL(None).prctl(15, b'r04time', 0, 0, 0)\nl = threading.Lock(); l.acquire()\n"
        "for _ in range(50): threading.Thread(target=l.acquire).start()\nl.acquire()",
    ),
    "alarm-storm": (
        "py",
        "import signal, ctypes\nctypes.CDLL(None).prctl(15, b'r04time', 0, 0, 0)\nsignal.signal(signal.SIGALRM, lambda *a: None)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)\nwhile True: pass",
    ),
}


@pytest.mark.parametrize("way", sorted(PROGRAMS))
def test_r04_killed_on_time(attack, way):
    language, code = PROGRAMS[way]
    start = time.monotonic()
    run = attack.exec(code, language, timeout=1000)
    took = time.monotonic() - start
    assert run.outcome == "timeout", dict(run)
    assert (run.code, run["status"], run["message"]) == (124, "TO", "Time limit exceeded"), dict(run)
    assert run.stderr.splitlines()[-1] == "Execution timed out after 1 seconds", dict(run)
    assert 1.0 <= took < 2.0 + (2.0 if language == "c" else 0.0), took
    assert 950 <= run.usage["wall_ms"] < 2000 or language == "c", run.usage
    assert host.gone("r04time") == []


def test_r04_clocks_cannot_be_set(attack):
    told = attack.evidence(
        """
ts = ctypes.create_string_buffer(struct.pack("<qq", 0, 0))
tell(dict(settime=sc("clock_settime", 0, ts), null=sc("clock_settime", 0, 0), settimeofday=sc("settimeofday", 0, 0), day=sc("settimeofday", ts, 0),
          adjtimex=sc("adjtimex", 0), adj=sc("clock_adjtime", 0, 0), timens=sc("unshare", 0x80),
          offsets=attempt(lambda: open("/proc/self/timens_offsets", "w").write("monotonic 864000 0"))))
"""
    )
    for call in ("settime", "null", "settimeofday", "day", "adjtimex", "adj", "timens"):
        assert told[call] in ("EPERM", "ENOSYS"), told  # EFAULT or success without the filter
    assert not told["offsets"].startswith("ok"), told
