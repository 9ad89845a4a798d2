# SPDX-License-Identifier: Apache-2.0
# Leaves something to be found in every place that could be shared, and waits.
import fcntl

KEY = sum(b"@MARK@") + 0x6E300000
tcp = socket.create_server(("0.0.0.0", 48123))
local = socket.socket(socket.AF_UNIX)
local.bind("\0@MARK@-abstract")
local.listen()
tcp.settimeout(0.05)
works("a listening socket", attempt(lambda: socket.create_connection(("127.0.0.1", 48123)).close()))
tcp.accept()
shared = [attempt(_libc.shmget, KEY, 4096, 0o1666), attempt(_libc.msgget, KEY, 0o1666), attempt(_libc.semget, KEY, 1, 0o1666)]
works("shared memory", shared[0] if shared[0] != "ok:-1" else "failed")
for path in ("/dev/shm/", "/tmp/", "/var/tmp/", "/run/lock/", "/mnt/data/"):
    attempt(lambda: open(path + "@MARK@", "w").write("x"))
lock = open("/usr/bin/env")
works("a lock", attempt(fcntl.flock, lock, fcntl.LOCK_EX | fcntl.LOCK_NB))
met, until = [], time.monotonic() + 2.5
while time.monotonic() < until:
    if attempt(tcp.accept).startswith("ok"):
        met.append("somebody connected")
held("connections", not met, met[0] if met else "nobody came")
if os.path.exists("/mnt/data/@MARK@"):
    os.unlink("/mnt/data/@MARK@")
end()
