# SPDX-License-Identifier: Apache-2.0
# Links where the server, or the next program, will write.
for planted in ("in.txt", "code.py", "code.c", "code", "code.sh", ".bashrc", "sub"):
    os.symlink("/etc/passwd", "/mnt/data/" + planted)
    attempt(os.symlink, "/etc/passwd", "/tmp/" + planted)
    attempt(os.symlink, "/etc/passwd", "/run/build/" + planted)
