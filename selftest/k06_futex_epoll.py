# SPDX-License-Identifier: Apache-2.0
import select

word = ctypes.c_uint32(0)
for op, number in dict(LOCK_PI=6, UNLOCK_PI=7, TRYLOCK_PI=8, WAIT_REQUEUE_PI=11, CMP_REQUEUE_PI=12, LOCK_PI2=13).items():
    for bits in (0, 128, 128 | 256):
        word.value = 0
        fails("futex %s %d" % (op, bits), sc("futex", ctypes.byref(word), number | bits, 0, 0, ctypes.byref(word), 0), DENIED)
works("an ordinary futex", sc("futex", ctypes.byref(word), 1, 1, 0, 0, 0))

until = time.monotonic() + 1
refused = {}
while time.monotonic() < until:
    polls = [select.epoll() for _ in range(40)]
    for outer in polls:
        for inner in polls:
            if outer is not inner:
                said = attempt(outer.register, inner.fileno(), select.EPOLLIN)
                refused[said] = refused.get(said, 0) + 1
    for poll in polls:
        poll.close()
held("epolls in epolls", refused.get("ELOOP", 0) > 0, "ELOOP" if "ELOOP" in refused else str(refused))
end()
