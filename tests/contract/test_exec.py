# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.1 to 10.5, 10.8, 10.10 and 10.12: request, arguments, limits, output text and answer."""

import json
import re
import time

import pytest

from support.client import in_threads

CUT = "\n[Output truncated - size limit exceeded]"


# 10.1, 10.2, 10.12


def test_minimal(client):
    """10.10, 10.9.9: the four fields that are the contract, and the rest."""
    run = client.exec("print('Hello, World!')", "py")
    assert run.stdout == "Hello, World!\n" and run.stderr == "" and run["files"] == []
    assert re.fullmatch(r"[A-Za-z0-9_-]{21}", run.session)
    assert run["code"] == 0 and run["signal"] is None and run["status"] is None and run["message"] is None
    assert isinstance(run["wall_time"], int) and 0 <= run["wall_time"] < 10000
    assert not {
        "deleted_files",
        "artifact_truncation",
        "artifact_delivery",
        "truncated",
        "runtime_session_id",
        "runtime_status",
    } & set(run)


def test_both_paths(client):
    """1.6."""
    assert client.exec("echo x", "bash", path="/v1/exec").stdout == "x\n"


@pytest.mark.parametrize("lang", ["cobol", "invalid_language", "", " ", "p y", "py\n", "世界", "x" * 10000])
def test_unsupported_language(client, lang):
    """10.2: 400 with the field, code and texts."""
    reply = client.exec_reply("x", lang)
    assert reply.status == 400, reply
    if lang in ("cobol", "invalid_language"):
        assert reply.error == f"Unsupported programming language: {lang}"
        assert reply.json["details"] == [
            {"field": "lang", "message": f"Language '{lang}' is not supported", "code": "unsupported_language"}
        ]


def test_language_before_code(client):
    """10.2: the language is checked before the code."""
    assert client.exec_reply("", "cobol").json["details"][0]["code"] == "unsupported_language"


@pytest.mark.parametrize("code", ["", " ", "   ", "\n", "\t\r\n  \n", "\v\f"])
def test_blank_code(client, code):
    """10.2, 10.12."""
    reply = client.exec_reply(code, "py")
    assert reply.status == 400 and reply.error == "Code cannot be empty", reply
    assert reply.json["details"] == [
        {"field": "code", "message": "Code field is required and cannot be empty", "code": "empty_code"}
    ]


@pytest.mark.parametrize("lang", ["PY", "Py", "python", "Python3", "PYTHON"])
def test_language_case_and_aliases(client, lang):
    """10.3, 10.12."""
    assert client.exec("print(1 + 1)", lang).stdout == "2\n"


ALIASES = {
    "js": ["javascript", "node", "nodejs", "bun", "bun-js", "node-js", "node-javascript"],
    "ts": ["typescript", "bun-ts", "bun-typescript"],
    "go": ["golang"],
    "cpp": ["c++"],
    "rs": ["rust"],
    "f90": ["fortran"],
    "bash": ["sh"],
    "py": ["python", "python3"],
}


def test_aliases_are_listed(languages):
    """10.3: every alias of the table."""
    for code, aliases in ALIASES.items():
        assert set(aliases) <= set(languages[code]["aliases"]), code


@pytest.mark.parametrize("alias", ALIASES["js"])
def test_javascript_aliases(client, need_language, alias):
    """10.3."""
    need_language("js")
    assert client.exec("console.log(6 * 7)", alias).stdout == "42\n"


@pytest.mark.parametrize("value", [[], None])
def test_no_files(client, value):
    """10.1: [] and null are fine (pinned)."""
    assert client.exec("echo x", "bash", files=value).stdout == "x\n"


def test_nulls(client):
    """10.1: optional fields may be null."""
    assert (
        client.exec(
            "echo x",
            "bash",
            args=None,
            user_id=None,
            entity_id=None,
            session_id=None,
            timeout=None,
            runtime_session_hint=None,
        ).stdout
        == "x\n"
    )


