# SPDX-License-Identifier: Apache-2.0
"""ptc.md: programs that call tools which live at the client."""

import json
import threading
import time

import pytest

from support import host
from support.client import exec_bytes, in_threads, raw_connect
from support.tools import PATH, Failure, Run, declare, post, resume

SCHEMA = {
    "type": "object",
    "properties": {"unit": {"type": "string"}, "city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
WEATHER = {"name": "get_weather", "description": "Current weather", "parameters": SCHEMA}

OTHER_KEY = "another-key-of-sixteen-characters"
WAITS = "await get_weather(city='Bern')"
ECHO = {"echo": lambda value: value}


def echo(**more):
    return {**ECHO, **more}


# P1, P2, P4


def test_example(client):
    """P10: the example, with both calls in one answer and the original names."""
    code = (
        "a, b = await asyncio.gather(get_weather(city='Bern'), get_weather(city='Oslo'))\nprint(a['temp'] - b['temp'])"
    )
    first = post(client, code=code, tools=[WEATHER], timeout=15000, files=[])
    assert first.status == "tool_call_required" and first.stdout == "" and first.files == [], first
    assert [(call["name"], call["input"]) for call in first.calls] == [
        ("get_weather", {"city": "Bern"}),
        ("get_weather", {"city": "Oslo"}),
    ]
    assert len({call["id"] for call in first.calls}) == 2
    results = [{"call_id": call["id"], "result": {"temp": 21 - 7 * i}} for i, call in enumerate(first.calls)]
    last = resume(client, first, results)
    assert last.status == "completed" and last.stdout == "7\n" and last.stderr == "" and last.files == [], last
    assert last.session == first.session and last["outcome"] == "ok" and last["usage"]["wall_ms"] >= 0, last


@pytest.mark.parametrize("path", ["/exec/programmatic", "/v1/exec/programmatic"])
def test_both_paths(client, path):
    """P1, 1.6: 200 at both paths."""
    assert Run(client, "print(await echo(a=1))", ECHO, path=path).stdout == "{'a': 1}\n"


@pytest.mark.parametrize(
    "body",
    [
        {"code": 5},
        {"code": "x", "lang": "ruby"},
        {"code": "x", "lang": 5},
        {"code": "x", "tools": {}},
        {"code": "x", "tools": [{}]},
        {"code": "x", "tools": [{"name": None}]},
        {"code": "x", "tools": [{"name": ""}]},
        {"code": "x", "tools": [{"name": "a\0b"}]},
        {"code": "x", "tools": [{"name": "x" * 2000}]},
        {"code": "x", "tools": [{"name": "x", "description": 5}]},
        {"code": "x", "tools": [{"name": "x", "parameters": []}]},
        {"code": "x", "tools": [{"name": "x"}] * 1025},
        {"code": "x", "timeout": 999},
        {"code": "x", "timeout": 300001},
        {"code": "x", "entity_id": "a b"},
        {"code": "x", "files": [{"filename": "a.txt", "content": "inline"}]},
        {"continuation_token": 5},
        {"continuation_token": "x", "tool_results": {}},
        {"continuation_token": "x", "tool_results": [{}]},
        {"continuation_token": "x", "tool_results": [{"call_id": "a", "is_error": "yes"}]},
    ],
)
def test_malformed(client, body):
    """P2: 422 with the field."""
    reply = client.post(PATH, body)
    assert reply.status == 422 and reply.json["details"][0]["field"].startswith("body"), reply


def test_malformed_json_and_keys(client):
    assert client.request("POST", PATH, b"{", {"Content-Type": "application/json"}).status == 422
    assert client.post(PATH, {"code": "print(1)"}, key=None).status == 401
    assert client.post(PATH, {"code": "print(1)"}, key="wrong").status == 401


@pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": None}, {"code": " \n"}, {"continuation_token": ""}])
def test_neither_code_nor_token(client, body):
    """P7: 200."""
    answer = post(client, **body)
    assert answer.error == "Either 'code' or 'continuation_token' must be provided" and answer.session is None, answer


def test_aliases_and_ignored_fields(client):
    """P2."""
    for lang in ("py", "python", "python3", "PY"):
        assert post(client, code="print(1)", lang=lang).stdout == "1\n"
    for lang in ("bash", "sh"):
        assert post(client, code="echo 1", lang=lang).stdout == "1\n"
    assert post(client, code="echo 1", language="bash").stdout == "1\n"
    assert post(client, code="print(1)", tools=None, files=None, timeout=None, runtime_session_hint="x", more=1).stdout


# P3


def test_sessions_and_files(client):
    """P3, P4: explicit references are there before and after a pause; new and changed files come back."""
    sent = client.upload(("report.csv", b"a\n1\n"))
    code = (
        "print(open('/mnt/data/report.csv').read())\nx = await echo(a=1)\n"
        "open('/mnt/data/report.csv', 'a').write('2\\n')\nopen('out.txt', 'w').write('x')"
    )
    run = Run(client, code, ECHO, files=[sent.reference()])
    assert run.status == "completed" and sorted(run.answer.names()) == ["out.txt", "report.csv"], run.answer
    changed = next(entry for entry in run.answer.files if entry["name"] == "report.csv")
    assert changed["modified_from"]["id"] == sent.id and client.fetch(changed) == b"a\n1\n2\n"
    again = Run(client, "import os\nprint(sorted(os.listdir()))", session_id=run.answer.session)
    assert again.answer.session == run.answer.session and "out.txt" in again.stdout, again.answer


def test_session_is_the_named_one_or_new(client):
    """P3: an unknown session is replaced, an absent one is new, whatever entity or user say; no state is loaded."""
    first = post(client, code="x = 5", entity_id="agent-1", user_id="u")
    second = post(client, code="x = 5", entity_id="agent-1", user_id="u")
    assert first.session != second.session
    assert post(client, code="print('x' in globals())", session_id=first.session).stdout == "False\n"
    assert post(client, code="print(1)", session_id="nope").session not in (None, "nope")
    kept = client.exec("y = 7", session_id=first.session)
    assert kept.session == first.session
    assert post(client, code="print('y' in globals())", session_id=first.session).stdout == "False\n"


def test_unresolvable_reference(client):
    """P3, P7."""
    answer = post(client, code="print(1)", files=[{"id": "x", "storage_session_id": "y", "name": "z"}])
    assert answer.error == "Referenced PTC file metadata could not be loaded: y/x" and answer.stdout == "", answer


# P5


def test_python_source_is_module_code(client):
    """P5.1, P5.2: await and return at top level, literals untouched, the preloaded names."""
    code = (
        'text = """a\n  b"""\nasync def f():\n    return await echo(a=text)\nprint(repr((await f())["a"]))\n'
        "class C:\n    value = 3\nprint(json.dumps(C.value), np.zeros(1).sum(), __name__)\n"
        "async with asyncio.Lock():\n    pass\n[print(x) async for x in aiter_()] if False else None\n"
        "if True:\n    return\nprint('never')"
    )
    run = Run(client, code, ECHO)
    assert run.status == "completed" and run.stdout == "'a\\n  b'\n3 0.0 __main__\n", run.answer


@pytest.mark.parametrize(
    "name, known_as",
    [
        ("my-tool", "my_tool"),
        ("my tool", "my_tool"),
        ("for", "for_tool"),
        ("my.tool", "mytool"),
        ("2fast", "_2fast"),
        ("async", "async_tool"),
        ("wetter-für", "wetter_fr"),
        ("!!!", "_unnamed"),
    ],
)
def test_python_identifiers(client, name, known_as):
    """P5.3: found under the identifier, called under the original name."""
    run = Run(client, f"print(await {known_as}(x=1))", {name: lambda value: value["x"] + 1})
    assert run.stdout == "2\n" and run.calls[0]["name"] == name, run.answer


def test_later_of_two_wins(client):
    """P5.3."""
    run = Run(client, "print(await a_b())", {"a-b": lambda _: 1, "a b": lambda _: 2})
    assert run.stdout == "2\n"


def test_python_arguments(client):
    """P5.4."""
    code = "\n".join(
        [
            "await get_weather(city='a', days=3)",
            "await get_weather('b', 'kelvin', 2)",
            "await get_weather({'city': 'c'})",
            "await get_weather()",
            "await get_weather('d', days=1)",
            "for bad in (lambda: get_weather({1, 2}), lambda: get_weather(city=object()), lambda: get_weather(1, 2, 3, 4),",
            "            lambda: get_weather('x', city='y'), lambda: get_weather(city=float('nan'))):",
            "    try:\n        await bad()\n        print('no error')\n    except TypeError:\n        print('TypeError')",
        ]
    )
    run = Run(client, code, {"get_weather": lambda _: None}, [WEATHER])
    assert run.stdout == "TypeError\n" * 5 and run.stderr == "", run.answer
    assert [call["input"] for call in run.calls] == [
        {"city": "a", "days": 3},
        {"city": "b", "unit": "kelvin", "days": 2},
        {"city": "c"},
        {},
        {"city": "d", "days": 1},
    ]


VALUES = [42, 0.1, -1e300, True, None, "sunny", "", "世界 \U0001f600 \u2028", [], {}, {"a": [1, {"b": None}]}, [[[]]]]


def test_values_travel_unchanged(client):
    """P5.5: results of any JSON type, and arguments too."""
    values = list(VALUES)
    code = "while True:\n    value = await next_value()\n    if value == 'end': break\n    print(await echo(v=value))"
    given = iter(values + ["end"])
    run = Run(client, code, echo(next_value=lambda _: next(given)))
    assert [call["input"]["v"] for call in run.calls if call["name"] == "echo"] == values
    assert run.stdout.splitlines()[0] == "{'v': 42}" and len(run.stdout.splitlines()) == len(values), run.answer


def test_large_integers(client):
    """P5.4: what fits no machine word reaches the client as it was written."""
    answer = post(client, code="await echo(n=2**70)", tools=declare("echo"))
    assert answer.calls[0]["input"] == {"n": 2**70}


# What parsers of bodies have no room for, and what the program makes of it.
ODD_RESULTS = [
    ("18446744073709551615", "18446744073709551615"),
    ('"\\ud83d"', r"'\ud83d'"),
    ('{"a\\u0000b": 1}', r"{'a\x00b': 1}"),
    ("1e400", "inf"),
    ("[" * 300 + "]" * 300, "[" * 300 + "]" * 300),
    ("9" * 5000, "failed"),
    (' { "x" : 1.10 } ', "{'x': 1.1}"),
    ("[0,4]", "[0, 4]"),
]


@pytest.mark.parametrize("result, shown", ODD_RESULTS, ids=range(len(ODD_RESULTS)))
def test_any_json_is_a_result(client, result, shown):
    """P2, P5.5: also what fits no machine word; what the program cannot read is an error that it may catch."""
    code = "try:\n    print(ascii(await echo()))\nexcept ToolError as error:\n    print('failed')"
    first = post(client, code=code, tools=declare("echo"))
    last = resume_raw(client, first, f'{{"call_id": "{first.calls[0]["id"]}", "r\\u0065sult": {result}}}')
    assert last.json["status"] == "completed" and last.json["stdout"] == shown + "\n", last


def resume_raw(client, answer, results):
    body = f'{{"continuation_token": "{answer.token}", "tool_results": [{results}]}}'
    reply = client.request("POST", PATH, body.encode(), {"Content-Type": "application/json"})
    assert reply.status == 200, reply
    return reply


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


def test_python_errors_of_tools(client):
    """P5.5: an exception with the tool's text, which the program may catch."""

    def fail(value):
        raise Failure(*value["with"])

    code = (
        "for text in (['Service unavailable'], []):\n    try:\n        await fail(**{'with': text})\n"
        "    except Exception as error:\n        print(error)\nawait fail(**{'with': ['last']})"
    )
    run = Run(client, code, {"fail": fail})
    assert run.stdout == "Service unavailable\nTool call failed\n" and run.status == "error", run.answer
    assert run.error == "last" and "ToolError: last" in run.stderr and "tools.py" not in run.stderr, run.answer


def test_python_batches(client):
    """P5.6: calls that are pending together come together, calls that are not come one by one."""
    code = (
        "async def chain(n):\n    first = await echo(n=n)\n    return await echo(n=first['n'] + 1)\n"
        "print(sum(r['n'] for r in await asyncio.gather(*[chain(i) for i in range(10)])))\n"
        "await echo(n=0)\nawait echo(n=0)"
    )
    run = Run(client, code, ECHO)
    assert [len(calls) for calls in run.rounds] == [10, 10, 1, 1] and run.stdout == "55\n", run.answer


def test_fifty_tools_then_twenty_rounds(client):
    code = (
        "values = await asyncio.gather(*[echo(i=i) for i in range(50)])\nfor i in range(20):\n"
        "    values.append(await echo(i=i))\nprint(sum(value['i'] for value in values))"
    )
    run = Run(client, code, ECHO)
    assert [len(calls) for calls in run.rounds] == [50] + [1] * 20 and run.stdout == "1415\n", run.answer


def test_other_tasks_go_on(client):
    """P5.6: a program that has something else to do is not stopped before the batch time."""
    code = (
        "async def other():\n    for i in range(3):\n        await asyncio.sleep(0.001)\n    return await echo(n=2)\n"
        "print(len(await asyncio.gather(echo(n=1), other())))"
    )
    run = Run(client, code, ECHO)
    assert run.stdout == "2\n" and [len(calls) for calls in run.rounds] in ([2], [1, 1]), run.rounds


def test_loops_of_its_own(client):
    """A program without await at top level runs its own event loop, also in threads."""
    code = (
        "import threading\nasync def main(n):\n    return await echo(n=n)\nprint(asyncio.run(main(1)))\n"
        "thread = threading.Thread(target=lambda: print(asyncio.run(main(2))))\nthread.start()\nthread.join()"
    )
    assert Run(client, code, ECHO).stdout == "{'n': 1}\n{'n': 2}\n"


@pytest.mark.parametrize(
    "code, error, stderr",
    [
        ("raise ValueError('bad value')", "bad value", "ValueError: bad value"),
        ("raise KeyError", "KeyError", "KeyError"),
        ("x = (", "SyntaxError: '(' was never closed", "SyntaxError: '(' was never closed"),
        ("class A:\n    return 1", "SyntaxError: 'return' outside function", "SyntaxError: 'return' outside function"),
        ("def f():\n    await x", "SyntaxError: 'await' outside async function", "'await' outside async function"),
        ("import sys\nsys.exit(3)", "Sandbox exited with code 3", "Sandbox exited with code 3"),
        ("import sys\nsys.exit('why')", "Sandbox exited with code 1", "why"),
        ("import os\nos._exit(5)", "Sandbox exited with code 5", "Sandbox exited with code 5"),
        ("import os\nos.kill(os.getpid(), 11)", "Sandbox exited with code 139", "Sandbox exited with code 139"),
    ],
)
def test_python_failures(client, code, error, stderr):
    """P5.7, P7."""
    answer = post(client, code="print('before')\n" + code if "SyntaxError" not in error else code)
    assert answer.error == error and stderr in answer.stderr, answer
    assert answer.stdout == ("" if "SyntaxError" in error else "before\n"), answer


@pytest.mark.parametrize("code", ["import sys\nsys.exit(0)", "return 5", "exit()", "pass"])
def test_python_ends(client, code):
    """P5.7."""
    answer = post(client, code="print('x')\n" + code)
    assert answer.status == "completed" and answer.stdout == "x\n" and answer.stderr == "", answer


def test_output_is_cumulative(client):
    """P4: from the start of the run, and as it was written: no newline is added."""
    code = (
        "import sys\nprint('one', end='')\nawait echo()\nsys.stderr.write('two')\nprint('three', end='')\nawait echo()"
    )
    first = post(client, code=code, tools=declare("echo"))
    assert (first.stdout, first.stderr) == ("one", "")
    second = resume(client, first, [{"call_id": first.calls[0]["id"], "result": None}])
    assert (second.stdout, second.stderr) == ("onethree", "two")
    last = resume(client, second, [{"call_id": second.calls[0]["id"], "result": None}])
    assert last.status == "completed" and (last.stdout, last.stderr) == ("onethree", "two")


# P6


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


# JavaScript and TypeScript


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


# P7, P8


def test_token_is_good_once(client):
    """P8."""
    first = post(client, code="await echo()\nawait echo()", tools=declare("echo"))
    results = [{"call_id": first.calls[0]["id"], "result": 1}]
    second = resume(client, first, results)
    assert second.token != first.token and len(second.token) >= 22
    for token in (first.token, "x", second.token[:-1], second.token + "x", second.token[::-1], "a" * 100000):
        answer = post(client, continuation_token=token, tool_results=results)
        assert answer.error == "Invalid or expired continuation token" and answer.session is None, answer
    assert resume(client, second, []).status == "error"  # no result supplied: raised in the program


def test_token_is_bound_to_its_key(server_with):
    """P8: another key of the same server has no use for a token."""
    server = server_with(API_KEYS="another-key-for-this-test-0123456789")
    with server.client() as client, server.client(key="another-key-for-this-test-0123456789") as stranger:
        first = post(client, code="await echo()\nprint('done')", tools=declare("echo"))
        assert "Invalid or expired" in resume(stranger, first, []).error
        last = resume(client, first, [{"call_id": first.calls[0]["id"], "result": 1}])
        assert last.status == "completed" and last.stdout == "done\n"


def test_missing_and_unknown_results(client):
    """P8: an unknown call is ignored, a pending one without an entry fails in the program."""
    code = "for r in await asyncio.gather(echo(), echo(), return_exceptions=True): print(r)"
    first = post(client, code=code, tools=declare("echo"))
    known, missing = (call["id"] for call in first.calls)
    last = resume(client, first, [{"call_id": "call_999", "result": 1}, {"call_id": known, "result": 2}])
    assert last.stdout == f"2\nNo result supplied for tool call {missing}\n", last


def test_time_limit(client):
    """P7, P8."""
    answer = post(client, code="print('x')\nwhile True: pass", timeout=1000)
    assert answer.error == "Execution failed or timed out" and answer.stdout == "x\n", answer
    assert answer.stderr == "Execution timed out after 1 seconds\n", answer


def test_the_clock_stands_still(client):
    """P8: the limit is of each round, and waiting for the client does not count."""
    code = "import time\nfor i in range(3):\n    time.sleep(1.2)\n    await echo()\nprint('done')"
    answer = post(client, code=code, tools=declare("echo"), timeout=2000)
    for _ in range(3):
        time.sleep(1.2)
        answer = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])
    assert answer.status == "completed" and answer.stdout == "done\n", answer
    assert 3000 < answer["usage"]["wall_ms"] < 10000, answer["usage"]


