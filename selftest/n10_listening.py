# SPDX-License-Identifier: Apache-2.0
# Listens wherever it can; the host knocks meanwhile.
tcp = socket.create_server(("0.0.0.0", @PORT@))
local = socket.socket(socket.AF_UNIX)
local.bind("\0@MARK@")
local.listen()
works("to connect to itself", attempt(lambda: socket.create_connection(("127.0.0.1", @PORT@)).close()))
tcp.accept()
came, until = [], time.monotonic() + 1.5
for listener in (tcp, local):
    listener.settimeout(0.05)
while time.monotonic() < until:
    for listener in (tcp, local):
        if attempt(listener.accept).startswith("ok"):
            came.append(str(listener.family))
held("connections from outside", not came, came[0] if came else "nobody came")
end()
