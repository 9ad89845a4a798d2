# SPDX-License-Identifier: Apache-2.0
"""What every language must do (exec.md 10.3 to 10.8), and what is special to one.

programs/<code>/ holds the programs. Those named in EVERY exist for each language; adding a language is adding a folder:

sum      prints 55                                  exit     prints "before" and ends with code 3
input    prints the file x by two paths             unicode  prints 世界
nested   writes bytes 0 to 255 to out/deep/         imports  uses the files of imports/, prints "imported 42"
args     prints each argument as [argument]         broken   does not compile, or fails; broken.json says with what
stdin    prints "eof" if its input is empty
"""

import base64
import json
import pathlib
import re

import pytest

PROGRAMS = pathlib.Path(__file__).parent / "programs"
CODES = sorted(folder.name for folder in PROGRAMS.iterdir())
ARGUMENTS = ["a b", "it's", '"quoted"', "$HOME", "*", "-x", "--", "; echo no", "世界", "back\\slash"]

each_language = pytest.mark.parametrize("code", CODES)


def program(code, name):
    found = [path for path in (PROGRAMS / code).glob(f"{name}.*") if path.suffix != ".json"]
    assert len(found) == 1, f"programs/{code}/{name}.*: {found}"
    return found[0].read_text()


@pytest.fixture
def run(client, need_language):
    """run("go", "sum", ...) runs a program of the folder and returns the answer."""

    def start(code, name, **fields):
        need_language(code)
        return client.exec(program(code, name), code, **fields)

    return start


@pytest.fixture
def upload(client):
    """upload({"name": bytes}) uploads files and returns the references to them."""

    def send(files):
        up = client.upload(*files.items())
        return up.references()

    return send


@pytest.fixture
def place(client):
    """place({"name": bytes}) makes files in a new session, whatever their extension, and returns its id."""

    def make(files):
        packed = {name: base64.b64encode(data).decode() for name, data in files.items()}
        answer = client.exec(f"""
import base64
for name, data in {packed!r}.items():
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with open(name, "wb") as file:
        file.write(base64.b64decode(data))
""", "py")
        assert (answer.code, sorted(answer.names())) == (0, sorted(files)), dict(answer)
        return answer.session

    return make


def user_files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_clean(answer, stdout):
    assert (answer.stdout, answer.stderr, answer.code, answer.outcome) == (stdout, "", 0, "ok"), dict(answer)


def test_thirteen_languages_are_listed(languages):
    assert sorted(languages) == CODES
    for code, entry in languages.items():
        assert entry["name"] and isinstance(entry["aliases"], list), entry
        assert entry["available"] or entry["reason"], entry


@each_language
def test_prints_and_leaves_no_files(run, code):
    answer = run(code, "sum")
    assert_clean(answer, "55\n")
    assert answer.files == [] and answer["status"] is None and answer["signal"] is None, dict(answer)


NAMED = {
    "bash": "cat /dev/stdin > /dev/stdout; echo err | tee /dev/stderr > /dev/null; echo fd >> /dev/fd/1",
    "py": "print(open('/dev/stdin').read(), end='', file=open('/dev/stdout', 'w'))\nopen('/dev/stderr', 'w').write('err\\n')\nopen('/dev/fd/1', 'w').write('fd\\n')",
    "js": "const fs = require('fs'); fs.writeFileSync('/dev/stdout', fs.readFileSync('/dev/stdin')); fs.writeFileSync('/dev/stderr', 'err\\n'); fs.writeFileSync('/dev/fd/1', 'fd\\n')",
    "c": """
#include <stdio.h>
int main(void)
{
    char line[10] = "";
    FILE *in = fopen("/dev/stdin", "r"), *out = fopen("/dev/stdout", "w"), *err = fopen("/dev/stderr", "w");
    if (!in || !out || !err || !fgets(line, sizeof(line), in))
        return 7;
    fputs(line, out), fputs("fd\\n", out), fputs("err\\n", err);
}
""",
}


