# SPDX-License-Identifier: Apache-2.0
"""K9: system calls of another architecture (int 0x80, the x32 bit) and unknown numbers never get past the filter."""

import platform

import pytest

from support.need import require

SIGSYS, SIGSEGV = 31, 11
ENOSYS, EPERM = 38, 1

# Each attempt runs in a child: "exit <n>" is the negated result (0 = it worked), "signal <s>" how it was killed.
PROGRAM = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static void try(const char *name, long (*fn)(void)) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        long r = fn();
        _exit(r >= 0 ? 0 : r < -254 ? 255 : (int)-r);
    }
    int status;
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) printf("%s signal %d\n", name, WTERMSIG(status));
    else printf("%s exit %d\n", name, WEXITSTATUS(status));
}
static long raw(long nr) {
#ifdef __x86_64__
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(0), "S"(0), "d"(0) : "rcx", "r11", "memory");
    return r;
#else
    long r = syscall(nr, 0, 0, 0);
    return r == -1 ? -errno : r;
#endif
}
#ifdef __x86_64__
static long int80(long nr) { long r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(0), "c"(0), "d"(0) : "memory"); return (int)r; }
static long i386_getpid(void) { return int80(20); }
static long i386_getuid(void) { return int80(24); }
static long i386_unshare(void) { return int80(310); }
static long x32_getpid(void) { return raw(0x40000000 | 39); }
static long x32_getuid(void) { return raw(0x40000000 | 102); }
static long x32_ptrace(void) { return raw(0x40000000 | 521); }
static long vsyscall_time(void) { long (*f)(long *) = (void *)0xffffffffff600400ul; return f(NULL); }
#endif
static long unknown_1000(void) { return raw(1000); }
static long unknown_5000(void) { return raw(5000); }
static long unknown_max(void) { return raw(0x3fffffff); }
static long unknown_minus(void) { return raw(-1); }
static long unknown_min(void) { return raw(-2147483647L - 1); }
int main(void) {
#ifdef __x86_64__
    try("i386_getpid", i386_getpid); try("i386_getuid", i386_getuid); try("i386_unshare", i386_unshare);
    try("x32_getpid", x32_getpid); try("x32_getuid", x32_getuid); try("x32_ptrace", x32_ptrace); try("vsyscall", vsyscall_time);
#endif
    try("unknown_1000", unknown_1000); try("unknown_5000", unknown_5000); try("unknown_max", unknown_max);
    try("unknown_minus", unknown_minus); try("unknown_min", unknown_min);
}
"""


def test_k09_other_numbers_and_architectures(attack):
    run = attack.exec(PROGRAM, "c")
    assert run.outcome == "ok", dict(run)
    told = {line.split()[0]: tuple(line.split()[1:]) for line in run.lines()}
    refused = {("signal", str(SIGSYS)), ("exit", str(ENOSYS)), ("exit", str(EPERM))}
    for name, answer in told.items():
        if name == "vsyscall":
            continue  # emulated time() tells nothing; it only must not crash the server
        allowed = (
            refused | {("signal", str(SIGSEGV))} if name.startswith("i386") else refused
        )  # a kernel without 32-bit entry
        assert answer in allowed, (name, told)


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
