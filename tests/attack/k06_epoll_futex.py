# SPDX-License-Identifier: Apache-2.0
"""K6: epoll nesting storms are bounded, priority-inheritance futexes are refused, ordinary ones work; doctor names the kernel."""

import platform
import subprocess

from support.guest import DENIED


def test_k06_pi_futexes_denied(attack):
    told = attack.evidence(
        """
word = ctypes.c_uint32(0)
PI = dict(LOCK_PI=6, UNLOCK_PI=7, TRYLOCK_PI=8, WAIT_REQUEUE_PI=11, CMP_REQUEUE_PI=12, LOCK_PI2=13)
facts = {}
for op, number in PI.items():
    for flag, bits in (("", 0), (" PRIVATE", 128), (" PRIVATE REALTIME", 128 | 256)):
        word.value = 0
        # The second word of the requeue operations is the same one, which the kernel itself would answer EINVAL.
        facts[op + flag] = sc("futex", ctypes.byref(word), number | bits, 0, 0, ctypes.byref(word), 0)
lock, counter = threading.Lock(), [0]
def work():
    for _ in range(2000):
        with lock:
            counter[0] += 1
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
tell(dict(pi=facts, counter=counter[0]))
"""
    )
    wrong = {op: answer for op, answer in told["pi"].items() if answer not in DENIED}
    assert not wrong, told  # without the filter LOCK_PI of a free word succeeds
    assert told["counter"] == 16000


def test_k06_epoll_nesting_storm(attack):
    told = attack.evidence(
        """
import select
refused, made = {}, 0
end = time.monotonic() + 3
while time.monotonic() < end:
    polls = []
    try:
        for _ in range(60):
            polls.append(select.epoll()); made += 1
        for outer in polls:
            for inner in polls:
                if outer is not inner:
                    try:
                        outer.register(inner.fileno(), select.EPOLLIN)
                    except OSError as error:
                        refused[name(error.errno)] = refused.get(name(error.errno), 0) + 1
    except OSError as error:
        refused[name(error.errno)] = refused.get(name(error.errno), 0) + 1
    [poll.close() for poll in polls]
r, w = os.pipe()
plain = select.epoll(); plain.register(r, select.EPOLLIN); os.write(w, b"x")
tell(dict(refused=refused, made=made, plain=len(plain.poll(1))))
""",
        timeout=15000,
    )
    assert told["plain"] == 1, told
    assert told["refused"].get("ELOOP", 0) > 0, told


def test_k06_doctor_checks_the_kernel(program):
    said = subprocess.run([program, "doctor"], capture_output=True, text=True, timeout=60)
    assert platform.release().split("-")[0] in said.stdout + said.stderr, said.stdout