@pytest.mark.parametrize("lang", NAMED)
def test_streams_have_names(client, need_language, lang):
    """What every tutorial of a shell does: echo wrong > /dev/stderr."""
    need_language(lang)
    for _ in range(2):
        answer = client.exec(NAMED[lang], lang, stdin="in\n")
        assert (answer.stdout, answer.stderr, answer.code) == ("in\nfd\n", "err\n", 0), dict(answer)


@each_language
def test_reads_an_uploaded_file_by_both_paths(run, upload, code):
    answer = run(code, "input", files=upload({"x": b"content of x"}))
    assert_clean(answer, "content of x\ncontent of x\n")
    assert [(entry["name"], entry.get("inherited")) for entry in answer.files] == [("x", True)]


@each_language
def test_nested_file_is_delivered_byte_for_byte(run, client, code):
    answer = run(code, "nested")
    assert_clean(answer, "")
    assert answer.names() == ["out/deep/bytes.bin"]
    assert client.fetch(answer.file("out/deep/bytes.bin")) == bytes(range(256))


@each_language
def test_arguments_arrive_unchanged(run, code):
    assert_clean(run(code, "args", args=ARGUMENTS), "".join(f"[{argument}]\n" for argument in ARGUMENTS))


@each_language
def test_standard_input_is_at_its_end(run, code):
    assert_clean(run(code, "stdin"), "eof\n")


@each_language
def test_exit_code(run, code):
    answer = run(code, "exit")
    assert (answer.stdout, answer.code, answer.outcome, answer["status"]) == ("before\n", 3, "error", "RE"), dict(answer)


@each_language
def test_unicode(run, code):
    assert_clean(run(code, "unicode"), "世界\n")


@each_language
def test_byte_order_mark_is_no_part_of_the_program(client, need_language, code):
    need_language(code)
    assert_clean(client.exec("\ufeff" + program(code, "sum"), code), "55\n")


def test_nothing_but_a_byte_order_mark_is_blank(client):
    assert client.exec_reply("\ufeff\n", "bash").status == 400


@each_language
def test_failure_shows_the_native_message(run, code):
    expected = json.loads((PROGRAMS / code / "broken.json").read_text())
    answer = run(code, "broken")
    assert re.search(expected["stderr"], answer.stderr), dict(answer)
    assert (answer.outcome, answer["status"], answer.stdout) == (expected["outcome"], "RE", ""), dict(answer)
    assert answer.code != 0


@each_language
def test_imports_resolve_as_if_the_source_lay_in_the_workspace(run, place, code):
    files = user_files(PROGRAMS / code / "imports")
    answer = run(code, "imports", session_id=place(files))
    assert_clean(answer, "imported 42\n")
    assert all(entry.get("inherited") for entry in answer.files) and sorted(answer.names()) == sorted(files), dict(answer)


@pytest.mark.needs_values("ALLOWED_FILE_EXTENSIONS", reason="uploads .sh, which @extended adds")
@each_language
def test_files_named_like_the_tool_chains_own_survive(run, upload, code):
    own = {name: name.encode() for name in ("code", "code.csv", "Code.java", "code.txt")}
    own.update({f"code.{suffix}": b"a user's file" for suffix in ("py", "js", "ts", "go", "c", "cpp", "php", "rs", "r", "f90", "d", "sh")})
    answer = run(code, "sum", files=upload(own))
    assert_clean(answer, "55\n")
    assert all(entry.get("inherited") for entry in answer.files) and sorted(answer.names()) == sorted(own), dict(answer)


@each_language
def test_file_can_be_used_in_the_next_run_of_the_session(run, client, code):
    first = run(code, "nested")
    answer = client.exec("import hashlib; print(len(open('out/deep/bytes.bin', 'rb').read()))", "py", session_id=first.session)
    assert answer.stdout == "256\n", dict(answer)


@pytest.mark.parametrize("code", ["c", "cpp", "d", "f90"])
def test_output_before_a_crash_is_kept(run, code):
    answer = run(code, "crash")
    assert answer.stdout == "printed before the crash\n", dict(answer)
    assert (answer.code, answer.outcome, answer["signal"]) == (139, "signal", "SIGSEGV"), dict(answer)


