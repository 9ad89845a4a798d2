# SPDX-License-Identifier: Apache-2.0
"""What can be seen of a server from the host: its processes, cgroups, mounts, memory and descriptors, all from /proc."""

import ctypes
import os
import signal
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper():
    """Makes orphans of every process started from here come back to this process, so that none can hide."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def end_with_parent():
    """In a child before exec: SIGTERM when the test process dies, however it dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def read(path, default=""):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError:
        return default


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent_of(pid):
    stat = read(f"/proc/{pid}/stat")
    return int(stat.rpartition(")")[2].split()[1]) if stat else -1


def state_of(pid):
    """One letter, "Z" for a zombie; "" if there is no such process."""
    stat = read(f"/proc/{pid}/stat")
    return stat.rpartition(")")[2].split()[0] if stat else ""


def alive(pid):
    return state_of(pid) not in ("", "Z", "X")


def named(name):
    """The processes of this host, in cells or not, that go by this name."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as comm:
                if comm.read().strip() == name:
                    found.append(int(pid))
        except OSError:
            pass
    return found


def descendants(pid):
    """All processes below pid, nearest first, without pid itself."""
    children = {}
    for each in pids():
        children.setdefault(parent_of(each), []).append(each)
    found, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(0), []):
            found.append(child)
            queue.append(child)
    return found


def command_line(pid):
    return [part for part in read(f"/proc/{pid}/cmdline").split("\0") if part]


def zygotes(server, agent="/opt/codecell/guest/python/zygote.py"):
    """The processes that Python programs, or others, are copies of; a copy has the same command line, and another parent."""
    return [
        pid
        for pid in descendants(server.process.pid)
        if any(part.endswith(agent) for part in command_line(pid)) and parent_of(pid) == server.pid
    ]


def marked(marker):
    """Processes whose name or command line contains marker (choose one of at most 15 characters)."""
    found = []
    for pid in pids():
        if pid == os.getpid():
            continue
        if marker in read(f"/proc/{pid}/comm") or marker in read(f"/proc/{pid}/cmdline"):
            found.append(pid)
    return found


def gone(marker, within_s=1.0):
    """Waits until no process carries the marker. Returns those that are left (empty = good)."""
    return until(lambda: not marked(marker), within_s) and [] or marked(marker)


def until(condition, within_s, step_s=0.01):
    """Polls until condition() is true. Returns whether it became true in time."""
    end = time.monotonic() + within_s
    while True:
        if condition():
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(step_s)


def status_field(pid, field):
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith(field + ":"):
            return line.split(":", 1)[1].strip()
    return ""


def rss_kib(pid):
    value = status_field(pid, "VmRSS").split()
    return int(value[0]) if value else 0


def anonymous_kib(pid):
    """Memory of a process that is no file's, with its share of what it has in common with its copies."""
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1])
    return 0


def fd_count(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def mounts(pid="self"):
    """The lines of mountinfo without their ids, as a set."""
    return {" ".join(line.split()[2:]) for line in read(f"/proc/{pid}/mountinfo").splitlines()}


def cgroup_roots():
    """{controllers as /proc/self/cgroup names them: mount point}, for v1, v2 and hybrid hosts."""
    roots = {}
    for line in read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = (right.split(" ") + ["", ""])[:3]
        if kind == "cgroup2":
            roots[""] = left.split()[4]
        elif kind == "cgroup":
            for name in options.split(","):
                roots[name] = left.split()[4]
    return roots


def cgroup_directories(pid):
    """The directories that a process is a member of, one a hierarchy."""
    roots = cgroup_roots()
    found = set()
    for line in read(f"/proc/{pid}/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        key = names.split(",")[0]
        root = roots.get(key) or roots.get(names)
        if root:
            found.add(os.path.normpath(root + path))
    return found


def cgroup_tree(directory):
    return [path for path, _, _ in os.walk(directory)]


def namespaces(pid="self"):
    names = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    found = {}
    for name in names:
        try:
            found[name] = os.readlink(f"/proc/{pid}/ns/{name}")
        except OSError:
            found[name] = None
    return found


def all_namespaces():
    """Every namespace that any process is in."""
    found = set()
    for pid in pids():
        found.update(value for value in namespaces(pid).values() if value)
    return found


def landlock():
    """The version of Landlock that the kernel speaks, 0 for none."""
    return max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))
