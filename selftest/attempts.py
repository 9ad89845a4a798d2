# SPDX-License-Identifier: Apache-2.0
# Tries things and tells what came of it, in words. Stands behind calls.py before each Python program of the self-test and of
# the attack tests.

import ctypes, errno, os, signal, socket, stat, struct, subprocess, sys, threading, time

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
NR = {name: pair[os.uname().machine == "aarch64"] for name, pair in SYSCALLS.items() if pair[os.uname().machine == "aarch64"]}
DENIED = {"EPERM", "ENOSYS"}
NO_SOCKET = {"EPERM", "EAFNOSUPPORT", "ENOSYS", "EACCES"}
BAD_TYPE = 14  # no family has it: the kernel says EINVAL before it looks at the family, so another answer is the filter's


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