@pytest.mark.parametrize("code, exit_code, message", [
    ("go", 2, r"panic: runtime error: index out of range \[5\] with length 0"),
    ("rs", 101, r"panicked at .*index out of bounds"),
    ("java", 1, r"java.lang.IllegalStateException: on purpose\n\tat Code.main\(Code.java:4\)"),
    ("php", 255, r"Uncaught LogicException: on purpose in /mnt/data/code.php:6"),
])
def test_crash_shows_the_native_message(run, code, exit_code, message):
    answer = run(code, "crash")
    assert (answer.stdout, answer.code, answer.outcome) == ("printed before the crash\n", exit_code, "error"), dict(answer)
    assert re.search(message, answer.stderr), dict(answer)


# Python

@pytest.mark.parametrize("source, shown", [
    ("1 + 1", "2\n"), ("'text'", "'text'\n"), ("None", ""), ("print(1)", "1\n"), ("# note\n[1,\n 2]\n", "[1, 2]\n"),
    ("1 + 1\n2 + 2", ""), ("x = 5", ""), ("np.arange(3)", "array([0, 1, 2])\n"), ("1;", ""),
])
def test_py_single_expression_is_shown(client, source, shown):
    assert_clean(client.exec(source, "py"), shown)


def test_py_traceback_names_the_program_only(run):
    answer = run("py", "traceback")
    assert answer.code == 1
    assert answer.stderr == (
        'Traceback (most recent call last):\n  File "<code>", line 5, in <module>\n    fail()\n'
        '  File "<code>", line 2, in fail\n    raise ValueError("on purpose")\nValueError: on purpose\n'), dict(answer)


def test_py_traceback_counts_lines_as_the_compiler_does(client, need_language):
    need_language("py")
    answer = client.exec("x = '\x0b\x0c\x1c\x85\u2028'\n1 / 0  # here", "py")
    assert '  File "<code>", line 2, in <module>\n    1 / 0  # here\n' in answer.stderr, dict(answer)


def test_py_warnings_name_the_program_only(client, need_language):
    """10.8.4: where none of its code runs they are shown as at the interpreter's end."""
    need_language("py")
    answer = client.exec("async def f(): pass\nx = f()\nexit(3)", "py")
    assert answer.stderr == "sys:1: RuntimeWarning: coroutine 'f' was never awaited\n", dict(answer)
    answer = client.exec("import warnings\nwarnings.warn('early', stacklevel=2)\nwarnings.warn('here')", "py")
    assert answer.stderr == "sys:1: UserWarning: early\n<code>:3: UserWarning: here\n  warnings.warn('here')\n", dict(answer)


def test_py_source_of_a_class(client, need_language):
    need_language("py")
    answer = client.exec("import inspect\nclass A:\n    x = 1\n\n    def f(self): pass\nprint(inspect.getsource(A), end='')", "py")
    assert_clean(answer, "class A:\n    x = 1\n\n    def f(self): pass\n")


def test_py_execution_model(run):
    answer = run("py", "model")
    assert answer.lines() == ["__main__ /mnt/data/code.py /mnt/data/code.py /mnt/data def own_source():", "child", "EOFError"]
    assert (answer.stderr, answer.code) == ("good bye\n", 1), dict(answer)


def test_py_documents(run):
    """10.3: tables, texts and pages in the formats that people exchange."""
    assert_clean(
        run("py", "documents"),
        "True\nTrue\ny\nwritten\nprinted printed\n|   a | b   |\n|----:|:----|\n|   1 | x   |\n|   2 | y   |\nTrue 3 200\n",
    )


def test_py_preloaded_names(run):
    assert_clean(run("py", "preloaded"), "3 {\"pi\": 3.14} a name of the program's own x /mnt/data\n")


@pytest.mark.parametrize("source, shown", [
    ("frame = pd.DataFrame({'a': [1]})\nimport pandas as pd\nprint(len(frame))", "1\n"),
    ("def f(): return math.floor(2.5)\nprint(f())\nimport math", "2\n"),
    ("print(os.sep)\nimport os.path", "/\n"), ("print(Image.__name__)\nfrom PIL import Image", "PIL.Image\n"),
    ("# np\nimport numpy as np\nprint(np.sign(1))", "1\n"),
    ("try: print(pd)\nexcept NameError: print('none')\nif 0:\n    import polars as pd", "none\n"),
    ("try: print(datetime)\nexcept NameError: print('none')\nfrom datetime import datetime", "none\n"),
    ("try: print(json)\nexcept NameError: print('none')\njson = 1\nimport json", "none\n"),
])
def test_py_preloaded_names_that_are_imported_further_down(client, need_language, source, shown):
    """10.7.6: available without import, unless the program gives the name to something else."""
    need_language("py")
    answer = client.exec(source, "py")
    assert_clean(answer, shown)


