# SPDX-License-Identifier: Apache-2.0
def mount(source, target, kind, flags, data=None):
    def text(s):
        return ctypes.c_char_p(s.encode() if s is not None else None)

    return sc("mount", text(source), text(target), text(kind), flags, text(data))


RDONLY, REMOUNT, BIND, MOVE, REC, SHARED = 1, 32, 4096, 8192, 16384, 1 << 20
before = open("/proc/self/mountinfo").read()
for kind in ("tmpfs", "proc", "sysfs", "cgroup2", "binfmt_misc"):
    fails("mount " + kind, mount(kind, "/tmp", kind, 0), DENIED)
fails("mount overlay", mount("overlay", "/tmp", "overlay", 0, "lowerdir=/,upperdir=/tmp,workdir=/tmp"), DENIED)
for place in ("/", "/usr", "/proc/sys", "/proc"):
    fails("remount " + place, mount(None, place, None, REMOUNT | BIND), DENIED)
for source, target in (("/tmp", "/etc"), ("/tmp", "/usr/bin"), ("/etc/hostname", "/etc/passwd"), ("/tmp", "/mnt/data")):
    fails("bind over " + target, mount(source, target, None, BIND), DENIED)
fails("move", mount("/tmp", "/mnt", None, MOVE), DENIED)
fails("share", mount(None, "/", None, SHARED | REC), DENIED)
fails("mount nowhere", mount("tmpfs", "/nowhere", "tmpfs", 0), DENIED)  # the kernel would say ENOENT
for place in (b"/proc\0", b"/proc/sys\0", b"/mnt/data\0", b"/tmp\0", b"/nowhere\0"):
    fails("umount " + place.decode().strip("\0"), sc("umount2", place, 2), DENIED)
held("the same mounts", open("/proc/self/mountinfo").read() == before, "the same mounts")

MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
SCRATCH = ("/tmp", "/var/tmp", "/mnt/data", "/dev/shm", "/run/build")
for line in before.splitlines():
    place, options = line.split()[4:6]
    if "rw" in options.split(","):
        held("writable " + place, place.startswith(SCRATCH + ("/dev", "/proc")), "only scratch is writable")
    held("nosuid " + place, "nosuid" in options.split(","), "nosuid")
for place in ("/", "/usr", "/proc", "/proc/sys"):
    held("read-only " + place, os.statvfs(place).f_flag & os.ST_RDONLY, "read-only")
for place in ("/", "/etc", "/usr/bin", "/usr/lib", "/opt", "/var", "/run", "/mnt", "/dev", "/proc"):
    fails("a file in " + place, attempt(lambda: os.close(os.open(place + "/.codecell-probe", os.O_CREAT | os.O_WRONLY))))
for place in SCRATCH[:1] + SCRATCH[2:]:
    works("a file in " + place, attempt(lambda: open(place + "/.probe", "w").close()))
    os.path.exists(place + "/.probe") and os.unlink(place + "/.probe")
    s = os.statvfs(place)
    size = s.f_blocks * s.f_frsize  # without a limit of its own: all of the machine's memory, or half of it
    held("size of " + place, size < MEMORY and abs(size / MEMORY - 0.5) > 0.0001, "of its own size")
    held("limits of " + place, 0 < s.f_blocks and 0 < s.f_files <= 131072, "%d MiB, %d files" % (s.f_blocks * s.f_frsize >> 20, s.f_files))
end()
