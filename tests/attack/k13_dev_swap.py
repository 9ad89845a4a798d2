# SPDX-License-Identifier: Apache-2.0
"""K13: /dev/null, /dev/console and /dev/pts cannot be replaced while other cells start; devices are the real ones, made as
nodes of the cell's own file system, and few."""

import os

from support.client import in_threads

KNOWN = {
    "null",
    "zero",
    "full",
    "random",
    "urandom",
    "tty",
    "fd",
    "stdin",
    "stdout",
    "stderr",
    "shm",
    "pts",
    "ptmx",
    "mqueue",
    "core",
    "console",
}

SWAP = """
said = {}
for path in ("/dev/null", "/dev/console", "/dev/zero", "/dev/urandom", "/dev/pts/0", "/dev/pts", "/dev/tty", "/dev/stdout", "/dev/new"):
    said["unlink " + path] = attempt(os.unlink, path)
    said["symlink " + path] = attempt(os.symlink, "/mnt/data/caught", path)
    said["rename " + path] = attempt(lambda: (os.symlink("/mnt/data/caught", "/tmp/l%d" % len(said)), os.rename("/tmp/l%d" % (len(said)), path)))
    said["chmod " + path] = attempt(os.chmod, path, 0o600)
    said["mknod " + path] = attempt(os.mknod, path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
said["mknod tmp"] = attempt(os.mknod, "/tmp/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
said["mknod data"] = attempt(os.mknod, "/mnt/data/disk", stat.S_IFBLK | 0o666, os.makedev(254, 0))
said["rename dev"] = attempt(os.rename, "/dev", "/olddev")
tell(said)
"""

LOOK = """
open("/dev/null", "w").write("must vanish")
state = os.stat("/dev/null")
nodes = {}
for entry in os.listdir("/dev"):
    s = os.lstat("/dev/" + entry)
    nodes[entry] = [stat.S_IFMT(s.st_mode), os.major(s.st_rdev), os.minor(s.st_rdev)]
tell(dict(kind=stat.S_ISCHR(state.st_mode), rdev=[os.major(state.st_rdev), os.minor(state.st_rdev)], dev=state.st_dev, inode=state.st_ino,
          size=len(open("/dev/null").read()), nodes=nodes, zero=open("/dev/zero", "rb").read(4).hex(), random=open("/dev/urandom", "rb").read(16).hex()))
"""


def test_k13_swap_while_others_start(attack):
    before = os.stat("/dev/null")

    def swap():
        with type(attack)(attack.server) as client:
            return client.evidence(SWAP)

    def look():
        with type(attack)(attack.server) as client:
            return client.evidence(LOOK)

    answers = in_threads([swap, look] * 6)
    for said in answers[0::2]:
        worked = {way: answer for way, answer in said.items() if answer.startswith("ok")}
        assert not worked, worked
    for seen in answers[1::2]:
        assert seen["kind"] and seen["rdev"] == [1, 3] and seen["size"] == 0 and seen["zero"] == "00000000", seen
        assert set(seen["nodes"]) <= KNOWN, set(seen["nodes"]) - KNOWN
        # Nodes of the cell's own: not the host's devtmpfs.
        assert (seen["dev"], seen["inode"]) != (before.st_dev, before.st_ino), seen
    assert len({seen["random"] for seen in answers[1::2]}) == 6
    after = os.stat("/dev/null")
    assert (after.st_mode, after.st_uid, after.st_ino, after.st_rdev) == (
        before.st_mode,
        before.st_uid,
        before.st_ino,
        before.st_rdev,
    )


def test_k13_no_disk_or_host_device(attack):
    told = attack.evidence(
        """
block = [(n, attempt(os.open, "/dev/" + n, os.O_RDONLY)) for n in ("vda", "sda", "kvm", "mem", "kmem", "port", "fuse", "net/tun", "vsock", "vhost-vsock",
         "loop0", "loop-control", "mapper/control", "kmsg", "hwrng", "rtc0", "cpu_dma_latency", "userfaultfd", "snapshot", "dri/card0")]
tell(dict(block))
"""
    )
    assert set(told.values()) <= {"ENOENT", "ENOTDIR", "EACCES", "EPERM"}, told
    assert set(told.values()) <= {"ENOENT", "ENOTDIR"}, f"a host device is present: {told}"
