# SPDX-License-Identifier: Apache-2.0
"""What runs in the place of the api, as its user and with its channel to the warden (x12_hostile_api.py). Without the api's
own walls: each call that it makes is one that those allow.

The first one does what the file "scenario" beside it says, in some of them looks ("served") whether it is served itself still,
and dies; the next one looks ("codes") whether the warden still serves."""

import array
import contextlib
import fcntl
import functools
import itertools
import json
import os
import signal
import socket
import struct
import sys
import time

RUN, STARTED, ENDED, PAUSE = 2, 3, 4, 10
PROGRAM_MAGIC = 0x4C4C4543
NULL = os.open("/dev/null", os.O_RDONLY)
_UNREAD, OUT = os.pipe()
# In a program: fd is what it was given.
RECEIVE = "import os, socket; fd = socket.recv_fds(socket.socket(fileno=3), 1, 1)[1][0]"
NUMBERS = itertools.count()
HERE = os.path.dirname(os.path.abspath(sys.argv[0]))
DATA = os.path.join(HERE, "data")
warden = socket.socket(fileno=4)


def say(**what):
    with open(os.path.join(DATA, "said"), "a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\n")


def new_id():
    return f"{os.getpid():010}{next(NUMBERS):011}".encode()


def run_message(identifier, continues=b"", timeout_s=3600, tools=False):
    limits = (timeout_s * 10**6, 128 << 20, 16 << 20, 1 << 20, 1000, 1000, 0, tools, 0, 0, 0)
    return struct.pack("<II24s24sQQQQIIQIIII24s", RUN, 64, identifier, b"", *limits, continues)


def program(command):
    def text(value):
        return value.encode() + b"\0"

    argv = ["/usr/bin/bash", "-c", command]
    packed = struct.pack("<IIIII", PROGRAM_MAGIC, 0, 0, 1, 1) + text("PATH=/usr/bin:/bin") + struct.pack("<I", 0) + text("/tmp")
    fd = os.memfd_create("program", os.MFD_ALLOW_SEALING)
    os.write(fd, packed + struct.pack("<I", len(argv)) + b"".join(map(text, argv)))
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 15)
    return fd


def send(message, *fds):
    warden.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])


def channel():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def kind(message):
    return struct.unpack_from("<I", message)[0]


def standard():
    return {"stdin": NULL, "stdout": OUT, "stderr": OUT}


def start(command, given=None, instead=(), **fields):
    """Returns the id of a run, and its channel, once it has begun. given: what the program finds a descriptor of in what it
    calls tools through; "itself": the other end of that channel. instead: other descriptors than an api's."""
    far, near = channel()
    identifier = new_id()
    near.settimeout(20)
    ours, tools = socket.socketpair()
    fds = {"channel": far.fileno(), "program": program(command), **standard(), **dict(instead)}
    if given is not None:
        fds["tools"] = tools.fileno()
        socket.send_fds(ours, [b"x"], [near.fileno() if given == "itself" else given])
    send(run_message(identifier, tools=given is not None, **fields), *fds.values())
    far.close()
    message = near.recv(4096)
    assert kind(message) == STARTED, message
    return identifier, near


def exit_code(command):
    _, near = start(command)
    message = near.recv(4096)
    assert kind(message) == ENDED, message
    return struct.unpack_from("<IIIi", message)[3]


def look(whether):
    say(**{whether: [exit_code("exit 7") for _ in range(4)]})


def probe():
    warden.settimeout(20)
    warden.recv(4096)
    look("codes")


def flood(_):
    """Runs that continue one which is at work, and reads nothing."""
    identifier, _near = start("sleep 100000", given="itself")
    warden.settimeout(5)
    nothing = program("true")
    for _ in range(3000):
        far, near = channel()
        following = new_id()
        send(run_message(following, continues=identifier), far.fileno(), nothing, *standard().values())
        identifier = following
        far.close()
        near.close()


def refuse(slots):
    """For each slot an answer into a channel that is full, whose other end only the server itself holds: it is on its way
    through that channel."""
    for _ in range(slots):
        identifier, _near = start("sleep 0.5")
        far, near = channel()
        far.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                far.send(bytes(1000))
        far.setblocking(True)
        socket.send_fds(near, [b"x"], [near.fileno()])
        send(run_message(new_id(), continues=identifier), far.fileno(), program("true"), *standard().values())
    time.sleep(3)
    look("served")


