# SPDX-License-Identifier: Apache-2.0
# Looks for the first program, which runs at the same time.
import fcntl

KEY = sum(b"@MARK@") + 0x6E300000
time.sleep(0.5)


def connect(family, address):
    with socket.socket(family) as s:
        s.settimeout(1)
        s.connect(address)


def found(call, *args):
    return "ok:found" if call(*args) != -1 else "ENOENT"


fails("its socket", attempt(connect, socket.AF_INET, ("127.0.0.1", 48123)))
fails("its abstract socket", attempt(connect, socket.AF_UNIX, "\0@MARK@-abstract"))
fails("its shared memory", found(_libc.shmget, KEY, 4096, 0))
fails("its queue", found(_libc.msgget, KEY, 0))
fails("its semaphores", found(_libc.semget, KEY, 1, 0))
for path in ("/dev/shm/", "/tmp/", "/var/tmp/", "/run/lock/", "/mnt/data/"):
    fails("its file in " + path, attempt(os.stat, path + "@MARK@"))
lock = open("/usr/bin/env")
held("its lock", attempt(fcntl.flock, lock, fcntl.LOCK_EX | fcntl.LOCK_NB) == "ok:None", "no trace of its lock")
seen = [p for p in os.listdir("/proc") if p.isdigit() and p != str(os.getpid()) and "@MARK@" in attempt(lambda: open("/proc/%s/comm" % p).read())]
held("its process", not seen, "not seen")
for path in ("/proc/net/unix", "/proc/net/tcp", "/proc/locks"):
    text = open(path).read() if os.path.exists(path) else ""
    held(path, "@MARK@" not in text and "BBFB" not in text, "no trace")
end()
