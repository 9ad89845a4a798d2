# SPDX-License-Identifier: Apache-2.0
"""K7: the privileged and the dangerous system calls are all refused by the filter.

Where the kernel can be made to answer something else than EPERM without the filter (a bad pointer, a bad descriptor,
a call that anyone may make), the arguments are chosen so. `revealing` lists those: each fails this test alone when it
is let through."""

from support.guest import DENIED

CALLS = """
buffer = ctypes.create_string_buffer(4096)
iov = struct.pack("<QQ", ctypes.addressof(buffer), 8)
here = ctypes.create_string_buffer(iov)
me = os.getpid()
CALLS = dict(
    bpf=("bpf", 9999, 0, 0), perf_event_open=("perf_event_open", 0, 0, -1, -1, 0), userfaultfd=("userfaultfd", 0xbad),
    keyctl=("keyctl", 9999, 0, 0, 0, 0), keyctl_session=("keyctl", 1, 0, 0, 0, 0), add_key=("add_key", b"user\\0", b"x\\0", b"y", 1, -1 & 0xffffffff),
    request_key=("request_key", b"user\\0", b"nothing\\0", 0, 0), kexec_load=("kexec_load", 0, 0, 0, 0),
    kexec_file_load=("kexec_file_load", -1, -1, 0, 0, 0), init_module=("init_module", 0, 0, 0), finit_module=("finit_module", -1, 0, 0),
    delete_module=("delete_module", b"x\\0", 0), open_by_handle_at=("open_by_handle_at", -1, buffer, 0),
    name_to_handle_at=("name_to_handle_at", -100, b"/\\0", 0, 0, 0),
    process_vm_readv=("process_vm_readv", me, here, 1, here, 1, 0), process_vm_writev=("process_vm_writev", me, here, 1, here, 1, 0),
    ptrace_traceme=("ptrace", 0, 0, 0, 0), ptrace_attach=("ptrace", 16, os.getppid(), 0, 0), ptrace_seize=("ptrace", 0x4206, os.getppid(), 0, 0),
    pidfd_getfd=("pidfd_getfd", -1, 0, 0), fsopen=("fsopen", b"tmpfs\\0", 0), fsmount=("fsmount", -1, 0, 0), fsconfig=("fsconfig", -1, 0, 0, 0, 0),
    fspick=("fspick", -100, b"/\\0", 0), move_mount=("move_mount", -1, b"\\0", -1, b"\\0", 0), open_tree=("open_tree", -100, b"/\\0", 0),
    open_tree_clone=("open_tree", -100, b"/\\0", 1), mount_setattr=("mount_setattr", -100, b"/\\0", 0, 0, 0),
    swapon=("swapon", b"/nothing\\0", 0), swapoff=("swapoff", b"/nothing\\0"), acct=("acct", b"/nothing\\0"), acct_off=("acct", 0),
    quotactl=("quotactl", 0xffffff, 0, 0, 0), quotactl_fd=("quotactl_fd", -1, 0xffffff, 0, 0),
    syslog_size=("syslog", 10, 0, 0), syslog_read=("syslog", 3, buffer, 4096), syslog_bad=("syslog", 99, 0, 0),
    reboot=("reboot", 0, 0, 0, 0), fanotify_init=("fanotify_init", 0xffff, 0), kcmp=("kcmp", me, me, 99, 0, 0),
    process_madvise=("process_madvise", -1, 0, 0, 0, 0), process_mrelease=("process_mrelease", -1, 0),
    sethostname=("sethostname", b"x", 1), setdomainname=("setdomainname", b"x", 1),
    seccomp_listener=("seccomp", 1, 8, buffer),
    migrate_pages=("migrate_pages", me, 0, 0, 0), move_pages=("move_pages", me, 0, 0, 0, 0, 0),
    vhangup=("vhangup",), memfd_secret=("memfd_secret", 0xbad),
)
for optional, args in dict(iopl=(3,), ioperm=(0, 1, 1), uselib=(0,), _sysctl=(0,), nfsservctl=(0, 0, 0), lookup_dcookie=(0, 0, 0)).items():
    if optional in NR:
        CALLS[optional] = (optional, *args)
"""

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
