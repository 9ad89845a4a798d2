# SPDX-License-Identifier: Apache-2.0
"""N8: what a program may send is bounded: new connections, connections at a time, bandwidth, and no mail at all."""

from support import guest, host
from support.lab import PUBLIC, PUBLIC2, RESOLVER


def _start(server_with, **limits):
    return server_with(ENABLE_WAN_ACCESS="true", WAN_DNS_SERVERS=RESOLVER, **limits)


def _evidence(server, body, **fields):
    with server.client() as client:
        run = client.exec(guest.py(body), "py", **fields)
    assert run.outcome == "ok", dict(run)
    return run.result()


CONNECT = """
def connect(address, port):
    s = socket.socket(); s.settimeout(4)
    try:
        s.connect((address, port)); return s
    except OSError:
        s.close()
"""


def test_n08_no_mail(wan):
    told = wan.evidence(CONNECT + f"tell([p for p in (25, 465, 587, 80) if connect('{PUBLIC}', p)])", timeout=30000)
    assert told == [80]
    assert not [each for each in wan.lab.seen if each[2] in (25, 465, 587)]


def test_n08_the_ports_are_the_operators_choice(in_lab, server_with):
    server = _start(server_with, WAN_CLOSED_PORTS="443, 8080")
    told = _evidence(server, CONNECT + f"tell([p for p in (25, 80, 443, 8080) if connect('{PUBLIC}', p)])")
    assert told == [25, 80]


def test_n08_connections_at_a_time(in_lab, server_with):
    """The limit is the cell's own: what another holds does not count."""
    server = _start(server_with, WAN_MAX_CONNECTIONS="20")
    held = f"held = [s for s in (connect('{PUBLIC}', 80) for _ in range(40)) if s]; tell(len(held))"
    assert [_evidence(server, CONNECT + held) for _ in range(3)] == [20, 20, 20]


def test_n08_new_flows_a_second(in_lab, server_with):
    server = _start(server_with, WAN_CONNECTIONS_PER_SECOND="10")
    flood = f"""
start, sent = time.monotonic(), 0
for _ in range(3000):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try: sent += s.sendto(b"x", ("{PUBLIC2}", 9)) == 1
        except OSError: pass
tell(dict(took=time.monotonic() - start, sent=sent))
"""
    told = _evidence(server, flood, timeout=60000)
    arrived = sum(1 for each in in_lab.seen if each[1:] == (PUBLIC2, 9))
    assert told["sent"] > 1000, told
    assert 1 <= arrived <= 40 + 10 * (told["took"] + 1) + 5, (arrived, told)


def test_n08_bandwidth(in_lab, server_with):
    server = _start(server_with, WAN_MBIT_PER_SECOND="1")
    flood = f"""
start, sent = time.monotonic(), 0
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect(("{PUBLIC2}", 9))
    while sent < 6000:
        try: s.send(bytes(1000)); sent += 1
        except ConnectionRefusedError: pass
tell(time.monotonic() - start)
"""
    took = _evidence(server, flood, timeout=60000)
    host.until(lambda: False, 0.3)
    arrived = sum(1 for each in in_lab.seen if each[1:] == (PUBLIC2, 9))
    # 125 KiB a second, and twice that to begin with, of 6000 in all; what still was on its way when the last was sent had
    # some moments more.
    assert 50 <= arrived <= 128 * (took + 5), (arrived, took)
