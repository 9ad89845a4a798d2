# SPDX-License-Identifier: Apache-2.0
"""R10: compilers run inside the cell, under its limits: bombs end typed, and compile time reaches no file or credential."""

import os
import time

import pytest

from support import host

BOUNDED = (
    "compile_error",
    "timeout",
    "out_of_memory",
    "disk_limit",
    "output_limit",
    "process_limit",
    "signal",
    "error",
)

BOMBS = {
    "c-include-urandom": ("c", '#include "/dev/urandom"\nint main(void) { return 0; }'),
    "c-include-zero": ("c", '#include "/dev/zero"\nint main(void) { return 0; }'),
    "c-include-itself": ("c", "#include __FILE__\n#include __FILE__\nint main(void) { return 0; }"),
    "c-huge-array": ("c", "static char a[1u << 31] = {1};\nint main(void) { return a[0]; }"),
    "c-macro-bomb": (
        "c",
        "#define A B B B B B B B B B B\n#define B C C C C C C C C C C\n#define C D D D D D D D D D D\n#define D E E E E E E E E E E\n"
        "#define E F F F F F F F F F F\n#define F G G G G G G G G G G\n#define G H H H H H H H H H H\n#define H I I I I I I I I I I\n"
        "#define I x;\nint x;\nint main(void) { A }",
    ),
    "c-error-flood": (
        "c",
        "int main(void) {\n" + "undeclared_%s();\n" * 1 + "".join(f"x{i} y{i} z{i};\n" for i in range(60000)) + "}",
    ),
    "c-pointer-cast": ("c", '__attribute__((alias("nothing"))) int f(void);\n' * 3000 + "int main(void) { return 0; }"),
    "cpp-templates": (
        "cpp",
        "template<int N> struct F { static const int v = F<N-1>::v + F<N-2>::v; typename F<N+1>::x t[N]; };\nint main() { return F<900>::v; }",
    ),
    "cpp-type-growth": (
        "cpp",
        "template<class A, class B> struct P {};\ntemplate<int N, class T> struct G { typedef typename G<N-1, P<T, P<T, T>>>::t t; };\n"
        "template<class T> struct G<0, T> { typedef T t; };\nint main() { G<40, int>::t x; return sizeof(x) == typename G<24, int>::t() + 1; }",
    ),
    "cpp-constexpr-loop": (
        "cpp",
        'constexpr long f(long n) { long s = 0; for (long i = 0; i < n; i++) s += i % 7; return s; }\nstatic_assert(f(1L << 40) == 1, "");\nint main() {}',
    ),
    "rs-macro": ("rs", "macro_rules! m { ($($t:tt)*) => { m!($($t)* $($t)* x) } }\nfn main() { m!(x) }"),
    "rs-recursion": (
        "rs",
        '#![recursion_limit = "4294967295"]\nmacro_rules! m { ($x:expr) => { m!($x + 1) } }\nfn main() { println!("{}", m!(1)) }',
    ),
    "go-huge-array": ("go", "package main\nvar a = [1 << 33]byte{1}\nfunc main() { println(a[0]) }"),
    "go-constant": (
        "go",
        'package main\nconst (a = "xxxxxxxxxxxxxxxx"; b = a+a+a+a+a+a+a+a; c = b+b+b+b+b+b+b+b; d = c+c+c+c+c+c+c+c; e = d+d+d+d+d+d+d+d; '
        "f = e+e+e+e+e+e+e+e; g = f+f+f+f+f+f+f+f; h = g+g+g+g+g+g+g+g; i = h+h+h+h+h+h+h+h)\nfunc main() { println(len(i)) }",
    ),
    "d-ctfe": ("d", "int f(int n) { int[] a; while (true) a ~= n; return 0; }\nenum x = f(3);\nvoid main() {}"),
    "d-mixin": (
        "d",
        'template T(int n) { mixin("alias a = T!(n + 1).a; alias b = T!(n + 2).b;"); }\nvoid main() { T!(0).a x; }',
    ),
    "java-flood": (
        "java",
        "public class Code { public static void main(String[] a) {\n"
        + "".join(f"x{i} = y{i};\n" for i in range(20000))
        + "} }",
    ),
    "java-inference": (
        "java",
        "import java.util.*; import java.util.function.*;\npublic class Code { static <T> T f(Supplier<T> a, Supplier<T> b) { return a.get(); }\n"
        "public static void main(String[] q) { Object o = " + "f(() -> " * 60 + "1" + ", () -> 2)" * 60 + "; } }",
    ),
    "f90-huge": ("f90", "program m\n  integer(1), dimension(2147483647) :: a = 1\n  print *, a(1)\nend program"),
    "ts-deep": (
        "ts",
        "type A = " + "[" * 20000 + "]" * 20000 + ";\nconsole.log(" + "(" * 20000 + "1" + ")" * 20000 + ")",
    ),
    "js-deep": ("js", "x = " + "[" * 200000),
    "py-deep": ("py", "x = " + "-" * 300000 + "1"),
    "py-constant": ("py", "x = (1 << 33) ** 3 if False else 10 ** 10 ** 9"),
    "bash-arith": ("bash", "echo $((" + "(" * 100000 + "1"),
    "php-deep": ("php", "<?php echo " + "[" * 50000 + "]" * 50000 + ";"),
    "r-deep": ("r", "x <- " + "(" * 100000 + "1"),
}

