# SPDX-License-Identifier: Apache-2.0
"""C7: a run stays what it was when it was let in: continuations change nothing of it but the results."""

import pytest

from support.tools import declare, post

CODE = "print('mine')\nvalue = await echo()\nprint(value)"


@pytest.mark.parametrize(
    "more",
    [
        {"code": "print('swapped')"},
        {"lang": "bash", "code": "echo swapped"},
        {"tools": [{"name": "other"}]},
        {"session_id": "swapped", "entity_id": "not valid !", "user_id": 5},
        {"timeout": 1},
        {"files": [{"id": "x", "storage_session_id": "y", "name": "z"}]},
    ],
)
def test_c07_a_continuation_is_only_its_results(attack, more):
    first = post(attack, code=CODE, tools=declare("echo"))
    results = [{"call_id": first.calls[0]["id"], "result": "answer"}]
    last = post(attack, continuation_token=first.token, tool_results=results, **more)
    assert last.status == "completed" and last.stdout == "mine\nanswer\n" and last.session == first.session, last


def test_c07_results_of_another_run(attack):
    """Ids of calls mean nothing outside of their run, and a token cannot be swapped for another's."""
    one, two = (post(attack, code=CODE, tools=declare("echo")) for _ in range(2))
    assert one.token != two.token
    for token, value in ((one.token, "for one"), (two.token, "for two")):
        results = [{"call_id": one.calls[0]["id"], "result": value}]
        assert post(attack, continuation_token=token, tool_results=results).stdout == f"mine\n{value}\n"