@pytest.mark.parametrize("hint", ["x", "a" * 500, "bad hint!", "", "世界"])
def test_runtime_hint_is_ignored(client, hint):
    """11.5: accepted, not validated, ignored."""
    run = client.exec("echo x", "bash", runtime_session_hint=hint)
    assert run.stdout == "x\n" and "runtime_session_id" not in run


@pytest.mark.parametrize("entity", ["a", "a" * 40, "A-z_0-9", "-", "_"])
def test_good_entities(client, entity):
    """10.1."""
    assert client.exec("echo x", "bash", entity_id=entity).outcome == "ok"


@pytest.mark.parametrize("entity", ["a b", "a" * 41, "a.b", "é", "a/b", "a\n", "a\0"])
def test_bad_entities(client, entity):
    """10.1, 10.12: 422."""
    assert client.exec_reply("echo x", "bash", entity_id=entity).status == 422


def test_unknown_reference(client):
    """10.12: the run goes on without the file."""
    run = client.exec("cat x.txt", "bash", files=[{"id": "x", "storage_session_id": "y", "name": "x.txt"}])
    assert run.outcome == "error" and "No such file or directory" in run.stderr and run.files == []


# 10.4

ARGS = [
    (None, []),
    ([], []),
    ("", []),
    ("  ", []),
    ("one", ["one"]),
    ("arg with spaces", ["arg with spaces"]),
    ("  padded  ", ["  padded  "]),
    (["a", "b"], ["a", "b"]),
    ([None, "", " ", "x"], ["x"]),
    ([42], ["42"]),
    ([4.5], ["4.5"]),
    ([["nested"]], ['["nested"]']),
    ([{"a": 1}], ['{"a":1}']),
    (42, ["42"]),
    (-1.5, ["-1.5"]),
    ({"a": [1, 2]}, ['{"a":[1,2]}']),
    (["quote'\"", "new\nline", "$HOME", "*", "\\"], ["quote'\"", "new\nline", "$HOME", "*", "\\"]),
    (["世界", "é"], ["世界", "é"]),
    (["a\0b", "\0b", " \0b", "c"], ["a", "c"]),
    ("a\0b", ["a"]),
    (["x"] * 5000, ["x"] * 5000),
    ({}, ["{}"]),
]


@pytest.mark.parametrize("args,expected", ARGS, ids=[str(i) for i in range(len(ARGS))])
def test_args(client, args, expected):
    """10.4: normalisation, never a 422."""
    run = client.exec("import sys, json\nprint(json.dumps(sys.argv[1:]))", "py", args=args)
    assert run.result() == expected


@pytest.mark.parametrize(
    "args,texts", [([True], ("True", "true")), (True, ("True", "true")), ([False], ("False", "false"))]
)
def test_boolean_args(client, args, texts):
    """10.4."""
    run = client.exec('echo "$1"', "bash", args=args)
    assert run.stdout.strip() in texts


PRINT_COUNT = {
    "bash": 'echo $#',
    "py": "import sys; print(len(sys.argv) - 1)",
    "js": "console.log(process.argv.length - 2)",
    "ts": "console.log(process.argv.length - 2 as number)",
    "php": "<?php echo count($argv) - 1;",
    "r": "cat(length(commandArgs(TRUE)))",
    "java": "public class Code { public static void main(String[] a) { System.out.println(a.length); } }",
    "c": '#include <stdio.h>\nint main(int n, char **a) { (void)a; printf("%d", n - 1); }',
}


@pytest.mark.parametrize("lang", PRINT_COUNT)
def test_many_args(client, need_language, lang):
    """10.4: as many as there are."""
    need_language(lang)
    for args in (["x"] * 5000, ["yz"] * 20000, ["x"] * (20000 if lang == "r" else 157000), ["y" * 131071] * 11):
        run = client.exec(PRINT_COUNT[lang], lang, args=args)
        assert run.stdout == f"{len(args)}\n", dict(run)


