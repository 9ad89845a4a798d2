# SPDX-License-Identifier: Apache-2.0
"""N7: nothing that a program changes inside its network opens a way that the mode does not."""

from support.lab import METADATA, OTHER_RESOLVER, PRIVATE, PUBLIC

PROGRAM = f"""
def write(path, text):
    def go():
        with open(path, "w") as f: f.write(text)
    return attempt(go)
def option(level, number, value):
    def go():
        with socket.socket() as s: s.setsockopt(level, number, value)
    return attempt(go)
def connect(address, port):
    def go():
        with socket.socket() as s: s.settimeout(4); s.connect((address, port)); return s.recv(100)
    return attempt(go)
facts = dict(
    resolv=write("/etc/resolv.conf", "nameserver {OTHER_RESOLVER}\\n"), hosts=write("/etc/hosts", "{METADATA} public.test\\n"),
    forward=write("/proc/sys/net/ipv4/ip_forward", "1"), filter=write("/proc/sys/net/ipv4/conf/eth0/rp_filter", "0"),
    six=write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0"),
    netlink=attempt(socket.socket, 16, socket.SOCK_RAW, 0), raw=attempt(socket.socket, socket.AF_INET, socket.SOCK_RAW, 255),
    packet=attempt(socket.socket, 17, socket.SOCK_RAW, 0), netfilter=attempt(socket.socket, 16, socket.SOCK_RAW, 12),
    device=option(socket.SOL_SOCKET, 25, b"lo\\0"), mark=option(socket.SOL_SOCKET, 36, 1), transparent=option(0, 19, 1),
    free=option(0, 15, 1), header=option(0, 3, 1), route=option(0, 4, b"\\x83\\x07\\x04\\xa9\\xfe\\xa9\\xfe"),
    bind=attempt(lambda: socket.socket().bind(("{PUBLIC}", 0))),
    unshare=sc("unshare", 0x40000000), setns=sc("setns", 0, 0x40000000),
    tools=[t for t in ("/usr/sbin/ip", "/usr/sbin/nft", "/usr/sbin/iptables") if os.path.exists(t) and subprocess.run([t, *dict(
        ip=["link", "set", "eth0", "down"], nft=["flush", "ruleset"], iptables=["-F"])[t.split("/")[-1]]], capture_output=True).returncode == 0])
facts["metadata"] = connect("{METADATA}", 80)
facts["public"] = connect("{PUBLIC}", 80)
tell(facts)
"""


def test_n07_no_setting_has_an_effect(wan):
    told = wan.evidence(PROGRAM, timeout=30000)
    assert told.pop("public").startswith("ok:"), told
    assert told.pop("tools") == [], told
    assert not [what for what, answer in told.items() if answer.startswith("ok")], told
    assert not [each for each in wan.lab.seen if each[1] in PRIVATE]
