# SPDX-License-Identifier: Apache-2.0
"""What a test needs from the machine. A missing need is a skip on a developer's machine and a failure in CI."""

import os

import pytest

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


def require(condition, reason):
    """Goes on if condition holds. Else skips with the reason, or fails under CI=true, where nothing may be missing."""
    if condition:
        return
    if IN_CI:
        pytest.fail(f"needed for this test: {reason}", pytrace=False)
    pytest.skip(reason)
