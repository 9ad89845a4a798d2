# SPDX-License-Identifier: Apache-2.0
"""ptc.md P6: tools as commands of Bash programs, and as functions of JavaScript and TypeScript."""

import pytest
from support.tools import WEATHER, Failure, Run, declare, post, resume_raw


def test_bash_example(client, need_language):
    need_language("bash")
    code = 'raw=$(get_weather \'{"city":"Bern"}\')\necho "T=$(printf \'%s\' "$raw" | jq -r .temp)"'
    run = Run(client, code, {"get_weather": lambda value: {"temp": len(value["city"])}}, lang="bash", timeout=15000)
    assert run.stdout == "T=4\n" and run.calls[0]["input"] == {"city": "Bern"}, run.answer


def test_bash_identifiers(client):
    """P6.1."""
    names = ["my.tool", "my-other tool", "if", "function", "2x", "!!!", "read", "printf", "exec"]
    code = "my_tool; my_other_tool; if_tool; function_tool; _2x; read; printf; exec; _unnamed"
    run = Run(client, code, {name: lambda value: value for name in names}, lang="bash")
    assert [call["name"] for call in run.calls] == [name for name in names if name != "!!!"], run.rounds
    assert run.error == "Sandbox exited with code 127" and "_unnamed: command not found" in run.stderr, run.answer


def test_bash_tools_with_the_names_of_builtins(client):
    """P6.1, P6.5: a tool has the name of whatever the others are called with; only what is listed there, and what nothing goes
    without, is known under another."""
    names = (
        "set umask printf echo read return exec exit command head mkfifo shift test true trap eval source wait kill"
        " builtin local unset __codecell_call t"
    ).split()
    renamed = {"builtin": "builtin_tool", "local": "local_tool", "unset": "unset_tool", "__codecell_call": "__codecell_call_tool"}
    text = "x" * 2000  # longer than what the shell itself reads
    code = "".join(f"{renamed.get(name, name)} '{{\"of\":\"{name}\"}}'\n" for name in names)
    run = Run(client, code, {name: lambda value: [value["of"], text] for name in names}, lang="bash")
    assert run.error is None, run.answer
    assert [(call["name"], call["input"]) for call in run.calls] == [(name, {"of": name}) for name in names], run.calls
    assert run.stdout == "".join(f'["{name}","{text}"]\n' for name in names), run.answer


@pytest.mark.parametrize(
    "before", ["PATH=/nope", "unset PATH", "umask 777", "umask 0", "set -C", "set -f", "set -eu", "set -o posix", "exec 9</dev/null", "IFS=0123456789"]
)
def test_bash_calls_whatever_the_program_has_set(client, before):
    """P6.5: and what was set is so again after the call."""
    code = f"{before}\nold=$-$(umask)\nt '{{\"a\":1}}'\nt\n[[ $old = \"$-$(umask)\" ]] && echo same"
    run = Run(client, code, {"t": lambda value: value or "y" * 2000}, lang="bash", timeout=15000)
    assert (run.stdout, run.stderr, run.error) == ('{"a":1}\n"' + "y" * 2000 + '"\nsame\n', "", None), run.answer


def test_bash_calls_that_cannot_be_made(client):
    """P6.4: they fail, and are no reason to wait."""
    run = Run(client, "ulimit -f 0; t '{}' 2> /dev/null; echo $?", {"t": lambda value: value}, lang="bash", timeout=15000)
    assert (run.stdout, run.calls) == ('{"error":"The call cannot be made"}\n1\n', []), run.answer
    code = "cd /run/build/.tools; mkfifo x; exec 8<>x; echo 0 x > calls; read -u 8 status length; read -u 8 text; echo $status $text"
    run = Run(client, code, {"t": lambda value: value}, lang="bash", timeout=15000)
    assert (run.stdout, run.calls) == ('1 {"error":"The arguments cannot be read: No such file or directory"}\n', []), run.answer


def test_bash_arguments_and_results(client):
    """P6.2 to P6.4: what is no object is a text; one line of compact JSON, with strings in quotes."""
    results = iter([{"a": 1, "b": [1.5, None]}, "sunny", 42, 0.1, None, 'a\n"b" 世界'])
    code = "t; t ''; t '{\"a\": {\"b\": 1}}'; t 'plain \"text\"'; t '[1, 2]'; t $'{\"a\": \"\\x01\"}'"
    run = Run(client, code, {"t": lambda _: next(results)}, lang="bash")
    assert [call["input"] for call in run.calls] == [
        {},
        {},
        {"a": {"b": 1}},
        'plain "text"',
        "[1, 2]",
        '{"a": ""}',
    ], run.calls
    assert run.stdout == '{"a":1,"b":[1.5,null]}\n"sunny"\n42\n0.1\nnull\n"a\\n\\"b\\" 世界"\n', run.answer


def test_bash_errors_of_tools(client):
    """P6.4."""

    def fail(_):
        raise Failure('no "way"')

    run = Run(client, 'x=$(t); echo "$? $x"; t || echo failed; set -e; t; echo never', {"t": fail}, lang="bash")
    message = '{"error":"no \\"way\\""}'
    assert run.stdout == f"1 {message}\n{message}\nfailed\n{message}\n", run.answer
    assert run.error == "Sandbox exited with code 1", run.answer