def test_time_limit_after_a_pause(client):
    first = post(client, code="await echo()\nwhile True: pass", tools=declare("echo"), timeout=1000)
    last = resume(client, first, [{"call_id": first.calls[0]["id"], "result": 1}])
    assert last.error == "Execution failed or timed out", last


def test_memory_and_floods(client):
    """P7."""
    answer = post(client, code="print('x')\nx = bytearray(4 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1")
    assert answer.error in ("Out of memory", "MemoryError"), answer
    answer = post(client, code="b = bytearray\nx = []\nwhile True: x.append(b(b'x' * (1 << 20)))")
    assert answer.error in ("Out of memory", "MemoryError"), answer
    answer = post(client, code="while True: print('x' * 100000)")
    assert answer.error == "stdout length exceeded" and answer.stderr == "stdout length exceeded\n", answer
    answer = post(client, code="print('x' * 100000)")
    assert answer.stdout.endswith("[Output truncated - size limit exceeded]") and answer["truncated"]["stdout"] is True


def test_round_trips(server_with):
    """P7, P8."""
    server = server_with(PTC_MAX_ROUND_TRIPS="3")
    with server.client() as client:
        run = Run(client, "while True:\n    print(await echo(n=1))", ECHO)
        assert len(run.rounds) == 3 and run.error == "Maximum round trips (3) exceeded", run.answer
        assert run.stderr == "Maximum round trips (3) exceeded\n" and run.stdout == "{'n': 1}\n" * 3, run.answer
        assert Run(client, "for i in range(3): await echo(n=1)", ECHO).status == "completed"


