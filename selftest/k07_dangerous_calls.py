# SPDX-License-Identifier: Apache-2.0
# Where the kernel can be made to say something else than EPERM without the filter (a bad pointer, a bad descriptor, a call
# that anybody may make), the arguments are chosen so.
buffer = ctypes.create_string_buffer(4096)
iov = struct.pack("<QQ", ctypes.addressof(buffer), 8)
here = ctypes.create_string_buffer(iov)
me = os.getpid()
CALLS = dict(
    bpf=("bpf", 9999, 0, 0), perf_event_open=("perf_event_open", 0, 0, -1, -1, 0), userfaultfd=("userfaultfd", 0xbad),
    keyctl=("keyctl", 9999, 0, 0, 0, 0), keyctl_session=("keyctl", 1, 0, 0, 0, 0), add_key=("add_key", b"user\0", b"x\0", b"y", 1, -1 & 0xffffffff),
    request_key=("request_key", b"user\0", b"nothing\0", 0, 0), kexec_load=("kexec_load", 0, 0, 0, 0),
    kexec_file_load=("kexec_file_load", -1, -1, 0, 0, 0), init_module=("init_module", 0, 0, 0), finit_module=("finit_module", -1, 0, 0),
    delete_module=("delete_module", b"x\0", 0), open_by_handle_at=("open_by_handle_at", -1, buffer, 0),
    name_to_handle_at=("name_to_handle_at", -100, b"/\0", 0, 0, 0),
    process_vm_readv=("process_vm_readv", me, here, 1, here, 1, 0), process_vm_writev=("process_vm_writev", me, here, 1, here, 1, 0),
    ptrace_traceme=("ptrace", 0, 0, 0, 0), ptrace_attach=("ptrace", 16, os.getppid(), 0, 0), ptrace_seize=("ptrace", 0x4206, os.getppid(), 0, 0),
    pidfd_getfd=("pidfd_getfd", -1, 0, 0), fsopen=("fsopen", b"tmpfs\0", 0), fsmount=("fsmount", -1, 0, 0), fsconfig=("fsconfig", -1, 0, 0, 0, 0),
    fspick=("fspick", -100, b"/\0", 0), move_mount=("move_mount", -1, b"\0", -1, b"\0", 0), open_tree=("open_tree", -100, b"/\0", 0),
    open_tree_clone=("open_tree", -100, b"/\0", 1), mount_setattr=("mount_setattr", -100, b"/\0", 0, 0, 0),
    swapon=("swapon", b"/nothing\0", 0), swapoff=("swapoff", b"/nothing\0"), acct=("acct", b"/nothing\0"), acct_off=("acct", 0),
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
NR_IOCTL = 16 if os.uname().machine == "x86_64" else 29
CALLS.update(
    push_into_terminal=(NR_IOCTL, 1, 0x5412, b"x"),  # the kernel would say ENOTTY
    new_memory_map=("prctl", 35, 9999, 0, 0, 1), old_filter=("prctl", 22, 99, 0, 0, 0),  # EINVAL
    no_random_addresses=("personality", 0x0040000),  # anybody may
)
pipe, stream = os.pipe()[1], socket.socket(socket.AF_UNIX)
accept_all = struct.pack("<HBBI", 6, 0, 0, 0xffffffff)
own = ctypes.create_string_buffer(accept_all)
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, 7, 0xffffffff) for tag in (1, 4, 0x20))
open("/tmp/acl", "w").close()
CALLS.update(larger_pipe=("fcntl", pipe, 1031, 1 << 17))
for what, call in CALLS.items():
    fails(what, sc(*call), DENIED)
filter = struct.pack("<HxxxxxxQ", 1, ctypes.addressof(own))
fails("socket filter", sc("setsockopt", stream.fileno(), 1, 26, filter, len(filter)))
fails("access control list", sc("setxattr", b"/tmp/acl\0", b"system.posix_acl_access\0", acl, len(acl), 0))
# Arguments that the filter answers before the kernel finds what else is wrong with them.
for what, said, answer in (
    ("a read of cached pages alone", sc("preadv2", -1, iov, 1, 0, 0, 8), name(errno.EOPNOTSUPP)),  # EBADF
    ("huge pages", sc("mmap", 0, 0, 1, 0x40022, -1, 0), "ENOMEM"),  # EINVAL
    ("a close that waits", sc("setsockopt", -1, 1, 13, 0, 0), "ok:0"),  # EBADF: it is ignored
):
    held(what, said == answer, said)
works("getpid", sc("getpid"))
end()
