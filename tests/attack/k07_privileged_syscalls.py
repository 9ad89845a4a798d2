# SPDX-License-Identifier: Apache-2.0
"""K7: the privileged and the dangerous system calls are all refused by the filter.

Where the kernel can be made to answer something else than EPERM without the filter (a bad pointer, a bad descriptor,
a call that anyone may make), the arguments are chosen so. `revealing` lists those: each fails this test alone when it
is let through."""

import os

from support.guest import DENIED

# The calls are those of `codecell selftest`; what it tries behind them anybody may do.
with open(os.path.join(os.path.dirname(__file__), "../../selftest/k07_dangerous_calls.py"), encoding="utf-8") as file:
    CALLS = file.read().partition("NR_IOCTL")[0]

# What the kernel would say to each without a filter, at least on common configurations.
REVEALING = {
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "keyctl_session",
    "add_key",
    "request_key",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace_traceme",
    "pidfd_getfd",
    "open_tree",
    "name_to_handle_at",
    "kcmp",
    "mount_setattr",
}


def test_k07_every_call_denied(attack):
    told = attack.evidence(CALLS + "tell({key: sc(*args) for key, args in CALLS.items()})")
    wrong = {call: answer for call, answer in told.items() if answer not in DENIED}
    assert not wrong, wrong
    assert REVEALING <= set(told)


def test_k07_the_pinned_ptrace_answer(attack):
    """security.md S1 rule 5: a C program that calls ptrace gets -1 and EPERM."""
    run = attack.exec(
        """#include <errno.h>
#include <stdio.h>
#include <sys/ptrace.h>
int main(void) { long r = ptrace(PTRACE_TRACEME, 0, 0, 0); printf("%ld %d\\n", r, errno); }""",
        "c",
    )
    assert run.stdout == "-1 1\n", dict(run)


def test_k07_filter_is_on_and_sealed(attack):
    """The state the kernel reports: filter mode, no new privileges, no capability in any set, for the program and its children."""
    told = attack.evidence(
        """
fields = ("Seccomp", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Uid", "Gid", "Groups")
def status(text):
    return {line.split(":")[0]: line.split(":")[1].split() for line in text.splitlines() if line.split(":")[0] in fields}
child = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout
off = sc("prctl", 38, 0, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS can only be set
tell(dict(me=status(open("/proc/self/status").read()), child=status(child), off=off, bound=sc("prctl", 23, 21, 0, 0, 0)))
"""
    )
    for who in ("me", "child"):
        state = told[who]
        assert state["Seccomp"] == ["2"] and state["NoNewPrivs"] == ["1"], told
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(state[name][0], 16) == 0, told
        assert set(state["Uid"]) == {"1001"} and "0" not in state["Gid"] and "0" not in state["Groups"], told
    assert told["off"] != "ok:0" and told["bound"] in ("ok:0", "EPERM"), told
