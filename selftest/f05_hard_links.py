# SPDX-License-Identifier: Apache-2.0
for target in ("/etc/passwd", "/usr/bin/python3", "/proc/self/environ", "/dev/null", "/proc/self/exe"):
    fails("link of " + target, attempt(os.link, target, "/mnt/data/hard"))
open("a.txt", "w").write("x")
made, until = 0, time.monotonic() + 2
while made < 100000 and time.monotonic() < until:
    if attempt(os.link, "a.txt", "l%06d.txt" % made) != "ok:None":
        break
    made += 1
works("links of its own", "ok" if made > 1000 else str(made))
held("how many", made <= 131072, "%d links" % made)
for i in range(made):
    os.unlink("l%06d.txt" % i)
os.unlink("a.txt")
end()
