# SPDX-License-Identifier: Apache-2.0
"""Pieces of programs that run inside cells: system calls by name from Python, and the evidence they hand back as JSON."""

import json
import platform

# name: (x86_64, aarch64); None where the architecture has no such call.
SYSCALLS = {
    "accept4": (288, 242),
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "futex": (202, 98),
    "get_mempolicy": (239, 236),
    "getpid": (39, 172),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "ioprio_set": (251, 30),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "prctl": (157, 167),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "rt_sigqueueinfo": (129, 138),
    "sched_setattr": (314, 274),
    "sched_setscheduler": (144, 119),
    "seccomp": (317, 277),
    "sendmmsg": (307, 269),
    "set_mempolicy": (238, 237),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "setpriority": (141, 140),
    "settimeofday": (164, 170),
    "socket": (41, 198),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "tgkill": (234, 131),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "uselib": (134, None),
    "ustat": (136, None),
    "vhangup": (153, 58),
    "vmsplice": (278, 75),
    "_sysctl": (156, None),
}


def numbers():
    column = 1 if platform.machine() == "aarch64" else 0
    return {name: pair[column] for name, pair in SYSCALLS.items() if pair[column] is not None}


PY = f"""
import ctypes, errno, json, os, signal, socket, stat, struct, subprocess, sys, threading, time
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
NR = {json.dumps(numbers())}

def name(number):
    return errno.errorcode.get(number, str(number))

def sc(call, *args):
    "A system call by name or number: the errno's name, or ok:<value>."
    ctypes.set_errno(0)
    number = NR[call] if isinstance(call, str) else call
    result = _libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return name(ctypes.get_errno()) if result == -1 else "ok:%d" % result

def attempt(call, *args, **kwargs):
    "Calls a function: the errno's name or the exception's, or ok:<value>."
    try:
        return "ok:" + str(call(*args, **kwargs))[:200]
    except OSError as error:
        return name(error.errno) if error.errno else type(error).__name__
    except Exception as error:
        return type(error).__name__

def tell(facts):
    print(json.dumps(facts), flush=True)
"""

# A socket type that no family has. The kernel checks it before it looks at the family and answers EINVAL, so another
# answer can only come from a filter on the family.
BAD_TYPE = 14

DENIED = {"EPERM", "ENOSYS"}
SOCKET_DENIED = {"EPERM", "EAFNOSUPPORT", "ENOSYS", "EACCES"}


def py(body):
    """A Python program with the helpers above; it hands its evidence back by tell({...}) as its last line."""
    return PY + body
