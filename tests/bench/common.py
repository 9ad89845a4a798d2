# SPDX-License-Identifier: Apache-2.0
"""What the load scripts share: a server, percentiles, and tables on stdout with the same figures as JSON at the end."""

import contextlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from support import host  # noqa: E402
from support.server import Server  # noqa: E402


@contextlib.contextmanager
def running_server(**env):
    """A server of its own, ended afterwards; what it leaves behind ends the script with an error."""
    host.become_subreaper()
    server = Server({"AUTH_FAILURE_LIMIT": "0", **env})
    try:
        yield server
    except BaseException:
        server.abandon()
        raise
    server.stop()


def percentile(values, share):
    """The value below which this share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def summary(values):
    """p50, p90, p99, largest and count, in the values' unit."""
    return {
        "p50": round(percentile(values, 0.5), 3),
        "p90": round(percentile(values, 0.9), 3),
        "p99": round(percentile(values, 0.99), 3),
        "max": round(max(values), 3),
        "n": len(values),
    }


def table(title, rows):
    """rows: [(name, {column: value})], all with the same columns."""
    columns = list(rows[0][1])
    width = max(len(name) for name, _ in rows) + 2
    print(f"\n{title}\n{'':{width}}" + "".join(f"{column:>12}" for column in columns))
    for name, values in rows:
        print(f"{name:{width}}" + "".join(f"{values[column]:>12}" for column in columns))


def verdict(checks, figures):
    """Prints each goal with whether it was met, then the figures as one line of JSON. Returns the exit status."""
    print()
    for text, met in checks:
        print(f"{'met   ' if met else 'MISSED'}  {text}")
    print(json.dumps({"figures": figures, "goals": {text: met for text, met in checks}}))
    return 0 if all(met for _, met in checks) else 1
