# SPDX-License-Identifier: Apache-2.0
# What is no file, in the place of outputs.
os.mkfifo("fifo.txt")
s = socket.socket(socket.AF_UNIX)
s.bind("socket.txt")
s.listen(1)
os.symlink("/dev/urandom", "random.txt")
for kind, path in ((stat.S_IFCHR, "zero.txt"), (stat.S_IFBLK, "disk.txt")):
    attempt(os.mknod, path, kind | 0o666, os.makedev(1, 5))
os.mkdir("empty")
open("real.txt", "w").write("mine")