@pytest.mark.parametrize("lang", ["py", "bash", "c"])
@pytest.mark.parametrize("args", [["x" * 131072], "x" * 200000, ["x" * 100000] * 16, ["x"] * 160000, [[["x"] * 50000]]])
def test_args_that_no_program_can_be_given(client, lang, args):
    """10.4: never a 422; the run fails as a shell's command does, whatever of the session waits for it."""
    first = client.exec("x = 1" if lang == "py" else "true", "py" if lang == "py" else "bash")
    run = client.exec("print(1)" if lang == "py" else PRINT_COUNT[lang], lang, args=args, session_id=first.session)
    assert (run.code, run.outcome, run["status"], run.stdout) == (126, "error", "RE", ""), dict(run)
    assert run.stderr == "[sandbox] the arguments are too long for a program\n" and run.session == first.session, dict(run)
    if lang == "py":
        assert client.exec("print(x)", session_id=run.session).stdout == "1\n"


def test_numbers_in_args(client):
    """10.4: a number is the same and as short as it can be, alone and inside of something."""
    code = 'printf "%s\\n" "$@"'
    args = [0.1, {"a": 0.1, "b": [2.1, 3]}, [0.1 + 0.2], [1e300, -0.5, 7]]
    run = client.exec(code, "bash", args=args)
    assert run.lines()[:2] == ["0.1", '{"a":0.1,"b":[2.1,3]}'] and run.lines()[2] == "[0.30000000000000004]", dict(run)
    assert [json.loads(line) for line in run.lines()] == args, dict(run)
    assert client.exec(code, "bash", args={"a": 0.1}).stdout == '{"a":0.1}\n'
    large = client.exec(code, "bash", args=[12345678901234567890, [-(2**70)]])
    assert [json.loads(line) for line in large.lines()] == [float(12345678901234567890), [-float(2**70)]], dict(large)


def test_argv0(client):
    """10.4: sys.argv[0] is /mnt/data/code.py; __name__ is __main__; the directory is /mnt/data."""
    run = client.exec("import sys, os\nprint(sys.argv, __name__, os.getcwd(), sep='|')", "py", args=["a"])
    assert run.stdout == "['/mnt/data/code.py', 'a']|__main__|/mnt/data\n"


# 10.3


def test_environment(client):
    """10.3: HOME, TMPDIR, locale and Python's variables."""
    run = client.exec(
        "import os, tempfile\nfor n in ('HOME', 'TMPDIR', 'LC_ALL', 'PYTHONUNBUFFERED', 'PYTHONDONTWRITEBYTECODE', 'MPLBACKEND'): print(os.environ.get(n))\n"
        "print(os.environ['MPLCONFIGDIR'].startswith('/tmp'), os.environ['XDG_CACHE_HOME'].startswith('/tmp'), tempfile.gettempdir())",
        "py",
    )
    assert run.lines() == ["/tmp", "/tmp", "C.UTF-8", "1", "1", "Agg", "True True /tmp"]


def test_stdin_is_empty(client):
    """10.3: end of file at once; the program does not read its own source."""
    assert client.exec("cat; echo done", "bash").stdout == "done\n"
    run = client.exec("import sys\nprint(repr(sys.stdin.read()))\ninput()", "py")
    assert run.stdout == "''\n" and "EOFError" in run.stderr


def test_bash_goes_on_after_failures(client):
    """10.3: failing commands do not stop the script; the tools are there."""
    run = client.exec("false; nonsense-command; echo on; jq -n '1+1'; python3 -c 'print(3)'", "bash")
    assert run.stdout == "on\n2\n3\n" and "command not found" in run.stderr and run.code == 0


def test_bash_heredoc_into_python(client):
    """11.2: LibreChat writes files with a heredoc fed to python3 and reads them with cat."""
    written = client.exec("python3 - <<'EOF'\nopen('/mnt/data/note.txt', 'w').write('  spaced \\n\\n')\nEOF", "bash")
    read = client.exec("cat '/mnt/data/note.txt'", "bash", session_id=written.session)
    assert read.stdout == "  spaced \n\n"
    missing = client.exec("cat '/mnt/data/none.txt'", "bash", session_id=written.session)
    assert missing.stdout == "" and "No such file or directory" in missing.stderr


def test_warm_up_call(client):
    """11.1: {"lang": "bash", "code": "true"}."""
    run = client.exec("true", "bash")
    assert (run.outcome, run.stdout, run.stderr, run.code) == ("ok", "", "", 0)


