# SPDX-License-Identifier: Apache-2.0
# All threads busy, and a better place in the queue asked for.
fails("nice -20", attempt(os.nice, -20))
for policy, what in ((os.SCHED_FIFO, "FIFO"), (os.SCHED_RR, "RR")):
    fails("SCHED_" + what, attempt(os.sched_setscheduler, 0, policy, os.sched_param(1)))
fails("SCHED_DEADLINE", sc("sched_setattr", 0, struct.pack("<IIQiIQQQ", 48, 6, 0, 0, 0, 10**6, 10**7, 10**7), 0))
fails("real-time I/O", sc("ioprio_set", 1, 0, 1 << 13))
for _ in range(8):
    if os.fork() == 0:
        while True:
            pass
before = time.monotonic()
time.sleep(0.5)
held("the parent goes on", time.monotonic() - before < 10, "%d busy children" % 8)
end()
