# SPDX-License-Identifier: Apache-2.0
"""N6: a tunnel carries TLS for the host it was opened for, and nothing else; there is no other way out."""

from support.lab import METADATA, OTHER_RESOLVER, PUBLIC, RESOLVER

from .n05_proxy_parser import HELPERS, TUNNEL

def test_n06_tls_for_the_host(allowlisted):
    told = allowlisted.evidence(
        TUNNEL
        + """
tell(dict(plain=tunnel(hello("public.test")), upper=tunnel(hello("PUBLIC.test")), slow=tunnel(hello("public.test"), pause=0.02, step=40),
          cut=tunnel(records(hello("public.test"), 20)), grease=tunnel(extension(hello("public.test"), 0x0a0a, b"")),
          port=tunnel(hello("other.test"), "other.test:8080")))
""",
        timeout=60000,
    )
    assert told.pop("port").startswith("reached 192.0.2.80")
    assert all(answer.startswith(f"reached {PUBLIC}") for answer in told.values()), told


def test_n06_nothing_else(allowlisted):
    told = allowlisted.evidence(
        TUNNEL
        + """
good = hello("public.test")
tell(dict(other=tunnel(hello("other.test")), parent=tunnel(hello("test.invalid")), sub=tunnel(hello("evil.public.test")), none=tunnel(hello(None)),
          ech=tunnel(extension(good, 0xfe0d, b"\\0" * 40)), esni=tunnel(extension(good, 0xffce, b"x")),
          twice=tunnel(extension(good, 0, b"\\0\\x0d\\0\\0\\x0aother.test")), http=tunnel(b"GET / HTTP/1.1\\r\\nHost: public.test\\r\\n\\r\\n"),
          ssh=tunnel(b"SSH-2.0-OpenSSH_9\\r\\n"), smtp=tunnel(b"EHLO x\\r\\n"), alert=tunnel(b"\\x15\\x03\\x01\\0\\x02\\x02\\x28"),
          nul=tunnel(good.replace(b"public.test", b"public\\0test")), dot=tunnel(hello("public.test").replace(b"public.test", b"public.tes."))))
""",
        timeout=60000,
    )
    assert {what: answer for what, answer in told.items() if answer} == {}


def test_n06_a_beginning_in_drops(allowlisted):
    """What came so far is looked at with each drop: there is an end to that before there are thousands."""
    told = allowlisted.evidence(
        TUNNEL
        + """
long = extension(hello("public.test"), 0x0a0a, bytes(1800))
tell(dict(whole=tunnel(long), drops=tunnel(long, pause=0.001, step=1)))
""",
        timeout=60000,
    )
    assert told["whole"].startswith("reached") and told["drops"] == "", told


def test_n06_no_other_way(allowlisted):
    """No route, no resolver, no datagrams: the mode allows the one port of the proxy at the cell's own loopback."""
    told = allowlisted.evidence(
        HELPERS
        + f"""
def tcp(a, p): return attempt(lambda: socket.create_connection((a, p), 3).close())
def udp(a, p):
    def go():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s: s.connect((a, p)); s.send(b"x")
    return attempt(go)
targets = {[(PUBLIC, 443), (PUBLIC, 80), (METADATA, 80), (RESOLVER, 53), (OTHER_RESOLVER, 853), ("203.0.113.2", 80)]}
scan = []
for port in list(range(1, 1024)) + list(range(18000, 19000)):
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", port)) == 0: scan.append(port)
tell(dict(tcp=[tcp(*t) for t in targets], udp=[udp(*t) for t in targets], name=attempt(socket.gethostbyname, "public.test"), scan=scan, port=PORT,
          devices=[l.split(":")[0].strip() for l in open("/proc/net/dev").read().splitlines()[2:]],
          steal=attempt(lambda: socket.socket().bind(("127.0.0.1", PORT))), any=attempt(lambda: socket.socket().bind(("0.0.0.0", PORT)))))
""",
        timeout=60000,
    )
    assert told["scan"] == [told["port"]] and told["devices"] == ["lo"], told
    assert not [answer for answer in [*told["tcp"], *told["udp"], told["name"], told["steal"], told["any"]] if answer.startswith("ok")], told
    assert allowlisted.lab.seen == []