def test_pause_expires(server_with):
    """P8: then the cell is gone, and the slot is free again."""
    server = server_with(PTC_PAUSE_TTL_SECONDS="1", MAX_CONCURRENT_EXECUTIONS="2")
    with server.client() as client:
        first = post(client, code=WAITS, tools=[WEATHER])
        assert host.until(lambda: "its time is over" in server.log(), 20, 0.1), server.log_tail()
        assert "Invalid or expired" in resume(client, first, []).error
        runs = in_threads([lambda: server.client().exec("print(1)").stdout] * 4)
        assert runs == ["1\n"] * 4


def test_paused_runs_are_bounded(server_with):
    """P8: beyond PTC_MAX_PAUSED the oldest is dropped; other programs run on."""
    server = server_with(PTC_MAX_PAUSED="2", MAX_CONCURRENT_EXECUTIONS="1")
    with server.client() as client:
        waiting = [post(client, code=WAITS, tools=[WEATHER]) for _ in range(3)]
        assert "Invalid or expired" in resume(client, waiting[0], []).error
        assert client.exec("print(1)").stdout == "1\n"
        for answer in waiting[1:]:
            last = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])
            assert last.status == "completed", last


def test_a_low_limit_of_descriptors(server_with):
    """P8: a shell's soft limit is raised to the hard one: each program that waits takes five in the api."""
    server = server_with(prefix=("/usr/bin/prlimit", "--nofile=64:4096"), MAX_CONCURRENT_EXECUTIONS="2")
    for pid in (server.pid, server.api_pid):
        line = next(line for line in host.read(f"/proc/{pid}/limits").splitlines() if line.startswith("Max open files"))
        assert line.split()[3:5] == ["4096", "4096"], line
    with server.client() as client:
        waiting = [post(client, code="ask '{}'", lang="bash", tools=declare("ask")) for _ in range(16)]
        assert [answer.status for answer in waiting] == ["tool_call_required"] * 16
        assert client.exec("ulimit -n", "bash").stdout == "256\n"


