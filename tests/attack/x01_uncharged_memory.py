# SPDX-License-Identifier: Apache-2.0
"""R2, K4: memory of the kernel that no cgroup is charged for is out of reach: access control lists, socket filters, buffers of TCP
and UDP, huge pages, larger pipes of the server."""

import pytest

C_HEAD = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
"""

ACL = C_HEAD + r"""
int main(void) {
    enum { ENTRIES = 8180 };
    static struct { uint16_t tag, perm; uint32_t id; } e[ENTRIES + 4];
    static char value[4 + sizeof e];
    int n = 0, made = 0;
    e[n].tag = 1, e[n].perm = 7, e[n++].id = -1;
    for (int i = 0; i < ENTRIES; i++) e[n].tag = 2, e[n].perm = 5, e[n++].id = 1001;
    e[n].tag = 4, e[n].perm = 5, e[n++].id = -1;
    e[n].tag = 16, e[n].perm = 7, e[n++].id = -1;
    e[n].tag = 32, e[n].perm = 5, e[n++].id = -1;
    *(uint32_t *)value = 2;
    memcpy(value + 4, e, sizeof e);
    const char *places[] = { "/tmp", "/dev/shm", "/mnt/data" };
    for (int p = 0; p < 3; p++) for (int i = 0; i < 20; i++) {
        char name[64];
        sprintf(name, "%s/f%d", places[p], i);
        int fd = open(name, O_CREAT | O_RDWR, 0644);
        if (setxattr(name, "system.posix_acl_access", value, sizeof value, 0) == 0) made++;
        if (fsetxattr(fd, "system.posix_acl_access", value, sizeof value, 0) == 0) made++;
        if (lsetxattr(name, "user.x", value, sizeof value, 0) == 0) made++;
    }
    printf("%d %d\n", made, errno);
}
"""

FILTER = C_HEAD + r"""
int main(void) {
    static struct sock_filter code[4096];
    for (int i = 0; i < 4095; i++) code[i].k = 1;
    code[4095].code = 6;
    struct sock_fprog program = { 4096, code };
    int made = 0, pair[2];
    for (int option = 0; option < 100; option++) {
        if (option != SO_ATTACH_FILTER && option != 51) continue;
        for (int type = 1; type <= 2; type++) {
            socketpair(AF_UNIX, type, 0, pair);
            made += setsockopt(pair[0], SOL_SOCKET, option, &program, sizeof program) == 0;
            made += setsockopt(socket(AF_INET, type, 0), SOL_SOCKET, option, &program, sizeof program) == 0;
        }
    }
    printf("%d\n", made);
}
"""

# The same request with the upper half of a register set, which the kernel ignores.
WIDE = C_HEAD + r"""
int main(void) {
    long high = 1L << 32;
    int pipes[2], made = 0;
    pipe(pipes);
    int before = fcntl(pipes[0], F_GETPIPE_SZ);
    for (int fd = 1; fd < 5; fd++) {
        made += syscall(SYS_fcntl, fd, (long)F_SETPIPE_SZ, 1 << 20) > 0;
        made += syscall(SYS_fcntl, fd, high | F_SETPIPE_SZ, 1 << 20) > 0;
    }
    made += syscall(SYS_socket, high | 38, 5L, 0L) >= 0;
    made += syscall(SYS_prctl, high | 22, 1L, 0L) >= 0;
    made += syscall(SYS_ioctl, 1L, high | 0x5412, "x") >= 0;
    printf("%d %d\n", made, fcntl(pipes[0], F_GETPIPE_SZ) - before);
}
"""

HUGE = C_HEAD + r"""
int main(void) {
    void *p = mmap(0, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
    int m = p == MAP_FAILED ? errno : 0;
    int fd = memfd_create("x", MFD_HUGETLB), f = fd < 0 ? errno : 0;
    int id = shmget(IPC_PRIVATE, 2 << 20, IPC_CREAT | SHM_HUGETLB | SHM_NORESERVE | 0600), s = id < 0 ? errno : 0;
    printf("%d %d %d\n", m, f, s);
}
"""


def _words(run):
    assert run.outcome == "ok", dict(run)
    return [int(word) for word in run.stdout.split()]


def test_x01_access_control_lists(attack):
    assert _words(attack.exec(ACL, "c")) == [0, 95]


def test_x01_tools_live_without_extended_attributes(attack):
    run = attack.exec("echo a > a && cp -a a b && install -m 644 a c && mv a /tmp/ && mv /tmp/a . && tar --xattrs -cf t.tar a b && mkdir d && tar -xf t.tar -C d && ls d", "bash")
    assert (run.outcome, run.stdout, run.stderr) == ("ok", "a\nb\n", ""), dict(run)


def test_x01_socket_filters(attack):
    assert _words(attack.exec(FILTER, "c")) == [0]


def test_x01_upper_halves_of_registers(attack):
    assert _words(attack.exec(WIDE, "c")) == [0, 0]


def test_x01_huge_pages(attack):
    assert _words(attack.exec(HUGE, "c")) == [12, 22, 1]


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_x01_network_buffers_are_bounded(attack, kind):
    """Each of 100 pairs of sockets on the cell's loopback is filled; the kernel's own account says with how much."""
    run = attack.exec("""
import socket, sys, time
held = []
def fill(s, block, target=None):
    s.setblocking(False)
    for _ in range(2000):
        try: s.send(block) if target is None else s.sendto(block, target)
        except OSError: return
for _ in range(100):
    if sys.argv[1] == "tcp":
        l = socket.socket(); l.bind(("127.0.0.1", 0)); l.listen(1)
        c = socket.socket(); c.setblocking(False)
        try: c.connect(l.getsockname())
        except OSError: pass
        l.settimeout(0.2)
        try: d, _ = l.accept()
        except OSError: break
        held += [c, d]; l.close(); fill(c, b"x" * 65536)
    else:
        r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); r.setsockopt(1, 8, 1 << 23); r.bind(("127.0.0.1", 0)); held.append(r)
        fill(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), b"x" * 1000, r.getsockname())
lines = [l.split() for l in open("/proc/net/sockstat") if l.startswith(sys.argv[1].upper() + ":")]
print(int(lines[0][lines[0].index("mem") + 1]) * 4)
""", "py", args=[kind], timeout=30000)
    if run.outcome == "out_of_memory":
        return
    assert _words(run)[0] <= 128 * 1024, dict(run)
