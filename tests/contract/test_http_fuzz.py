# SPDX-License-Identifier: Apache-2.0
"""A few seconds of tests/fuzz/http_requests.py: 8.1, 8.5, 6.1 for whatever a client may send. docs/FUZZING.md has the long runs."""

import os
import subprocess
import sys

from support.server import REPOSITORY

REQUESTS = 2500


def test_a_little_fuzzing(program, tmp_path):
    """6.1, 8.1, 8.5: each answer to broken, cut, pipelined and smuggled requests is a right one, or none, and nothing is left."""
    fuzzer = os.path.join(REPOSITORY, "tests", "fuzz", "http_requests.py")
    command = [sys.executable, fuzzer, str(REQUESTS), "--seed", "5", "--findings", str(tmp_path / "findings")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-3000:]
    assert "**nothing wrong**" in ended.stdout, ended.stdout[-3000:]
