# SPDX-License-Identifier: Apache-2.0
"""The host around networks of cells: rules that cannot be set stop the start, and nothing is left of them at the end."""

import os
import signal
import subprocess
import threading

from support import guest, host
from support.client import Client
from support.keys import MASTER, Keys
from support.lab import HOST, HOST_SECOND, OTHER_RESOLVER, PATIENT_PORT, PUBLIC, PUBLIC2, RESOLVER

WAN = {"ENABLE_WAN_ACCESS": "true", "WAN_DNS_SERVERS": RESOLVER}
FORWARD = "/proc/sys/net/ipv4/ip_forward"
REDIRECTS = "/proc/sys/net/ipv4/conf/all/accept_redirects"


def _run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


def _links():
    return [line.split()[0].split("@")[0] for line in _run("ip", "-br", "link").splitlines()]


def _set_forward(value):
    with open(FORWARD, "w", encoding="ascii") as file:
        file.write(value)


def _reaches(server):
    with server.client() as client:
        run = client.exec(f"exec 3<>/dev/tcp/{PUBLIC}/80 && head -n 1 <&3", "bash", timeout=20000)
    return run.stdout.startswith("reached")


def test_x07_nothing_is_left(own_lab, server_with):
    _set_forward("0")
    with open(REDIRECTS, "w", encoding="ascii") as file:
        file.write("0")
    before = _links()
    server = server_with(**WAN)
    assert _reaches(server)
    assert "codecell-wan1" in _links() and not [link for link in _links() if link.startswith("cell")]
    assert host.read(FORWARD).strip() == "1"
    assert server.terminate() == 0
    assert (_links(), _run("nft", "list", "ruleset"), host.read(FORWARD).strip()) == (before, "", "0")
    assert host.read(REDIRECTS).strip() == "0"  # the kernel sets it with the other


def test_x07_a_killed_server_leaves_no_way_in(own_lab, server_with):
    _set_forward("0")
    before = _links()
    server = server_with(**WAN)
    server.look()
    os.kill(server.pid, signal.SIGKILL)
    server.wait_exit(10)
    assert host.until(lambda: _links() == before, 10), _links()
    server.leftovers()
    # The next one takes the rules over, and gives them back; one without a network has no use for them.
    server = server_with(**WAN)
    assert _reaches(server)
    os.kill(server.pid, signal.SIGKILL)
    server.wait_exit(10)
    assert host.until(lambda: _links() == before, 10), _links()
    server.leftovers()
    assert host.read(FORWARD).strip() == "1"
    server = server_with()
    assert (_run("nft", "list", "ruleset"), host.read(FORWARD).strip()) == ("", "0")
    server = server_with(**WAN)
    assert _reaches(server)
    assert server.terminate() == 0
    assert (_run("nft", "list", "ruleset"), host.read(FORWARD).strip()) == ("", "0")


def test_x07_a_killed_server_leaves_nothing_whatever_its_number(own_lab, server_with):
    """The one that had the first number has ended before, and took back what was its own."""
    _set_forward("0")
    before = _links()
    first, second = server_with(**WAN), server_with(**WAN)
    assert first.terminate() == 0
    second.look()
    os.kill(second.pid, signal.SIGKILL)
    second.wait_exit(10)
    assert host.until(lambda: _links() == before, 10), _links()
    second.leftovers()
    assert "codecell" in _run("nft", "list", "ruleset") and host.read(FORWARD).strip() == "1"
    server_with()
    assert (_run("nft", "list", "ruleset"), host.read(FORWARD).strip()) == ("", "0")


def test_x07_a_router_stays_one(own_lab, server_with):
    _set_forward("1")
    server = server_with(**WAN)
    assert "codecell-forward" not in _run("nft", "list", "tables")
    assert _reaches(server)
    assert server.terminate() == 0
    assert (_run("nft", "list", "ruleset"), host.read(FORWARD).strip()) == ("", "1")
    _set_forward("0")


