# SPDX-License-Identifier: Apache-2.0
"""Values for the fields of requests, right and wrong ones, and JSON that may be wrong itself."""

import json

# A program is run only with a language that exists: that is the rare case. Each of these ends at once.
PROGRAMS = {
    "bash": ["true", "echo x", "exit 3", ":", "cat", "echo x > f.txt"],
    "sh": ["true"],
}
NO_LANGUAGE = ["cobol", "", "PY ", "b\u0000ash", "bash;true", "../bash", "x" * 300, "bаsh"]

HOSTILE_TEXTS = [
    "",
    " ",
    "\t\n",
    "\u0000",
    "a\u0000b",
    "a\r\nX-Injected: yes",
    "../../../etc/passwd",
    "/etc/shadow",
    "..",
    ".",
    "a/b/c",
    "\\\\host\\share",
    "%00%2e%2e%2f",
    "%s%n%x",
    "'; drop table keys; --",
    "${IFS}$(id)`id`",
    "{{7*7}}",
    "<script>",
    "\u202e\u2066",
    "\ufeff",
    "\U0001f600",
    "\u0085\u2028",
    "é" * 130,
    "null",
    "true",
    "-1",
    "NaN",
    "con.txt",
    "x" * 41,
    "x" * 256,
    "x" * 5000,
]

ODD_NUMBERS = [
    -1,
    0,
    1,
    999,
    1 << 31,
    -(1 << 31) - 1,
    (1 << 63) - 1,
    1 << 63,
    1 << 64,
    10**30,
    0.5,
    -0.0,
    1e308,
    5e-324,
]
ODD_TOKENS = [
    "1e400",
    "-",
    "01",
    "NaN",
    "Infinity",
    "+1",
    ".5",
    "1.",
    "tru",
    '"\\ud800"',
    '"\\u00"',
    '"\x01"',
    "'x'",
    "/**/1",
]


class Token(str):
    """Text that goes into JSON as it is."""


class Pairs(list):
    """An object as pairs, so that a name may occur twice."""


