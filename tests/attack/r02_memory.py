# SPDX-License-Identifier: Apache-2.0
"""R2: every way to eat memory counts against the cell's limit and ends typed; the server keeps its own."""

import pytest

from support import host

LIMIT_MIB = 512

C_HEAD = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
"""

# Programs that touch far more than the limit: the kernel must kill for memory.
OVER = {
    "malloc": C_HEAD
    + "int main(void) { for (;;) { char *p = malloc(1 << 20); if (!p) return 3; memset(p, 1, 1 << 20); } }",
    "shared-anonymous": C_HEAD
    + """int main(void) { size_t n = 2ul << 30;
        char *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return 3;
        for (size_t i = 0; i < n; i += 4096) p[i] = 1;
        return 0; }""",
    "memfd": C_HEAD
    + """int main(void) { char *b = calloc(1, 1 << 20);
        /* A file of a memfd is limited in size too, so many of them. */
        for (int f = 0; f < 64; f++) { int fd = memfd_create("x", 0); if (fd < 0) return 3;
            for (int i = 0; i < 64; i++) if (write(fd, b, 1 << 20) < 0) break; }
        return 0; }""",
    "page-tables": C_HEAD
    + """int main(void) {
        /* One byte every 2 MiB of a shared mapping of one page's file: nearly all cost is page tables. */
        for (;;) { size_t n = 1ul << 36; char *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (p == MAP_FAILED) return 3;
            madvise(p, n, MADV_NOHUGEPAGE);
            volatile char sum = 0;
            for (size_t i = 0; i < n; i += 2 << 20) sum += p[i]; } }""",
    "many-processes": C_HEAD
    + """int main(void) {
        for (int i = 0; i < 100; i++) if (fork() == 0) { char *p = malloc(16 << 20); memset(p, 1, 16 << 20); pause(); }
        for (int status; wait(&status) > 0;) if (WIFSIGNALED(status)) return 3;
        return 0; }""",
    "mlock": C_HEAD
    + """int main(void) { for (;;) { char *p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (p == MAP_FAILED) return 3; mlock(p, 1 << 20); } }""",
}


def _check_oom(run):
    assert run.outcome == "out_of_memory", dict(run)
    assert (run.code, run["status"], run["message"]) == (137, "SG", "Out of memory"), dict(run)
    assert run.stderr.endswith(f"Execution failed: Out of memory (limit {LIMIT_MIB} MB)"), dict(run)
    peak = run.usage["memory_peak_bytes"]
    assert LIMIT_MIB * 0.5 * 2**20 <= peak <= LIMIT_MIB * 1.02 * 2**20, run.usage


@pytest.mark.parametrize("way", sorted(OVER))
def test_r02_over_the_limit(attack, way):
    _check_oom(attack.exec(OVER[way], "c", timeout=20000))


def test_r02_a_child_may_be_lost(attack):
    """The kernel takes the process that ate the memory; a parent that can go on without it does."""
    run = attack.exec(
        C_HEAD
        + """int main(void) { int status;
            if (fork() == 0) for (;;) { char *p = malloc(1 << 20); if (!p) return 3; memset(p, 1, 1 << 20); }
            wait(&status);
            printf("%d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
            return 0; }""",
        "c",
        timeout=20000,
    )
    assert run.outcome == "ok" and run.stdout == "9\n", dict(run)


def test_r02_python(attack):
    run = attack.exec(
        "print('before', flush=True)\na = []\nwhile True: a.append(bytearray(1 << 20))", "py", timeout=20000
    )
    if run.outcome == "error":  # CPython may see malloc fail first; then it says so itself
        assert "MemoryError" in run.stderr, dict(run)
    else:
        _check_oom(run)
    assert run.stdout == "before\n", dict(run)


@pytest.mark.parametrize("place", ["/dev/shm", "/tmp", "/mnt/data"])
def test_r02_files_in_memory_count(attack, place):
    """Files of the cell's own file systems are its memory: full, too large or killed, but never the host's."""
    run = attack.exec(
        f"i=0; while [ $i -lt 40 ]; do head -c 64M /dev/zero > {place}/f$i || exit 5; i=$((i+1)); done",
        "bash",
        timeout=20000,
    )
    assert run.outcome in ("out_of_memory", "disk_limit"), dict(run)
    assert run.usage["memory_peak_bytes"] >= 16 * 2**20, run.usage


def test_r02_swap_does_not_help(attack):
    """The limit is on memory and swap together: cold pages cannot go elsewhere."""
    told = attack.evidence(
        """
tell(dict(pageout=sc("prctl", 0, 0, 0, 0, 0), swap=open("/proc/self/status").read().count("VmSwap:\\t       0")))
"""
    )
    assert told["swap"] == 1, told


def test_r02_pipe_and_socket_buffers_count(attack):
    run = attack.exec(
        """
import fcntl, os, socket, json
written, pipes = 0, []
try:
    while True:
        r, w = os.pipe(); pipes.append((r, w))
        try: fcntl.fcntl(w, 1031, 1 << 20)
        except OSError: pass
        os.set_blocking(w, False)
        try:
            while True: written += os.write(w, b"x" * 65536)
        except BlockingIOError: pass
except OSError: pass
for r, w in pipes: os.close(r); os.close(w)
sockets, queued = [], 0
try:
    while True:
        a, b = socket.socketpair(); sockets.append((a, b))
        for s in (a, b):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22); s.setblocking(False)
            try:
                while True: queued += s.send(b"x" * 65536)
            except BlockingIOError: pass
except OSError: pass
print(json.dumps([written, queued]))
""",
        "py",
        timeout=20000,
    )
    if run.outcome == "out_of_memory":
        return
    assert run.outcome == "ok", dict(run)
    written, queued = run.result()
    assert written > 0 and queued > 0
    assert run.usage["memory_peak_bytes"] >= 0.6 * max(written, queued), (written, queued, run.usage)


def test_r02_the_program_cannot_raise_the_limit_or_hide(attack):
    told = attack.evidence(
        """
tell(dict(score=attempt(lambda: open("/proc/self/oom_score_adj", "w").write("-1000")), procs=attempt(lambda: open("/sys/fs/cgroup/cgroup.procs", "w").write("1"))))
"""
    )
    assert told["score"] in ("EACCES", "EPERM", "EROFS", "ENOENT"), told
    assert not told["procs"].startswith("ok"), told


def test_r02_the_server_does_not_grow(attack):
    before = host.rss_kib(attack.server.api_pid)
    for _ in range(3):
        _check_oom(attack.exec(OVER["malloc"], "c", timeout=20000))
    assert host.rss_kib(attack.server.api_pid) - before < 16 * 1024
