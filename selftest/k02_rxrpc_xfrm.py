# SPDX-License-Identifier: Apache-2.0
# Socket families and key types behind several holes.
for what, family, kind, protocol in (
    ("AF_RXRPC", 33, 2, 2),
    ("AF_RXRPC, a type that none has", 33, BAD_TYPE, 2),
    ("netlink XFRM", 16, 3, 6),
    ("netlink XFRM, a type that none has", 16, BAD_TYPE, 6),
):
    fails(what, sc("socket", family, kind, protocol), NO_SOCKET)
for kind in ("rxrpc", "user"):
    key = (kind + "\0").encode()
    fails("add_key " + kind, sc("add_key", key, b"codecell\0", b"payload", 7, -2 & 0xFFFFFFFF), DENIED)
end()
