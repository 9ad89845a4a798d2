# SPDX-License-Identifier: Apache-2.0
# The last program's output, as an input of this one: changed in every way that hides the change.
before = os.stat("in.txt")
held("it came", open("in.txt").read() == "original", "original")
attempt(lambda: open("in.txt", "r+").write("evil"))
attempt(os.utime, "in.txt", ns=(before.st_atime_ns, before.st_mtime_ns - 10**9))
fd = os.open("/tmp/new", os.O_CREAT | os.O_WRONLY)
os.write(fd, b"replaced")
attempt(os.link, "in.txt", "twin.txt")
attempt(lambda: open("twin.txt", "a").write("more"))
os.path.exists("twin.txt") and os.unlink("twin.txt")
end()
