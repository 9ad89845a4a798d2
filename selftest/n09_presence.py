# SPDX-License-Identifier: Apache-2.0
# Files that all programs see must not tell who else looks at them.
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open("/usr/bin", os.O_RDONLY)
F_NOTIFY = 1026
NR_FCNTL, NR_SYNCFS, NR_IOCTL = (72, 306, 16) if os.uname().machine == "x86_64" else (25, 267, 29)
held("inotify", libc.inotify_init1(0) == -1, name(ctypes.get_errno()))
fails("notices of directories", sc(NR_FCNTL, fd, F_NOTIFY, 1), DENIED)
fails("with high bits", sc(NR_FCNTL, fd, ctypes.c_uint64(1 << 32 | F_NOTIFY), 1), DENIED)
env = os.open("/usr/bin/env", os.O_RDONLY)
works("to read it", attempt(os.preadv, env, [bytearray(10)], 0))
fails("only what is in memory", attempt(os.preadv, env, [bytearray(10)], 0, os.RWF_NOWAIT), {"EOPNOTSUPP", "ENOTSUP"})
for path in ("locks", "diskstats", "interrupts", "softirqs", "schedstat", "zoneinfo", "buddyinfo", "pressure/cpu", "pressure/io", "vmstat", "cgroups",
             "sys/kernel/pty/nr", "sys/fs/file-nr", "sys/fs/inode-nr", "sys/fs/inode-state", "sys/fs/dentry-state"):
    said = attempt(lambda: open("/proc/" + path).read())
    held("/proc/" + path, said in ("ok:", "ENOENT", "EACCES"), said)
held("flush of all files", sc(NR_SYNCFS, -1) == "ok:0", "does nothing")  # the kernel would say EBADF
end()
