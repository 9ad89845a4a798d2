# SPDX-License-Identifier: Apache-2.0
# Where programs have a network: nothing private, reserved or of the host is reached.
PRIVATE = ("10.0.0.1 10.255.255.254 100.64.0.1 100.100.100.200 127.0.0.1 168.63.129.16 169.254.169.254 172.16.0.1 172.17.0.1 172.31.255.254"
           " 192.0.0.170 192.88.99.1 192.168.0.1 192.168.1.1 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 0.0.0.0").split()


def tcp(family, address, port):
    def go():
        with socket.socket(family) as s:
            s.settimeout(0.3)
            s.connect((address, port))

    return attempt(go)


devices = [line.split(":")[0].strip() for line in open("/proc/net/dev").read().splitlines()[2:]]
if not set(devices) > {"lo"}:
    skip("programs have no network on this server, so nothing to be told apart")
else:
    gateways = [socket.inet_ntoa(struct.pack("<I", int(line.split()[2], 16))) for line in open("/proc/net/route").read().splitlines()[1:]]
    for address in PRIVATE + [g for g in gateways if g != "0.0.0.0"]:
        for port in (22, 80):
            fails("%s:%d" % (address, port), tcp(socket.AF_INET, address, port))
    for address in ("::1", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "::ffff:127.0.0.1", "2001:4860:4860::8888"):
        fails(address, tcp(socket.AF_INET6, address, 80))
    for port in (25, 465, 587):
        fails("mail, port %d" % port, tcp(socket.AF_INET, "192.0.2.1", port))
end()