def hold(_):
    """A program that holds its own channel, and stops its clock."""
    pause = "import os, time; os.write(fd, bytes([10,0,0,0,1,0,0,0])); time.sleep(100000)"
    start(f"python3 -c '{RECEIVE}; {pause}' ctholds", given="itself", timeout_s=8)
    time.sleep(2)


def in_data(call):
    """Has a program do that in DATA_DIR, by a descriptor of it, as a user that may write there."""
    os.chmod(DATA, 0o777)
    _, near = start(f"python3 -c '{RECEIVE}; os.fchdir(fd); {call}'", given=os.open(DATA, os.O_RDONLY))
    near.recv(4096)


def need_keepers():
    """More of them are started, for those whose programs wait, and come to the root of cells now."""
    waiting = [start("sleep 1000")[1] for _ in range(2)]
    for near in waiting:
        near.send(struct.pack("<II", PAUSE, 1))
    time.sleep(1)
    look("served")


def replace_root(_):
    """The directory that cells are mounted below gets another name, and another one its own."""
    os.rename(os.path.join(DATA, "root"), os.path.join(DATA, "gone"))
    os.mkdir(os.path.join(DATA, "root"))
    need_keepers()


def plant(what):
    """Leaves something else in the place of that directory, or of the one in it, for the next start to find."""
    root = os.path.join(DATA, "root")
    os.rename(root, os.path.join(DATA, "gone"))
    if what in ("inner link", "inner file"):
        os.mkdir(root, 0o777)
        root = os.path.join(root, "tree")
    if what in ("link", "inner link"):
        os.symlink("/etc", root)
    else:
        os.close(os.open(root, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    say(was=os.getpid())
    time.sleep(3600)


def remove_root(_):
    """A cell, where it is no mount point, removes what cells are mounted on."""
    in_data('print(*[os.system("rmdir -p " + each) for each in ("root", "root/tree")])')
    need_keepers()


def lead_out(_):
    """A program gets directories of the host's through what it calls tools through."""
    look = 'sys.exit(len([1 for name in ("etc/passwd", "../etc/passwd", ".", "..") if not refused(name)]))'
    refused = 'def refused(name):\n try: os.close(os.open(name, 0, dir_fd=fd))\n except OSError: return True\n'
    for each in (os.open("/", os.O_PATH), os.open("/etc", os.O_RDONLY), os.open(DATA, os.O_RDONLY)):
        _, near = start(f"python3 -c '{RECEIVE}\nimport sys\n{refused}\n{look}'", given=each)
        say(reached=struct.unpack_from("<IIIi", near.recv(4096))[3])


def resign(code):
    """It has served, and says that it need not be started again."""
    exit_code("true")
    os._exit(code)


def let_go(_):
    """Nobody hears of it any more, and it stays."""
    say(was=os.getpid())
    warden.close()
    time.sleep(3600)


def deaf(_):
    """Told to stop, it does not."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(was=os.getpid())
    while True:
        time.sleep(3600)


def directory():
    return os.open("/etc", os.O_RDONLY)


# What no api sends in these places.
STRANGE = {
    "directory": ("stdin", directory),
    "place": ("stdin", lambda: os.open("/", os.O_PATH)),
    "socket": ("stdin", lambda: channel()[0].detach()),
    "file": ("stdout", lambda: os.open(os.path.join(DATA, "said"), os.O_WRONLY | os.O_CREAT)),
    "memory": ("program", lambda: os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)),
}


def strange(which):
    place, make = STRANGE[which]
    with contextlib.suppress(AssertionError):
        start("ls /proc/self/fd/0/", instead={place: make()})
        say(began=which)


SCENARIOS = {
    "flood": flood,
    "refuse": refuse,
    "hold": hold,
    "replace_root": replace_root,
    "remove_root": remove_root,
    **{f"plant {what}": functools.partial(lambda what, _: plant(what), what) for what in ("link", "file", "inner link", "inner file")},
    "lead_out": lead_out,
    "let_go": let_go,
    **{f"resign {code}": functools.partial(lambda code, _: resign(code), code) for code in (0, 78, 127)},
    "deaf": deaf,
    **{f"strange {which}": functools.partial(lambda which, _: strange(which), which) for which in STRANGE},
}


def main():
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        os.close(os.open(os.path.join(DATA, "second"), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        probe()
        time.sleep(3600)
    with open(os.path.join(HERE, "scenario"), encoding="utf-8") as file:
        scenario = SCENARIOS[file.read()]
    _, slots = struct.unpack_from("<II", warden.recv(4096))
    with contextlib.suppress(OSError):
        scenario(slots)
    os._exit(1)


main()
