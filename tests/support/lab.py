# SPDX-License-Identifier: Apache-2.0
"""A small internet of two network namespaces, so that what a server lets out can be seen and nobody else is spoken to.

    host   the machine under test: 203.0.113.2 towards the world, 192.168.77.1 inside, with servers of its own on both;
           everything is routed to ...
    world  ... which has every other address that a test asks for, public and private, with servers that say where they
           were reached, a resolver, and an eye on each packet that arrives

Addresses for documentation play the public ones. The namespaces live as long as the Lab; nothing has a name that could
stay behind. Sockets stay in the namespace they were made in, and so do the children of a thread."""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000
ETH_P_IP = 0x0800
_libc = ctypes.CDLL(None, use_errno=True)

HOST, HOST_INSIDE = "203.0.113.2", "192.168.77.1"
HOST_SECOND = "203.0.113.3"  # for tests that give the host one more
WORLD = "203.0.113.1"
PUBLIC, PUBLIC2 = "198.51.100.7", "192.0.2.80"
SILENT = "198.51.100.99"  # nobody's: what is sent there is lost
RESOLVER, OTHER_RESOLVER = "198.51.100.53", "198.51.100.54"
METADATA = "169.254.169.254"
PRIVATE = [
    "10.1.2.3",
    "100.64.3.3",
    "100.100.100.200",
    "168.63.129.16",
    METADATA,
    "172.16.9.9",
    "172.31.255.254",
    "192.0.0.170",
    "192.88.99.1",
    "192.168.5.5",
    "198.18.0.1",
    "240.1.2.3",
]
TCP_PORTS = (25, 53, 80, 443, 465, 587, 853, 8080)
PATIENT_PORT = 8443  # what is connected here is not ended by the world

# What the resolver says of a name: addresses in turn, so that a name can change its mind, or all of them at once.
NAMES = {
    "public.test": [PUBLIC],
    "other.test": [PUBLIC2],
    "metadata.test": [METADATA],
    "inside.test": ["10.1.2.3"],
    "host.test": [HOST],
    "second.test": [HOST_SECOND],
    "short.test.public.test": [PUBLIC],
    "loop.test": ["127.0.0.1"],
    "rebind.test": [PUBLIC, METADATA],
    "mixed.test": [PUBLIC, METADATA],
    "half.test": [SILENT, PUBLIC],
}
AT_ONCE = ("mixed.test", "half.test")


def _check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def _own():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)


class Lab:
    """Attributes: seen, the destinations of IPv4 packets that reached the world as (protocol, address, port)."""

    def __init__(self):
        self.home = _own()
        self.world = self._new()
        self.host = self._new()
        self.sockets, self.threads, self.seen, self.asked = [], [], [], []
        self.stopped = False
        with self.inside(self.world):
            _ip("link", "add", "w0", "type", "veth", "peer", "name", "h0", "netns", f"/proc/{os.getpid()}/fd/{self.host}")
            _ip("addr", "add", f"{WORLD}/24", "dev", "w0")
            for address in [PUBLIC, PUBLIC2, RESOLVER, OTHER_RESOLVER, *PRIVATE]:
                _ip("addr", "add", f"{address}/32", "dev", "lo")
            _ip("link", "set", "w0", "up")
            self._serve()
        with self.inside(self.host):
            _ip("addr", "add", f"{HOST}/24", "dev", "h0")
            _ip("addr", "add", f"{HOST_INSIDE}/32", "dev", "lo")
            _ip("link", "set", "h0", "up")
            _ip("route", "add", "default", "via", WORLD)
            self._serve_at_home()

    def _new(self):
        _check(_libc.unshare(CLONE_NEWNET), "unshare")
        fd = _own()
        _ip("link", "set", "lo", "up")
        _check(_libc.setns(self.home, CLONE_NEWNET), "setns")
        return fd

    @contextlib.contextmanager
    def inside(self, namespace):
        """The calling thread, and what it starts, is in that namespace meanwhile."""
        before = _own()
        _check(_libc.setns(namespace, CLONE_NEWNET), "setns")
        try:
            yield
        finally:
            _check(_libc.setns(before, CLONE_NEWNET), "setns")
            os.close(before)

    def close(self):
        self.stopped = True
        for thread in self.threads:
            thread.join()
        for sock in self.sockets:
            sock.close()
        for fd in (self.world, self.host, self.home):
            os.close(fd)

    def forget(self):
        del self.seen[:], self.asked[:]

    def _loop(self, sock, handle):
        sock.settimeout(0.1)
        self.sockets.append(sock)

        def run():
            while not self.stopped:
                try:
                    handle(sock)
                except (socket.timeout, ConnectionError, OSError):
                    pass

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def _serve(self):
        eye = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        eye.bind(("w0", ETH_P_IP))
        self._loop(eye, self._watch)
        for port in TCP_PORTS:
            self._loop(socket.create_server(("0.0.0.0", port)), self._answer)
        self._loop(socket.create_server(("0.0.0.0", PATIENT_PORT)), self._hold)
        for address in (PUBLIC, PUBLIC2, *PRIVATE):
            echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            echo.bind((address, 7))
            self._loop(echo, self._echo)
        for address in (RESOLVER, OTHER_RESOLVER):
            resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            resolver.bind((address, 53))
            self._loop(resolver, self._resolve)

    def _serve_at_home(self):
        """What a host has for itself, on all of its addresses."""
        for port in (22, 80, 8080):
            self._loop(socket.create_server(("0.0.0.0", port)), self._answer)
        for address in (HOST, HOST_INSIDE):
            echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            echo.bind((address, 7))
            self._loop(echo, self._echo)

    def _watch(self, sock):
        packet, where = sock.recvfrom(2048)
        if where[2] == socket.PACKET_OUTGOING:
            return
        header = (packet[0] & 15) * 4
        port = struct.unpack(">H", packet[header + 2 : header + 4])[0] if packet[9] in (6, 17) else 0
        self.seen.append((packet[9], socket.inet_ntoa(packet[16:20]), port))

    def _answer(self, sock):
        """Says who was reached, whatever is asked."""
        connection, peer = sock.accept()
        with connection:
            connection.settimeout(5)
            connection.sendall(b"reached %s from %s\n" % (connection.getsockname()[0].encode(), peer[0].encode()))
            connection.recv(100)

    def _hold(self, sock):
        connection, _ = sock.accept()
        self.sockets.append(connection)
        connection.sendall(b"reached and held\n")

    def _echo(self, sock):
        data, peer = sock.recvfrom(2048)
        sock.sendto(b"reached " + data, peer)

    def _resolve(self, sock):
        question, peer = sock.recvfrom(512)
        labels, place = [], 12
        while question[place]:
            labels.append(question[place + 1 : place + 1 + question[place]].decode("latin-1"))
            place += 1 + question[place]
        name, kind = ".".join(labels).lower(), struct.unpack(">H", question[place + 1 : place + 3])[0]
        known = NAMES.get(name)
        turn = sum(1 for each in self.asked if each == (name, kind))
        self.asked.append((name, kind))
        found = [] if kind != 1 or not known else known if name in AT_ONCE else [known[turn % len(known)]]
        answers = b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address) for address in found)
        code = 0x8180 if known else 0x8183
        sock.sendto(
            question[:2] + struct.pack(">HHHHH", code, 1, len(found), 0, 0) + question[12 : place + 5] + answers, peer
        )

    def reached(self, address):
        """Whether a packet for that address arrived in the world."""
        return any(each[1] == address for each in self.seen)
