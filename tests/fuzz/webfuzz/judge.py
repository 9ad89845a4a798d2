# SPDX-License-Identifier: Apache-2.0
"""Reads answers byte by byte and says what is wrong with them."""

import json
import re
import time

STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) [\x20-\x7e]*\Z")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e\x80-\xff\t]*)\Z")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})\Z")

# http-api.md 6.1: once on every answer.
SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"x-xss-protection": b"1; mode=block",
    b"strict-transport-security": b"max-age=31536000; includeSubDomains",
    b"content-security-policy": b"default-src 'self'",
    b"referrer-policy": b"strict-origin-when-cross-origin",
    b"permissions-policy": b"geolocation=(), microphone=(), camera=()",
}

ERROR_TYPES = {
    400: "validation",
    401: "authentication",
    403: "authorization",
    404: "resource_not_found",
    409: "resource_conflict",
    413: "resource_exhausted",
    415: "validation",
    422: "validation",
    429: "rate_limited",
    503: "service_unavailable",
}

# What the specification lets the server answer. 505 is HTTP's own; no 500 is declared for anything that a client sends.
STATUSES = {200, 204, 400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 429, 431, 503, 505}
HEAD_MAX_BYTES = 64 << 10


class Wrong(Exception):
    """An answer that must not be."""


class Stuck(Wrong):
    """Nothing came within the time."""


class Closed(Exception):
    """The server closed the connection, before an answer began."""


class Answer:
    def __init__(self, status, headers):
        self.status, self.headers, self.body = status, headers, b""

    def values(self, name):
        return [value for key, value in self.headers if key == name]

    @property
    def closes(self):
        return any(b"close" in value.lower() for value in self.values(b"connection"))

    def json(self):
        return json.loads(self.body)


class Reader:
    """The server's half of a connection."""

    def __init__(self, sock):
        self.sock, self.kept, self.end = sock, b"", False

    def more(self, deadline):
        """Waits for bytes. Returns False at the end of the stream."""
        if self.end:
            return False
        left = deadline - time.monotonic()
        if left <= 0:
            raise Stuck("the connection is stuck")
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(1 << 16)
        except TimeoutError:
            raise Stuck("the connection is stuck") from None
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        self.kept += data
        self.end = not data
        return bool(data)

    def until(self, mark, deadline, most):
        while (at := self.kept.find(mark)) < 0:
            if len(self.kept) > most:
                raise Wrong(f"no {mark!r} within {most} bytes: {self.kept[:200]!r}")
            if not self.more(deadline):
                return None
        found, self.kept = self.kept[:at], self.kept[at + len(mark) :]
        return found

    def exactly(self, size, deadline):
        while len(self.kept) < size:
            if not self.more(deadline):
                return None
        found, self.kept = self.kept[:size], self.kept[size:]
        return found

    def at_end(self, deadline):
        """True if nothing more comes."""
        return not self.kept and not self.more(deadline)


def read_head(reader, deadline):
    head = reader.until(b"\r\n\r\n", deadline, HEAD_MAX_BYTES)
    if head is None:
        if reader.kept:
            raise Wrong(f"an answer breaks off: {reader.kept[:200]!r}")
        raise Closed
    line, *rest = head.split(b"\r\n")
    match = STATUS_LINE.match(line)
    if not match:
        raise Wrong(f"status line {line[:200]!r}")
    headers = []
    for each in rest:
        header = HEADER.match(each)
        if not header:
            raise Wrong(f"header line {each[:200]!r}")
        headers.append((header[1].lower(), header[2]))
    return Answer(int(match[1]), headers)


def read_chunks(reader, deadline):
    body = b""
    while True:
        line = reader.until(b"\r\n", deadline, 64)
        match = CHUNK.match(line or b"")
        if not match:
            raise Wrong(f"chunk line {line!r}")
        size = int(match[1], 16)
        piece = reader.exactly(size + 2, deadline)
        if piece is None or piece[-2:] != b"\r\n":
            raise Wrong("a chunk breaks off")
        body += piece[:-2]
        if size == 0:
            return body


def read_body(reader, answer, method, deadline):
    lengths, codings = answer.values(b"content-length"), answer.values(b"transfer-encoding")
    if len(lengths) > 1 or len(codings) > 1 or (lengths and codings):
        raise Wrong(f"framed twice: {lengths} {codings}")
    if method == "HEAD" or answer.status in (204, 304):
        return b""
    if codings:
        if codings != [b"chunked"]:
            raise Wrong(f"coding {codings}")
        return read_chunks(reader, deadline)
    if lengths:
        body = reader.exactly(int(lengths[0]), deadline)
        if body is None:
            raise Wrong("a body breaks off")
        return body
    while reader.more(deadline):
        pass
    body, reader.kept = reader.kept, b""
    return body


def check_headers(answer):
    for name, value in SECURITY.items():
        if answer.values(name) != [value]:
            raise Wrong(f"header {name!r} is {answer.values(name)}")
    if answer.values(b"x-injected"):
        raise Wrong("an injected header")


def check_error(answer):
    try:
        body = answer.json()
        keys = {"error", "error_type", "details", "request_id", "timestamp"} - set(body)
    except (ValueError, TypeError):
        raise Wrong(f"{answer.status} with a body that is no object: {answer.body[:200]!r}") from None
    if keys:
        raise Wrong(f"{answer.status} without {sorted(keys)}")
    if body["error_type"] != ERROR_TYPES.get(answer.status, body["error_type"]):
        raise Wrong(f"{answer.status} has error_type {body['error_type']!r}")
    if not isinstance(body["error"], str) or not isinstance(body["timestamp"], float):
        raise Wrong(f"{answer.status} with {body!r}")
    for detail in body["details"] or []:
        if set(detail) != {"field", "message", "code"}:
            raise Wrong(f"a detail is {detail!r}")
    if answer.status == 429 and not answer.values(b"retry-after"):
        raise Wrong("429 without Retry-After")


def check(answer, method):
    check_headers(answer)
    if answer.status not in STATUSES:
        raise Wrong(f"status {answer.status}: {answer.body[:300]!r}")
    if answer.status >= 400 and method != "HEAD":
        check_error(answer)
    elif b"application/json" in b"".join(answer.values(b"content-type")) and method != "HEAD" and answer.status == 200:
        try:
            answer.json()
        except ValueError:
            raise Wrong(f"200 with JSON that is none: {answer.body[:300]!r}") from None


def read_answer(reader, method, within_s):
    """One final answer, checked. Raises Wrong or Closed."""
    deadline = time.monotonic() + within_s
    while True:
        answer = read_head(reader, deadline)
        if answer.status != 100:
            break
    answer.body = read_body(reader, answer, method, deadline)
    check(answer, method)
    return answer
