# SPDX-License-Identifier: Apache-2.0
"""N5: what the proxy decides on, looks up and dials is one value: whatever two parsers could read in two ways is refused."""

import pytest

from support import guest
from support.lab import HOST, METADATA, PATIENT_PORT, PUBLIC, SILENT

# What a program does on the proxy's port: sends a head, and tells the status (0 = closed without one).
HELPERS = """
PORT = int(os.environ["HTTPS_PROXY"].rsplit(":", 1)[1])
def ask(head, wait=5):
    with socket.create_connection(("127.0.0.1", PORT), 5) as s:
        s.settimeout(wait); s.sendall(head)
        try: answer = s.recv(200)
        except OSError as error: return type(error).__name__
        return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0
"""


# The bytes that a client sends first, for any name, and what the server behind the tunnel answers.
TUNNEL = (
    HELPERS
    + """
import ssl
def hello(name, **changes):
    context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
    out = ssl.MemoryBIO(); client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try: client.do_handshake()
    except ssl.SSLWantReadError: pass
    return out.read()
def tunnel(first, target="public.test:443", pause=0, step=None):
    with socket.create_connection(("127.0.0.1", PORT), 5) as s:
        s.settimeout(15); s.sendall(f"CONNECT {target} HTTP/1.1\\r\\n\\r\\n".encode())
        answer = s.recv(100)
        if b" 200 " not in answer: return answer.decode()[:12]
        try:
            for i in range(0, len(first), step or len(first)):
                s.sendall(first[i:i + (step or len(first))]); time.sleep(pause)
            return s.recv(200).decode()
        except ConnectionError: return ""
def records(message, size):
    "The same hello in records of this many bytes."
    body = message[5:]
    return b"".join(b"\\x16\\x03\\x01" + struct.pack(">H", len(body[i:i + size])) + body[i:i + size] for i in range(0, len(body), size))
def extension(message, number, value):
    "The same hello with one extension more."
    body = bytearray(message[9:])
    at = 34; at += 1 + body[at]; at += 2 + struct.unpack(">H", body[at:at + 2])[0]; at += 1 + body[at]
    more = struct.pack(">HH", number, len(value)) + value
    body[at:at + 2] = struct.pack(">H", struct.unpack(">H", body[at:at + 2])[0] + len(more)); body += more
    return message[:3] + struct.pack(">H", len(body) + 4) + b"\\x01" + struct.pack(">I", len(body))[1:] + bytes(body)
"""
)


def _connect(target, version="1.1", fields="Host: x\r\n", end="\r\n"):
    return f"CONNECT {target} HTTP/{version}\r\n{fields}{end}".encode("latin-1")


