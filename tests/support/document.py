# SPDX-License-Identifier: Apache-2.0
"""Reports in documents, each between two marks: <!-- name: begin --> and <!-- name: end -->."""

import re
import subprocess


def commit(directory):
    """The commit of the sources, "unknown" if they are no repository."""
    command = ["git", "-C", directory, "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _parted(path, name):
    """What stands before the report, with its mark; the report; and what stands behind it, with its mark."""
    with open(path, encoding="utf-8") as document:
        text = document.read()
    found = re.fullmatch(f"(?s)(.*<!-- {re.escape(name)}: begin -->\n)(.*)(<!-- {re.escape(name)}: end -->.*)", text)
    if not found:
        raise ValueError(f"{path} has no marks of {name}")
    return found.groups()


def recorded(path, name):
    """The report."""
    return _parted(path, name)[1]


def record(path, name, text):
    """Puts text in its place."""
    head, _, rest = _parted(path, name)
    with open(path, "w", encoding="utf-8") as document:
        document.write(head + text + rest)


def rows(text):
    """The rows of the one table in a text, each a list of cells, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines[2:]]
