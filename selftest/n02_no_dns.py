# SPDX-License-Identifier: Apache-2.0
# A name that is looked up is a message to whoever owns it.
NAME = "selftest-0123456789.example.invalid"
question = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + b"".join(bytes([len(p)]) + p.encode() for p in NAME.split(".")) + b"\0\0%c\0\1"
devices = [line.split(":")[0].strip() for line in open("/proc/net/dev").read().splitlines()[2:]]
if set(devices) > {"lo"}:
    skip("programs have a network on this server: " + " ".join(devices))
else:
    before = time.monotonic()
    for kind in (1, 28, 16, 255):
        for address in ("127.0.0.1", "127.0.0.53", "127.0.0.11", "8.8.8.8"):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.settimeout(0.05)
            fails("%s, type %d" % (address, kind), attempt(lambda: (s.connect((address, 53)), s.send(question % kind), s.recv(512))))
            s.close()
    fails("getaddrinfo", attempt(socket.getaddrinfo, NAME, 80))
    fails("gethostbyaddr", attempt(socket.gethostbyaddr, "192.0.2.1"))
    held("at once", time.monotonic() - before < 10, "answers at once")
end()
