# SPDX-License-Identifier: Apache-2.0
"""F4: FIFOs, sockets, device nodes and links to devices as outputs are passed over without blocking."""

import time


def test_f04_special_outputs(attack):
    start = time.monotonic()
    run = attack.exec(
        """
import os, socket, stat
os.mkfifo("/mnt/data/fifo.txt")
os.mkfifo("/mnt/data/fifo with writer.txt")
s = socket.socket(socket.AF_UNIX); s.bind("/mnt/data/socket.txt"); s.listen(1)
os.symlink("/dev/urandom", "/mnt/data/random.bin2")
os.symlink("/dev/stdin", "/mnt/data/stdin.txt")
for kind, name in ((stat.S_IFCHR, "zero.txt"), (stat.S_IFBLK, "disk.txt")):
    try:
        os.mknod("/mnt/data/" + name, kind | 0o666, os.makedev(1, 5)); print("MADE", name)
    except OSError as error:
        print(error.errno)
os.mkdir("/mnt/data/empty")
open("/mnt/data/real.txt", "w").write("x")
""",
        "py",
    )
    took = time.monotonic() - start
    assert run.outcome == "ok" and set(run.lines()) <= {"1", "38"}, dict(run)  # EPERM or ENOSYS
    assert run.names() == ["real.txt"], dict(run)
    assert took < 5, took


def test_f04_input_replaced_by_a_fifo(attack):
    up = attack.upload(("in.txt", b"original"))
    run = attack.exec("rm in.txt; mkfifo in.txt", "bash", files=[up.reference()], timeout=5000)
    assert run.outcome == "ok" and run.files == [] and run.get("deleted_files") == ["in.txt"], dict(run)


def test_f04_unreadable_and_strange_modes(attack):
    """Modes mean nothing to the harvest: a file of mode 0 is a result, a directory of mode 0 is walked."""
    run = attack.exec(
        """
mkdir d && echo in > d/f.txt && echo zero > zero.txt && echo suid > suid.txt
chmod 6777 suid.txt; chmod 0 zero.txt; chmod 0 d
""",
        "bash",
    )
    assert run.names() == ["d/f.txt", "suid.txt", "zero.txt"], dict(run)
    assert [attack.fetch(entry) for entry in run.files] == [b"in\n", b"suid\n", b"zero\n"]
