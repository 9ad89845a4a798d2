# SPDX-License-Identifier: Apache-2.0
"""K9: system calls of another architecture (int 0x80, the x32 bit) and unknown numbers never get past the filter."""

import platform

import pytest

from support import guest
from support.need import require

ENOSYS, EPERM = 38, 1

# An emulated time() tells nothing; it only must not crash the server.
VSYSCALL = "int main(void) { long (*f)(long *) = (long (*)(long *))0xffffffffff600400ul; return f((long *)0) < 0; }"


def test_k09_other_numbers_and_architectures(attack):
    """The self-test's program; it lets a kernel without an entry for 32 bits pass for a filter everywhere."""
    run = attack.exec(guest.text_of("helpers.h", "k09_foreign_abi.c"), "c")
    assert run.outcome == "ok", dict(run)
    *told, last = run.lines()
    assert last == "END" and len(told) >= 5, dict(run)
    for verdict, name, seen in (line.split("\t") for line in told):
        allowed = {"SIGSYS", "ENOSYS", "EPERM"} | ({"SIGSEGV"} if name.startswith("i386") else set())
        assert verdict == "HELD" and seen in allowed, (name, told)


def test_k09_the_page_of_old_calls(attack):
    require(platform.machine() == "x86_64", "x86_64, for the vsyscall page")
    run = attack.exec(VSYSCALL, "c")
    assert run.outcome in ("ok", "error", "signal"), dict(run)


def test_k09_a_killed_program_says_so(attack):
    """The outcome names the signal: the filter kills for a foreign architecture, or the kernel has no such entry."""
    require(platform.machine() == "x86_64", "x86_64, for int 0x80")
    run = attack.exec(
        """#include <stdio.h>
int main(void) { long r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(20)); printf("%ld\\n", r); return 5; }""",
        "c",
    )
    if run.outcome == "signal":
        assert run["signal"] in ("SIGSYS", "SIGSEGV") and run["status"] == "SG", dict(run)
    else:
        assert run.code == 5 and int(run.stdout) in (-ENOSYS, -EPERM), dict(run)


@pytest.mark.parametrize("size", ["-m32"])
def test_k09_32_bit_program_does_not_run(attack, size):
    """A 32-bit ELF, hand-made: exit(42) through int 0x80."""
    require(platform.machine() == "x86_64", "x86_64, for 32-bit programs")
    told = attack.evidence(
        """
code = bytes.fromhex("b801000000bb2a000000cd80")
base = 0x08048000
header = b"\\x7fELF\\x01\\x01\\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + 84, 52, 0, 0, 52, 32, 1, 0, 0, 0)
program = struct.pack("<IIIIIIII", 1, 0, base, base, 84 + len(code), 84 + len(code), 5, 0x1000)
with open("/mnt/data/tiny32", "wb") as file:
    file.write(header + program + code)
os.chmod("/mnt/data/tiny32", 0o755)
def start():
    return subprocess.run(["/mnt/data/tiny32"]).returncode
answer = attempt(start)
os.unlink("/mnt/data/tiny32")
tell(dict(answer=answer))
"""
    )
    assert told["answer"] != "ok:42", told