def test_py_libraries(run):
    answer = run("py", "libraries")
    assert_clean(answer, "True ['a', '1', '2']\n")
    assert answer.names() == ["chart.png", "table.csv"]


def test_py_show_saves_the_figures(run, client):
    answer = run("py", "show")
    assert_clean(answer, "shown\n")
    assert answer.names() == ["plot_1.png", "plot_2.png", "plot_3.png"]
    assert client.fetch(answer.file("plot_1.png")).startswith(b"\x89PNG\r\n\x1a\n")


def test_py_multiprocessing(run):
    assert_clean(run("py", "pool"), "[1, 4, 9]\n")
    assert_clean(run("py", "spawn", timeout=20000), "fork [42]\nspawn [42]\nforkserver [42]\n")


def test_py_environment(client):
    answer = client.exec("print(sorted(os.environ.items()))", "py")
    shown = dict(eval(answer.stdout))  # noqa: S307 -- our own program printed it
    expected = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg", "HOME": "/tmp", "TMPDIR": "/tmp"}
    assert expected.items() <= shown.items(), shown
    assert shown["MPLCONFIGDIR"].startswith("/tmp/") and shown["XDG_CACHE_HOME"].startswith("/tmp/"), shown


# JavaScript and TypeScript

JS_FILES = {
    "helper.mjs": b"export const value = 42; export default 'default';",
    "plain.cjs": b"exports.cjs = 'common';",
}


def test_js_es_module(run, place):
    answer = run("js", "module", session_id=place(JS_FILES))
    assert_clean(answer, "default 42 common awaited 42 true file:///mnt/data/code.js\n")
    assert sorted(answer.names()) == sorted(JS_FILES)


@pytest.mark.parametrize("first", ["", "await 1;"], ids=["plain", "await"])
def test_ts_traces_show_the_lines_of_the_source(client, need_language, first):
    need_language("ts")
    answer = client.exec(first + "\ninterface Shape {\n  side: number;\n}\nfunction fail(shape: Shape): never {\n"
                         "  throw new RangeError('on purpose');\n}\nfail({ side: 1 });", "ts")
    assert "    at fail (/mnt/data/code.ts:6:9)\n" in answer.stderr, dict(answer)
    assert "/mnt/data/code.ts:6\n  throw new RangeError('on purpose');\n" in answer.stderr, dict(answer)


def test_js_await_outside_of_functions(run, place):
    assert_clean(run("js", "await", session_id=place(JS_FILES)), "true /mnt/data true 42\n")


@pytest.mark.parametrize("code, printed", [
    ("await (async () => { console.log(1) })(); console.log(2)", "1\n2\n"),
    ("(async () => 0)(); const x = await (async () => 1)(); console.log(x, typeof require, __dirname)", "1 function /mnt/data\n"),
    ("const [x] = await [1]; console.log(x, await `two`, await -3, await\n(Promise.resolve(4)))", "1 two -3 4\n"),
])
@pytest.mark.parametrize("lang", ["js", "ts"])
def test_await_of_what_could_be_arguments(client, need_language, lang, code, printed):
    """`await (x)` compiles as CommonJS, as a call."""
    need_language(lang)
    assert_clean(client.exec(code, lang), printed)


