# SPDX-License-Identifier: Apache-2.0
"""K12: kernel settings and control groups cannot be written: by path, symlink, descriptor reopen or truncation."""

import glob
import os
import threading

from support import host

SETTINGS = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hotplug",
    "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sys/fs/binfmt_misc/status",
    "/proc/sys/vm/panic_on_oom",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/shmmax",
    "/proc/sys/kernel/sem",
    "/proc/sysrq-trigger",
    "/proc/irq/0/smp_affinity",
    "/proc/bus/pci",
    "/proc/kcore",
    "/proc/kmem",
    "/proc/mem",
    "/proc/kallsyms",
    "/proc/timer_list",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/acpi",
    "/proc/scsi",
    "/proc/mtrr",
    "/proc/fs",
    "/proc/driver",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
    "/proc/kpagecount",
    "/proc/kmsg",
    "/proc/config.gz",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/ksm/run",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/power/state",
    "/sys/kernel/security",
    "/sys/module",
    "/sys/firmware",
    "/sys/kernel/debug",
    "/sys/kernel/tracing",
    "/sys/devices/system/cpu/online",
    "/sys/fs/cgroup/release_agent",
    "/sys/fs/cgroup/memory/release_agent",
    "/sys/fs/cgroup/cgroup.procs",
    "/sys/fs/cgroup/unified/cgroup.procs",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/pids/pids.max",
    "/sys/fs/cgroup/memory.max",
    "/proc/1/oom_score_adj",
    "/proc/1/mem",
    "/proc/1/attr/current",
    "/proc/1/uid_map",
    "/proc/1/setgroups",
]

PROGRAM = f"""
SETTINGS = {SETTINGS!r}
def write(opener):
    def go():
        fd = opener()
        try:
            state = os.fstat(fd)
            if stat.S_ISCHR(state.st_mode) and state.st_rdev == os.makedev(1, 3):
                raise OSError(errno.ENXIO, "a mask: what is written to it goes nowhere")
            os.write(fd, b"1\\n")
        finally:
            os.close(fd)
    return attempt(go)
def reopen(flags):
    def opener(path=None):
        fd = os.open(target, flags)
        try:
            return os.open("/proc/self/fd/%d" % fd, os.O_WRONLY)
        finally:
            os.close(fd)
    return opener
written, read = {{}}, {{}}
for mount in open("/proc/self/mountinfo"):
    if " - cgroup" in mount:
        where = mount.split()[4]
        SETTINGS += [where + "/" + name for name in ("cgroup.procs", "tasks", "memory.max", "memory.limit_in_bytes", "pids.max", "release_agent",
                                                    "notify_on_release", "cgroup.freeze", "cgroup.kill", "cpu.max", "cpu.cfs_quota_us")]
for target in SETTINGS:
    link = "/tmp/link"
    try:
        os.unlink(link)
    except OSError:
        pass
    os.symlink(target, link)
    ways = dict(path=lambda: os.open(target, os.O_WRONLY), rdwr=lambda: os.open(target, os.O_RDWR), link=lambda: os.open(link, os.O_WRONLY),
                trunc=lambda: os.open(target, os.O_WRONLY | os.O_TRUNC), creat=lambda: os.open(target, os.O_WRONLY | os.O_CREAT, 0o666),
                reopen=reopen(os.O_RDONLY), reopen_path=reopen(os.O_PATH), dotdot=lambda: os.open("/proc/self/../.." + target, os.O_WRONLY))
    for way, opener in ways.items():
        written[target + " " + way] = write(opener)
    written[target + " truncate"] = attempt(os.truncate, target, 0)
    written[target + " rename"] = attempt(os.rename, "/tmp/link", target)
    read[target] = attempt(lambda: open(target, "rb").read(64).strip() and "bytes")
tell(dict(written=written, read=read, read_only={{p: bool(os.statvfs(p).f_flag & os.ST_RDONLY) for p in ("/proc/sys", "/sys") if os.path.isdir(p)}},
          cgroup_mounts=[m.split()[4] + " " + m.split()[5] for m in open("/proc/self/mountinfo") if " - cgroup" in m]))
"""

# Reading these gives away the host or its kernel: absent, empty or forbidden.
MASKED = [
    "/proc/kcore",
    "/proc/kmem",
    "/proc/mem",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/latency_stats",
    "/proc/kmsg",
    "/proc/slabinfo",
    "/proc/vmallocinfo",
    "/proc/kpagecount",
    "/proc/1/mem",
]


def test_k12_no_setting_can_be_written(attack):
    watched = [
        path
        for path in SETTINGS
        if path.startswith(("/proc/sys/kernel/core", "/proc/sys/kernel/modp", "/proc/sys/vm", "/sys/kernel/uevent"))
    ]
    before = {path: host.read(path) for path in watched}
    told = attack.evidence(PROGRAM, timeout=30000)
    worked = {way: answer for way, answer in told["written"].items() if answer.startswith("ok")}
    assert not worked, worked
    assert {path: host.read(path) for path in watched} == before
    assert all(told["read_only"].values()), told["read_only"]  # a mount option, not only the files' owner
    assert all("ro" in mount.split()[1].split(",") for mount in told["cgroup_mounts"]), told["cgroup_mounts"]
    leaks = {path: told["read"][path] for path in MASKED if told["read"][path] == "ok:bytes"}
    assert not leaks, leaks


def test_k12_no_new_binary_format(attack):
    """binfmt_misc can be mounted anew in a user namespace on new kernels."""
    told = attack.evidence(
        """
tell(dict(mount=sc("mount", b"none\\0", b"/tmp\\0", b"binfmt_misc\\0", 0, 0), nowhere=sc("mount", b"none\\0", b"/nowhere\\0", b"binfmt_misc\\0", 0, 0)))
"""
    )
    assert told["mount"] in ("EPERM", "ENOSYS") and told["nowhere"] in (
        "EPERM",
        "ENOSYS",
    ), told  # ENOENT without the filter


def test_k12_the_cgroup_of_the_cell_is_not_its_own(attack):
    """On the host the program is in groups of its own, and no file of them belongs to a cell's user."""
    marker = "k12cgroup"
    thread = threading.Thread(target=lambda: attack.server.client().exec(f"exec -a {marker} sleep 2", "bash"))
    thread.start()
    assert host.until(lambda: host.marked(marker), 5)
    pid = host.marked(marker)[-1]
    own = host.cgroup_directories(pid) - host.cgroup_directories(os.getpid())
    owners = {path: os.stat(path).st_uid for directory in own for path in [directory, *glob.glob(directory + "/*")]}
    uid = int(host.status_field(pid, "Uid").split()[0])
    thread.join()
    assert uid != 0, "the program runs as the host's root"
    assert own and set(owners.values()) == {0}, owners
