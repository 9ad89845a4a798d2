# SPDX-License-Identifier: Apache-2.0
# The runtime that all programs share cannot be written: by its path, by what runs it, nor when it runs no more.
def write(path, flags=os.O_WRONLY):
    return attempt(lambda: os.write(os.open(path, flags), b"#!/bin/sh\n"))


for path in ("/proc/self/exe", "/proc/1/exe", os.path.realpath("/proc/self/exe"), "/usr/bin/python3", "/usr/bin/bash"):
    fails("write " + path, write(path))
    fails("truncate " + path, write(path, os.O_WRONLY | os.O_TRUNC))
    fails("chmod " + path, attempt(os.chmod, path, 0o777))
for path in ("/usr/bin/python3", "/usr/bin/bash"):
    fails("replace " + path, attempt(lambda: (open("/tmp/x", "w").close(), os.rename("/tmp/x", path))))
child = subprocess.Popen(["sleep", "5"])
fd = os.open("/proc/%d/exe" % child.pid, os.O_PATH)
child.kill()
child.wait()
fails("write when it has ended", write("/proc/self/fd/%d" % fd), {"EROFS"})
held("/usr", os.statvfs("/usr").f_flag & os.ST_RDONLY, "read-only")
end()
