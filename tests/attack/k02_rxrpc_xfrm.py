# SPDX-License-Identifier: Apache-2.0
"""K2: AF_RXRPC, netlink XFRM and add_key("rxrpc") are refused."""

from support.guest import BAD_TYPE, DENIED, NO_SOCKET


def test_k02_rxrpc_xfrm_keys(attack):
    told = attack.evidence(
        f"""
AF_RXRPC, AF_NETLINK, NETLINK_XFRM = 33, 16, 6
tell(dict(
    rxrpc=sc("socket", AF_RXRPC, 2, 2),
    rxrpc_filter=sc("socket", AF_RXRPC, {BAD_TYPE}, 2),
    xfrm=sc("socket", AF_NETLINK, 3, NETLINK_XFRM),
    xfrm_dgram=sc("socket", AF_NETLINK, 2, NETLINK_XFRM),
    xfrm_filter=sc("socket", AF_NETLINK, {BAD_TYPE}, NETLINK_XFRM),
    key=sc("add_key", b"rxrpc\\0", b"codecell\\0", b"payload", 7, -2 & 0xffffffff),
    user_key=sc("add_key", b"user\\0", b"codecell\\0", b"payload", 7, -2 & 0xffffffff),
))
"""
    )
    for name in ("rxrpc", "rxrpc_filter", "xfrm", "xfrm_dgram", "xfrm_filter"):
        assert told[name] in NO_SOCKET, told
    # Without the filter add_key("user") succeeds and add_key("rxrpc") says ENODEV.
    assert told["key"] in DENIED and told["user_key"] in DENIED, told