def test_workspace_is_writable_and_elsewhere_not(client):
    """10.12: a program that writes elsewhere gets a permission error of its own."""
    run = client.exec(
        "for p in /etc/x /usr/x /x /root/x /var/x /home/x; do echo x > $p; done; echo ok > /tmp/x && echo ok > /mnt/data/x && echo done",
        "bash",
    )
    assert run.stdout == "done\n" and len(run.stderr.splitlines()) == 6


def test_relative_modules(client):
    """10.3: imports resolve as if the source lay in /mnt/data."""
    first = client.exec(
        "open('helper.py', 'w').write('x = 42')\nopen('lib.sh', 'w').write('y=43')\nopen('h.h', 'w').write('#define Z 44')\nopen('m.js', 'w').write('module.exports = 45')",
        "py",
    )
    session = first.session
    assert client.exec("import helper\nprint(helper.x)", "py", session_id=session).stdout == "42\n"
    assert client.exec(". ./lib.sh; echo $y", "bash", session_id=session).stdout == "43\n"
    assert (
        client.exec(
            '#include "h.h"\n#include <stdio.h>\nint main(void) { printf("%d\\n", Z); }', "c", session_id=session
        ).stdout
        == "44\n"
    )
    assert client.exec("console.log(require('./m.js'))", "js", session_id=session).stdout == "45\n"


# 10.5


@pytest.mark.parametrize("timeout,seconds", [(1000, 1), (1001, 2), (1999, 2), (2000, 2)])
def test_timeout_rounds_up(client, timeout, seconds):
    """10.5: the limit in whole seconds, rounded up."""
    start = time.monotonic()
    run = client.exec("sleep 30", "bash", timeout=timeout)
    took = time.monotonic() - start
    assert run.stderr == f"Execution timed out after {seconds} seconds", dict(run)
    assert seconds <= took < seconds + 1


def test_timeout_never_above_the_maximum(server_with):
    """10.5, 10.12: MAX_EXECUTION_TIME caps the request; the default is it, times the language's factor without a timeout."""
    server = server_with(MAX_EXECUTION_TIME="2")
    with server.client() as client:
        run = client.exec("sleep 30", "bash", timeout=60000)
        assert run.stderr == "Execution timed out after 2 seconds" and 2000 <= run["wall_time"] < 3000, dict(run)


def test_numeric_timeout_as_text(client):
    """10.1: an integer; int_parsing is only for texts that are none (8.4)."""
    reply = client.exec_reply("echo x", "bash", timeout="5000")
    assert reply.status in (200, 422), reply


def test_memory_limit(server_with):
    """10.5: MAX_MEMORY_MB, times the language's factor."""
    server = server_with(MAX_MEMORY_MB="64")
    with server.client() as client:
        assert client.exec("x = bytearray(20 << 20)\nprint(len(x))", "py").outcome == "ok"
        run = client.exec("x = bytearray(b'1') * (200 << 20)\nprint(len(x))", "py")
        assert run.outcome == "out_of_memory" and run.stderr.endswith(
            "Execution failed: Out of memory (limit 64 MB)"
        ), dict(run)


def test_limits_seen_inside(client):
    """10.5, S1: one file 100 MB, 256 open files, /tmp of 100 MB."""
    run = client.exec("ulimit -n; ulimit -f; ulimit -c; df --output=size -m /tmp | tail -1; nproc > /dev/null", "bash")
    files, blocks, core, tmp = run.lines()
    assert int(files) == 256 and int(blocks) == 102400 and int(core) == 0, dict(run)
    assert int(tmp) == 100, dict(run)


# 10.8


def test_never_null(client):
    """10.8.1 (pinned)."""
    run = client.exec("pass", "py")
    assert run.stdout == "" and run.stderr == ""


def test_unusual_bytes(client):
    """10.8.2: bad UTF-8 becomes U+FFFD; control characters go, tab, LF and CR stay."""
    run = client.exec(
        r"""import sys
sys.stdout.buffer.write(b"a\xffb\xc3(\t\r\n\x00\x01\x07\x08\x0b\x0c\x0e\x1b[0m\x1f\x7f end\n")""",
        "py",
    )
    assert run.stdout == "a\ufffdb\ufffd(\t\r\n[0m end\n", repr(run.stdout)


