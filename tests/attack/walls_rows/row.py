# SPDX-License-Identifier: Apache-2.0
"""What a row is, and the words that rows are written in."""

import collections

# One edit: file below src/, exact old text (occurs once), new text.
Edit = collections.namedtuple("Edit", "file old new")
# tests: "k07::test_name" is tests/*/k07*.py::test_name; "unit:message" a unit test. behind: what holds if no test can notice.
# copies: Python programs are copies of a zygote; else each starts an interpreter, which the walls of init.c are for.
Wall = collections.namedtuple("Wall", "name edits tests behind copies", defaults=("", False))

CELL = "cell/cell.c"
CGROUP = "cell/cgroup.c"
COPY = "zygote/copy.c"
CREDENTIALS = "cell/credentials.c"
INIT = "cell/init.c"
LIBRARY = "zygote/library.c"
NAMESPACES = "cell/namespaces.c"
PROC = "cell/proc.c"
PROCESS = "warden/zygote_process.c"
RLIMITS = "cell/rlimits.c"
ROOTFS = "cell/rootfs.c"
RULES = "cell/wan_rules.c"
SCRATCH = "cell/scratch.c"
SECCOMP = "cell/seccomp.c"
SECCOMP_CALLS = "cell/seccomp_calls.c"
SLOT = "warden/slot.c"
SLOT_PLACE = "warden/slot_place.c"
SLOT_RUN = "warden/slot_run.c"
SLOT_WATCH = "warden/slot_watch.c"
WORKSPACE = "cell/workspace.c"
ZYGOTE = "../guest/python/zygote.py"


def wall(name, tests, *edits, behind="", copies=False):
    """name is "area: what is taken away"; tests and behind as in Wall; an edit is (file, old, new)."""
    return Wall(name, [Edit(*edit) for edit in edits], tests.split(), behind, copies)


def allow(*calls):
    """Lets calls through that the filter refuses by name or by default."""
    return SECCOMP_CALLS, '    "waitpid",\n', '    "waitpid",\n' + "".join(f'    "{call}",\n' for call in calls)


def let(call):
    """No longer refuses a call by name; goes with allow()."""
    return SECCOMP_CALLS, f'    "{call}",\n', ""


def no_step(name, function):
    """Takes a step out of a cell's life; goes with unused()."""
    return CELL, f'    {{ "{name}", {function} }},\n', ""


def no_copy_step(name, function):
    """Takes a step out of the life of a zygote's copy; goes with unused()."""
    return COPY, f'{{ "{name}", {function} }},', ""


def unused(file, function):
    """Keeps the compiler quiet about a step that nothing calls any more."""
    return file, f"static int {function}(", f"__attribute__((unused)) static int {function}("
