# SPDX-License-Identifier: Apache-2.0
# Outputs that are links: to the host, to the cell, to each other.
os.makedirs("deep/er")
open("real.txt", "w").write("mine")
TARGETS = "/etc/shadow /etc/passwd /etc/hostname /proc/1/environ /proc/self/environ /dev/zero / real.txt loop ../../../../etc/passwd".split()
for i, target in enumerate(TARGETS + ["/proc/self/root/etc/passwd", "/proc/self/fd/1", "/proc/self/cwd/real.txt"]):
    os.symlink(target, "link%02d.txt" % i)
os.symlink("loop", "loop")
os.symlink("/etc", "deep/er/etc")
os.symlink("../../real.txt", "deep/er/up.txt")
