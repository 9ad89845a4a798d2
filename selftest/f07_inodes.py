# SPDX-License-Identifier: Apache-2.0
# As many files as there can be, in every place that can be written.
for place in ("/tmp", "/dev/shm", "/run/build", "/mnt/data"):
    open(place + "/residue-of-selftest", "w").write("x")
    made, said = 0, "ok:None"
    until = time.monotonic() + 1
    while said == "ok:None" and time.monotonic() < until:
        said = attempt(os.mknod, "%s/%07d" % (place, made), stat.S_IFREG | 0o600)
        made += 1