def memory_of(server):
    """Of all processes of the server; what several share is counted once."""
    rollups = [host.read(f"/proc/{pid}/smaps_rollup") for pid in host.descendants(server.pid)]
    return sum(int(line.split()[1]) << 10 for rollup in rollups for line in rollup.splitlines() if line.startswith("Pss:"))


def test_a_hundred_wait_by_default(default_server):
    """P8: of one key, on a server with every default: no thread each and little memory, and others run on."""
    with default_server.client() as client:
        assert host.until(lambda: client.exec("print(1)")["usage"]["warm"] != "started", 60, 0.2)  # copies can be made
        before, n_threads = memory_of(default_server), threads(default_server)
        waiting = [post(client, code="print(await echo())", tools=declare("echo")) for _ in range(100)]
        each = (memory_of(default_server) - before) / 100
        assert all(answer.status == "tool_call_required" for answer in waiting)
        assert threads(default_server) <= n_threads + 2  # those of HTTP may come and go
        if "libasan" not in host.read(f"/proc/{default_server.api_pid}/maps"):
            assert each < 10e6, each  # with the slot that it has
        assert client.exec("print(2)").stdout == "2\n"
        for number, answer in enumerate(waiting):
            last = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": number}])
            assert (last.status, last.stdout) == ("completed", f"{number}\n"), last


