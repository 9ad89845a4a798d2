# SPDX-License-Identifier: Apache-2.0
"""Requests as a client would write them, more or less, and conversations that are framed wrongly on purpose."""

import base64
import secrets
from dataclasses import dataclass, field
from urllib.parse import quote

from . import routes, values

CODECELL_MASTER = "mk-" + secrets.token_urlsafe(24)

CONTENT_TYPES = [
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/xml",
    "application/merge-patch+json",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary="a b"',
    "multipart/form-data; boundary=" + "b" * 71,
    "application/json, application/xml",
    "",
    ";",
    "a" * 300,
]

ODD_HEADERS = [
    ("Range", "bytes=0-"),
    ("If-None-Match", "*"),
    ("Origin", "https://evil.example"),
    ("Accept", "text/event-stream"),
    ("Accept-Encoding", "gzip;q=1.0, identity;q=0"),
    ("Cookie", "a=b; " * 100),
    ("X-CodeAPI-Expected-Profile", "default"),
    ("X-CodeAPI-Expected-Profile", "stateful"),
    ("X-CodeAPI-Expected-Profile", "x\x7f"),
    ("X-Request-Id", "../../x"),
    ("X-Forwarded-For", "198.51.100.7, 203.0.113.9"),
    ("X-Forwarded-For", "not an address"),
    ("X-Forwarded-For", "[2001:db8::1%eth0]:99999"),
    ("X-Real-IP", "2001:db8::1"),
    ("User-Id", "é"),
    ("Last-Event-ID", "-1"),
    ("Last-Event-ID", "99999999999999999999"),
    ("Referer", "x" * 3000),
    ("Upgrade", "h2c"),
    ("Connection", "Upgrade, HTTP2-Settings"),
    ("Connection", "close"),
    ("Connection", "x-api-key"),
    ("Proxy-Authorization", "Basic YTpi"),
    ("TE", "trailers, deflate;q=0.5"),
    ("Trailer", "x-api-key"),
    ("Max-Forwards", "0"),
    ("X" * 200, "y"),
    ("x-empty", ""),
    ("X-Latin", "\xe9\xff"),
    ("X-Long", "v" * 9000),
]

# Lines that no client may send, and requests behind which another may hide.
BROKEN_LINES = [
    b"X-Fold: a\r\n b",
    b"X-Space : a",
    b": nameless",
    b"no colon",
    b"X-Null: a\0b",
    b"X-Return: a\rb",
    b"X-Feed: a\nb",
    b"\x01\x02: x",
    b"X-Much: " + b"m" * 70000,
    b"Host: a\r\nHost: b",
    b"Content-Length: 0\r\nContent-Length: 0",
    b"Expect: 100-continue",
    b"Expect: 200-never",
]

