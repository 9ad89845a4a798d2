# SPDX-License-Identifier: Apache-2.0
"""That every numbered rule of the specification has a test here, or a reason why not (tools/rules)."""

import os
import subprocess

from support.server import REPOSITORY

TOOL = os.path.join(REPOSITORY, "tools", "rules")


def test_every_rule_has_a_test():
    """What tools/rules prints is missing."""
    done = subprocess.run([TOOL], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr


def test_rules_and_their_tests_are_listed():
    """With --all every rule is shown with what covers it."""
    done = subprocess.run([TOOL, "--all"], capture_output=True, text=True, timeout=60, check=True)
    assert "test_exec.py::test_minimal" in done.stdout and done.stdout.count("\n") > 500
