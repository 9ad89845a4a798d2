# SPDX-License-Identifier: Apache-2.0
"""N4: a program with a network reaches public IPv4 addresses and nothing else, however the address is written or named.

The lab's world answers at every private address too, and the host routes all of them there: whatever the filter let
through would be seen to arrive."""

from support.lab import (
    HOST,
    HOST_INSIDE,
    METADATA,
    OTHER_RESOLVER,
    PRIVATE,
    PUBLIC,
    PUBLIC2,
    RESOLVER,
    TCP_PORTS,
)

HELPERS = """
def tcp(address, port=80, family=socket.AF_INET):
    def go():
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(4); s.connect((address, port)); return s.recv(100).decode().strip()
    return attempt(go)
def udp(address, port=7, data=b"hello", family=socket.AF_INET):
    def go():
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.settimeout(1); s.connect((address, port)); s.send(data); return s.recv(100)
    return attempt(go)
"""
INSIDE = [HOST, HOST_INSIDE, *PRIVATE]


def test_n04_public_addresses_are_reached(wan):
    told = wan.evidence(
        HELPERS
        + f"""
tell(dict(tcp=[tcp("{PUBLIC}"), tcp("{PUBLIC2}", 443), tcp("{PUBLIC}", 8080)], udp=udp("{PUBLIC}"), name=tcp("public.test"),
          mapped=tcp("::ffff:{PUBLIC}", 80, socket.AF_INET6)))
"""
    )
    assert all(answer.startswith("ok:reached") for answer in [*told["tcp"], told["name"], told["mapped"]]), told
    assert told["udp"] == "ok:b'reached hello'", told
    # The world sees the host, which is all it may know.
    assert all(answer.endswith(f"from {HOST}") for answer in told["tcp"]), told


def test_n04_no_other_address(wan):
    told = wan.evidence(
        HELPERS
        + f"""
start = time.monotonic()
facts = {{a: (tcp(a), udp(a)) for a in {[*INSIDE, "224.0.0.5", "255.255.255.255", "0.1.2.3", "192.0.0.1", "192.0.0.8"]}}}
facts["took"] = time.monotonic() - start
tell(facts)
""",
        timeout=60000,
    )
    took = told.pop("took")
    reached = {address: answers for address, answers in told.items() if any(a.startswith("ok") for a in answers)}
    assert not reached, reached
    assert took < 30, "refusals must be told, not waited for"
    assert not [each for each in wan.lab.seen if each[1] in PRIVATE or each[1].startswith(("224.", "255.", "0."))]


def test_n04_every_spelling(wan):
    """The kernel, not a parser of ours, decides what an address is; the C library's spellings all end there."""
    forms = [
        "2852039166",  # 169.254.169.254
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "10.66051",
        "0xc0.0xa8.5.5",
        "3405803778",  # the host itself
    ]
    told = wan.evidence(HELPERS + f"tell({{f: tcp(f) for f in {forms}}})", timeout=60000)
    assert not [form for form, answer in told.items() if answer.startswith("ok")], told
    assert not [each for each in wan.lab.seen if each[1] in PRIVATE]


def test_n04_no_ipv6(wan):
    forms = [f"::ffff:{METADATA}", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254", "2001:db8::1", "::1"]
    told = wan.evidence(
        HELPERS
        + f"""
facts = {{a: (tcp(a, 80, socket.AF_INET6), udp(a, 7, b"x", socket.AF_INET6)) for a in {forms}}}
facts["addresses"] = open("/proc/net/if_inet6").read() if os.path.exists("/proc/net/if_inet6") else ""
tell(facts)
""",
        timeout=60000,
    )
    assert told.pop("addresses") == ""
    assert not [form for form, answers in told.items() if any(a.startswith("ok") for a in answers)], told
    assert not [each for each in wan.lab.seen if each[1] in PRIVATE]


def test_n04_names_that_lie(wan):
    """A name may resolve to anything, and to something else a moment later: packets are judged, not names."""
    told = wan.evidence(
        HELPERS
        + """
facts = {name: tcp(name) for name in ("metadata.test", "inside.test", "host.test", "loop.test")}
first, second = socket.gethostbyname("rebind.test"), socket.gethostbyname("rebind.test")
facts["rebind"] = [first, tcp(first), second, tcp(second)]
tell(facts)
""",
        timeout=60000,
    )
    first, answer, second, refusal = told.pop("rebind")
    assert (first, second) == (PUBLIC, METADATA) and answer.startswith("ok:reached"), (first, answer, second)
    assert not refusal.startswith("ok"), refusal
    assert not [name for name, answer in told.items() if answer.startswith("ok")], told
    assert not [each for each in wan.lab.seen if each[1] in PRIVATE]


def test_n04_only_the_configured_resolver(wan):
    question = "b'\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0\\6public\\4test\\0\\0\\1\\0\\1'"
    told = wan.evidence(
        HELPERS
        + f"""
tell(dict(resolver=udp("{RESOLVER}", 53, {question}), other=udp("{OTHER_RESOLVER}", 53, {question}), tcp=tcp("{OTHER_RESOLVER}", 53),
          tls=tcp("{OTHER_RESOLVER}", 853), public=tcp("{PUBLIC}", 53), conf=open("/etc/resolv.conf").read()))
"""
    )
    assert told.pop("conf") == f"search .\nnameserver {RESOLVER}\n"
    assert told.pop("resolver").startswith("ok"), told
    assert not [what for what, answer in told.items() if answer.startswith("ok")], told
    assert not wan.lab.reached(OTHER_RESOLVER)


def test_n04_a_scan_finds_what_the_mode_allows(wan):
    """Every port of a list, as a port scanner would try them, against a public address, the host and its gateway."""
    told = wan.evidence(
        f"""
ports = {sorted({*TCP_PORTS, 22, 23, 111, 2375, 3306, 5432, 6379, 8000, 9090, 10250, wan.server.port})}
def scan(address):
    found = []
    for port in ports:
        with socket.socket() as s:
            s.settimeout(4)
            if s.connect_ex((address, port)) == 0: found.append(port)
    return found
tell({{a: scan(a) for a in ("{PUBLIC}", "{HOST}", "{HOST_INSIDE}", "192.0.0.8", "127.0.0.1")}})
""",
        timeout=100000,
    )
    assert told == {PUBLIC: [80, 443, 8080], HOST: [], HOST_INSIDE: [], "192.0.0.8": [], "127.0.0.1": []}