@pytest.mark.parametrize("code, printed", [
    ("if (process.argv.length > 9) return; console.log(await (Promise.resolve(1)), arguments.length)", "1 5\n"),
    ("console.log(await (Promise.resolve(1))); return; console.log(2)", "1\n"),
    ("function await(x) { return x }; console.log(await (1), this === exports)", "1 true\n"),
    ("var await = (x) => x; console.log(await (1))", "1\n"),
    ("const o = { await(x) { return x } }; console.log(o.await (1), module.parent)", "1 null\n"),
    ("function f(await) { return await (1) } console.log(f((x) => x + 1))", "2\n"),
    ("async function f() { console.log(await (1)); return 2 }\nf(); console.log('first', require.main === module)", "first true\n1\n"),
    ("console.log('await (1)') // await (2)", "await (1)\n"),
    ("with ({ a: 1 }) console.log(a); async () => await (1)", "1\n"),
])
def test_js_await_beside_return_and_inside_of_functions_and_as_a_name(client, need_language, code, printed):
    need_language("js")
    assert_clean(client.exec(code, "js"), printed)


NEVER = "await new Promise(() => {})"


@pytest.mark.parametrize("code, status", [
    (f"{NEVER}; console.log('not reached')", 13),
    (f"import fs from 'fs'\n{NEVER}", 13),
    (f"const x: number = 1; {NEVER}", 13),
    (f"process.exitCode = 3; {NEVER}", 3),
    (f"setTimeout(() => process.exit(), 10); {NEVER}", 0),
    ("let go; process.on('beforeExit', () => go()); await new Promise((end) => { go = end })", 0),
    ("(async () => { await new Promise(() => {}) })(); await 1", 0),
], ids=["script", "module", "typescript", "own status", "exit", "late", "inside"])
def test_node_await_of_what_never_comes(client, need_language, code, status):
    """As Node.js ends a module. Else nobody could tell such a program from one that came to its end."""
    lang = "ts" if ": number" in code else "js"
    need_language(lang)
    answer = client.exec(code, lang)
    told = "Warning: Detected unsettled top-level await\n" if status == 13 else ""
    assert (answer.code, answer.stdout) == (status, "") and (status == 3 or answer.stderr == told), dict(answer)


def test_js_a_commonjs_program_that_awaits_inside_fails_as_one(client, need_language):
    need_language("js")
    answer = client.exec("async function f() { await (1) }\nthrow new RangeError('here')", "js")
    assert answer.code == 1 and "at Object.<anonymous> (/mnt/data/code.js:2:7)" in answer.stderr, dict(answer)


def test_js_traceback(run):
    answer = run("js", "traceback")
    assert answer.code == 1 and "RangeError: on purpose\n    at fail (/mnt/data/code.js:2:9)" in answer.stderr, dict(answer)


@pytest.mark.parametrize(
    "lang, source",
    [
        ("js", "function f() {\n  throw new Error('on purpose');\n}\nf();"),
        ("js", "import os from 'os';\nthrow new Error('on purpose ' + typeof os.EOL);"),
        ("js", "const one = await 1; throw new Error('on purpose ' + one);"),
        ("js", "let x = ;"),
        ("js", "const y = await 1;\nlet x = ;"),
        ("js", "import x from './on-purpose.mjs';"),
        ("js", "import x from './on-purpose.json';"),
        ("js", "import x from 'on-purpose';"),
        ("js", "import { purpose } from 'fs';"),
        ("ts", "function f(): never {\n  throw new Error('on purpose');\n}\nf();"),
        ("ts", "const one: number = await 1; throw new Error('on purpose ' + one);"),
        ("ts", "import x from './on-purpose'; console.log(x);"),
    ],
)
def test_js_traces_show_the_program_only(client, need_language, lang, source):
    need_language(lang)
    answer = client.exec(source, lang)
    assert answer.code == 1 and re.search("purpose|SyntaxError|Unexpected", answer.stderr), dict(answer)
    assert "codecell" not in answer.stderr and "(exports, require" not in answer.stderr, dict(answer)


@pytest.mark.parametrize(
    "lang, source",
    [
        ("js", "const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');\nconst self = __filename;"),
        ("js", "import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';\nconst self = new URL(import.meta.url);"),
        ("ts", "import { Worker, isMainThread, parentPort, workerData } from 'worker_threads';\nconst self: string = __filename;"),
    ],
)
def test_js_threads_of_the_program_itself(client, need_language, lang, source):
    need_language(lang)
    answer = client.exec(source + """
if (isMainThread) new Worker(self, { workerData: 21, argv: ['x y'] }).on('message', (message) => console.log(message));
else parentPort.postMessage(`${workerData * 2} ${process.argv.slice(1)}`);
""", lang)
    assert_clean(answer, "42 /mnt/data/code.js,x y\n")