# A child that wants 400 MB while its parent waits; its limit is 512.
GROWS = """
(sleep 0.2; exec -a ctgrows python3 -c 'x = b"x" * (400 << 20); import time; time.sleep(120)') &
ask '{}'
"""


def test_memory_of_what_waits_is_bounded(server_with):
    """P8: PTC_MEMORY_MB: the oldest of who holds most is dropped, and who waits cannot grow behind the server's back."""
    server = server_with(PTC_MEMORY_MB="600", MAX_CONCURRENT_EXECUTIONS="2", API_KEYS=OTHER_KEY)
    held = "x = b'x' * (200 << 20)\nawait echo()\nprint(len(x) >> 20)"
    with server.client() as client, server.client(key=OTHER_KEY) as other:
        small = post(other, code="print(await echo())", tools=declare("echo"))
        waiting = [post(client, code=held, tools=declare("echo"), timeout=30000) for _ in range(3)]
        assert "Invalid or expired" in resume(client, waiting[0], []).error
        for answer in waiting[1:]:
            last = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])
            assert (last.status, last.stdout) == ("completed", "200\n"), last
        assert resume(other, small, [{"call_id": small.calls[0]["id"], "result": 1}]).stdout == "1\n"
        growing = post(client, lang="bash", code=GROWS, tools=declare("ask"), timeout=30000)
        assert host.until(lambda: host.marked("ctgrows"), 20, 0.1) and host.gone("ctgrows", 60) == []
        assert resume(client, growing, [{"call_id": growing.calls[0]["id"], "result": 1}]).status == "completed"


