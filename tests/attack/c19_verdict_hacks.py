# SPDX-License-Identifier: Apache-2.0
"""C19: a program cannot choose its verdict: exit codes that look like kills are only exit codes, and kills are never successes."""

import pytest

SPOOFS = [
    # language, program, outcome, code, status, signal
    ("bash", "exit 137", "error", 137, "RE", None),
    ("bash", "exit 124", "error", 124, "RE", None),
    ("bash", "exit 139", "error", 139, "RE", None),
    ("bash", "exit 153", "error", 153, "RE", None),
    ("bash", "exit 255", "error", 255, "RE", None),
    ("bash", "exit 256", "ok", 0, None, None),
    ("bash", "(kill -9 $BASHPID); exit 0", "ok", 0, None, None),
    ("bash", "bash -c 'kill -9 $$'; exit $?", "error", 137, "RE", None),
    ("bash", "kill -9 $$", "signal", 137, "SG", "SIGKILL"),
    ("bash", "kill -SEGV $$", "signal", 139, "SG", "SIGSEGV"),
    ("bash", "kill -TERM $$", "signal", 143, "SG", "SIGTERM"),
    ("bash", "kill -SYS $$", "signal", 159, "SG", "SIGSYS"),
    ("bash", "kill -ALRM $$", "signal", 142, "SG", "SIGALRM"),
    ("py", "import os; print('tests passed', flush=True); os._exit(0)\nraise SystemExit(1)", "ok", 0, None, None),
    ("py", "import os\nos._exit(137)", "error", 137, "RE", None),
    ("py", "raise MemoryError('faked')", "error", 1, "RE", None),
    ("py", "raise TimeoutError('Execution timed out after 1 seconds')", "error", 1, "RE", None),
    ("py", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "signal", 137, "SG", "SIGKILL"),
    ("c", "int main(void) { return 137; }", "error", 137, "RE", None),
    ("c", "#include <stdlib.h>\nint main(void) { abort(); }", "signal", 134, "SG", "SIGABRT"),
    ("c", "int main(void) { *(volatile int *)0 = 1; }", "signal", 139, "SG", "SIGSEGV"),
    ("c", "int main(void) { volatile int z = 0; return 7 / z; }", "signal", 136, "SG", "SIGFPE"),
    ("c", "int main(void) { __builtin_trap(); }", "signal", 132, "SG", "SIGILL"),
]


@pytest.mark.parametrize(
    "language,code,outcome,number,status,signal", SPOOFS, ids=[f"{s[0]}-{i}" for i, s in enumerate(SPOOFS)]
)
def test_c19_exit_codes(attack, language, code, outcome, number, status, signal):
    run = attack.exec(code, language)
    assert (run.outcome, run.code, run["status"], run["signal"]) == (outcome, number, status, signal), dict(run)
    assert run["message"] is None or outcome == "signal", dict(run)
    assert "Out of memory" not in run.stderr and not run.stderr.startswith("Execution timed out"), dict(run)


def test_c19_file_size_signal(attack):
    """SIGXFSZ sent by itself: the signal is named, whichever of the two outcomes it is given."""
    run = attack.exec("kill -XFSZ $$", "bash")
    assert run.outcome in ("signal", "disk_limit") and (run.code, run["signal"]) == (153, "SIGXFSZ"), dict(run)


def test_c19_a_survived_kill_for_memory_is_no_verdict(attack):
    """A child is killed for memory, the program catches that and ends well: a limit that was survived is ok (X1)."""
    run = attack.exec(
        "python3 -c 'a = []\nwhile True: a.append(b\"x\" * (1 << 20))'; echo child ended; exit 0", "bash", timeout=20000
    )
    assert run.outcome == "ok" and run.code == 0 and run.stdout == "child ended\n", dict(run)


def test_c19_a_spoofed_code_after_a_real_kill(attack):
    """The program ends non-zero after the kernel killed its child for memory: the counter decides, whatever the code."""
    run = attack.exec("python3 -c 'a = []\nwhile True: a.append(b\"x\" * (1 << 20))'; exit 1", "bash", timeout=20000)
    assert run.outcome in ("out_of_memory", "error"), dict(run)
    if run.outcome == "error":
        assert "MemoryError" in run.stderr, dict(run)


def test_c19_the_earlier_cause_decides(attack):
    """Over the time limit after a survived memory kill: time-out."""
    run = attack.exec("python3 -c 'a = []\nwhile True: a.append(b\"x\" * (1 << 20))'; sleep 100", "bash", timeout=4000)
    assert run.outcome in ("timeout", "out_of_memory"), dict(run)


def test_c19_result_files_are_of_this_run(attack):
    """A file of an earlier run cannot pass for a result of this one, nor be left by pretending."""
    first = attack.exec("echo old > verdict.txt", "bash")
    second = attack.exec("exit 0", "bash", session_id=first.session)
    assert second.file("verdict.txt").get("inherited") is True, dict(second)
    third = attack.exec("touch -d '2030-01-01' verdict.txt", "bash", session_id=first.session)
    assert third.file("verdict.txt").get("inherited") is True, dict(third)
