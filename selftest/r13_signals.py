# SPDX-License-Identifier: Apache-2.0
# Everything at the init of the cell, by every call that sends signals.
works("a signal to itself", attempt(os.kill, os.getpid(), 0))
info = ctypes.create_string_buffer(struct.pack("<iii", 0, 0, -1) + bytes(116))
for number in (1, 2, 3, 6, 9, 11, 15, 17, 18, 19, 20, 31, 34, 64):
    attempt(os.kill, 1, number)
    sc("tgkill", 1, 1, number)
    sc("rt_sigqueueinfo", 1, number, info)
fd = sc("pidfd_open", 1, 0)
if fd.startswith("ok:"):
    for number in (9, 15, 19):
        sc("pidfd_send_signal", int(fd[3:]), number, 0, 0)
time.sleep(0.1)
state = [line for line in open("/proc/1/status") if line.startswith("State")][0].split()[1]
held("the init", state in "SRD", "state " + state)
for pid in (2**15 - 1, 2**22 - 1, os.getpid() + 1000):
    fails("a process of nobody's", attempt(os.kill, pid, 0), {"ESRCH"})
end()
