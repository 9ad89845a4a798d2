# SPDX-License-Identifier: Apache-2.0
# Without a network: no device but loopback, no route, and nothing of the host at the addresses of this machine.
OUTSIDE = "192.0.2.1 198.51.100.7 10.0.0.1 172.17.0.1 192.168.0.1 169.254.169.254 100.100.100.200 224.0.0.1 255.255.255.255".split()
OUTSIDE6 = "2001:db8::1 fd00:ec2::254 ff02::1 64:ff9b::a9fe:a9fe ::ffff:169.254.169.254".split()
LOCAL = "127.0.0.1 127.0.0.2 127.127.127.127 0.0.0.0 localhost".split()


def connect(family, kind, address):
    def go():
        with socket.socket(family, kind) as s:
            s.settimeout(2)
            s.connect(address)
            s.send(b"hello")

    return attempt(go)


def look_up(family, address):
    "Asks the table of routes only: nothing is sent."
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        return attempt(s.connect, (address, 53))


works("a socket of its own", attempt(lambda: socket.create_server(("127.0.0.1", 0)).close()))
devices = [line.split(":")[0].strip() for line in open("/proc/net/dev").read().splitlines()[2:]]
if set(devices) > {"lo"}:
    skip("programs have a network on this server: " + " ".join(devices))
else:
    held("devices", devices in ([], ["lo"]), " ".join(devices))
    held("routes", len(open("/proc/net/route").read().splitlines()) <= 1, "no route")
    for address in OUTSIDE:
        fails(address, look_up(socket.AF_INET, address))
    for address in OUTSIDE6:
        fails(address, look_up(socket.AF_INET6, address))
    until = time.monotonic()
    for address in OUTSIDE[:6]:
        fails("TCP " + address, connect(socket.AF_INET, socket.SOCK_STREAM, (address, 80)))
    held("at once", time.monotonic() - until < 5, "refused at once")
if @PORT@:
    for address in LOCAL:
        fails("%s:@PORT@" % address, connect(socket.AF_INET, socket.SOCK_STREAM, (address, @PORT@)))
    for address in ("::1", "::ffff:127.0.0.1"):
        fails("[%s]:@PORT@" % address, connect(socket.AF_INET6, socket.SOCK_STREAM, (address, @PORT@)))
    attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", ("127.0.0.1", @PORT@)))
    fails("an abstract socket of the host", connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0@MARK@"))
for path in "/var/run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock /run/systemd/private /run/dbus/system_bus_socket /dev/log".split():
    fails(path, connect(socket.AF_UNIX, socket.SOCK_STREAM, path))
end()