def test_trailing_newline(client):
    """10.8.3: stdout ends with one, stderr gets none."""
    run = client.exec("printf out; printf err >&2", "bash")
    assert (run.stdout, run.stderr) == ("out\n", "err")


def test_white_space_is_kept(client):
    """10.8.4."""
    run = client.exec("printf '\\n  lead\\ntrail  \\n\\n\\n'; printf ' e \\n\\n' >&2", "bash")
    assert (run.stdout, run.stderr) == ("\n  lead\ntrail  \n\n\n", " e \n\n")


def test_unicode(client):
    """10.12: print("世界") is intact."""
    run = client.exec("print('世界 🎉 é')\nimport sys\nprint('错误', file=sys.stderr)", "py")
    assert (run.stdout, run.stderr) == ("世界 🎉 é\n", "错误\n")


def test_truncation(client):
    """10.8.5, 10.12: 2 MB of output is cut at 64 KiB, the program is not killed."""
    run = client.exec("import sys\nsys.stdout.write('y' * 2_000_000)\nprint('end', file=sys.stderr)", "py")
    assert (
        run.stdout.rstrip("\n") == "y" * 65536 + CUT and run.stderr == "end\n" and run.code == 0 and run.outcome == "ok"
    )


def test_exactly_the_limit(client):
    """10.8.5: 65536 bytes are not cut."""
    run = client.exec("import sys\nsys.stdout.write('y' * 65535 + '\\n')", "py")
    assert len(run.stdout) == 65536 and "truncated" not in run
    run = client.exec("import sys\nsys.stdout.write('y' * 65536 + '\\n')", "py")
    assert CUT in run.stdout and run["truncated"] == {"stdout": True, "stderr": False}


def test_max_output_bytes(server_with):
    """13.3: MAX_OUTPUT_BYTES."""
    server = server_with(MAX_OUTPUT_BYTES="10")
    with server.client() as client:
        run = client.exec("echo 0123456789abcdef; echo 世界世界 >&2", "bash")
        assert run.stdout.rstrip("\n") == "0123456789" + CUT and run.stderr == "世界世" + CUT, dict(run)


OUTCOMES = [
    ("bash", "exit 0", dict(code=0, status=None, stderr="", signal=None, message=None)),
    ("bash", "echo said >&2; exit 5", dict(code=5, status="RE", stderr="said\n")),
    ("bash", "exit 5", dict(code=5, status="RE", stderr="Code execution failed with exit code 5")),
    ("bash", "echo before-error; exit 1", dict(code=1, status="RE", stdout="before-error\n")),
    (
        "bash",
        "kill -SEGV $$",
        dict(code=139, status="SG", signal="SIGSEGV", stderr="Code execution failed with exit code 139"),
    ),
    ("bash", "echo said >&2; kill -TERM $$", dict(code=143, status="SG", signal="SIGTERM", stderr="said\n")),
    ("py", "import sys\nsys.exit(3)", dict(code=3, status="RE")),
    ("py", "import sys\nprint('kept')\nsys.exit('text')", dict(code=1, status="RE", stdout="kept\n", stderr="text\n")),
    ("c", "int main(void) { return x; }", dict(code=1, status="RE")),
]


@pytest.mark.parametrize("lang,code,expected", OUTCOMES, ids=[str(i) for i in range(len(OUTCOMES))])
def test_outcome_table(client, lang, code, expected):
    """10.8.6: HTTP 200 in every row."""
    run = client.exec(code, lang)
    assert {key: run[key] for key in expected} == expected, dict(run)


def test_timeout_row(client):
    """10.8.6: what was written, then on its own line the sentence; 124, TO."""
    run = client.exec("printf part; printf said >&2; sleep 30", "bash", timeout=1000)
    assert (run.stdout, run.stderr) == ("part\n", "said\nExecution timed out after 1 seconds"), dict(run)
    assert (run.code, run["status"], run["message"]) == (124, "TO", "Time limit exceeded")
    assert 1000 <= run["wall_time"] < 2000