def test_who_has_many_waiting_starves_nobody(server_with):
    """P8: a key whose programs all go on at once waits for another key's, not the other way round."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="2", API_KEYS=OTHER_KEY)
    with server.client() as client, server.client(key=OTHER_KEY) as other:
        code = "await echo()\nimport time\nend = time.time() + 0.6\nwhile time.time() < end: pass"
        waiting = [post(client, code=code, tools=declare("echo"), timeout=30000) for _ in range(12)]

        def go_on(answer):
            with server.client() as mine:
                return resume(mine, answer, [{"call_id": answer.calls[0]["id"], "result": 1}]).status

        def ask():
            time.sleep(0.5)
            began = time.monotonic()
            assert other.exec("echo on", "bash").stdout == "on\n"
            return time.monotonic() - began

        began = time.monotonic()
        *ends, waited = in_threads([lambda answer=answer: go_on(answer) for answer in waiting] + [ask])
        assert ends == ["completed"] * 12
        assert waited < (time.monotonic() - began) * 0.7, (waited, time.monotonic() - began)


def test_no_program_may_wait(server_with):
    server = server_with(PTC_MAX_PAUSED="0", MAX_CONCURRENT_EXECUTIONS="1")
    with server.client() as client:
        assert "PTC_MAX_PAUSED" in post(client, code=WAITS, tools=[WEATHER]).error
        assert post(client, code="print(1)").stdout == "1\n"


def test_one_slot_is_enough(server_with):
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1")
    with server.client() as client:
        assert Run(client, "print(await echo(a=1))", ECHO).stdout == "{'a': 1}\n"


def test_paused_runs_leave_slots_for_others(server_with):
    """Those that wait have slots of their own: as many as ever run beside them. Slots that are left over are given back."""
    network = {"ENABLE_SANDBOX_NETWORK": "true", "SANDBOX_EGRESS_ALLOWLIST": "public.test"}
    server = server_with(MAX_CONCURRENT_EXECUTIONS="2", SANDBOX_POOL_REPLENISH_INTERVAL="1", **network)
    with server.client() as client:
        client.exec("print(1)")
        (proxy,) = [pid for pid in host.descendants(server.pid) if "proxy" in host.command_line(pid)[1:2]]
        held = host.fd_count(proxy)  # with the networks of at most two slots
        waiting = [post(client, code=WAITS, tools=[WEATHER]) for _ in range(6)]
        began = time.monotonic()
        runs = in_threads([lambda: server.client().exec("sleep 2; echo 1", "bash").stdout] * 2)
        assert runs == ["1\n"] * 2 and time.monotonic() - began < 3.9
        for answer in waiting:
            last = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])
            assert last.status == "completed", last
        assert slots(server) == 8
        assert host.until(lambda: slots(server) == 4, 30), slots(server)
        assert host.until(lambda: host.fd_count(proxy) <= held + 4, 10), (held, host.fd_count(proxy))
        for answer in [post(client, code=WAITS, tools=[WEATHER]) for _ in range(6)]:
            last = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])
            assert last.status == "completed", last


def slots(server):
    return [host.command_line(pid)[:1] for pid in host.descendants(server.pid)].count(["codecell-slot"])


def test_paused_runs_cost_no_thread(server_with):
    server = server_with(MAX_CONCURRENT_EXECUTIONS="8")
    with server.client() as client:
        client.exec("print(1)")
        before = threads(server)
        waiting = [post(client, code=WAITS, tools=[WEATHER]) for _ in range(5)]
        assert threads(server) == before
        for answer in waiting:
            resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])


def threads(server):
    status = host.read(f"/proc/{server.api_pid}/status")
    return int(next(line for line in status.splitlines() if line.startswith("Threads:")).split()[1])


def test_revoked_key_ends_what_waits(server_with):
    """A program that waits does not survive its key."""
    master = "master-key-for-this-test-0123456789abcdef"
    server = server_with(MASTER_API_KEY=master, MAX_CONCURRENT_EXECUTIONS="2")
    with server.client() as admin:
        made = admin.post("/api/v1/admin/keys", {"name": "short-lived"}, key=master)
        assert made.status in (200, 201), made
        key = made.json["api_key"]
        with server.client(key=key) as client:
            first = post(client, code=WAITS, tools=[WEATHER])
        listed = admin.get("/api/v1/admin/keys", key=master).json
        entries = listed["keys"] if isinstance(listed, dict) else listed
        key_hash = next(entry["key_hash"] for entry in entries if entry["name"] == "short-lived")
        assert admin.delete(f"/api/v1/admin/keys/{key_hash}", key=master).status in (200, 204)
        assert host.until(lambda: "its key is no good any more" in server.log(), 20, 0.1), server.log_tail()
        with server.client(key=key) as client:
            assert client.post(PATH, {"continuation_token": first.token, "tool_results": []}).status == 401


def test_server_stops_with_paused_runs(server_with):
    """P8: all are destroyed, and nothing is left (the fixture looks)."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="4")
    with server.client() as client:
        for _ in range(3):
            post(client, code=WAITS, tools=[WEATHER])


