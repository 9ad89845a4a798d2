# SPDX-License-Identifier: Apache-2.0
held("links of the last program", os.listdir("/mnt/data") == [], str(os.listdir("/mnt/data")))
held("in /tmp", not any(os.path.islink("/tmp/" + n) for n in os.listdir("/tmp")), "none")
before = open("/etc/passwd").read()
open("/mnt/data/in.txt", "w").write("more")
held("the file of the system", open("/etc/passwd").read() == before, "unchanged")
os.unlink("/mnt/data/in.txt")
end()
