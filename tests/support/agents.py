# SPDX-License-Identifier: Apache-2.0
"""Runs the JavaScript clients of tests/contract/agents against a server."""

import json
import os
import shutil
import subprocess

from .need import require
from .server import REPOSITORY

HERE = os.path.join(REPOSITORY, "tests", "contract", "agents")


def drive(server, variables, script="drive.mjs"):
    """What a script reports, which is the last line that it prints."""
    require(shutil.which("node"), "node")
    require(
        os.path.isdir(os.path.join(HERE, "node_modules", "@librechat", "agents")), "npm ci in tests/contract/agents"
    )
    env = {"PATH": os.environ["PATH"], "HOME": server.home, "NODE_NO_WARNINGS": "1", **variables}
    done = subprocess.run(["node", script], cwd=HERE, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
