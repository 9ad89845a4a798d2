# SPDX-License-Identifier: Apache-2.0
for place in ("/tmp", "/dev/shm", "/mnt/data", "/var/tmp", "/run/lock"):
    found = os.listdir(place) if os.path.isdir(place) else []
    held(place, not any("residue" in n or n.isdigit() for n in found), "nothing of the last program")
works("a file", attempt(lambda: open("/tmp/room", "w").close()))
end()