def test_bash_calls_anywhere(client):
    """P6.5: pipelines, loops, functions, redirections, strict modes."""
    code = (
        'set -euo pipefail\nf() { t \'{"n":1}\'; }\nf | jq -r .n\nfor i in 2 3; do t "{\\"n\\":$i}"; done > out.txt\n'
        'cat out.txt\nwhile read -r line; do t "$line"; done <<< \'{"n":4}\'\ncat <(t \'{"n":5}\')\nt \'{"n":6}\' | cat | cat'
    )
    run = Run(client, code, {"t": lambda value: value}, lang="bash")
    assert run.status == "completed", run.answer
    assert run.stdout == '1\n{"n":2}\n{"n":3}\n{"n":4}\n{"n":5}\n{"n":6}\n', run.answer
    assert run.answer.names() == ["out.txt"]


def test_bash_parallel_calls(client):
    """P6.5: results do not mix, and calls that wait together come together."""
    code = 'for i in 1 2 3 4 5 6; do (t "{\\"n\\":$i}" > $i.txt) & done\nwait\ncat 1.txt 2.txt 3.txt 4.txt 5.txt 6.txt'
    run = Run(client, code, {"t": lambda value: value["n"] * 10}, lang="bash")
    assert run.stdout == "10\n20\n30\n40\n50\n60\n" and len(run.calls) == 6, run.answer
    assert len(run.rounds) < 6, run.rounds


def test_bash_prefix_of_librechat(client):
    """P6.6."""
    assert post(client, code=': &\nwait "$!"\necho x', lang="bash").stdout == "x\n"


def test_bash_end(client):
    """P6.7: the example of P10."""
    answer = post(client, code="echo before; exit 7", lang="bash")
    assert answer.error == "Sandbox exited with code 7" and answer.stderr == "Sandbox exited with code 7\n", answer
    assert answer.stdout == "before\n"
    answer = post(client, code="echo why >&2; exit 7", lang="bash")
    assert answer.error == "Sandbox exited with code 7" and answer.stderr == "why\n", answer


def test_bash_large_results(client):
    text = "x" * 300000
    run = Run(client, "a=$(t); echo ${#a}; t | wc -c", {"t": lambda _: text}, lang="bash")
    assert run.stdout.split() == ["300002", "300003"], run.answer


def test_the_bridge_leaves_nothing(client):
    """P6.8: no files, no job, no variable of the bridge's is in the program's way."""
    code = 't > /dev/null\nls -A\njobs\nwait\nls -A; [ -z "${BASH_ENV-}" ] && echo ok'
    run = Run(client, code, {"t": lambda _: 1}, lang="bash")
    assert run.stdout == "ok\n" and run.answer.files == [], run.answer


@pytest.mark.parametrize("lang", ["js", "ts"])
def test_javascript(client, need_language, lang):
    need_language(lang)
    code = (
        "const [a, b] = await Promise.all([get_weather({ city: 'Bern' }), get_weather('Oslo')]);\nconsole.log(a, b);\n"
        "for (let i = 0; i < 3; i++) await get_weather();\n"
        "try { await fail(); } catch (error) { console.log(String(error)); }\nconsole.log(typeof if_tool, typeof process_tool);"
    )

    def fail(_):
        raise Failure("no")

    tools = {"get_weather": lambda value: len(value.get("city", "")), "fail": fail, "if": fail, "process": fail}
    run = Run(client, code, tools, [WEATHER] + declare("fail", "if", "process"), lang=lang)
    assert run.stdout == "4 4\nToolError: no\nfunction function\n", run.answer
    assert [len(calls) for calls in run.rounds] == [2, 1, 1, 1, 1], run.rounds


@pytest.mark.parametrize("lang", ["js", "ts"])
def test_javascript_failures(client, need_language, lang):
    need_language(lang)
    answer = post(client, code="console.log('before');\nthrow new TypeError('bad value');", lang=lang)
    assert answer.error == "bad value" and answer.stdout == "before\n" and "TypeError: bad value" in answer.stderr
    assert post(client, code="process.exit(4)", lang=lang).error == "Sandbox exited with code 4"
    assert post(client, code="console.log(1); if (1) process.exitCode = 0", lang=lang).status == "completed"


@pytest.mark.parametrize(
    "lang, code",
    [
        ("bash", "ask; true"),
        ("js", "ask({}).then(() => console.log('read'), () => console.log('failed'))"),
    ],
)
def test_unreadable_results_hang_nothing(client, need_language, lang, code):
    need_language(lang)
    for result in ("9" * 5000, "[" * 990 + "]" * 990, "1e400", '"\\ud83d"'):
        first = post(client, code=code, lang=lang, tools=declare("ask"), timeout=20000)
        last = resume_raw(client, first, f'{{"call_id": "{first.calls[0]["id"]}", "result": {result}}}').json
        assert last["status"] == "completed", last