SMUGGLING = [
    [b"Content-Length: %(short)d", b"Transfer-Encoding: chunked"],
    [b"Transfer-Encoding: chunked", b"Content-Length: %(long)d"],
    [b"Content-Length: %(short)d", b"Content-Length: %(long)d"],
    [b"Content-Length: %(short)d, %(long)d"],
    [b"Content-Length: +%(long)d"],
    [b"Content-Length: -1"],
    [b"Content-Length: 0x%(long)x"],
    [b"Content-Length: %(long)d "],
    [b"Content-Length:\t%(long)d"],
    [b"Content-Length: 18446744073709551617"],
    [b"Content-Length: "],
    [b"Transfer-Encoding: xchunked"],
    [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
    [b"Transfer-Encoding: gzip, chunked"],
    [b"Transfer-Encoding:\x0bchunked"],
    [b"Transfer-Encoding : chunked"],
    [b"transfer-encoding: CHUNKED"],
    [b"X: y\r\n Transfer-Encoding: chunked"],
]


@dataclass
class Request:
    """One request. label names its route in the report; sound: exactly one answer is owed to it."""

    method: str
    label: str
    head: bytes
    body: bytes
    sound: bool = True
    marks: set = field(default_factory=set)

    def wire(self):
        return self.head + self.body


class Requests:
    """Makes requests for a server's keys."""

    def __init__(self, rng, made, known, keys):
        self.rng, self.values, self.known, self.keys = rng, made, known, keys
        self.routes = routes.table()
        self.weights = [
            6 if route.body in ("JSON", "MULTIPART") else 3 if "{" in route.pattern else 2 for route in self.routes
        ]

    def chance(self, share):
        return self.rng.random() < share

    # ---- the target ----

    def place(self, name):
        return quote(
            self.values.id_of(routes.PLACES[name]).encode("utf-8", "replace"), safe="" if self.chance(0.8) else "/%"
        )

    def query(self):
        if not self.chance(0.25):
            return ""
        names = [self.rng.choice(list(routes.QUERY)) for _ in range(self.rng.choice([1, 1, 2, 3, 20]))]
        pairs = []
        for name in names:
            value = self.values.value(routes.QUERY[name])
            text = value if isinstance(value, str) else values.dump(value)
            text = text[:2000].encode("utf-8", "replace")
            pairs.append(f"{name}={quote(text, safe='' if self.chance(0.8) else '%&=+')}")
        return "?" + self.rng.choice(["&", "&", "&&", ";"]).join(pairs)

    def path(self, route):
        parts = []
        for part in route.pattern.split("/"):
            parts.append(self.place(part[1:-1]) if part.startswith("{") else part)
        path = "/".join(parts)
        if route.versioned and self.chance(0.4):
            path = "/v1" + path
        roll = self.rng.random()
        if roll < 0.85:
            return path
        if roll < 0.89:
            return path + "/"
        if roll < 0.92:
            return path.replace("/", "//", 1)
        if roll < 0.94:
            return path + self.rng.choice(["/..", "/.", "/%2e%2e/", "%00", "%2f", "%", "%zz", "#x", "\\", "/x", ";a=b"])
        if roll < 0.96:
            return "".join(f"%{ord(c):02x}" if self.chance(0.3) and ord(c) < 128 else c for c in path)
        if roll < 0.98:
            return path.upper()
        return self.rng.choice(routes.ABSENT)

    # ---- the headers ----

    def key_of(self, route):
        """The key that the route asks for, mostly."""
        right = self.keys["master"] if route.access == "MASTER" else self.keys["normal"]
        roll = self.rng.random()
        if roll < 0.86:
            return right
        if roll < 0.9:
            return self.keys["limited"]
        if roll < 0.93:
            return self.keys["master"] if route.access != "MASTER" else self.keys["normal"]
        return self.rng.choice(["", "x", "sk-" + "A" * 32, right[:-1], right + "x", "é" * 20, "k" * 10000])

    def credentials(self, route):
        """Header pairs that present a key, in one of the ways there are."""
        rng = self.rng
        if route.access == "OPEN" and self.chance(0.7):
            return []
        if self.chance(0.03):
            return []
        key = self.key_of(route)
        roll = rng.random()
        if roll < 0.6:
            return [(rng.choice(["x-api-key", "X-API-Key", "X-Api-Key"]), key)]
        if roll < 0.75:
            return [("Authorization", rng.choice(["Bearer ", "bearer ", "Bearer  "]) + key)]
        if roll < 0.93:
            pair = rng.choice([key + ":", ":" + key, key, key + ":x"]).encode("utf-8")
            code = base64.b64encode(pair).decode()
            cut = len(code) if self.chance(0.9) else rng.randrange(len(code) + 1)
            return [("Authorization", rng.choice(["Basic ", "basic "]) + code[:cut])]
        if roll < 0.96:
            return [("x-api-key", key), ("Authorization", "Bearer " + self.key_of(route))]
        return [
            rng.choice(
                [
                    ("Authorization", key),
                    ("Authorization", "ApiKey " + key),
                    ("Authorization", "Bearer"),
                    ("x-api-key", " "),
                ]
            )
        ]

    def headers(self, route):
        rng = self.rng
        pairs = [("Host", "fuzz.test")]
        pairs += self.credentials(route)
        if self.chance(0.97):  # wrong keys lock addresses out
            pairs.append(("X-Forwarded-For", f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"))
        if self.chance(0.15):
            pairs += [rng.choice(ODD_HEADERS) for _ in range(rng.choice([1, 1, 2, 5]))]
        if self.chance(0.01):
            pairs += [(f"X-{number}", "y") for number in range(rng.choice([50, 200]))]
        return pairs

    # ---- the body ----

    def part(self, boundary):
        rng = self.rng
        if self.chance(0.6):
            name = rng.choice(["file", "file", "files", "files[]", "other", ""])
            kind = f'; filename="{self.values.filename()}"'
            data = rng.choice(
                [b"", b"x\n", b"MZ", b"\0" * 100, b"--" + boundary, b"\r\n--" + boundary[:-1], b"y" * 3000]
            )
        else:
            name = rng.choice(list(routes.FORM))
            kind = ""
            value = self.values.value(routes.FORM[name])
            data = (value if isinstance(value, str) else values.dump(value)).encode("utf-8", "replace")[:4000]
        head = f'Content-Disposition: form-data; name="{name}"{kind}'.replace("\r", " ").replace("\n", " ")
        roll = rng.random()
        if roll < 0.04:
            head = head[: rng.randrange(len(head) + 1)]
        elif roll < 0.08:
            head += rng.choice(
                [
                    "; name=x",
                    "\r\nContent-Disposition: x",
                    "\r\n" + "H: v\r\n" * 40,
                    "; filename*=UTF-8''%ff",
                    '; filename="',
                ]
            )
        if self.chance(0.5):
            head += "\r\nContent-Type: text/plain"
        return b"--" + boundary + b"\r\n" + head.encode("utf-8", "surrogatepass") + b"\r\n\r\n" + data + b"\r\n"

    def form(self):
        """A type and a body of multipart/form-data."""
        rng = self.rng
        boundary = rng.choice([b"fuzz-boundary", b"x", b"a'()+_,-./:=?b", b"b" * 70])
        body = b"".join(self.part(boundary) for _ in range(rng.choice([0, 1, 1, 1, 2, 3, 60])))
        body += rng.choice([b"", b"", b"", b"preamble"]) and body or b""
        if self.chance(0.9):
            body += b"--" + boundary + b"--\r\n"
        if self.chance(0.1):
            body = rng.choice([b"preamble\r\n", b"\r\n"]) + body
        if self.chance(0.1):
            body = values.flip(rng, body)
        written = boundary if self.chance(0.9) else b"another"
        return 'multipart/form-data; boundary="' + written.decode() + '"', body

    def content(self, route):
        """A content type, or None, and a body, or None."""
        if route.body == "JSON":
            fields = next((routes.FIELDS[p] for p in (route.pattern,) if p in routes.FIELDS), routes.EXEC)
            return "application/json", self.values.body(fields)
        if route.body == "MULTIPART":
            return self.form()
        if route.body == "RAW":
            return "text/plain", self.values.text().encode("utf-8", "surrogatepass")
        return (None, None) if self.chance(0.96) else ("application/json", b"{}")

    def chunked(self, body):
        """The body in chunks, right ones."""
        out, at = [], 0
        while at < len(body):
            size = self.rng.choice([1, 3, 16, 1000, 1 << 16])
            piece = body[at : at + size]
            extension = b";a=b" if self.chance(0.1) else b""
            out.append(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece))
            at += size
            if len(out) > 200:
                out.append(b"%X\r\n%s\r\n" % (len(body) - at, body[at:]) if at < len(body) else b"")
                break
        trailer = b"X-Trailer: y\r\n" if self.chance(0.05) else b""
        return b"".join(out) + b"0\r\n" + trailer + b"\r\n"

    # ---- whole requests ----

    def one(self):
        """A request that is framed as it should be, whatever it says."""
        rng = self.rng
        route = rng.choices(self.routes, self.weights)[0]
        method = route.method
        if self.chance(0.04):
            method = rng.choice(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"])
        elif method == "GET" and self.chance(0.03):
            method = "HEAD"
        pairs = self.headers(route)
        kind, body = self.content(route)
        if kind is not None and self.chance(0.06):
            kind = rng.choice(CONTENT_TYPES)
        if kind is not None and self.chance(0.98):
            pairs.append(("Content-Type", kind))
        wire = body
        if body is not None and self.chance(0.2):
            wire = self.chunked(body)
            pairs.append(("Transfer-Encoding", "chunked"))
        elif body is not None:
            pairs.append(("Content-Length", str(len(body))))
        if self.chance(0.1):
            tail = pairs[1:]
            rng.shuffle(tail)
            pairs[1:] = tail
        version = "1.1" if self.chance(0.98) else rng.choice(["1.0", "1.1", "1.2", "2.0", "0.9"])
        line = f"{method} {self.path(route)}{self.query()} HTTP/{version}"
        head = [line.encode("utf-8", "surrogatepass")]
        head += [
            name.encode() + b": " + value.encode("utf-8" if ord(max(value, default="a")) > 255 else "latin-1")
            for name, value in pairs
        ]
        request = Request(method, f"{route.method} {route.pattern}", b"\r\n".join(head) + b"\r\n\r\n", wire or b"")
        names = {name.lower() for name, _ in pairs}
        plain = (
            version == "1.1"
            and not names & {"upgrade", "te", "connection"}
            and b" " not in head[0].split(b" ", 1)[1].rsplit(b" ", 1)[0]
        )
        request.sound = (
            plain and all(31 < byte != 127 for byte in head[0]) and method != "get" and len(wire or b"") < 200000
        )
        return request

    def broken(self):
        """Bytes that no longer are what they were meant to be, with the label of the route."""
        rng, request = self.rng, self.one()
        roll = rng.random()
        if roll < 0.35:
            return request, values.flip(rng, request.head) + request.body
        if roll < 0.6:
            lines = request.head.split(b"\r\n")
            lines.insert(1 + rng.randrange(len(lines) - 2), rng.choice(BROKEN_LINES))
            return request, b"\r\n".join(lines) + request.body
        if roll < 0.75:
            return request, request.head + values.flip(rng, request.body)
        if roll < 0.85:
            return request, request.wire().replace(b"\r\n", b"\n")
        if roll < 0.9:
            return request, bytes(rng.randrange(256) for _ in range(rng.choice([1, 10, 500])))
        return (
            request,
            rng.choice([b"\r\n\r\n", b"\0", b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
            + request.wire(),
        )

    def smuggling(self):
        """A request with two readings of where it ends, and one that hides behind it."""
        request = self.one()
        hidden = self.one().wire()
        inner = b"0\r\n\r\n" + hidden if self.chance(0.6) else b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
        inner = inner if self.chance(0.8) else b"0\n\n" + hidden
        sizes = {b"short": self.rng.choice([0, 3, 5]), b"long": len(inner)}
        lines = [
            line
            for line in request.head.split(b"\r\n")[:-2]
            if not line.lower().startswith((b"content-length", b"transfer-enc"))
        ]
        lines += [line % sizes for line in self.rng.choice(SMUGGLING)]
        return request, b"\r\n".join(lines) + b"\r\n\r\n" + inner
