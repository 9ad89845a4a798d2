# SPDX-License-Identifier: Apache-2.0
# Settings of the kernel and of control groups: by path, by link, by an open descriptor, by truncation.
SETTINGS = (
    "/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hostname /proc/sys/vm/overcommit_memory"
    " /proc/sys/vm/panic_on_oom /proc/sys/fs/binfmt_misc/register /proc/sys/net/ipv4/ip_forward /proc/sysrq-trigger"
    " /proc/irq/0/smp_affinity /proc/kcore /proc/kallsyms /proc/keys /proc/kmsg /proc/1/oom_score_adj /proc/1/uid_map"
    " /sys/kernel/uevent_helper /sys/kernel/mm/ksm/run /sys/power/state /sys/fs/cgroup/release_agent"
    " /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"
).split()
for line in open("/proc/self/mountinfo"):
    if " - cgroup" in line:
        SETTINGS += [line.split()[4] + "/" + n for n in ("cgroup.procs", "tasks", "memory.max", "pids.max", "release_agent")]


def write(path, flags):
    fd = os.open(path, flags)
    try:
        if os.fstat(fd).st_rdev == os.makedev(1, 3):
            raise OSError(errno.ENXIO, "a mask: what is written to it goes nowhere")
        os.write(fd, b"1\n")
    finally:
        os.close(fd)


def reopened(path):
    fd = os.open(path, os.O_PATH)
    try:
        write("/proc/self/fd/%d" % fd, os.O_WRONLY)
    finally:
        os.close(fd)


for path in SETTINGS:
    link = "/tmp/link"
    os.symlink(path, link)
    fails("write " + path, attempt(write, path, os.O_WRONLY))
    fails("truncate " + path, attempt(write, path, os.O_WRONLY | os.O_TRUNC))
    fails("link to " + path, attempt(write, link, os.O_WRONLY))
    fails("reopen " + path, attempt(reopened, path))
    fails("replace " + path, attempt(os.rename, link, path))
    os.path.lexists(link) and os.unlink(link)
for path in ("/proc/kcore", "/proc/keys", "/proc/kmsg", "/proc/timer_list", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/1/mem"):
    said = attempt(lambda: open(path, "rb").read(64).strip() and "bytes")
    held("read " + path, said != "ok:bytes", said)
fails("a new kind of executables", sc("mount", b"none\0", b"/nowhere\0", b"binfmt_misc\0", 0, 0), DENIED)
works("write to a file of its own", attempt(lambda: open("/tmp/own", "w").write("1")))
end()
