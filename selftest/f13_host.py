# SPDX-License-Identifier: Apache-2.0
# What tells of the host, its processes and its users.
import platform

SELF = [p for p in os.listdir("/proc") if p.isdigit()]
held("processes", len(SELF) <= 4 and max(map(int, SELF)) < 1000, " ".join(sorted(SELF, key=int)))
for what in ("environ", "maps", "mem", "fd", "auxv", "stack"):
    said = attempt(lambda: os.listdir("/proc/1/fd") if what == "fd" else open("/proc/1/" + what, "rb").read(4096))
    held("the init's " + what, not said.startswith("ok") or said == "ok:b''", said)
line = open("/proc/1/cmdline", "rb").read().strip(b"\0")
held("the init's command line", line == b"init", line.decode("utf-8", "replace"))
names = {socket.gethostname(), os.uname()[1], platform.node()}
held("host name", names == {"sandbox"}, " ".join(names))
for path in ("/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/shadow", "/sys/class/dmi/id/product_uuid", "/proc/cmdline", "/proc/sys/kernel/random/boot_id"):
    said = attempt(lambda: open(path).read().strip() and "bytes")
    held("read " + path, said != "ok:bytes", said if said.startswith("E") else "empty")
mounts = open("/proc/self/mountinfo").read() + open("/proc/self/mounts").read()
of_the_server = "codecell.db", "/blobs", "/%s/" % "work"
held("mounts", not any(path in mounts for path in of_the_server), "no path of the server's")
groups = open("/proc/self/cgroup").read().split()
held("control groups", all(line.split(":", 2)[2] == "/" for line in groups), groups[0])
users = {line.split(":")[0] for line in open("/etc/passwd") if 1000 <= int(line.split(":")[2]) < 60000}
held("users", len(users) <= 1, " ".join(users))
for place in ("/etc/ssh", "/root", "/home", "/var/log", "/var/lib/codecell", "/etc/codecell", "/boot"):
    said = attempt(os.listdir, place)
    held("list " + place, said in ("ok:[]", "ENOENT", "EACCES"), said)
end()
