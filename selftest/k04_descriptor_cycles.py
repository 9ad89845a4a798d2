# SPDX-License-Identifier: Apache-2.0
# Descriptors in flight in circles are kernel memory that only the kernel's collector frees.
import array


def send(to, descriptors):
    to.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])


until = time.monotonic() + 2
rounds = 0
while rounds < 3000 and time.monotonic() < until:
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        send(a, [a.fileno(), b.fileno()])
        send(b, [a.fileno(), b.fileno()])
    except OSError:
        break
    finally:
        a.close()
        b.close()
    rounds += 1
works("a circle", "ok" if rounds else "none")

flying, stopped, kept = 0, "ok: never", []
try:
    while flying < 100000:
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        kept.append((a, b))
        for _ in range(8):
            send(a, [a.fileno()] * 250)
            flying += 250
except OSError as error:
    stopped = name(error.errno)
fails("100000 descriptors in flight", stopped)
held("how many", flying <= 4096, "%d in flight" % flying)
end()
