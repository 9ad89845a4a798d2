# SPDX-License-Identifier: Apache-2.0
# Devices are few, real, and cannot be replaced.
for path in ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/console", "/dev/pts/0", "/dev/tty", "/dev/stdout", "/dev/new"):
    fails("unlink " + path, attempt(os.unlink, path))
    fails("link at " + path, attempt(os.symlink, "/mnt/data/caught", path))
    fails("chmod " + path, attempt(os.chmod, path, 0o600))
    fails("mknod " + path, attempt(os.mknod, path, stat.S_IFCHR | 0o666, os.makedev(1, 3)))
for place in ("/tmp", "/mnt/data"):
    fails("character device in " + place, attempt(os.mknod, place + "/null", stat.S_IFCHR | 0o666, os.makedev(1, 3)))
    fails("disk in " + place, attempt(os.mknod, place + "/disk", stat.S_IFBLK | 0o666, os.makedev(254, 0)))
    fails("whiteout in " + place, attempt(os.mknod, place + "/whiteout", stat.S_IFCHR | 0o666, 0))
fails("rename /dev", attempt(os.rename, "/dev", "/olddev"))
for device in "vda sda kvm mem port fuse net/tun vsock loop0 loop-control kmsg userfaultfd dri/card0 mapper/control".split():
    fails("open /dev/" + device, attempt(os.open, "/dev/" + device, os.O_RDONLY))
KNOWN = "null zero full random urandom tty fd stdin stdout stderr shm pts ptmx mqueue core console"
more = set(os.listdir("/dev")) - set(KNOWN.split())
held("no others", not more, "no others" if not more else " ".join(sorted(more)))
for place in (0, "/proc/self/fd/0", "/dev/null", "/dev/zero"):
    fails("touch %s" % place, attempt(os.utime, place), {"EROFS"})  # the host's own would let anybody
null = os.stat("/dev/null")
held("/dev/null", null.st_rdev == os.makedev(1, 3), "the device")
works("write to /dev/null", attempt(lambda: open("/dev/null", "w").write("x")))
end()