def dump(value):
    """JSON text, of what json cannot write too."""
    if isinstance(value, Token):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{dump(each)}" for name, each in value) + "}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{dump(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(dump(each) for each in value) + "]"
    return json.dumps(value)


class Known:
    """Ids that the server has named, a few of each kind, for later requests."""

    KEPT = 32
    SEEDS = {"session": "fuzz-session", "file": "fuzz-file", "token": "t" * 42, "call": "call_001", "key": "0" * 64}

    def __init__(self, rng):
        self.rng, self.ids = rng, {}

    def learn(self, kind, value):
        if isinstance(value, str) and 0 < len(value) <= 128:
            kept = self.ids.setdefault(kind, [])
            if len(kept) < self.KEPT:
                kept.append(value)
            else:
                kept[self.rng.randrange(self.KEPT)] = value

    def pick(self, kind):
        kept = self.ids.get(kind)
        return self.rng.choice(kept) if kept else self.SEEDS.get(kind, "fuzz-unknown-0123456")


class Values:
    """Makes values: mostly of the kind that is asked for, wrong with the probability `wrong`."""

    def __init__(self, rng, known, running=0.006, wrong=0.12):
        self.rng, self.known, self.running, self.wrong = rng, known, running, wrong

    def chance(self, share):
        return self.rng.random() < share

    def text(self):
        rng = self.rng
        if self.chance(0.3):
            return rng.choice(HOSTILE_TEXTS)
        return "".join(rng.choice('abcXYZ019_-. é"\\') for _ in range(rng.randrange(24)))

    def word(self):
        return self.rng.choice(HOSTILE_TEXTS) if self.chance(0.1) else f"w{self.rng.randrange(50)}"

    def filename(self):
        return self.text() if self.chance(0.4) else f"f{self.rng.randrange(20)}.txt"

    def id_of(self, kind):
        roll = self.rng.random()
        if roll < 0.6:
            return self.known.pick(kind)
        if roll < 0.8:
            return "".join(self.rng.choice("ABCabc019_-") for _ in range(21))
        return self.text()

    def right(self, kind):
        rng, name = self.rng, kind[0]
        if name == "object":
            return {field: self.value(each) for field, each in kind[1].items() if self.chance(0.7)}
        if name == "list":
            return [self.value(kind[1]) for _ in range(rng.choice([0, 1, 1, 2, 5]))]
        if name == "known":
            return self.id_of(kind[1])
        if name == "of":
            return rng.choice(kind[1])
        if name == "number":
            return rng.choice([kind[1], kind[2], rng.randint(kind[1], kind[2])])
        if name == "flag":
            return self.chance(0.5)
        if name == "time":
            return rng.choice(["2030-01-31T12:00:00Z", "never", "2001-01-01T00:00:00.000Z", "2030-13-31T12:00:00Z", ""])
        if name == "language":
            return rng.choice(NO_LANGUAGE)
        if name == "code":
            return rng.choice(["", " ", "true", "x" * 40])
        if name == "anything":
            return self.anything(3)
        return getattr(self, name)()

    def anything(self, depth):
        rng = self.rng
        roll = rng.random()
        if roll < 0.15 and depth:
            return [self.anything(depth - 1) for _ in range(rng.randrange(4))]
        if roll < 0.3 and depth:
            return {self.text(): self.anything(depth - 1) for _ in range(rng.randrange(4))}
        if roll < 0.6:
            return self.text()
        return rng.choice([None, True, False, 0, 42, -7, 3.25, rng.choice(ODD_NUMBERS)])

    def odd(self):
        """What no field wants."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.25:
            return rng.choice(ODD_NUMBERS)
        if roll < 0.35:
            return Token(rng.choice(ODD_TOKENS))
        if roll < 0.4:
            depth = rng.choice([10, 100, 600, 3000])
            return Token("[" * depth + "]" * depth if self.chance(0.5) else '{"a":' * depth + "1" + "}" * depth)
        if roll < 0.43:
            return "x" * rng.choice([1 << 10, 1 << 14, 1 << 17])
        if roll < 0.46:
            return [rng.choice([0, "", None])] * rng.choice([101, 1000, 5000])
        if roll < 0.7:
            return rng.choice(HOSTILE_TEXTS)
        return rng.choice([None, True, [], {}, [None], [[]], {"a": {}}, Pairs([("a", 1), ("a", 2)])])

    def value(self, kind):
        return self.odd() if self.chance(self.wrong) else self.right(kind)

    def runs(self, fields):
        """A body that runs a program."""
        language = self.rng.choice(list(PROGRAMS))
        body = {"lang": language, "code": self.rng.choice(PROGRAMS[language])}
        if "tools" in fields and self.chance(0.5):
            body.update(lang="bash", code="ask", tools=[{"name": "ask"}], timeout=2000)
        if self.chance(0.3):
            body["session_id"] = self.known.pick("session")
        return body

    def body(self, fields):
        """Bytes of a JSON body for these fields; one in many is what a client would send."""
        rng = self.rng
        if "code" in fields and self.chance(self.running):
            return dump(self.runs(fields)).encode()
        if set(fields) == {"continuation_token"} or "name" in fields:
            pairs = Pairs((name, self.value(kind)) for name, kind in fields.items() if self.chance(0.8))
        else:
            pairs = Pairs((name, self.value(kind)) for name, kind in fields.items() if self.chance(0.6))
        if "lang" in fields and not any(name == "lang" for name, _ in pairs) and not self.chance(0.1):
            pairs.append(("lang", rng.choice(NO_LANGUAGE)))  # what is absent may have a default that runs
        if pairs and self.chance(0.06):
            pairs.append((rng.choice(pairs)[0], self.odd()))
        if self.chance(0.05):
            pairs.append((self.text(), self.anything(2)))
        if self.chance(0.05):
            rng.shuffle(pairs)
        return self.spoil(dump(pairs))

    def spoil(self, text):
        """The text as bytes, sometimes no longer JSON."""
        rng = self.rng
        data = text.encode("utf-8", "surrogatepass")
        roll = rng.random()
        if roll < 0.85:
            return data
        if roll < 0.89:
            return data[: rng.randrange(len(data) + 1)]
        if roll < 0.91:
            return data + rng.choice([b"}", b" x", b"\0", data, b"\n" * 100])
        if roll < 0.92:
            return rng.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"//x\n"]) + data
        if roll < 0.94:
            return dump(self.odd()).encode("utf-8", "surrogatepass")
        return flip(rng, data)


def flip(rng, data):
    """Some bytes of it changed, doubled, left out or put in."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        at = rng.randrange(len(out) + 1)
        roll = rng.random()
        if roll < 0.4 and at < len(out):
            out[at] = rng.randrange(256)
        elif roll < 0.6:
            del out[at : at + rng.choice([1, 2, 8, 64])]
        elif roll < 0.8:
            out[at:at] = rng.choice([b"\0", b"\r\n", b"\n", b"\xff", b"\x80", b" ", b'"', b"\\", b":", b";", b"--"])
        else:
            out[at:at] = out[at : at + rng.choice([1, 4, 32, 256])]
    return bytes(out)
