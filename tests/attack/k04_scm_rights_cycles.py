# SPDX-License-Identifier: Apache-2.0
"""K4: cycles of descriptors in flight over AF_UNIX cannot pile up in the kernel."""

from support import guest, host

ROUNDS = 20000

PROGRAM = f"""
import array
def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
def rights(*fds):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
sent, refused = 0, None
deadline = time.monotonic() + 8
# Each round leaves a cycle: both ends of a pair lie in the queues of one another and have no other owner.
while sent < {ROUNDS} and time.monotonic() < deadline:
    try:
        a, b = pair()
        a.sendmsg([b"x"], rights(a.fileno(), b.fileno()))
        b.sendmsg([b"x"], rights(a.fileno(), b.fileno()))
        a.close(); b.close()
        sent += 2
    except OSError as error:
        refused = name(error.errno)
        break
# Held on purpose: as many descriptors in flight at once as one queue takes.
held, kept, stopped = 0, [], None
a, b = pair()
try:
    while held < 100000:
        if held % 8 == 0:
            a, b = pair()
            kept.append((a, b))
        a.sendmsg([b"x"], rights(*[a.fileno()] * 250))
        held += 250
except OSError as error:
    stopped = name(error.errno)
many = sc("sendmmsg", a.fileno(), 0, 0, 0)
tell(dict(sent=sent, refused=refused, held=held, stopped=stopped, sendmmsg=many))
# The kernel counts them by user, and another server's slots have the same: nothing of it shall live on with the session.
del kept, a, b
"""


def _open_files():
    return int(host.read("/proc/sys/fs/file-nr").split()[0])


def test_k04_descriptor_cycles(attack):
    before = _open_files()
    told = attack.evidence(PROGRAM, timeout=20000)
    # The kernel lets a user have as many descriptors in flight as it may have open (RLIMIT_NOFILE, 256).
    assert told["stopped"] in ("ETOOMANYREFS", "EPERM", "EMFILE", "EAGAIN", "ENOBUFS"), told
    assert told["held"] <= 4096, told
    assert host.until(lambda: _open_files() < before + 2000, 5), (before, _open_files(), told)


def test_k04_through_sendmmsg(attack):
    code = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    long sent = 0;
    for (int round = 0; round < 5000; round++) {
        int p[2];
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p)) break;
        char control[8][CMSG_SPACE(2 * sizeof(int))];
        struct iovec iov = { "x", 1 };
        struct mmsghdr m[8];
        memset(m, 0, sizeof m);
        for (int i = 0; i < 8; i++) {
            m[i].msg_hdr.msg_iov = &iov;
            m[i].msg_hdr.msg_iovlen = 1;
            m[i].msg_hdr.msg_control = control[i];
            m[i].msg_hdr.msg_controllen = sizeof control[i];
            struct cmsghdr *c = CMSG_FIRSTHDR(&m[i].msg_hdr);
            c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN(sizeof p);
            memcpy(CMSG_DATA(c), p, sizeof p);
        }
        int n = sendmmsg(p[round % 2], m, 8, MSG_DONTWAIT);
        if (n < 0) { printf("%ld %s\n", sent, strerror(errno)); return 0; }
        sent += n;
        close(p[0]); close(p[1]);
    }
    printf("%ld done\n", sent);
}
"""
    before = _open_files()
    run = attack.exec(code, "c", timeout=20000)
    assert run.outcome == "ok", dict(run)
    assert host.until(lambda: _open_files() < before + 2000, 5), (before, _open_files(), run.stdout)


def test_k04_no_close_waits(attack):
    """What a program has sent on its way is closed by others (C5, X10): a close that waits for a peer would be theirs."""
    told = attack.evidence(
        guest.LINGER.format(seconds=20) + "began = time.monotonic()\nnear.close()\ntell(time.monotonic() - began)"
    )
    assert told < 10, told
