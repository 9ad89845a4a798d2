# SPDX-License-Identifier: Apache-2.0
"""What the fuzzer knows of the server: its routes, from the server's own table, and the fields that each takes."""

import os
import re
from dataclasses import dataclass

SOURCES = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))), "src"
)
ROW = re.compile(r'\{\s*"([A-Z]+)",\s*"(/[^"]*)",\s*HTTP_(\w+),\s*(\w+),\s*HTTP_BODY_(\w+)')


@dataclass(frozen=True)
class Route:
    method: str
    pattern: str
    access: str  # OPEN, KEY, MASTER
    versioned: bool  # also below /v1
    body: str  # NONE, JSON, MULTIPART, RAW


def table():
    """Every row of src/api/routes.c, so that a new route is fuzzed the day it appears."""
    with open(os.path.join(SOURCES, "api", "routes.c"), encoding="utf-8") as source:
        rows = ROW.findall(source.read())
    assert len(rows) > 20, "the table of routes is no longer written as it was"
    return [Route(method, path, access, prefix == "ALSO_V1", body) for method, path, access, prefix, body in rows]


# The kinds of values that values.py makes: a tuple of a kind and what it needs.
TEXT, WORD = ("text",), ("word",)
SESSION, FILE, TOKEN = ("known", "session"), ("known", "file"), ("known", "token")

FILE_REFERENCE = {
    "id": FILE,
    "storage_session_id": SESSION,
    "session_id": SESSION,
    "name": ("filename",),
    "resource_id": WORD,
    "kind": ("of", ["skill", "agent", "user"]),
    "version": ("number", 0, 1 << 31),
    "entity_id": WORD,
}

EXEC = {
    "code": ("code",),
    "lang": ("language",),
    "args": ("anything",),
    "user_id": WORD,
    "entity_id": WORD,
    "session_id": SESSION,
    "files": ("list", ("object", FILE_REFERENCE)),
    "timeout": ("number", 1000, 3000),
    "runtime_session_hint": WORD,
    "stdin": TEXT,
    "stdin_stream": ("of", [False]),
    "display": ("flag",),
}

TOOL = {"name": WORD, "description": TEXT, "parameters": ("anything",)}
RESULT = {"call_id": ("known", "call"), "result": ("anything",), "is_error": ("flag",), "error_message": TEXT}

PROGRAMMATIC = {
    **{name: EXEC[name] for name in ("code", "user_id", "entity_id", "session_id", "files", "timeout")},
    "lang": ("language",),
    "tools": ("list", ("object", TOOL)),
    "continuation_token": TOKEN,
    "tool_results": ("list", ("object", RESULT)),
}

LIMITS = {name: ("number", 1, 10**9) for name in ("per_second", "per_minute", "hourly", "daily", "monthly")}

KEY = {
    "name": WORD,
    "rate_limits": ("object", LIMITS),
    "metadata": ("object", {"owner": WORD, "team": WORD}),
    "tenant": WORD,
    "expires_at": ("time",),
    "network": ("of", ["server", "off", "allowlist", "wan"]),
    "enabled": ("flag",),
}

# By the end of the path; a JSON route without a row gets fields of EXEC, which it ignores.
FIELDS = {
    "/exec": EXEC,
    "/exec/stream": EXEC,
    "/exec/programmatic": PROGRAMMATIC,
    "/exec/programmatic/cancel": {"continuation_token": TOKEN},
    "/api/v1/admin/keys": KEY,
    "/api/v1/admin/keys/{key_hash}": KEY,
}

FORM = {
    "entity_id": WORD,
    "kind": ("of", ["skill", "agent", "user"]),
    "id": WORD,
    "version": ("number", 0, 1 << 31),
    "read_only": ("of", ["1", "true", "no"]),
}

QUERY = {
    "detail": ("of", ["simple", "summary", "full"]),
    "kind": ("of", ["skill", "agent", "user"]),
    "id": WORD,
    "version": ("number", 0, 1 << 31),
    "use_cache": ("flag",),
    "limit": ("number", 1, 1000),
    "event_type": ("of", ["authentication", "rate_limit", "key"]),
    "severity": ("of", ["info", "warning", "critical"]),
    "since": ("time",),
    "key_hash": ("known", "key"),
    "end": ("flag",),
}

# What stands in braces in a pattern.
PLACES = {"session_id": "session", "file_id": "file", "execution_id": "execution", "key_hash": "key"}

# Paths that must not be: answered 404, or 401 without a key.
ABSENT = ["/", "/sessions", "/state/x", "/state/x/info", "/files/download/a/b", "/health/services", "/v1", "/v2/exec"]
