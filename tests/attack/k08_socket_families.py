# SPDX-License-Identifier: Apache-2.0
"""K8: only local, IPv4 and IPv6 sockets (and netlink's read-only routing view) exist; all other families, raw sockets and
nftables are refused by the filter."""

from support.guest import BAD_TYPE, NO_SOCKET

NAMED = {
    "AF_BLUETOOTH": 31,
    "AF_CAN": 29,
    "AF_IB": 27,
    "AF_KCM": 41,
    "AF_KEY": 15,
    "AF_NFC": 39,
    "AF_PACKET": 17,
    "AF_PPPOX": 24,
    "AF_QIPCRTR": 42,
    "AF_RDS": 21,
    "AF_SMC": 43,
    "AF_TIPC": 30,
    "AF_VSOCK": 40,
    "AF_X25": 9,
    "AF_XDP": 44,
}
ALLOWED = {1, 2, 10, 16}


def test_k08_families(attack):
    told = attack.evidence(
        f"""
tell(dict(all={{str(f): sc("socket", f, {BAD_TYPE}, 0) for f in range(64)}},
          named={{str(f): sc("socket", f, 1, 0) for f in {sorted(NAMED.values())}}},
          vsock=attempt(lambda: socket.socket(40, socket.SOCK_STREAM).connect((2, 2024)))))
"""
    )
    for family, answer in told["all"].items():
        if int(family) not in ALLOWED:
            assert answer in NO_SOCKET, (family, answer)
        if answer == "EINVAL":  # let through to the kernel
            assert int(family) in ALLOWED, family
    assert set(told["named"].values()) <= NO_SOCKET, told
    assert told["vsock"] in NO_SOCKET, told


def test_k08_raw_and_netfilter(attack):
    told = attack.evidence(
        f"""
SOCK_RAW, NETLINK_NETFILTER = 3, 12
facts = dict(raw4=sc("socket", 2, SOCK_RAW, 1), raw4_any=sc("socket", 2, SOCK_RAW, 255), raw6=sc("socket", 10, SOCK_RAW, 58),
             packet_old=sc("socket", 2, 10, 0x300), ping4=sc("socket", 2, 2, 1), ping6=sc("socket", 10, 2, 58))
for protocol in range(1, 23):
    facts["netlink %d" % protocol] = sc("socket", 16, SOCK_RAW, protocol)
    facts["netlink filter %d" % protocol] = sc("socket", 16, {BAD_TYPE}, protocol)
tell(facts)
"""
    )
    for call, answer in told.items():
        assert not answer.startswith("ok"), (call, told)
    for protocol in range(1, 23):
        assert told[f"netlink filter {protocol}"] in NO_SOCKET, told
    # Without the filter both say EPROTONOSUPPORT or EPERM for want of CAP_NET_RAW; the ping sockets depend on a sysctl.
    assert told["raw4"] in NO_SOCKET and told["raw6"] in NO_SOCKET, told