def test_long_rounds_are_streamed(client):
    """P4: the keep-alive scheme of exec.md 10.11, in first rounds and later ones."""
    code = "import time\ntime.sleep(3.5)\nawait echo()\ntime.sleep(3.5)\nprint('x')"
    first = client.post(PATH, {"code": code, "tools": declare("echo"), "timeout": 20000})
    assert first.body.startswith(b" ") and first.json["status"] == "tool_call_required", first
    results = [{"call_id": first.json["tool_calls"][0]["id"], "result": 1}]
    last = client.post(PATH, {"continuation_token": first.json["continuation_token"], "tool_results": results})
    assert last.body.startswith(b" ") and last.json["stdout"] == "x\n", last


# P9

ID = "0123456789abcdef0123456789abcdef"


def named(name):
    return {"X-LibreChat-Code-Request-ID": name}


def test_request_id_pattern(client):
    """P9: a name of another form is refused."""
    for bad in ("short", "x" * 129, "a b c d e f g h i j", "x" * 16 + "!"):
        reply = client.post(PATH, {"code": "print(1)"}, headers=named(bad))
        assert reply.status == 400 and reply.error == "Invalid programmatic request ID", reply
    for bad in ({}, {"request_id": "short"}, {"request_id": 5}, {"request_id": "x" * 129}):
        reply = client.post(PATH + "/cancel", bad)
        assert reply.status == 400 and reply.error == "Invalid or missing request_id", reply


