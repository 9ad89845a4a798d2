# SPDX-License-Identifier: Apache-2.0
ALLOWED = {1, 2, 10, 16}  # local, IPv4, IPv6, netlink of which only the view of routes
for family in range(64):
    if family not in ALLOWED:
        fails("family %d" % family, sc("socket", family, BAD_TYPE, 0), NO_SOCKET)
        fails("family %d, stream" % family, sc("socket", family, 1, 0), NO_SOCKET)
for protocol in range(1, 23):
    fails("netlink %d" % protocol, sc("socket", 16, BAD_TYPE, protocol), NO_SOCKET)
for what, family, kind, protocol in (
    ("raw IPv4", 2, 3, 1), ("raw IPv4, any", 2, 3, 255), ("raw IPv6", 10, 3, 58),
    ("packets", 2, 10, 0x300), ("ping", 2, 2, 1), ("ping IPv6", 10, 2, 58),
):
    fails(what, sc("socket", family, kind, protocol))
# A protocol that none has: the kernel alone would say EINVAL, though it lets nobody in.
for family in (2, 10):
    fails("raw family %d" % family, sc("socket", family, 3, 100000), NO_SOCKET)
for family in sorted(ALLOWED - {16}):
    works("family %d" % family, sc("socket", family, 1, 0))
end()