def test_memory_row(client):
    """10.8.6: 137, SG, Out of memory."""
    run = client.exec(
        "import sys\nprint('part', flush=True)\nprint('said', file=sys.stderr, flush=True)\nx = bytearray(b'1') * (3 << 30)",
        "py",
    )
    if run.outcome == "error":
        assert "MemoryError" in run.stderr
        return
    assert run.stdout == "part\n" and run.stderr == "said\nExecution failed: Out of memory (limit 512 MB)", dict(run)
    assert (run.code, run["status"], run["message"]) == (137, "SG", "Out of memory")


def test_exception(client):
    """12.1: exception class and message in stderr with 200."""
    run = client.exec("raise ValueError('test error')", "py")
    assert (
        run.code == 1
        and "ValueError: test error" in run.stderr
        and run.stderr.startswith("Traceback (most recent call last):\n")
    )


def test_syntax_errors(client):
    """10.7.6, 12.1."""
    run = client.exec("print('never')\ndef (:", "py")
    assert run.code == 1 and "SyntaxError" in run.stderr and run.stdout == ""
    run = client.exec("echo first\nif then", "bash")
    assert run.stderr != "" and run.code != 0


def test_streams_keep_their_order(client):
    """10.7.6: inside each stream, with output of child processes."""
    run = client.exec(
        "import os, subprocess, sys\nprint(1)\nsubprocess.run(['echo', '2'])\nos.system('echo 3; echo e >&2')\nprint(4)\nprint('f', file=sys.stderr)",
        "py",
    )
    assert (run.stdout, run.stderr) == ("1\n2\n3\n4\n", "e\nf\n")


def test_clean_stderr(client, need_language):
    """10.8.4: a clean run's stderr is exactly empty, in every language that starts fast."""
    for lang, code in (
        ("py", "import numpy, pandas, matplotlib\nprint(1)"),
        ("bash", "echo 1"),
        ("js", "console.log(1)"),
        ("c", '#include <stdio.h>\nint main(void) { puts("1"); }'),
        ("php", "<?php echo 1;"),
        ("r", "cat(1)"),
    ):
        need_language(lang)
        run = client.exec(code, lang, timeout=60000)
        assert (run.stdout, run.stderr) == ("1\n", ""), (lang, dict(run))


# 10.12 and the functional tests


def test_parallel_requests(server):
    """12.1, 12.3.11: twenty parallel runs with a loop, a memory hog and a fork bomb: all answered, the others right."""
    programs = [f"echo {n}" for n in range(17)] + [
        "while :; do :; done",
        "python3 -c \"x = bytearray(b'1') * (3 << 30)\"",
        "f() { f | f & }; f; sleep 9",
    ]

    def job(code):
        def run():
            with server.client() as client:
                return client.exec(code, "bash", timeout=3000)

        return run

    runs = in_threads([job(code) for code in programs])
    for number in range(17):
        assert (runs[number].outcome, runs[number].stdout) == ("ok", f"{number}\n"), dict(runs[number])
    assert runs[17].outcome == "timeout"
    assert runs[18].outcome in ("out_of_memory", "error", "timeout")  # the last if the machine is slow
    assert runs[19].outcome in ("timeout", "process_limit", "ok", "error")


@pytest.mark.needs_values("MAX_FILE_SIZE_MB", reason="the rule names a file of 50 MB")
def test_mounting_does_not_block_others(server, client):
    """10.6.8 (pinned): while five runs mount a 50 MB file, three small runs finish within 8 s each."""
    up = client.upload(("big.txt", b"b" * (50 << 20)))

    def big():
        with server.client() as other:
            return other.exec("wc -c < big.txt", "bash", files=[up.reference()]).stdout

    def small():
        start = time.monotonic()
        with server.client() as other:
            other.exec("echo x", "bash")
        return time.monotonic() - start

    results = in_threads([big] * 5 + [small] * 3)
    assert results[:5] == [f"{50 << 20}\n"] * 5 and max(results[5:]) < 8
