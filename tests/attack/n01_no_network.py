# SPDX-License-Identifier: Apache-2.0
"""N1: with the network off nothing is reachable: no route, not the host's loopback, not its abstract sockets.

Addresses outside this machine are only looked up in the routing table (connect() of a UDP socket sends no packet). Only when
the kernel has answered ENETUNREACH for all of them, so that no packet could leave, are TCP connections tried too."""

import os
import socket
import threading
import time

import pytest

OUTSIDE4 = [
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
    "10.0.0.1",
    "172.17.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "224.0.0.1",
    "255.255.255.255",
]
OUTSIDE6 = ["2001:db8::1", "fd00:ec2::254", "fe80::1%1", "ff02::1", "64:ff9b::a9fe:a9fe", "::ffff:169.254.169.254"]

PROGRAM = f"""
UNREACHABLE = {{"ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EPERM", "EACCES", "EINVAL", "ENODEV", "ENXIO"}}
def lookup(family, address):
    def go():
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.connect((address, 53)) if family == socket.AF_INET else s.connect((address.split("%")[0], 53, 0, 1 if "%" in address else 0))
    return attempt(go)
def tcp(family, address, port=80):
    def go():
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(2); s.connect((address.split("%")[0], port))
    return attempt(go)
looked = {{a: lookup(socket.AF_INET, a) for a in {OUTSIDE4}}}
looked.update({{a: lookup(socket.AF_INET6, a) for a in {OUTSIDE6}}})
facts = dict(looked=looked, devices=[l.split(":")[0].strip() for l in open("/proc/net/dev").read().splitlines()[2:]],
             routes=open("/proc/net/route").read().splitlines()[1:] if os.path.exists("/proc/net/route") else [])
if set(looked.values()) <= UNREACHABLE:
    start = time.monotonic()
    facts["tcp"] = {{a: tcp(socket.AF_INET, a) for a in {OUTSIDE4[:8]}}}
    facts["tcp"].update({{a: tcp(socket.AF_INET6, a) for a in {OUTSIDE6[:2]}}})
    facts["took"] = time.monotonic() - start
tell(facts)
"""


def test_n01_no_route_out(attack):
    told = attack.evidence(PROGRAM, timeout=30000)
    reachable = {address: answer for address, answer in told["looked"].items() if answer.startswith("ok")}
    assert not reachable, reachable
    assert told["devices"] in ([], ["lo"]) and told["routes"] == [], told
    assert not any(answer.startswith("ok") for answer in told["tcp"].values()), told
    assert told["took"] < 2, "connections must fail at once"


class _Listener(threading.Thread):
    """Counts who comes."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock, self.count = sock, 0
        sock.settimeout(0.2)
        self.stopped = False
        self.start()

    def run(self):
        while not self.stopped:
            try:
                if self.sock.type == socket.SOCK_STREAM:
                    self.sock.accept()[0].close()
                else:
                    self.sock.recv(100)
                self.count += 1
            except socket.timeout:
                pass


@pytest.fixture
def listeners():
    """Host sockets on every interface and in every local name space."""
    name = "codecell-n01-%d" % os.getpid()
    path = f"/tmp/{name}.sock"
    tcp4 = socket.create_server(("0.0.0.0", 0))
    udp4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp4.bind(("0.0.0.0", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0" + name)
    abstract.listen()
    named = socket.socket(socket.AF_UNIX)
    named.bind(path)
    named.listen()
    os.chmod(path, 0o777)
    threads = [_Listener(sock) for sock in (tcp4, udp4, abstract, named)]
    yield {
        "tcp": tcp4.getsockname()[1],
        "udp": udp4.getsockname()[1],
        "abstract": name,
        "path": path,
        "threads": threads,
    }
    for thread in threads:
        thread.stopped = True
    for thread in threads:
        thread.join()
        thread.sock.close()
    os.unlink(path)


def test_n01_the_hosts_own_sockets(attack, listeners):
    told = attack.evidence(
        f"""
server, tcp, udp = {attack.server.port}, {listeners["tcp"]}, {listeners["udp"]}
def connect(family, kind, address):
    def go():
        with socket.socket(family, kind) as s:
            s.settimeout(2); s.connect(address); s.send(b"hello")
    return attempt(go)
facts = {{}}
for host in ("127.0.0.1", "127.0.0.2", "127.127.127.127", "0.0.0.0", "localhost"):
    for port in (server, tcp):
        facts["%s:%d" % (host, port)] = connect(socket.AF_INET, socket.SOCK_STREAM, (host, port))
facts["udp"] = connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", udp))
for host in ("::1", "::", "::ffff:127.0.0.1"):
    facts["[%s]" % host] = connect(socket.AF_INET6, socket.SOCK_STREAM, (host, tcp))
facts["abstract"] = connect(socket.AF_UNIX, socket.SOCK_STREAM, "\\0{listeners["abstract"]}")
facts["path"] = connect(socket.AF_UNIX, socket.SOCK_STREAM, "{listeners["path"]}")
for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/systemd/private", "/run/dbus/system_bus_socket",
             "/run/user/1001/bus", "/tmp/.X11-unix/X0", "/run/nscd/socket", "/dev/log"):
    facts[path] = connect(socket.AF_UNIX, socket.SOCK_STREAM, path)
facts["ns"] = attempt(os.readlink, "/proc/self/ns/net")
tell(facts)
"""
    )
    time.sleep(0.3)
    assert [thread.count for thread in listeners["threads"]] == [0, 0, 0, 0], told
    ns = told.pop("ns")
    if ns.startswith("ok:"):
        assert ns[3:] != os.readlink("/proc/self/ns/net")
    told.pop("udp")  # a datagram to nobody on the cell's own loopback may be sent; the host's listener got none
    worked = {where: answer for where, answer in told.items() if answer.startswith("ok")}
    assert not worked, worked


def test_n01_network_tools_of_languages(attack, need_language):
    """The error inside the program is an ordinary network error, at once (security.md S4.1)."""
    port = attack.server.port
    programs = {
        "bash": f"exec 3<>/dev/tcp/127.0.0.1/{port}",
        "js": f"require('net').connect({port}, '127.0.0.1').on('error', e => {{ console.log(e.code); process.exit(3) }}).on('connect', () => console.log('OPEN'))",
        "php": f"<?php $s = @fsockopen('127.0.0.1', {port}, $n, $e, 2); if (!$s) exit(3); echo 'OPEN';",
        "java": f'public class Code {{ public static void main(String[] a) throws Exception {{ new java.net.Socket("127.0.0.1", {port}); System.out.println("OPEN"); }} }}',
    }
    for language, code in programs.items():
        need_language(language)
        run = attack.exec(code, language, timeout=30000)
        assert run.outcome == "error" and "OPEN" not in run.stdout, (language, dict(run))