# Those that newer compilers simply compile.
DEFUSED = {"java-inference", "ts-deep", "py-constant", "php-deep", "c-macro-bomb"}


def _waits(pid):
    """A compiler that was started ahead has its socket until it is told what to compile (src/cell/runtime.h)."""
    return os.path.lexists(f"/proc/{pid}/fd/200")


def _running(server, name):
    return [pid for pid in host.marked(name) if pid in host.descendants(server.pid) and not _waits(pid)]


@pytest.mark.parametrize("bomb", sorted(BOMBS))
def test_r10_bombs(attack, need_language, bomb):
    language, code = BOMBS[bomb]
    need_language(language)
    start = time.monotonic()
    run = attack.exec(code, language, timeout=2500)
    took = time.monotonic() - start
    assert run.outcome in BOUNDED or bomb in DEFUSED and run.outcome == "ok", (
        run.outcome,
        run.stdout[:300],
        run.stderr[-300:],
    )
    assert took < 4.5, (took, run.outcome)
    assert run.stderr or run.outcome == "ok", "the reason is missing"
    for name in ("cc1", "cc1plus", "rustc", "javac", "ldc2", "f951"):
        # A server that has just started asks its compilers for their versions; those end by themselves.
        assert host.until(lambda: not _running(attack.server, name), 15), name


def test_r10_no_false_compile_error(attack):
    """A failing compiler is compile_error with its code; a failing program is not."""
    broken = attack.exec("int main(void) { return }", "c")
    assert (broken.outcome, broken.code, broken["status"]) == (
        "compile_error",
        1,
        "RE",
    ) and "error:" in broken.stderr, dict(broken)
    assert attack.exec("int main(void) { return 1; }", "c").outcome == "error"


SECRET_READERS = {
    "c-include": ("c", '#include "%s"\nint main(void) { return 0; }'),
    "c-incbin": (
        "c",
        '#include <stdio.h>\n__asm__(".section .rodata\\n.global s\\ns: .incbin \\"%s\\"\\n.byte 0\\n.text");\nextern const char s[];\nint main(void) { puts(s); }',
    ),
    "cpp-include": ("cpp", '#include "%s"\nint main() {}'),
    "rs-include": ("rs", 'fn main() { println!("{}", include_str!("%s")) }'),
    "rs-env": ("rs", 'fn main() { println!("{:?} %s", option_env!("API_KEY")) }'),
    "f90-include": ("f90", "program m\n  include '%s'\nend program"),
    "d-import": ("d", 'import std.stdio;\nvoid main() { write(import("%s")); }'),
    "go-embed": ("go", 'package main\nimport _ "embed"\n//go:embed %s\nvar s string\nfunc main() { println(s) }'),
    "go-generate": ("go", 'package main\n//go:generate touch /mnt/data/pwned\nfunc main() { println("%s") }'),
    "php-include": ("php", "<?php include '%s';"),
    "py-open": ("py", "print(open('%s').read())"),
    "bash-source": ("bash", "source %s"),
}


@pytest.mark.parametrize("path", ["/etc/shadow", "/proc/1/environ", "DATA"])
@pytest.mark.parametrize("way", sorted(SECRET_READERS))
def test_r10_compile_time_reads_nothing_of_the_host(attack, need_language, way, path):
    language, code = SECRET_READERS[way]
    need_language(language)
    target = attack.server.log_path if path == "DATA" else path
    run = attack.exec(code % target, language, timeout=20000)
    text = run.stdout + run.stderr
    assert "root:" not in text and attack.server.key not in text and '"message"' not in text, text[:500]
    assert "pwned" not in run.names()
    if way not in ("rs-env", "go-generate", "php-include"):
        assert run.outcome in ("compile_error", "error"), dict(run)


def test_r10_compile_time_programs_are_inside(attack, need_language):
    """cgo directives, pragmas and plug-ins: what the compiler starts is in the cell, behind the filter."""
    need_language("go")
    run = attack.exec(
        'package main\n// #cgo CFLAGS: -fplugin=/mnt/data/evil.so\n// #cgo LDFLAGS: -Wl,--wrap=/x @/etc/passwd\nimport "C"\nfunc main() { println(1) }',
        "go",
        timeout=20000,
    )
    assert run.outcome in ("compile_error", "error", "ok") and "root:" not in run.stdout + run.stderr, dict(run)
