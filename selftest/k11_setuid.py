# SPDX-License-Identifier: Apache-2.0
# A program that is somebody else's when it is executed.
import shutil

for place in ("/", "/usr", "/tmp", "/mnt/data", "/dev", "/dev/shm", "/etc"):
    held("nosuid " + place, os.statvfs(place).f_flag & os.ST_NOSUID, "nosuid")
for path in ("/usr/bin/su", "/usr/bin/sudo", "/usr/bin/passwd", "/usr/bin/mount", "/usr/bin/newgrp"):
    if os.path.exists(path):
        done = subprocess.run([path, "-c", "id -u"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=5)
        held("run " + path, done.stdout.strip() != "0", "exit %d" % done.returncode)
for place in ("/tmp", "/mnt/data"):
    own = place + "/own-sh"
    shutil.copy("/bin/bash", own)
    os.chmod(own, 0o6755)
    done = subprocess.run([own, "-p", "-c", "echo $EUID; grep CapEff /proc/self/status"], capture_output=True, text=True)
    said = done.stdout.split()
    held("own set-user-id in " + place, "0" not in said[:1] and int(said[-1], 16) == 0, " ".join(said))
    fails("file capability in " + place, attempt(os.setxattr, own, "security.capability", bytes.fromhex("01000002" + "00200000" + "00" * 12)))
    os.unlink(own)
for call, arguments in dict(setuid=(0,), seteuid=(0,), setgid=(0,), setgroups=([0],), setresuid=(0, 0, 0)).items():
    fails(call, attempt(getattr(os, call), *arguments))
fails("chown", attempt(lambda: (open("/tmp/f", "w").close(), os.chown("/tmp/f", 0, 0))))
end()
