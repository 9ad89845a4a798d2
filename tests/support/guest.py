# SPDX-License-Identifier: Apache-2.0
"""Pieces of programs that run inside cells: system calls by name from Python, and the evidence they hand back as JSON."""

import json
import os
import platform
import runpy

# name: (x86_64, aarch64); None where the architecture has no such call. One table for `codecell selftest` and the tests.
SYSCALLS = runpy.run_path(os.path.join(os.path.dirname(__file__), "../../selftest/calls.py"))["SYSCALLS"]


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
