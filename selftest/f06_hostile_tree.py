# SPDX-License-Identifier: Apache-2.0
# Names that break out of something, directories that never end, and more files than anybody wants.
HOSTILE = ("a\nb.txt", "\x1b[2J.txt", "\u202egpj.txt", "-rf", "a\\b.txt", "%2e%2e.txt", "'; rm.txt", "\xe9.txt", "e\u0301.txt", "x" * 255)
for hostile in HOSTILE:
    open("/mnt/data/" + hostile, "w").write("x")
open(b"/mnt/data/\xff\xfe.txt", "w").write("x")
os.chdir("/mnt/data")
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
open("bottom.txt", "w").write("x")
os.chdir("/mnt/data")
for i in range(3000):
    os.close(os.open("many%05d.txt" % i, os.O_CREAT | os.O_WRONLY))
