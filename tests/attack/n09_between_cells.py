# SPDX-License-Identifier: Apache-2.0
"""N9: two cells at once cannot meet: by address, abstract socket, System V or POSIX IPC, shared memory, files, locks or inotify."""

import os
import threading
import time

import pytest

from support import guest, host

KEYS = "KEYS = (0x6e3039, 0x6e303a, 0x6e303b)\n"

# Leaves a trace in every shared place it can, then waits to be found.
FIRST = (
    KEYS
    + """
import fcntl
ctypes.CDLL(None).prctl(15, b"n09first", 0, 0, 0)
def keep(*things): held.extend(things)
held = []
t = socket.socket(); t.bind(("0.0.0.0", 48123)); t.listen(); keep(t)
u = socket.socket(socket.AF_UNIX); u.bind("\\0n09-abstract"); u.listen(); keep(u)
shm = _libc.shmget(KEYS[0], 4096, 0o1666); msg = _libc.msgget(KEYS[1], 0o1666); sem = _libc.semget(KEYS[2], 1, 0o1666)
for path in ("/dev/shm/n09", "/tmp/n09", "/var/tmp/n09", "/dev/mqueue/n09", "/run/lock/n09"):
    try: open(path, "w").write("n09")
    except OSError: pass
rt = ctypes.CDLL("librt.so.1", use_errno=True)
queue = rt.mq_open(b"/n09", os.O_CREAT | os.O_RDWR, 0o666, 0)
lock = open("/usr/bin/env"); keep(lock)
locked = attempt(fcntl.flock, lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
import atexit
end = time.monotonic() + 4
while time.monotonic() < end:
    open("/usr/bin/env").close()
    t.settimeout(0.05)
    try:
        t.accept(); print("CAUGHT tcp", flush=True)
    except OSError: pass
tell(dict(shm=shm, msg=msg, sem=sem, queue=queue, locked=locked, ns={n: os.readlink("/proc/self/ns/" + n) for n in os.listdir("/proc/self/ns")},
          uid=os.getuid(), dev=[os.stat(p).st_dev for p in ("/tmp", "/dev/shm", "/mnt/data") if os.path.exists(p)]))
"""
)

SECOND = (
    KEYS
    + """
import fcntl, struct
def connect(family, address):
    def go():
        with socket.socket(family) as s:
            s.settimeout(1); s.connect(address)
    return attempt(go)
def c(call, *args):
    ctypes.set_errno(0)
    r = call(*args)
    return name(ctypes.get_errno()) if r == -1 else "ok:%d" % r
rt = ctypes.CDLL("librt.so.1", use_errno=True)
facts = dict(tcp=connect(socket.AF_INET, ("127.0.0.1", 48123)), abstract=connect(socket.AF_UNIX, "\\0n09-abstract"),
             shm=c(_libc.shmget, KEYS[0], 4096, 0), msg=c(_libc.msgget, KEYS[1], 0), sem=c(_libc.semget, KEYS[2], 1, 0), queue=c(rt.mq_open, b"/n09", os.O_RDWR))
for path in ("/dev/shm/n09", "/tmp/n09", "/var/tmp/n09", "/dev/mqueue/n09", "/run/lock/n09"):
    facts[path] = attempt(os.stat, path)
facts["unix"] = "ok:seen" if os.path.exists("/proc/net/unix") and "n09" in open("/proc/net/unix").read() else "ENOENT"
facts["sysv"] = "ok:seen" if any(os.path.exists("/proc/sysvipc/" + n) and len(open("/proc/sysvipc/" + n).read().splitlines()) > 1 for n in ("shm", "msg", "sem")) else "ENOENT"
lock = open("/usr/bin/env")
facts["flock"] = "ok:shared" if attempt(fcntl.flock, lock, fcntl.LOCK_EX | fcntl.LOCK_NB) in ("EWOULDBLOCK", "EAGAIN") else "ENOENT"
facts["processes"] = "ok:seen" if any("n09first" in open("/proc/%s/comm" % p).read() for p in os.listdir("/proc") if p.isdigit() and os.access("/proc/%s/comm" % p, os.R_OK)) else "ENOENT"
seen = 0
fd = _libc.inotify_init1(0o4000)
_libc.inotify_add_watch(fd, b"/usr/bin/env", 0x20)
time.sleep(0.6)
try: seen = len(os.read(fd, 4096))
except OSError: pass
facts["inotify"] = "ok:%d" % seen if seen else "ENOENT"
facts["ns"] = {n: os.readlink("/proc/self/ns/" + n) for n in os.listdir("/proc/self/ns")}
facts["cgroup"] = open("/proc/self/cgroup").read()
tell(facts)
"""
)

