# SPDX-License-Identifier: Apache-2.0
"""C6: names, descriptions and results of tools that hold code are never run as code."""

import pytest

from support.tools import Run, post

NAMES = [
    "x'); open('pwned', 'w') #",
    'x"); open("pwned", "w") #',
    "x(): pass\nopen('pwned', 'w')\ndef y",
    "$(touch pwned)",
    "`touch pwned`",
    "x; touch pwned;",
    "x() { touch pwned; }; y",
    "x\ntouch pwned\n",
    "'; touch pwned; '",
    "__proto__",
    "constructor",
    "__class__",
    "__import__('os').system('touch pwned')",
    "${jndi:ldap://x}",
    "%s%n{0}",
    "a\u2028b\x1b[2J",
    "\U0001f600",
    "../../etc/passwd",
]
POISON = "'''\"\"\"\nopen('pwned', 'w')\n$(touch pwned)`touch pwned`\\"
SCHEMA = {
    "type": "object",
    "properties": {"a'); open('pwned', 'w') #": {}, "__proto__": {}, "n": {}},
    "required": ["n", "__proto__", 5, None],
}
TOOLS = [{"name": name, "description": POISON, "parameters": SCHEMA} for name in NAMES] + [{"name": "echo"}]
RESULT = {"__proto__": {"polluted": True}, "x": POISON, POISON: [POISON]}

PROGRAMS = {
    "py": "value = await echo()\nprint(json.dumps(value), hasattr(object, 'polluted'))",
    "bash": "value=$(echo_); echo_ | jq -c .; printf '%s\\n' \"$value\" | jq -c .x",
    "js": "const value = await echo(); console.log(JSON.stringify(value), {}.polluted, [].polluted)",
    "ts": "const value: any = await echo(); console.log(JSON.stringify(value), ({} as any).polluted)",
}


@pytest.mark.parametrize("lang", sorted(PROGRAMS))
def test_c06_nothing_of_a_tool_is_code(attack, need_language, lang):
    need_language(lang)
    tools = TOOLS[:-1] + [{"name": "echo_" if lang == "bash" else "echo"}]
    answers = {tool["name"]: lambda value: RESULT for tool in tools}
    run = Run(attack, PROGRAMS[lang], answers, tools, lang=lang)
    assert run.status == "completed" and run.stderr == "" and run.answer.files == [], run.answer
    assert "touch pwned" in run.stdout and "True" not in run.stdout.split()[-1:], run.answer


def test_c06_original_names_come_back(attack):
    """Whatever the identifier, the client is told the name that it declared."""
    for name in ("x; touch pwned;", "a\u2028b\x1b[2J", "__class__"):
        answer = post(
            attack,
            code="f = [v for k, v in list(globals().items()) if k.startswith(('x', 'ab', 'a_b', '__class'))]\nawait f[0]()",
            tools=[{"name": name}],
        )
        assert answer.status == "tool_call_required", answer
        assert answer.calls[0]["name"] == "".join(c for c in name if c != "\x1b"), answer


def test_c06_positional_names_are_data(attack):
    tools = [{"name": "t", "parameters": SCHEMA}]
    answer = post(attack, code="await t(1, 2, 3)", tools=tools)
    assert answer.calls[0]["input"] == {"n": 1, "__proto__": 2, "a'); open('pwned', 'w') #": 3}, answer
