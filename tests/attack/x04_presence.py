# SPDX-License-Identifier: Apache-2.0
"""N9: neither files of the shared runtime tree nor figures of the whole host tell who else is there."""

import threading

from support import guest, host


def test_x04_watches_and_caches(attack):
    told = attack.evidence("""
import fcntl
fd = os.open("/usr/bin", os.O_RDONLY)
facts = dict(inotify=attempt(lambda: ctypes.CDLL(None, use_errno=True).inotify_init1(0)), notify=sc(72, fd, 1026, 1), wide=sc(72, fd, (1 << 32) | 1026, 1))
facts["nowait"] = attempt(lambda: os.preadv(os.open("/usr/bin/env", os.O_RDONLY), [bytearray(10)], 0, os.RWF_NOWAIT))
facts["locks"] = open("/proc/locks").read()
facts["plain"] = attempt(lambda: os.preadv(os.open("/usr/bin/env", os.O_RDONLY), [bytearray(10)], 0))
tell(facts)
""")
    assert told["inotify"] == "ok:-1" and told["notify"] == "EPERM" and told["wide"] == "EPERM", told
    assert told["nowait"] in ("EOPNOTSUPP", "ENOTSUP") and told["plain"] == "ok:10" and told["locks"] == "", told


def test_x04_tail_follows_without_watches(attack):
    run = attack.exec("echo a > f; (sleep 0.5; echo b >> f) & timeout 3 tail -s 0.1 -f f", "bash")
    assert run.stdout == "a\nb\n", dict(run)


def test_x04_figures_of_the_whole_host_are_masked(attack):
    """Traffic of disks, interrupts and pressure tell what others do; memory, processors and load stay, since libraries ask for them."""
    told = attack.evidence("""
names = ("buddyinfo", "diskstats", "interrupts", "iomem", "ioports", "pagetypeinfo", "partitions", "schedstat", "slabinfo", "softirqs", "zoneinfo",
         "locks", "consoles", "timer_list", "pressure/cpu", "pressure/io", "sys/kernel/core_pattern", "sys/kernel/random/boot_id", "vmstat", "cgroups",
         "sys/kernel/pty/nr", "sys/fs/file-nr", "sys/fs/inode-nr", "sys/fs/inode-state", "sys/fs/dentry-state", "sys/fs/aio-nr", "sys/fs/quota/lookups")
tell({n: attempt(lambda n=n: open("/proc/" + n).read()) for n in names})
""")
    assert all(answer in ("ok:", "ENOENT", "EACCES") for answer in told.values()), told
    assert attack.evidence("tell(os.listdir('/proc/sys/fs'))") == []


# Of the whole host, and left since libraries ask for them (SECURITY.md, "Covert channels").
LEFT = "/proc/cpuinfo", "/proc/loadavg", "/proc/meminfo", "/proc/stat", "/proc/uptime"
# The cell's own, or another at each look.
OWN = "/proc/mounts", "/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/random/uuid"

# All of /proc that is of no process.
FIGURES = f"""
import zlib
def figure(path):
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return zlib.crc32(os.read(fd, 1 << 20))
    finally:
        os.close(fd)
told = {{}}
for directory, names, files in os.walk("/proc"):
    if directory == "/proc":
        names[:] = [n for n in names if not n.isdigit() and n not in ("self", "thread-self", "net")]
    paths = [os.path.join(directory, file) for file in files]
    told.update((path, attempt(figure, path)) for path in paths if path not in {LEFT + OWN!r})
tell(told)
"""

HOLDER = """
import fcntl, select, threading
for _ in range(3):
    if os.fork() == 0: break
held = [bytearray(os.urandom(1 << 20)) * 20]
for i in range(15):
    file = open(f"/tmp/{os.getpid()}-{i}", "w")
    fcntl.flock(file, fcntl.LOCK_EX)
    held += [file, socket.socket(), socket.socketpair(), os.pipe(), select.epoll()]
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
ctypes.CDLL(None).prctl(15, b"x04holder", 0, 0, 0)
time.sleep(8)
os._exit(0)
"""


def _hold(server):
    with server.client() as client:
        run = client.exec(guest.py(HOLDER), "py")
    assert run.outcome == "ok", dict(run)


def test_x04_no_figure_follows_what_another_cell_holds(attack):
    """What can be read of /proc is the same whether a program elsewhere holds files, sockets, locks, threads and memory or not."""
    follow = None
    for _ in range(4):  # what moves by accident does not do so each time
        idle = attack.evidence(FIGURES)
        thread = threading.Thread(target=_hold, args=(attack.server,))
        thread.start()
        assert host.until(lambda: len(host.marked("x04holder")) == 4, 20)
        busy = attack.evidence(FIGURES)
        assert host.marked("x04holder"), "it was over before it was looked for"
        thread.join()
        moved = {path for path in idle.keys() | busy.keys() if idle.get(path) != busy.get(path)}
        follow = moved if follow is None else follow & moved
        if not follow:
            break
    assert len(idle) > 100 and not follow, follow
