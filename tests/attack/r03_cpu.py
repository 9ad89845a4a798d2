# SPDX-License-Identifier: Apache-2.0
"""R3: spinning in all threads is held to the cell's CPU share; higher priorities are refused."""

SPIN = r"""
#include <pthread.h>
#include <time.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static void *spin(void *p) { double end = now() + 3; while (now() < end) ; return p; }
int main(void) { pthread_t t[8]; for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, spin, 0); for (int i = 0; i < 8; i++) pthread_join(t[i], 0); return 0; }
"""


def test_r03_quota(server_with):
    """Half a processor: eight spinning threads get half a second of CPU in a second."""
    server = server_with(MAX_CPUS="0.5")
    with server.client() as client:
        run = client.exec(SPIN.replace("+ 3", "+ 3"), "c", timeout=20000)
        assert run.outcome == "ok", dict(run)
        wall, cpu = run.usage["wall_ms"], run.usage["cpu_ms"]
        assert wall >= 2900, run.usage
        assert cpu <= 0.5 * wall * 1.35 + 100, run.usage
        assert cpu >= 0.5 * 3000 * 0.4, run.usage
        assert client.exec("echo on", "bash").outcome == "ok"


def test_r03_priorities_are_refused(attack):
    told = attack.evidence(
        """
RT = struct.pack("<i", 10)
attr = struct.pack("<IIQiIQQQ", 48, 6, 0, 0, 0, 10 * 1000000, 30 * 1000000, 30 * 1000000)  # SCHED_DEADLINE
fifo = struct.pack("<IIQiIQQQ", 48, 1, 0, 0, 50, 0, 0, 0)
tell(dict(nice=attempt(os.nice, -20), setpriority=attempt(os.setpriority, os.PRIO_PROCESS, 0, -20), fifo=attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(50)),
          rr=attempt(os.sched_setscheduler, 0, os.SCHED_RR, os.sched_param(1)), deadline=sc("sched_setattr", 0, ctypes.create_string_buffer(attr), 0),
          attr_fifo=sc("sched_setattr", 0, ctypes.create_string_buffer(fifo), 0), ioprio=sc("ioprio_set", 1, 0, 1 << 13),
          group=attempt(os.setpriority, os.PRIO_USER, 0, -10),
          rlimit=attempt(lambda: __import__("resource").setrlimit(14, (99, 99)))))
"""
    )
    worked = {way: answer for way, answer in told.items() if answer.startswith("ok")}
    assert not worked, told