def test_x07_two_servers_on_one_host(own_lab, server_with):
    first, second = server_with(**WAN), server_with(**WAN)
    assert {"codecell-wan1", "codecell-wan2"} <= set(_links())
    assert _reaches(first) and _reaches(second)
    assert first.terminate() == 0
    assert _reaches(second) and host.read(FORWARD).strip() == "1"
    assert second.terminate() == 0
    assert (_run("nft", "list", "ruleset"), host.read(FORWARD).strip()) == ("", "0")


def _refused(server_with, prefix=(), **env):
    server = server_with(prefix=prefix, wait=False, **{**WAN, **env})
    status = server.wait_exit(20)
    return status, server.log()


def test_x07_no_rules_no_server(own_lab, server_with):
    """Without nft, and with a packet filter that takes no rules."""
    hide = 'for f in /usr/sbin/nft /sbin/nft /usr/bin/nft; do [ ! -f $f ] || mount --bind /dev/null $f; done; exec "$@"'
    status, said = _refused(server_with, ["unshare", "-m", "sh", "-c", hide, "sh"])
    assert status == 78 and "apt-get install nftables" in said, said
    fail = 'printf "#!/bin/sh\\necho no rules today\\nexit 1\\n" >"$HOME/nft"; chmod 755 "$HOME/nft"; mount --bind "$HOME/nft" /usr/sbin/nft; exec "$@"'
    status, said = _refused(server_with, ["unshare", "-m", "sh", "-c", fail, "sh"])
    assert status == 78 and "no rules today" in said, said


def test_x07_impossible_settings(own_lab, server_with):
    for name, value, word in (
        ("WAN_DNS_SERVERS", HOST, "which is this machine"),
        ("WAN_DNS_SERVERS", "127.0.0.53", "loopback"),
        ("WAN_NETWORK_NAME", "x; flush ruleset", "WAN_NETWORK_NAME"),
        ("WAN_CLOSED_PORTS", "25,smtp", "WAN_CLOSED_PORTS"),
        ("WAN_CLOSED_PORTS", "25 } accept", "WAN_CLOSED_PORTS"),
    ):
        status, said = _refused(server_with, **{name: value})
        assert status == 78 and word in said, (name, value, said)
    assert _run("nft", "list", "ruleset") == ""


TRANSLATIONS = f"""
table ip nat {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        fib daddr type local tcp dport 9000 dnat to 10.1.2.3:80
        ip daddr {RESOLVER} udp dport 53 dnat to {OTHER_RESOLVER}
    }}
}}
"""
TRANSLATED = f"""
def tcp(address, port):
    def go():
        with socket.create_connection((address, port), 5) as s: return s.recv(100).decode().strip()
    return attempt(go)
tell(dict(published=tcp("{HOST}", 9000), name=tcp("public.test", 80)))
"""


def test_x07_what_the_host_publishes(own_lab, server_with):
    """The host's own public address is refused also where the host hands what comes there on, as for containers."""
    subprocess.run(["nft", "-f", "-"], input=TRANSLATIONS, text=True, check=True, timeout=20)
    with server_with(**WAN).client() as client:
        told = client.exec(guest.py(TRANSLATED), "py", timeout=30000).result()
    assert told["name"].startswith("ok:reached"), told
    assert not told["published"].startswith("ok") and not own_lab.reached("10.1.2.3"), told


LEAVE = f"""
held = []
for _ in range(50):
    held.append(socket.create_connection(("{PUBLIC}", {PATIENT_PORT}), 5))
flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
flood.connect(("{PUBLIC2}", 9))
print(len(held), flush=True)
for _ in range(500):
    try: flood.send(bytes(1400))
    except OSError: pass
os._exit(0)
"""


def _established():
    return sum("ESTABLISHED" in line for line in host.read("/proc/thread-self/net/nf_conntrack").splitlines())


def test_x07_connections_end_with_their_program(own_lab, server_with):
    """Who has used all bandwidth up cannot leave connections in the host's table by ending without it."""
    with server_with(WAN_MBIT_PER_SECOND="1", **WAN).client() as client:
        assert client.exec(guest.py(LEAVE), "py", timeout=40000).stdout == "50\n"
    assert host.until(lambda: _established() == 0, 10), _established()