def test_cancel_a_running_request(server, client):
    """P9: it ends as cancelled."""
    answers = []

    def run():
        with server.client() as other:
            answers.append(post(other, code="print('x')\nwhile True: pass", headers=named(ID + "-running")))

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(1)
    taken = client.post(PATH, {"code": "print(1)"}, headers=named(ID + "-running"))
    assert taken.status == 409 and taken.error == "Programmatic request ID is already in use", taken
    reply = client.post(PATH + "/cancel", {"request_id": ID + "-running"})
    assert reply.status == 202 and reply.json == {"status": "cancellation_requested"}, reply
    thread.join(30)
    assert answers and answers[0].error == "Execution cancelled" and answers[0].stderr == "", answers
    reply = client.post(PATH + "/cancel", {"request_id": ID + "-running"})
    assert reply.status == 200 and reply.json == {"status": "already_completed"}, reply


def test_cancel_before_it_comes(client):
    """P9: a later request of that name ends at once."""
    assert client.post(PATH + "/cancel", {"request_id": ID + "-later"}).status == 202
    answer = post(client, code="print(1)", headers=named(ID + "-later"))
    assert answer.error == "Execution cancelled", answer


def test_cancel_of_another_principal(server_with):
    """P9: another key's is not touched."""
    server = server_with(API_KEYS="another-key-for-this-test-0123456789")
    with server.client() as client, server.client(key="another-key-for-this-test-0123456789") as stranger:
        assert post(client, code="print(1)", headers=named(ID)).status == "completed"
        reply = stranger.post(PATH + "/cancel", {"request_id": ID})
        assert reply.status == 403 and reply.error == "Programmatic request belongs to another principal", reply
        assert client.post(PATH + "/cancel", {"request_id": ID}).status == 200


def test_a_client_that_hangs_up_cancels_its_round(server_with):
    """P9, X2: and its cell is gone."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="2")
    with server.client() as client:
        first = client.post(PATH, {"code": "await echo()\nwhile True: pass", "tools": declare("echo"), "timeout": 30000})
        execution, call = first.header("X-Execution-Id"), first.json["tool_calls"][0]["id"]
        body = {"continuation_token": first.json["continuation_token"], "tool_results": [{"call_id": call, "result": 1}]}
        with raw_connect(server) as sock:
            sock.sendall(exec_bytes(server, body, PATH))
            assert host.until(lambda: client.get(f"/executions/{execution}").json["state"] == "running", 20, 0.1)
        assert host.until(lambda: client.get(f"/executions/{execution}").json["state"] == "done", 15, 0.1)
        assert client.get(f"/executions/{execution}").json["outcome"] == "cancelled"
        assert client.exec("print(1)").stdout == "1\n"


def test_executions_can_be_asked_for(server, client):
    """extensions.md X5: a run that waits says so, and can be cancelled by its execution id."""
    reply = client.post(PATH, {"code": WAITS, "tools": [WEATHER]})
    execution_id = reply.header("X-Execution-Id")
    state = client.get(f"/executions/{execution_id}").json
    assert state["state"] == "waiting" and state["session_id"] == reply.json["session_id"], state
    assert client.delete(f"/executions/{execution_id}").status == 204
    body = {"continuation_token": reply.json["continuation_token"], "tool_results": []}
    assert "Invalid or expired" in client.post(PATH, body).json["error"]
    state = json.loads(client.get(f"/executions/{execution_id}").body)
    assert state["state"] == "done" and state["outcome"] == "cancelled", state
