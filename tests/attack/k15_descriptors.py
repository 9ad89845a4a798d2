# SPDX-License-Identifier: Apache-2.0
"""K15: a program starts with descriptors 0, 1 and 2 and no other, none of which leads out, and inside its root."""

import pytest

from support.guest import REST_FD

C_COUNT = r"""
#include <fcntl.h>
#include <stdio.h>
int main(void) { for (int fd = 0; fd < 4096; fd++) if (fcntl(fd, F_GETFD) != -1) printf("%d ", fd); puts(""); }
"""
# Lists what is open in a child of the runtime, without the source and the guest's own starter, which PHP and R hand to their children.
LIST = (
    "import os; print(*[n for n in sorted(os.listdir('/proc/self/fd'), key=int) if os.path.exists('/proc/self/fd/' + n)"
    " and not os.readlink('/proc/self/fd/' + n).startswith(('/run/build/code.', '/opt/codecell/guest/'))])"
)

PROGRAMS = {
    "c": C_COUNT,
    "cpp": C_COUNT,
    "py": LIST.replace("import os; print", "import os\nprint"),
    "py and its child": f"import subprocess\nprint(subprocess.check_output(['python3', '-c', {LIST!r}], text=True, close_fds=False))",
    "bash": f'python3 -c "{LIST}"',
    "js": f"require('child_process').spawnSync('python3', ['-c', {LIST!r}], {{stdio: 'inherit'}})",
    "php": f'<?php passthru("exec python3 -c \\"{LIST}\\"");',
    "r": f"invisible(system2('python3', c('-c', shQuote(\"{LIST}\"))))",
    "go": """package main
import ("fmt"; "syscall")
func main() { for fd := 0; fd < 256; fd++ { f, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), 1, 0); if e == 0 && f == 0 { fmt.Print(fd, " ") } }; fmt.Println() }""",
    "rs": 'fn main() { use std::os::raw::c_int; extern "C" { fn fcntl(a: c_int, b: c_int) -> c_int; }\n'
    '  for fd in 0..1024 { if unsafe { fcntl(fd, 1) } != -1 { print!("{} ", fd) } } println!() }',
}


@pytest.mark.parametrize("language", sorted(PROGRAMS))
def test_k15_only_three(attack, need_language, language):
    language, program = language.split()[0], PROGRAMS[language]
    need_language(language)
    run = attack.exec(program, language, timeout=60000)
    assert run.outcome == "ok", dict(run)
    found = run.stdout.split()
    if language == "py" and found[3:] == [str(REST_FD)]:
        found.pop()
    assert found == ["0", "1", "2"], dict(run)


def test_k15_none_leads_out(attack):
    told = attack.evidence(
        """
facts = dict(targets={n: os.readlink("/proc/self/fd/" + n) for n in ("0", "1", "2")}, cwd=os.getcwd(), root=os.readlink("/proc/self/root"))
facts["kinds"] = {n: stat.S_IFMT(os.fstat(int(n)).st_mode) for n in ("0", "1", "2")}
for n in range(0, 64):
    for tail in ("", "/..", "/../../..", "/../../../etc/shadow"):
        path = "/proc/self/fd/%d%s" % (n, tail)
        if n < 3 and tail == "":
            continue
        answer = attempt(os.listdir, path)
        if answer.startswith("ok"):
            facts.setdefault("listed", []).append(path)
        answer = attempt(os.chdir, path)
        if answer.startswith("ok"):
            facts.setdefault("entered", []).append(path)
for n in ("0", "1", "2"):
    facts["at " + n] = attempt(os.open, "../../../../etc/hostname", os.O_RDONLY, dir_fd=int(n))
    facts["fchdir " + n] = attempt(os.fchdir, int(n))
for who in ("1", str(os.getppid())):
    for what in ("cwd", "root", "fd", "exe"):
        facts["%s of %s" % (what, "parent" if who != "1" else "init")] = attempt(os.listdir, "/proc/%s/%s" % (who, what))
tell(facts)
"""
    )
    assert told["cwd"] == "/mnt/data" and told["root"] == "/", told
    assert "listed" not in told and "entered" not in told, told
    for n in ("1", "2"):
        assert told["targets"][n].startswith(("pipe:", "/dev/null")), told
    assert all(told["at " + n] == "ENOTDIR" and told["fchdir " + n] == "ENOTDIR" for n in "012"), told
    for who in ("init", "parent"):
        answer = told.get(f"root of {who}")
        if answer and answer.startswith("ok"):
            assert "mnt" in answer, told  # the same root, at most


def test_k15_chroot_and_dotdot_do_not_leave_the_root(attack):
    told = attack.evidence(
        """
inside = sorted(os.listdir("/"))
tell(dict(up=sorted(os.listdir("/../../../..")) == inside, chroot=sc("chroot", b"/tmp\\0"), nowhere=sc("chroot", b"/nowhere\\0"),
          pivot=sc("pivot_root", b".\\0", b".\\0"), entries=inside))
"""
    )
    assert told["up"], told
    assert told["chroot"] in ("EPERM", "ENOSYS") and told["nowhere"] in (
        "EPERM",
        "ENOSYS",
    ), told  # ENOENT without the filter
    assert told["pivot"] in ("EPERM", "ENOSYS"), told
    assert not {"root", "home", "boot", "srv", "media"} & set(told["entries"]), told
