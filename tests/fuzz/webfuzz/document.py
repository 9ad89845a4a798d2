# SPDX-License-Identifier: Apache-2.0
"""Puts reports into a document, between marks."""

import re
import subprocess


def commit(directory):
    """The commit of the sources, "unknown" if they are no repository."""
    command = ["git", "-C", directory, "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def record(path, name, text):
    """Replaces what stands between <!-- name: begin --> and <!-- name: end -->."""
    with open(path, encoding="utf-8") as document:
        before = document.read()
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    if begin not in before or end not in before:
        raise ValueError(f"{path} has no marks of {name}")
    after = re.sub(f"(?s){re.escape(begin)}.*?{re.escape(end)}", lambda _: begin + text + end, before)
    with open(path, "w", encoding="utf-8") as document:
        document.write(after)