GOOD = [
    _connect("public.test:443"),
    _connect("PUBLIC.Test:443"),
    _connect("public.test:443", "1.0"),
    _connect("public.test:443", fields=""),
    _connect("public.test:443", fields="Host: metadata.test:443\r\nProxy-Connection: keep-alive\r\n"),
    _connect("public.test:00443"),
    _connect("other.test:8080"),
]
FORBIDDEN = [
    _connect("other.test:443"),  # listed for another port
    _connect("public.test:80"),
    _connect("evil-public.test:443"),
    _connect("evil.public.test:443"),
    _connect("public.test.evil.test:443"),
    _connect("xpublic.test:443"),
    _connect("public:443"),
    _connect("test:443"),
    _connect("localhost:443"),
    _connect("metadata.test:443"),  # listed, but leads to the metadata service
    _connect("loop.test:443"),
    _connect("mixed.test:443"),
    _connect("host.test:443"),  # listed, public, but the host's own address
]
BAD = [
    _connect("public.test.:443"),
    _connect("public.test"),
    _connect("public.test:"),
    _connect("public.test:0"),
    _connect("public.test:65979"),  # 443 in sixteen bits
    _connect("public.test:443:443"),
    _connect("public.test:+443"),
    _connect("public.test:443#"),
    _connect(f"{METADATA}:443"),
    _connect(f"{PUBLIC}:443"),
    _connect("2852039166:443"),
    _connect("0xa9fea9fe:443"),
    _connect("[::1]:443"),
    _connect("[::ffff:127.0.0.1]:443"),
    _connect("evil.test\0.public.test:443"),
    _connect("evil.test%00public.test:443"),
    _connect("public.test\t:443"),
    _connect("user@public.test:443"),
    _connect("evil.test:443@public.test:443"),
    _connect("public..test:443"),
    _connect("-public.test:443"),
    _connect("p\xfcblic.test:443"),
    _connect("pub_lic.test:443"),
    _connect("public.test:443 x"),
    _connect("http://public.test:443/"),
    _connect(" public.test:443"),
    _connect("public.test:443", "2.0"),
    _connect("public.test:443", "1.1 "),
    _connect("public.test:443", fields="Transfer-Encoding: chunked\r\n"),
    _connect("public.test:443", fields="Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
    _connect("public.test:443", fields="content-length: 5\r\n"),
    _connect("public.test:443", fields="Host : x\r\n"),
    _connect("public.test:443", fields=" folded\r\n"),
    _connect("public.test:443", fields="A: b\n"),
    _connect("public.test:443", fields="A: b\rC: d\r\n"),
    _connect("public.test:443", fields="A: \0\r\n"),
    _connect("public.test:443", fields="A: b\r\n" * 100),
    _connect("public.test:443", fields="A: " + "b" * 9000 + "\r\n"),
    b"connect\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x05\x01\x00",
]
OTHER_METHODS = [
    b"GET http://public.test/ HTTP/1.1\r\nHost: public.test\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: public.test\r\n\r\n",
    b"connect public.test:443 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize(
    "status,heads", [(200, GOOD), (403, FORBIDDEN), (400, BAD), (405, OTHER_METHODS)], ids=lambda x: str(x)[:3]
)
def test_n05_each_head_has_one_meaning(allowlisted, status, heads):
    told = allowlisted.evidence(HELPERS + f"tell([ask(head) for head in {heads!r}])", timeout=60000)
    assert [(head, answer) for head, answer in zip(heads, told, strict=True) if answer != status] == []
    if status != 200:
        assert not [each for each in allowlisted.lab.seen if each[0] == 6]  # nothing was dialled


def test_n05_names_are_whole(allowlisted):
    """What the host's resolver would put behind a name that nobody has makes another name of it."""
    told = allowlisted.evidence(HELPERS + f"tell(ask({_connect('short.test:443')!r}))")
    assert told == 502 and not allowlisted.lab.reached(PUBLIC)


def test_n05_an_address_that_does_not_answer_leaves_time_for_the_next(allowlisted):
    told = allowlisted.evidence(TUNNEL + "tell(tunnel(hello('half.test'), 'half.test:443'))", timeout=60000)
    assert told == f"reached {PUBLIC} from {HOST}\n"
    assert allowlisted.lab.reached(SILENT)


def test_n05_smuggled_requests_are_data(allowlisted):
    """A second request behind the first is no request: it is the tunnel's first bytes, and no TLS."""
    two = _connect("public.test:443") + _connect("metadata.test:443")
    told = allowlisted.evidence(
        HELPERS
        + f"""
with socket.create_connection(("127.0.0.1", PORT), 5) as s:
    s.settimeout(5); s.sendall({two!r}); got = b""
    while True:
        more = s.recv(1000)
        if not more: break
        got += more
tell(got.decode())
"""
    )
    assert told == "HTTP/1.1 200 Connection established\r\n\r\n"


def test_n05_slow_and_many(allowlisted):
    """A request that never ends gets 408 after ten seconds; one slot has 32 connections, and a new one when one is over."""
    told = allowlisted.evidence(
        HELPERS
        + """
slow = ask(b"CONNECT public.test:443 HTT", 20)
held = [socket.create_connection(("127.0.0.1", PORT), 5) for _ in range(60)]
[s.settimeout(1) for s in held]
def alive(s):
    try: return s.recv(1) != b""
    except TimeoutError: return True
    except OSError: return False
count = sum(alive(s) for s in held[:32]), sum(alive(s) for s in held[40:])
[s.close() for s in held]
time.sleep(1)
tell(dict(slow=slow, count=count, after=ask(b"CONNECT x.test:443 HTTP/1.1\\r\\n\\r\\n")))
""",
        timeout=90000,
    )
    assert told == {"slow": 408, "count": [32, 0], "after": 403}


def test_n05_a_program_leaves_its_successor_all_room(own_lab, server_with, resolv_conf):
    """Connections that a program left open to a patient server do not count for the next one of the slot."""
    server = server_with(
        prefix=resolv_conf,
        MAX_CONCURRENT_EXECUTIONS="1",
        ENABLE_SANDBOX_NETWORK="true",
        SANDBOX_EGRESS_ALLOWLIST=f"public.test:{PATIENT_PORT}",
    )
    program = (
        TUNNEL
        + f"""
held = []
for _ in range(32):
    s = socket.create_connection(("127.0.0.1", PORT), 5); s.settimeout(10); held.append(s)
    s.sendall(b"CONNECT public.test:{PATIENT_PORT} HTTP/1.1\\r\\n\\r\\n")
    if b" 200 " not in s.recv(100): break
    s.sendall(hello("public.test"))
    if not s.recv(100).startswith(b"reached"): break
else:
    print("all", len(held), flush=True)
os._exit(0)
"""
    )
    with server.client() as client:
        assert [client.exec(guest.py(program), "py", timeout=30000).stdout for _ in range(4)] == ["all 32\n"] * 4
