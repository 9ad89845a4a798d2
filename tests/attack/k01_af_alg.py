# SPDX-License-Identifier: Apache-2.0
"""K1: AF_ALG sockets (the kernel's crypto interface) are refused in every language and in child processes."""

import pytest

from support.guest import BAD_TYPE, NO_SOCKET

AF_ALG = 38
EPERM, EAFNOSUPPORT = 1, 97

CHILD = "import socket,errno\ntry:\n    socket.socket(38, 5, 0); print('OPEN')\nexcept OSError as e: print(e.errno)"
SHELL = f'python3 -c "{CHILD}"'.replace("\n", "\\n")

# Each prints the errno of socket(AF_ALG, SOCK_SEQPACKET, 0), or OPEN.
PROGRAMS = {
    "py": CHILD,
    "js": f"const r = require('child_process').spawnSync('python3', ['-c', {CHILD!r}]); process.stdout.write(r.stdout);",
    "ts": f"import {{ spawnSync }} from 'child_process';\nconst r: any = spawnSync('python3', ['-c', {CHILD!r}]); process.stdout.write(r.stdout);",
    "go": """package main
import ("fmt"; "syscall")
func main() { _, err := syscall.Socket(38, 5, 0); if err == nil { fmt.Println("OPEN") } else { fmt.Println(int(err.(syscall.Errno))) } }""",
    "java": """import java.io.*;
public class Code { public static void main(String[] a) throws Exception {
  Process p = new ProcessBuilder("python3", "-c", %s).redirectErrorStream(true).start();
  System.out.print(new String(p.getInputStream().readAllBytes())); } }""",
    "c": """#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
int main(void) { if (socket(38, 5, 0) >= 0) puts("OPEN"); else printf("%d\\n", errno); }""",
    "cpp": """#include <cerrno>
#include <iostream>
#include <sys/socket.h>
int main() { if (socket(38, 5, 0) >= 0) std::cout << "OPEN\\n"; else std::cout << errno << "\\n"; }""",
    "php": "<?php passthru('python3 -c ' . escapeshellarg(%s));",
    "rs": """extern "C" { fn socket(d: i32, t: i32, p: i32) -> i32; }
fn main() { let r = unsafe { socket(38, 5, 0) };
  if r >= 0 { println!("OPEN") } else { println!("{}", std::io::Error::last_os_error().raw_os_error().unwrap()) } }""",
    "r": "cat(system2('python3', c('-c', shQuote(%s)), stdout = TRUE), sep = '\\n')",
    "f90": """program main
  use iso_c_binding
  interface
    integer(c_int) function c_socket(d, t, p) bind(c, name='socket')
      import :: c_int
      integer(c_int), value :: d, t, p
    end function
    type(c_ptr) function c_errno() bind(c, name='__errno_location')
      import :: c_ptr
    end function
  end interface
  integer(c_int), pointer :: number
  if (c_socket(38, 5, 0) >= 0) then
    print '(a)', 'OPEN'
  else
    call c_f_pointer(c_errno(), number)
    print '(i0)', number
  end if
end program""",
    "d": """import core.stdc.errno, std.stdio;
extern (C) int socket(int, int, int);
void main() { if (socket(38, 5, 0) >= 0) writeln("OPEN"); else writeln(errno); }""",
    "bash": f"python3 - <<'E'\n{CHILD}\nE",
}


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@pytest.mark.parametrize("language", sorted(PROGRAMS))
def test_k01_every_language(attack, need_language, language):
    need_language(language)
    code = PROGRAMS[language]
    if language in ("java", "php", "r"):
        code = code.replace("%s", _quoted(CHILD))
    run = attack.exec(code, language, timeout=60000)
    assert run.outcome == "ok", dict(run)
    assert run.stdout.strip() in (str(EPERM), str(EAFNOSUPPORT)), dict(run)


def test_k01_the_filter_itself(attack):
    """A nonsense type tells the filter's refusal from a kernel without AF_ALG, which would answer EINVAL first."""
    told = attack.evidence(
        f"""
facts = dict(plain=sc("socket", {AF_ALG}, 5, 0), filter=sc("socket", {AF_ALG}, {BAD_TYPE}, 0),
             flags=sc("socket", {AF_ALG}, 5 | 0o2000000 | 0o4000, 0))
facts["high_bits"] = sc("socket", ctypes.c_uint64({AF_ALG} | 1 << 32), {BAD_TYPE}, 0)  # the kernel looks at 32 bits only
pid = os.fork()
if pid == 0:
    os._exit(0 if sc("socket", {AF_ALG}, {BAD_TYPE}, 0) == facts["filter"] else 9)
facts["fork"] = os.waitpid(pid, 0)[1]
thread_said = []
thread = threading.Thread(target=lambda: thread_said.append(sc("socket", {AF_ALG}, {BAD_TYPE}, 0)))
thread.start(); thread.join()
facts["thread"] = thread_said[0]
facts["exec"] = subprocess.run(["bash", "-c", "exec python3 -c 'import socket\\ntry: socket.socket(38, 5, 0); print(0)\\nexcept OSError as e: print(e.errno)'"],
                               capture_output=True, text=True).stdout.strip()
tell(facts)
"""
    )
    assert told["exec"] in (str(EPERM), str(EAFNOSUPPORT)), told
    assert told["fork"] == 0, told
    for way in ("plain", "filter", "flags", "high_bits", "thread"):
        assert told[way] in NO_SOCKET, told