SEPARATE = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


@pytest.fixture(scope="module")
def pair(server):
    """Both cells' evidence, and the host's user ids of the first."""
    found = {}

    def evidence(body):
        with server.client() as client:
            run = client.exec(guest.py(body), "py", timeout=20000)
        assert run.outcome == "ok", dict(run)
        return run.result()

    def first():
        found["first"] = evidence(FIRST)

    thread = threading.Thread(target=first)
    thread.start()
    assert host.until(lambda: host.marked("n09first"), 10)
    found["uids"] = {host.status_field(pid, "Uid").split()[0] for pid in host.marked("n09first")}
    time.sleep(0.5)
    found["second"] = evidence(SECOND)
    thread.join()
    return found


# Locks and inotify watches on a file of the host's runtime tree meet in its inode, which all cells share read-only.
SHARED_INODE = {"flock", "inotify"}


def test_n09_no_contact(pair):
    second = dict(pair["second"])
    namespaces, groups = second.pop("ns"), second.pop("cgroup")
    met = {way: answer for way, answer in second.items() if answer.startswith("ok") and way not in SHARED_INODE}
    assert not met, (met, pair["first"])
    first = pair["first"]
    assert first["shm"] >= 0 and first["sem"] >= 0, "the first left no trace to find"
    mine = host.namespaces()
    for name in SEPARATE:
        assert namespaces[name] != first["ns"][name], f"the cells share a {name} namespace"
        assert mine[name] not in (namespaces[name], first["ns"][name]), f"a cell has the host's {name} namespace"
    assert all(line.endswith(":/") for line in groups.splitlines()), groups


def test_n09_no_presence_oracle(pair):
    """Not even through locks and watches on the files of the shared runtime tree."""
    seen = {way: pair["second"][way] for way in SHARED_INODE if pair["second"][way].startswith("ok")}
    assert not seen, seen


def test_n09_each_slot_is_another_user_on_the_host(attack):
    """Two cells at once have different host users, none of them root or a user of the host."""
    threads = [
        threading.Thread(target=lambda i=i: attack.server.client().exec(f"exec -a n09user{i} sleep 4", "bash"))
        for i in range(2)
    ]
    for thread in threads:
        thread.start()
    assert host.until(lambda: host.marked("n09user0") and host.marked("n09user1"), 5)
    uids = [
        {
            host.status_field(pid, "Uid").split()[0]
            for pid in host.marked(f"n09user{i}")
            if "sleep" in host.read(f"/proc/{pid}/comm")
        }
        for i in range(2)
    ]
    for thread in threads:
        thread.join()
    assert all(len(each) == 1 for each in uids) and uids[0] != uids[1], uids
    known = {line.split(":")[2] for line in host.read("/etc/passwd").splitlines()}
    assert not (uids[0] | uids[1]) & known, uids


def test_n09_message_queues_are_charged(attack):
    """POSIX queues are off: their memory is the kernel's."""
    told = attack.evidence(
        "rt = ctypes.CDLL('librt.so.1', use_errno=True)\nr = rt.mq_open(b'/q', os.O_CREAT | os.O_RDWR, 0o666, 0)\ntell(dict(r=r, e=name(ctypes.get_errno())))"
    )
    assert told["r"] == -1, told


def test_n09_files_of_another_session(attack):
    """A session's files are mounted for nobody else, whatever paths are guessed."""
    secret = attack.upload(("n09-secret.txt", b"n09-secret-bytes"))
    run = attack.exec(
        f"ls -laR /mnt /tmp /run 2>/dev/null; find / -xdev -name 'n09-secret*' 2>/dev/null; cat /mnt/data/../{secret.session}/* 2>/dev/null; "
        "grep -rl n09-secret-bytes /mnt /tmp /run /var /opt 2>/dev/null",
        "bash",
    )
    assert "n09-secret" not in run.stdout, dict(run)
    assert os.path.isdir(attack.server.data_dir)
