# SPDX-License-Identifier: Apache-2.0
"""K16: nothing can be mounted, remounted, shadowed or unmounted."""

from support.guest import DENIED


def test_k16_mounts_denied(attack):
    told = attack.evidence(
        """
RDONLY, NOSUID, REMOUNT, BIND, MOVE, REC, SHARED = 1, 2, 32, 4096, 8192, 16384, 1 << 20
N = ctypes.c_char_p(None)
def mount(source, target, kind, flags, data=None):
    def text(s): return ctypes.c_char_p(s.encode() if s is not None else None)
    return sc("mount", text(source), text(target), text(kind), flags, text(data))
before = open("/proc/self/mountinfo").read()
facts = dict(
    tmpfs=mount("tmpfs", "/tmp", "tmpfs", 0), proc=mount("proc", "/tmp", "proc", 0), sysfs=mount("sysfs", "/tmp", "sysfs", 0),
    cgroup2=mount("none", "/tmp", "cgroup2", 0), overlay=mount("overlay", "/tmp", "overlay", 0, "lowerdir=/,upperdir=/tmp,workdir=/tmp"),
    remount_root=mount(None, "/", None, REMOUNT | BIND), remount_usr=mount(None, "/usr", None, REMOUNT | BIND),
    remount_sys=mount(None, "/proc/sys", None, REMOUNT | BIND),
    bind_resolv=mount("/tmp", "/etc", None, BIND), bind_bin=mount("/tmp", "/usr/bin", None, BIND), bind_file=mount("/etc/hostname", "/etc/passwd", None, BIND),
    shadow_data=mount("/tmp", "/mnt/data", None, BIND | REC), move=mount("/tmp", "/mnt", None, MOVE), shared=mount(None, "/", None, SHARED | REC),
    nowhere=mount("tmpfs", "/nowhere", "tmpfs", 0),
    umount_proc=sc("umount2", b"/proc\\0", 0), umount_sys=sc("umount2", b"/proc/sys\\0", 2), umount_data=sc("umount2", b"/mnt/data\\0", 2),
    umount_mask=sc("umount2", b"/proc/kcore\\0", 2), umount_tmp=sc("umount2", b"/tmp\\0", 8), umount_nowhere=sc("umount2", b"/nowhere\\0", 0),
    umount_flags=sc("umount2", b"/\\0", 0x7fff0000),
)
tell(dict(facts=facts, same=open("/proc/self/mountinfo").read() == before))
"""
    )
    wrong = {call: answer for call, answer in told["facts"].items() if answer not in DENIED}
    assert not wrong, wrong  # without the filter: ENOENT for what is nowhere, EINVAL for the flags
    assert told["same"]


def test_k16_nothing_writable_but_scratch(attack):
    told = attack.evidence(
        """
writable, mounts = [], []
for line in open("/proc/self/mountinfo"):
    fields = line.split()
    mounts.append((fields[4], fields[5]))
for root, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(root, f) not in ("/proc", "/sys")]
    if not os.path.islink(root) and not root.startswith(("/tmp", "/mnt/data", "/var/tmp", "/dev/shm", "/run/build")):
        probe = os.path.join(root, ".codecell-probe")
        try:
            os.close(os.open(probe, os.O_CREAT | os.O_WRONLY)); os.unlink(probe); writable.append(root)
        except OSError:
            pass
tell(dict(writable=writable[:20], rw=[m for m, options in mounts if "rw" in options.split(",")]))
""",
        timeout=60000,
    )
    assert not told["writable"], told
    allowed = ("/tmp", "/var/tmp", "/mnt/data", "/dev/shm", "/run/build", "/dev", "/proc", "/dev/pts", "/dev/mqueue")
    assert all(mount in allowed for mount in told["rw"]), told["rw"]
