# SPDX-License-Identifier: Apache-2.0
"""K3: no new namespaces: unshare, clone with NEW* flags and setns are refused; clone3 answers ENOSYS so that libc falls back."""

from support.guest import DENIED

FLAGS = """
FLAGS = dict(NEWNS=0x20000, NEWCGROUP=0x2000000, NEWUTS=0x4000000, NEWIPC=0x8000000, NEWUSER=0x10000000, NEWPID=0x20000000,
             NEWNET=0x40000000, NEWTIME=0x80)
"""


def test_k03_unshare_and_setns(attack):
    told = attack.evidence(
        FLAGS
        + """
facts = {}
for flag, bit in FLAGS.items():
    facts["unshare " + flag] = sc("unshare", bit)
facts["unshare NEWUSER|NEWNET"] = sc("unshare", 0x50000000)
facts["setns"] = sc("setns", -1, 0)
fd = os.open("/proc/self/ns/user", os.O_RDONLY) if os.path.exists("/proc/self/ns/user") else -1
facts["setns user"] = sc("setns", fd, 0x10000000)
tell(facts)
"""
    )
    # Without the filter NEWUSER succeeds and setns(-1) is EBADF.
    wrong = {call: answer for call, answer in told.items() if answer not in DENIED}
    assert not wrong, told


def test_k03_clone_flags(attack):
    """CLONE_FS with NEWUSER or NEWNS is EINVAL from the kernel before it looks at privileges, so EPERM is the filter's."""
    told = attack.evidence(
        FLAGS
        + """
facts = {}
def clone(flags):
    answer = sc("clone", flags | signal.SIGCHLD, 0, 0, 0, 0)
    if answer == "ok:0":
        os._exit(0)
    return answer
for flag, bit in FLAGS.items():
    if flag != "NEWTIME":  # its bit is part of the exit signal in the old call
        facts["clone " + flag] = clone(bit)
facts["clone NEWUSER|FS"] = clone(0x10000200)
facts["clone NEWNS|FS"] = clone(0x20200)
facts["clone NEWUSER|NEWNET"] = clone(0x50000000)
facts["clone high bits"] = sc("clone", ctypes.c_uint64(1 << 40 | 0x10000200 | signal.SIGCHLD), 0, 0, 0, 0)
tell(facts)
"""
    )
    wrong = {call: answer for call, answer in told.items() if answer not in DENIED}
    assert not wrong, told


def test_k03_clone3_is_absent(attack):
    told = attack.evidence(
        """
args = struct.pack("<11Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
facts = dict(empty=sc("clone3", 0, 0))
answer = sc("clone3", ctypes.create_string_buffer(args), len(args))
if answer == "ok:0":
    os._exit(0)
facts["NEWUSER"] = answer
threads = [threading.Thread(target=lambda: None) for _ in range(8)]  # libc falls back to clone
[t.start() for t in threads]; [t.join() for t in threads]
facts["threads"] = len(threads)
tell(facts)
"""
    )
    assert told == {"empty": "ENOSYS", "NEWUSER": "ENOSYS", "threads": 8}
