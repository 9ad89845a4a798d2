# SPDX-License-Identifier: Apache-2.0
# Name servers, hosts, routes and addresses are not the program's to change.
import fcntl

for path in ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/proc/sys/net/ipv4/ip_forward"):
    fails("write " + path, attempt(lambda: open(path, "a").write("x")))
    fails("replace " + path, attempt(lambda: (open("/tmp/x", "w").close(), os.rename("/tmp/x", path))))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
request = struct.pack("<16sH14s", b"lo", socket.AF_INET, b"\0\0\x0a\x01\x02\x03")
for what, number in dict(SIOCSIFADDR=0x8916, SIOCSIFFLAGS=0x8914, SIOCSIFMTU=0x8922).items():
    fails(what, attempt(fcntl.ioctl, s, number, request))
fails("SIOCADDRT", attempt(fcntl.ioctl, s, 0x890B, bytes(120)))
fails("a filter of packets", sc("socket", 16, 3, 12), NO_SOCKET)
fails("bind to a device", attempt(s.setsockopt, socket.SOL_SOCKET, 25, b"eth0\0"))
fails("a mark for packets", attempt(s.setsockopt, socket.SOL_SOCKET, 36, 1))
end()