def test_x07_events(wan):
    wan.exec("echo one", "bash")
    assert host.until(lambda: wan.server.events("code_execution"), 5)
    network = {event["operation"]: event for event in wan.server.events("network")}
    assert network["wan_initialized"]["network"] == "code-interpreter-wan"
    blocked = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "224.0.0.0/4"}
    assert blocked | {"240.0.0.0/4", "0.0.0.0/8", "100.64.0.0/10"} <= set(network["rules_applied"]["blocked"])
    runs = wan.server.events("code_execution")
    assert all(event["wan_access"] and event["com.code-interpreter.wan-access"] for event in runs)
    assert "com.code-interpreter.wan-access=true" in wan.server.log()


def test_x07_a_slot_whose_keeper_died_is_plugged_in_again(own_lab, server_with):
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1", **WAN)
    for _ in range(3):
        assert _reaches(server)
        keeper = next(pid for pid in host.descendants(server.pid) if host.read(f"/proc/{pid}/comm").strip() == "codecell-slot")
        os.kill(keeper, signal.SIGKILL)
        assert host.until(lambda gone=keeper: not host.alive(gone), 5)


LISTEN = """
ctypes.CDLL(None).prctl(15, b"x07listen", 0, 0, 0)
own = next(l.split()[-1] for l in open("/proc/net/fib_trie") if l.strip().startswith("|-- 100."))
print(own, flush=True)
came = []
def serve(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("0.0.0.0", 48124)); kind == socket.SOCK_STREAM and s.listen(); s.settimeout(0.1)
        while not os.path.exists("/mnt/data/end") and time.monotonic() < end:
            try: came.append(str(s.accept()[1] if kind == socket.SOCK_STREAM else s.recvfrom(10)[1]))
            except OSError: pass
end = time.monotonic() + 8
threads = [threading.Thread(target=serve, args=(k,)) for k in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
[t.start() for t in threads]; [t.join() for t in threads]
tell(dict(own=own, came=came))
"""



def test_x07_nobody_comes_in(in_lab, wan):
    """Neither the host, nor the world by a route to the host, nor another cell reaches a server in a cell."""
    told = {}

    def listen():
        with in_lab.inside(in_lab.host), Client(wan.server.host, wan.server.port, wan.server.key, 60) as client:
            told.update(client.exec(guest.py(LISTEN), "py", timeout=20000).result())

    thread = threading.Thread(target=listen)
    thread.start()
    assert host.until(lambda: host.marked("x07listen"), 20)
    pid = host.marked("x07listen")[0]
    trie = host.read(f"/proc/{pid}/net/fib_trie").split()
    own = next(word for word in trie if word.startswith("100."))
    knock = f"""
import socket
def knock(a):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try: s.sendto(b"x", (a, 48124))
        except OSError: pass
    with socket.socket() as s:
        s.settimeout(1); return s.connect_ex((a, 48124)) == 0
print([a for a in ("{own}", "192.0.0.1") if knock(a)])
"""
    asked = ["/usr/bin/python3", "-c", knock]
    # A route on the host that an operator would never set, and one in the world.
    _run("ip", "route", "add", f"{own}/32", "dev", "codecell-wan1")
    from_host = _run(*asked)
    with in_lab.inside(in_lab.world):
        for address in (own, "192.0.0.1"):
            _run("ip", "route", "add", f"{address}/32", "via", HOST)
        from_world = _run(*asked)
        for address in (own, "192.0.0.1"):
            _run("ip", "route", "del", f"{address}/32", "via", HOST)
    _run("ip", "route", "del", f"{own}/32", "dev", "codecell-wan1")
    from_cell = wan.exec(knock, "py", timeout=20000).stdout
    thread.join()
    assert (from_host, from_world, from_cell) == ("[]\n", "[]\n", "[]\n"), (own, told)
    assert told == {"own": own, "came": []}


