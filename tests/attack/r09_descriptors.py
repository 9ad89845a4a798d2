# SPDX-License-Identifier: Apache-2.0
"""R9: a program that opens all it can, or knocks at every socket it finds, leaves the next job a clean table."""

from support import host


def test_r09_exhaustion(attack):
    api, warden = attack.server.api_pid, attack.server.pid
    attack.exec("true", "bash")
    before = host.fd_count(api), host.fd_count(warden)
    for _ in range(5):
        told = attack.evidence(
            """
fds = []
try:
    while len(fds) < 100000: fds.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    stopped = name(error.errno)
tell(dict(count=len(fds), stopped=stopped, raised=attempt(lambda: __import__("resource").setrlimit(7, (4096, 4096)))))
"""
        )
        assert told["stopped"] == "EMFILE" and told["count"] <= 256 and not told["raised"].startswith("ok"), told
    clean = attack.exec("ls /proc/self/fd | tr '\\n' ' '", "bash")
    assert clean.stdout.split() == ["0", "1", "2", "3"], dict(clean)  # 3 is ls's own view of the directory
    assert host.until(lambda: host.fd_count(api) <= before[0] + 2 and host.fd_count(warden) <= before[1] + 2, 3), (
        before,
        host.fd_count(api),
        host.fd_count(warden),
    )


def test_r09_no_server_socket_inside(attack):
    told = attack.evidence(
        """
found, reached = [], []
for root, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(root, f) not in ("/proc", "/sys", "/usr")]
    for file in files:
        path = os.path.join(root, file)
        try:
            if stat.S_ISSOCK(os.lstat(path).st_mode): found.append(path)
        except OSError: pass
unix = [line.split()[-1] for line in open("/proc/net/unix").read().splitlines()[1:]] if os.path.exists("/proc/net/unix") else []
for path in found + [u for u in unix if u.startswith(("/", "@"))]:
    for _ in range(500):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path.replace("@", "\\0", 1)); reached.append(path)
        except OSError: pass
        s.close()
tell(dict(found=found, unix=unix, reached=reached))
"""
    )
    assert told["found"] == [] and told["reached"] == [], told
    assert not [each for each in told["unix"] if each.startswith(("/", "@"))], told


def test_r09_the_descriptors_of_the_program_are_dead_ends(attack):
    """Writing control-like bytes to every number, closing all, and filling the pipes: the run is still typed."""
    run = attack.exec(
        """
import os
for fd in range(3, 300):
    for junk in (b"\\0" * 64, b'{"outcome":"ok"}\\n', b"\\x01\\x00\\x00\\x00" * 32):
        try: os.write(fd, junk)
        except OSError: pass
os.closerange(0, 1024)
os._exit(9)
""",
        "py",
    )
    assert (run.outcome, run.code, run.stdout) == ("error", 9, ""), dict(run)
