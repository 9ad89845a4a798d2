# SPDX-License-Identifier: Apache-2.0
"""exec.md 10.7: which of a session's runs counts, and what a run without libraries hands to one that wants them."""

import pytest

from support.client import in_threads
from support.hot_session import server, session  # noqa: F401 -- fixtures

SLOW = """
class Slow:
    def __getstate__(self):
        __import__('time').sleep(1)
        return {}
y = Slow()
"""


@pytest.mark.parametrize("made", ["", SLOW], ids=["at once", "later"])
def test_a_run_that_changes_nothing_undoes_nothing(server, session, made):
    """It began before the one that changed something, and ends after it, with what both had found."""
    session.begin("x = 1")

    def one(code):
        with server.client() as own:
            return own.exec("__import__('time').sleep(%s" % code, "py", session_id=session.id)

    runs = in_threads([lambda code=code: one(code) for code in ("2.5)", "0.5)\nx = 2" + made)])
    assert [run.code for run in runs] == [0, 0], [dict(run) for run in runs]
    assert session("print(x)").stdout == "2\n"
    assert session("import os; os._exit(1)").code == 1
    assert session.stored("print(x)") == "2\n"


def test_libraries_are_not_imported_where_copies_have_them(session):
    """Where the interpreter has none, the next program is a copy with them and finds what was stored."""
    session.begin("x = [1, 2]")
    assert session.stored("print(pd.Series(x).sum())") == "3\n"
    assert session.hot("print(pd.Series(x).max(), x)") == "2 [1, 2]\n"