def test_x07_each_used_network_is_another(wan):
    """Packets that come late for one cell's connections may not meet the next cell at the same address."""
    program = f"exec 3<>/dev/tcp/{PUBLIC}/80; grep -o '100[.][0-9.]*' /proc/net/fib_trie | head -n 1"
    seen = [wan.exec(program, "bash").stdout.strip() for _ in range(40)]
    assert all(address.startswith("100.") for address in seen) and len(set(seen)) == len(seen), seen


def _proxy(server):
    return [pid for pid in host.descendants(server.pid) if host.command_line(pid)[1:2] == ["proxy"]]


def _status(client):
    """What the proxy answers a program that asks for a host that is not listed."""
    code = "exec 3<>/dev/tcp/127.0.0.1/${HTTPS_PROXY##*:} && printf 'CONNECT x.test:443 HTTP/1.1\\r\\n\\r\\n' >&3 && head -n 1 <&3"
    return client.exec(code, "bash", timeout=20000).stdout.strip()


def test_x07_the_proxy_has_no_rights(allowlisted):
    (pid,) = _proxy(allowlisted.server)
    ids = {word for field in ("Uid", "Gid") for word in host.status_field(pid, field).split()}
    assert len(ids) == 1 and int(ids.pop()) not in (0, int(host.status_field(allowlisted.server.api_pid, "Uid").split()[0]))
    assert [int(host.status_field(pid, f"Cap{which}"), 16) for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [0] * 5
    assert (host.status_field(pid, "NoNewPrivs"), host.status_field(pid, "Seccomp")) == ("1", "2")
    assert host.status_field(pid, "Groups") == ""


def test_x07_another_proxy_takes_over(own_lab, server_with, resolv_conf):
    """A proxy that died is replaced by one that listens in the networks that there are."""
    server = server_with(prefix=resolv_conf, ENABLE_SANDBOX_NETWORK="true")
    with server.client() as client:
        assert _status(client) == "HTTP/1.1 403 Forbidden"
        for _ in range(3):
            (pid,) = _proxy(server)
            os.kill(pid, signal.SIGKILL)
            assert host.until(lambda gone=pid: _proxy(server) not in ([], [gone]), 10)
            assert {_status(client) for _ in range(20)} == {"HTTP/1.1 403 Forbidden"}


def test_x07_the_proxy_dies_with_the_warden(own_lab, server_with, resolv_conf):
    """Also one that does not look whether there still is a warden."""
    server = server_with(prefix=resolv_conf, **PROXIED)
    (pid,) = _proxy(server)
    os.kill(pid, signal.SIGSTOP)
    os.kill(server.pid, signal.SIGKILL)
    server.wait_exit(10)
    assert host.until(lambda: not host.alive(pid), 10)


ASK = """
for name in host.test second.test public.test; do
    exec 3<>/dev/tcp/127.0.0.1/${HTTPS_PROXY##*:} && printf "CONNECT $name:443 HTTP/1.1\\r\\n\\r\\n" >&3
    head -n 1 <&3 | cut -d ' ' -f 2
done
"""


def test_x07_the_hosts_own_addresses_by_any_setting(own_lab, server_with, resolv_conf):
    """Also a second address of a link, and where a program may bind addresses that the host has not."""
    _run("ip", "addr", "add", f"{HOST_SECOND}/24", "dev", "h0")
    for value in ("0", "1"):
        with open("/proc/sys/net/ipv4/ip_nonlocal_bind", "w", encoding="ascii") as file:
            file.write(value)
        hosts = "host.test,second.test,public.test"
        server = server_with(prefix=resolv_conf, ENABLE_SANDBOX_NETWORK="true", SANDBOX_EGRESS_ALLOWLIST=hosts)
        with server.client() as client:
            assert client.exec(ASK, "bash", timeout=20000).stdout.split() == ["403", "403", "200"], value
        assert server.terminate() == 0
    assert _reaches(server_with(**WAN))


def test_x07_the_wider_mode_wins(own_lab, server_with):
    server = server_with(ENABLE_SANDBOX_NETWORK="true", SANDBOX_EGRESS_ALLOWLIST="public.test", **WAN)
    assert _reaches(server)
    assert "ENABLE_WAN_ACCESS wins over ENABLE_SANDBOX_NETWORK" in server.log()


def test_x07_lists_that_are_no_lists(own_lab, server_with):
    for value in ("*.test", "10.0.0.1", "https://public.test", "public.test:0", "a..b", "public.test."):
        status, said = _refused(server_with, ENABLE_WAN_ACCESS="false", ENABLE_SANDBOX_NETWORK="true", SANDBOX_EGRESS_ALLOWLIST=value)
        assert status == 78 and "SANDBOX_EGRESS_ALLOWLIST" in said, (value, said)


PROXIED = {"ENABLE_SANDBOX_NETWORK": "true", "SANDBOX_EGRESS_ALLOWLIST": "public.test"}
LOOK = f"""
def connect(address, port):
    try:
        with socket.create_connection((address, port), 5): return True
    except OSError: return False
port = int(os.environ.get("HTTPS_PROXY", "x:18443").rsplit(":", 1)[1])
print(json.dumps([connect("{PUBLIC}", 80), connect("127.0.0.1", port), "HTTPS_PROXY" in os.environ]))
"""


def _modes(server, keys, orders):
    """What the programs of each key reach: [a public address, the proxy, the proxy's name]."""
    found = {}
    for mode in orders:
        with server.client(key=keys[mode]) as client:
            found.setdefault(mode, []).append(client.exec(guest.py(LOOK), "py", timeout=20000).result())
    assert all(all(each == answers[0] for each in answers) for answers in found.values()), found
    return {mode: answers[0] for mode, answers in found.items()}


def _keys(keys):
    made = {}
    for mode in ("server", "off", "allowlist", "wan"):
        made[mode], record = keys.make(mode, network=mode)
        assert record["network"] == mode
    return made


# One slot: each mode follows each other one, so that what was left or taken away would show.
ORDERS = ["server", "off", "server", "allowlist", "server", "off", "off", "allowlist", "wan", "allowlist", "off", "wan", "off"]
NOTHING, PROXY, DIRECT = [False, False, False], [False, True, True], [True, True, False]


def test_x07_a_key_may_have_less(own_lab, server_with, resolv_conf):
    server = server_with(prefix=resolv_conf, MAX_CONCURRENT_EXECUTIONS="1", MASTER_API_KEY=MASTER, **PROXIED, **WAN)
    admin = Keys(server)
    keys = _keys(admin)
    assert _modes(server, keys, ORDERS) == {"server": DIRECT, "wan": DIRECT, "off": NOTHING, "allowlist": PROXY}
    # A change is in force with the next program.
    record = next(record for record in admin.list() if record["name"] == "server")
    assert admin.change(record, network="off").status == 200
    assert admin.change(record, network="all").status == 422
    assert _modes(server, keys, ["server", "wan", "server"])["server"] == NOTHING
    wan = [event.get("wan_access") for event in server.events("code_execution")]
    assert wan.count(True) == sum(mode in ("server", "wan") for mode in ORDERS) + 1, wan


def test_x07_no_key_has_more_than_the_server(own_lab, server_with, resolv_conf):
    for env, expected in (
        ({}, {"server": NOTHING, "off": NOTHING, "allowlist": NOTHING, "wan": NOTHING}),
        (PROXIED, {"server": PROXY, "off": NOTHING, "allowlist": PROXY, "wan": PROXY}),
        (WAN, {"server": [True, False, False], "off": NOTHING, "allowlist": NOTHING, "wan": [True, False, False]}),
    ):
        server = server_with(prefix=resolv_conf, MASTER_API_KEY=MASTER, **env)
        keys = _keys(Keys(server))
        assert _modes(server, keys, list(keys) * 2) == expected, env
        assert server.terminate() == 0
