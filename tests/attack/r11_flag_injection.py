# SPDX-License-Identifier: Apache-2.0
"""R11: arguments and names reach the program as they are: never a compiler's or runtime's flag, never a shell's text."""

import pytest

HOSTILE = [
    "-o",
    "/mnt/data/out",
    "-o/mnt/data/x",
    "@/etc/passwd",
    "-wrapper",
    "sh,-c,touch /mnt/data/pwned",
    "--config=/mnt/data/x",
    "-e",
    "print(1)",
    "--version",
    "--help",
    "-v",
    "-c",
    "--",
    "-",
    "--eval",
    "--gui=Tk",
    "-g",
    "Tk",
    "--vanilla",
    "--args",
    "-d",
    "auto_prepend_file=/etc/passwd",
    "-jar",
    "/x.jar",
    "--inspect-brk",
    "-m",
    "http.server",
    ";",
    "touch /mnt/data/pwned",
    "$(touch /mnt/data/pwned)",
    "`touch /mnt/data/pwned`",
    "&&",
    "|",
    ">",
    "/mnt/data/pwned",
    "a\nb",
    "a\tb",
    "'",
    '"',
    "\\",
    "*",
    "~",
    "{args}",
    "{source}",
    "{build}",
    "%s",
    "世界",
    "-Xmx1g",
    "-D",
    "+RTS",
]

# Each prints its arguments, each followed by \x1e on the same stream.
PROGRAMS = {
    "py": "import sys\nfor a in sys.argv[1:]: sys.stdout.write(a + '|~|')",
    "js": "for (const a of process.argv.slice(2)) process.stdout.write(a + '|~|')",
    "ts": "for (const a of (process.argv as string[]).slice(2)) process.stdout.write(a + '|~|')",
    "bash": 'for a in "$@"; do printf \'%s|~|\' "$a"; done',
    "php": "<?php foreach (array_slice($argv, 1) as $a) echo $a, '|~|';",
    "r": "for (a in commandArgs(trailingOnly = TRUE)) cat(a, '|~|', sep = '')",
    "c": '#include <stdio.h>\nint main(int n, char **v) { for (int i = 1; i < n; i++) printf("%s|~|", v[i]); }',
    "cpp": '#include <iostream>\nint main(int n, char **v) { for (int i = 1; i < n; i++) std::cout << v[i] << "|~|"; }',
    "go": 'package main\nimport ("fmt"; "os")\nfunc main() { for _, a := range os.Args[1:] { fmt.Print(a, "|~|") } }',
    "rs": 'fn main() { for a in std::env::args().skip(1) { print!("{}|~|", a) } }',
    "java": "public class Code { public static void main(String[] v) { java.io.PrintStream o = new java.io.PrintStream(System.out, true, java.nio.charset.StandardCharsets.UTF_8);"
    ' for (String a : v) o.print(a + "|~|"); o.flush(); } }',
    "d": 'import std.stdio;\nvoid main(string[] v) { foreach (a; v[1 .. $]) write(a, "|~|"); }',
    "f90": "program m\n  character(len=4096) :: a\n  integer :: i, n\n  do i = 1, command_argument_count()\n    call get_command_argument(i, a, n)\n"
    "    write(*, '(a,a)', advance='no') a(1:n), '|~|'\n  end do\nend program",
}


@pytest.mark.parametrize("language", sorted(PROGRAMS))
def test_r11_arguments_verbatim(attack, need_language, language):
    need_language(language)
    run = attack.exec(PROGRAMS[language], language, args=HOSTILE, timeout=60000)
    assert run.outcome == "ok", dict(run)
    assert run.stdout.rstrip("\n").split("|~|")[:-1] == HOSTILE, dict(run)
    assert "pwned" not in run.names() and "out" not in run.names(), dict(run)


def test_r11_many_and_long_arguments(attack):
    run = attack.exec("echo $#; printf '%s' \"$1\" | wc -c", "bash", args=["x" * 100000] + ["y"] * 2000)
    assert run.outcome == "ok" and run.stdout.split() == ["2001", "100000"], dict(run)
    too_many = attack.exec_reply("echo $#", "bash", args=["y"] * 200000)
    assert too_many.status in (200, 400, 413, 422), too_many
    if too_many.status == 200:
        assert too_many.json["outcome"] in ("ok", "error"), too_many


def test_r11_nul_in_an_argument(attack):
    reply = attack.exec_reply("echo $#", "bash", args=["a\0b"])
    assert reply.status in (200, 400, 422), reply
    if reply.status == 200:
        assert reply.json["stdout"] in ("1\n", "0\n"), reply


@pytest.mark.parametrize(
    "name", ["-rf", "--help.txt", "-o.txt", "@passwd.txt", "x;touch pwned.txt", "$(touch pwned).txt", "a b.txt", "-.py"]
)
def test_r11_file_names(attack, name):
    up = attack.upload((name, b"data"))
    run = attack.exec("ls -A", "bash", files=[up.reference()])
    assert run.outcome == "ok" and "pwned" not in [line for line in run.lines() if line == "pwned"], dict(run)
