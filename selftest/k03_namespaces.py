# SPDX-License-Identifier: Apache-2.0
# Without new namespaces a program is never root over any part of the kernel.
FLAGS = dict(
    NEWNS=0x20000, NEWCGROUP=0x2000000, NEWUTS=0x4000000, NEWIPC=0x8000000, NEWUSER=0x10000000, NEWPID=0x20000000,
    NEWNET=0x40000000, NEWTIME=0x80,
)


def clone(flags):
    answer = sc("clone", flags | signal.SIGCHLD, 0, 0, 0, 0)
    if answer == "ok:0":
        os._exit(0)
    return answer


works("a plain child", clone(0))
for flag, bit in FLAGS.items():
    fails("unshare " + flag, sc("unshare", bit), DENIED)
    if flag != "NEWTIME":  # its bit is part of the exit signal in the old call
        fails("clone " + flag, clone(bit), DENIED)
fails("unshare NEWUSER|NEWNET", sc("unshare", 0x50000000), DENIED)
# The kernel itself would say EINVAL to these two.
fails("clone NEWUSER|FS", clone(0x10000200), DENIED)
fails("clone NEWNS|FS", clone(0x20200), DENIED)
fails("setns", sc("setns", -1, 0), DENIED)
fd = os.open("/proc/self/ns/user", os.O_RDONLY)
fails("setns to its own", sc("setns", fd, 0x10000000), DENIED)

arguments = struct.pack("<11Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
answer = sc("clone3", ctypes.create_string_buffer(arguments), len(arguments))
if answer == "ok:0":
    os._exit(0)
fails("clone3 NEWUSER", answer, {"ENOSYS"})
end()
