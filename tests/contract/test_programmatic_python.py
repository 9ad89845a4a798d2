# SPDX-License-Identifier: Apache-2.0
"""ptc.md P5: tools as functions of Python programs."""

import pytest
from support.tools import ECHO, WEATHER, Failure, Run, declare, post, resume, resume_raw


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


@pytest.mark.parametrize("name", ["json", "asyncio", "ToolError", "np", "print"])
def test_tools_win_over_predefined_names(client, name):
    """P5.3: each tool is a function under its identifier."""
    code = f"x = [await {name}(a=1), await {name}(a=2)]\nimport sys\nsys.stdout.write(str(x))"
    run = Run(client, code, {name: lambda value: value["a"]})
    assert (run.status, run.stdout, run.stderr) == ("completed", "[1, 2]", ""), run.answer


NEVER = "sys:1: RuntimeWarning: coroutine 'echo' was never awaited\n"


@pytest.mark.parametrize("code", ["x = echo()", "x = echo()\n1 / 0", "def f():\n    x = echo()\n    1 / 0\nf()"])
def test_a_call_that_is_not_awaited(client, code):
    """exec.md 10.8.4: the interpreter's own warning, as it is at its end."""
    run = Run(client, code, ECHO)
    own = run.stderr.partition("ZeroDivisionError: division by zero\n")[2] if "1 / 0" in code else run.stderr
    assert own == NEVER, run.answer


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
    run = Run(client, code, {**ECHO, "next_value": lambda _: next(given)})
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