@pytest.mark.parametrize(
    "source",
    [
        "const { fork } = require('child_process');\nif (process.argv[2] === 'x y') process.send(process.argv.slice(1).join());\n"
        "else fork(__filename, ['x y']).on('message', (message) => console.log(message));",
        "const cluster = require('cluster');\nif (!cluster.isPrimary) process.send(process.argv.slice(1).join());\n"
        "else cluster.fork().on('message', (message, w) => { console.log(message + ',x y'); cluster.disconnect(); });",
    ],
)
def test_js_processes_of_the_program_itself(client, need_language, source):
    need_language("js")
    assert_clean(client.exec(source, "js"), "/mnt/data/code.js,x y\n")


def test_js_a_file_of_the_programs_name_is_that_file(client, need_language):
    need_language("js")
    answer = client.exec("""
require('fs').writeFileSync('code.js', "require('worker_threads').parentPort.postMessage('the file')");
new (require('worker_threads').Worker)('./code.js').on('message', (message) => console.log(message));
""", "js")
    assert_clean(answer, "the file\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_js_output_is_whole_at_exit(client, need_language, stream):
    """Three times what a pipe holds: the last byte that is shown is followed by what says that more was written."""
    need_language("js")
    for _ in range(8):
        answer = client.exec(f"process.{stream}.write('x'.repeat(200000)); process.exit()", "js")
        assert answer[stream].endswith("[Output truncated - size limit exceeded]" + "\n" * (stream == "stdout")), len(answer[stream])


@pytest.mark.parametrize("first", ["", "import os from 'os';", "await 1;"], ids=["plain", "module", "await"])
def test_js_import_with_attributes(client, need_language, first):
    need_language("js")
    code = "import('fs').then(async (fs) => {\nfs.writeFileSync('a.json', '{\"b\": 5}');\n" \
        "console.log((await import('./a.json', { with: { type: 'json' } })).default.b) });"
    answer = client.exec(f"{first}\n{code}", "js")
    assert (answer.code, answer.stdout) == (0, "5\n"), dict(answer)


def test_js_type_module_of_the_workspace_does_not_matter(run, upload):
    assert_clean(run("js", "sum", files=upload({"package.json": b'{"type": "module"}'})), "55\n")


def test_ts_features_and_no_type_check(run):
    assert_clean(run("ts", "features"), "decorated get\n2 4 undefined number a type error never stops a run\n")


def test_ts_await_outside_of_functions(run):
    assert_clean(run("ts", "await"), "7 /\n")


def test_ts_bigint(run):
    assert_clean(run("ts", "bigint"), "18446744073709551616n bigint 65025n\n")


def test_ts_bigint_in_another_file(client, upload):
    other = upload({"other.ts": b"export const large: bigint = 2n ** 64n;\n"})
    assert_clean(client.exec("import { large } from './other'; console.log(large)", "ts", files=other), "18446744073709551616n\n")


def test_ts_import_meta(run):
    assert_clean(run("ts", "import_meta"), "/mnt/data/code.js file:///mnt/data/code.js function 3n\n")


def test_ts_import_meta_does_not_hide_what_is_wrong(client):
    answer = client.exec("console.log(import.meta.url, 'import.meta'); let x: = 3", "ts")
    assert answer.outcome == "compile_error" and answer.stderr.count("ERROR") == 1 and 'Unexpected "="' in answer.stderr, dict(answer)


def test_ts_traceback_shows_lines_of_the_source(run):
    answer = run("ts", "traceback")
    assert answer.code == 1 and "Error: on purpose\n    at fail (/mnt/data/code.ts:6:9)" in answer.stderr, dict(answer)


# Others

@pytest.mark.parametrize("name, printed", [
    ("other_class", "Main\n"), ("package_private", "Starter0\n"), ("in_package", "com.example.app.App\n"),
    ("main_elsewhere", "Zoo with 2\n"), ("main_inside", "Outer$Starter 0\n"), ("several_mains", "Main of Main\n"),
    ("one_line", "Main [1, 2]\n"), ("package_of_several", "a.b.Program\n"),
])
def test_java_class_names(run, name, printed):
    assert_clean(run("java", name), printed)


def test_gold_links_where_it_is_installed(client, need_language):
    need_language("c")
    answer = client.exec(
        "cd /run/build; echo 'int main(void) { return 0; }' > a.c; gcc -B/opt/codecell/linker a.c -o a || exit\n"
        "[ ! -x /usr/bin/gold ] || grep -q 'gold 1' a && ./a && echo linked",
        "bash",
    )
    assert answer.stdout == "linked\n", dict(answer)


def test_java_has_its_class_archive(client, need_language):
    """-Xshare:on refuses to start with an archive that does not fit. Made by tools/prepare, which ./run and ./check call."""
    need_language("java")
    answer = client.exec(
        "archive=/opt/codecell/guest/java/prepared/javac.jsa; [ -e $archive ] || echo 'run tools/prepare' >&2\n"
        "java -Xshare:on -XX:SharedArchiveFile=$archive -XX:+UseG1GC com.sun.tools.javac.Main -version",
        "bash",
    )
    assert answer.code == 0 and "javac" in answer.stdout, dict(answer)


def test_java_uses_its_memory_and_no_more(run):
    assert_clean(run("java", "large", timeout=60000), "450\n")
    greedy = run("java", "greedy", timeout=60000)
    assert (greedy.outcome, greedy.code) == ("out_of_memory", 137), dict(greedy)


def test_go_without_a_main_package_is_a_compile_error(client, need_language):
    need_language("go")
    answer = client.exec("package shapes\n\nfunc Area(a, b int) int { return a * b }\n", "go")
    assert (answer.outcome, answer.code, answer.stdout) == ("compile_error", 1, ""), dict(answer)
    assert "not a main package" in answer.stderr, dict(answer)


def test_php_context(run):
    answer = run("php", "context", args=["one"])
    assert answer.stdout == "/mnt/data/code.php /mnt/data 2 code.php /mnt/data\n", dict(answer)
    assert "Warning: Undefined variable $undefined_variable in /mnt/data/code.php on line 4" in answer.stderr


def test_php_traces_show_the_program_only(client, need_language):
    need_language("php")
    answer = client.exec(
        "<?php\nfunction f() {\n    debug_print_backtrace();\n    throw new LogicException('on purpose');\n}\n"
        "echo count(debug_backtrace()), \"\\n\";\nf();\n", "php")
    assert (answer.stdout, answer.code) == ("0\n#0 /mnt/data/code.php(7): f()\n", 255), dict(answer)
    assert answer.stderr == (
        "Fatal error: Uncaught LogicException: on purpose in /mnt/data/code.php:4\nStack trace:\n"
        "#0 /mnt/data/code.php(7): f()\n#1 {main}\n  thrown in /mnt/data/code.php on line 4\n"), dict(answer)


def test_r_graphics_without_a_screen(run):
    answer = run("r", "graphics")
    assert_clean(answer, "cairo PNG \n")
    assert answer.names() == ["chart.pdf", "chart.png"]


def test_bash_tools_and_native_messages(run):
    answer = run("bash", "tools")
    assert answer.lines() == ["after a failing command", "python3 from a heredoc", "[1,2]", "a-b", "run, not sourced"]
    assert answer.stderr.strip() == "cat: nothing_here: No such file or directory" and answer.code == 0, dict(answer)


def test_c_ptrace_is_refused(run):
    assert_clean(run("c", "ptrace"), "-1\n")


@pytest.mark.parametrize("alias, code", [
    ("python", "py"), ("Python3", "py"), ("PY", "py"), ("node", "js"), ("bun", "js"), ("javascript", "js"), ("typescript", "ts"),
    ("bun-ts", "ts"), ("golang", "go"), ("c++", "cpp"), ("rust", "rs"), ("fortran", "f90"), ("sh", "bash"),
])
def test_aliases(client, need_language, alias, code):
    need_language(code)
    assert client.exec(program(code, "unicode"), alias).stdout == "世界\n"
