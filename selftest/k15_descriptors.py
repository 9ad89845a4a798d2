# SPDX-License-Identifier: Apache-2.0
# A program has three descriptors, and none leads out.
names = [n for n in sorted(os.listdir("/proc/self/fd"), key=int) if os.path.exists("/proc/self/fd/" + n)]
own = names[3:] == ["255"]  # at which an interpreter that may live on says that it rests
held("descriptors", names[:3] == ["0", "1", "2"] and (own or names[3:] == []), " ".join(names))
if own:
    rest = socket.socket(fileno=255)
    fails("to read from 255", attempt(rest.recv, 1, socket.MSG_DONTWAIT), {"EAGAIN"})
    held("255 in a child", subprocess.run(["test", "-e", "/proc/self/fd/255"], close_fds=False).returncode == 1, "closed")
    held("who is behind 255", struct.unpack("iii", rest.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0] == 0, "nobody")
    rest.detach()
for n in range(64):
    for tail in ("/..", "/../../..", "/../../../etc/shadow"):
        said = attempt(os.listdir, "/proc/self/fd/%d%s" % (n, tail))
        if said.startswith("ok"):
            held("/proc/self/fd/%d%s" % (n, tail), False, said)
for n in range(3):
    fails("open beneath %d" % n, attempt(os.open, "../../../etc/hostname", os.O_RDONLY, dir_fd=n), {"ENOTDIR"})
    fails("go to %d" % n, attempt(os.fchdir, n), {"ENOTDIR"})
for what in ("cwd", "root", "fd", "exe"):
    said = attempt(os.listdir, "/proc/1/" + what)
    held("the init's " + what, not said.startswith("ok") or "mnt" in said, said[:20])
held("up and up", sorted(os.listdir("/../../../..")) == sorted(os.listdir("/")), "the same root")
fails("chroot", sc("chroot", b"/tmp\0"), DENIED)
fails("chroot to nowhere", sc("chroot", b"/nowhere\0"), DENIED)
fails("pivot_root", sc("pivot_root", b".\0", b".\0"), DENIED)
held("no folders of the host", not {"root", "home", "boot", "srv", "media"} & set(os.listdir("/")), " ".join(sorted(os.listdir("/"))))
end()
