# SPDX-License-Identifier: Apache-2.0
"""tools.py SOURCE -- runs one Bash program that calls tools inside a cell (ptc.md P6).

This process becomes the shell that runs SOURCE; a child of init stays behind as the broker. A tool is a shell function:
it leaves its argument in a file, announces it in one short write to the FIFO CALLS, and waits for its answer on a FIFO
of its own, so that calls started with & never mix. The broker alone holds the descriptor that leads to the server.

Nothing here is a wall, and nothing on the server's side believes it.
"""

import json
import os
import posix
import select
import sys

DIRECTORY = "/run/build/.tools"
CALLS = DIRECTORY + "/calls"
STUBS = DIRECTORY + "/stubs"
SHELL = "/bin/bash"

# The last two are what the functions themselves rest on; whatever else those call is out of the reach of other names.
WORDS = frozenset(
    "if then else elif fi case esac for while until do done in function select time coproc declare typeset local readonly"
    " export unset builtin __codecell_call".split()
)

# How long nobody may announce a call before the broker looks if anybody still could, and how often it looks.
QUIET_S = 0.002
LOOKS_MAX = 20
PROCESSES_MAX = 256

# Called under whatever names, path, umask and options the program has by then.
CALL = r"""unset BASH_ENV
__codecell_call() {
    local - LC_ALL=C __name=@DIRECTORY@/$BASHPID.$SRANDOM __status=1 __length=0 __text
    { builtin set +xev; } 2>/dev/null
    if ! (builtin umask 077 && builtin printf '%s' "${2-}" >"$__name.in" && builtin exec /usr/bin/mkfifo "$__name"); then
        builtin echo '{"error":"The call cannot be made"}'
        builtin return 1
    fi
    {
        builtin printf '%s %s\n' "$1" "${__name##*/}" >@CALLS@
        IFS=' ' builtin read -r -u 9 __status __length
        if [[ $__length -le 1024 ]]; then
            IFS= builtin read -r -u 9 __text
            builtin printf '%s\n' "$__text"
        else
            /usr/bin/head -c "$__length" <&9 2>/dev/null
        fi
    } 9<>"$__name"
    builtin return "$__status"
}
"""


def load(name, path):
    module = sys.modules[name] = type(sys)(name)
    module.__file__ = __file__.rpartition("/")[0] + path
    with open(module.__file__, "rb") as file:
        exec(compile(file.read(), module.__file__, "exec", dont_inherit=True), module.__dict__)
    return module


frames = load("codecell_frames", "/../tools/frames.py")


def write_stubs(tools):
    """One function a tool. Of a tool's name nothing but its identifier gets into the shell."""
    text = CALL.replace("@DIRECTORY@", DIRECTORY).replace("@CALLS@", CALLS)
    for index, tool in enumerate(tools):
        known_as = frames.identifier(tool["name"], r"[-.\s]", WORDS)
        if known_as != "_unnamed":
            text += '%s() { __codecell_call %d "$@"; }\n' % (known_as, index)
    with open(STUBS, "w") as file:
        file.write(text)


class Reply:
    """The answer of one call on its way to the shell that waits for it."""

    def __init__(self, fd):
        self.fd = fd
        self.unsent = b""

    def set(self, status, text):
        data = text.encode("utf-8", "replace") + b"\n"
        self.unsent = b"%d %d\n" % (status, len(data)) + data

    def send(self):
        """Returns True if there is nothing left to do."""
        try:
            while self.unsent:
                self.unsent = self.unsent[posix.write(self.fd, self.unsent) :]
        except BlockingIOError:
            return False
        except OSError:  # the shell that called is gone
            pass
        posix.close(self.fd)
        return True


def take_file(path):
    with open(path, "rb") as file:
        data = file.read()
    posix.unlink(path)
    return data


def somebody_runs():
    """True if a process of this cell, but for init and this one, does not sleep."""
    pids = [entry for entry in posix.listdir("/proc") if entry.isdigit()]
    if len(pids) > PROCESSES_MAX:
        return True
    for pid in pids:
        if int(pid) in (1, posix.getpid()):
            continue
        try:
            with open("/proc/%s/stat" % pid) as file:
                state = file.read().rpartition(")")[2].split()[0]
        except (OSError, IndexError):  # it has ended meanwhile
            continue
        if state in "RD":
            return True
    return False


class Broker:
    def __init__(self, stream, tools):
        self.stream = stream
        self.tools = tools
        self.calls_fd = posix.open(CALLS, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.announced = b""
        self.waiting = {}  # number: Reply
        self.sending = []
        self.number = 0
        self.looks_left = 0  # at whether anybody runs, before the server looks at its own clock

    def take_announcements(self):
        try:
            self.announced += posix.read(self.calls_fd, frames.READ_BYTES)
        except BlockingIOError:
            return
        *lines, self.announced = self.announced.split(b"\n")
        for line in lines:
            try:
                index, name = line.decode("ascii").split()
                self.call(self.tools[int(index)], DIRECTORY + "/" + name)
            except (ValueError, IndexError, OSError):  # nobody we know wrote that
                continue

    def call(self, tool, path):
        reply = Reply(posix.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        posix.unlink(path)
        try:
            argument = take_file(path + ".in") or b"{}"
            trouble = frames.excess(argument)
        except OSError as error:
            trouble = "The arguments cannot be read: " + error.strerror
        if trouble:
            self.answer(reply, 1, {"error": trouble})
            return
        self.number += 1
        self.waiting[self.number] = reply
        self.stream.call(self.number, tool["name"].encode("utf-8"), argument)
        self.looks_left = LOOKS_MAX

    def answer(self, reply, status, value):
        reply.set(status, json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
        if not reply.send():
            self.sending.append(reply)

    def take_answers(self):
        answers = self.stream.receive()
        if answers is None:
            sys.exit(0)
        for word, number, data in answers:
            reply = self.waiting.pop(number, None)
            if reply is None:
                continue
            if word != b"result":
                self.answer(reply, 1, {"error": data.decode("utf-8", "replace")})
                continue
            try:
                self.answer(reply, 0, json.loads(data))
            except (ValueError, RecursionError) as error:  # what is no JSON again
                self.answer(reply, 1, {"error": "The result cannot be read: %s" % error})

    def look(self):
        self.looks_left -= 1
        if not somebody_runs():
            self.stream.idle()
            self.looks_left = 0

    def run(self):
        while True:
            writers = [reply.fd for reply in self.sending] + ([self.stream.fd] if self.stream.unsent else [])
            readers = [self.calls_fd, self.stream.fd]
            readable, writable, _ = select.select(readers, writers, [], QUIET_S if self.looks_left else None)
            if self.calls_fd in readable:
                self.take_announcements()
            if self.stream.fd in readable:
                self.take_answers()
            if not readable and self.looks_left:
                self.look()
            self.sending = [reply for reply in self.sending if reply.fd not in writable or not reply.send()]
            self.stream.send()


def be_broker(tools):
    """Leaves nothing of the program's open: whoever reads its output must see the end."""
    null = posix.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        posix.dup2(null, fd)
    posix.close(null)
    Broker(frames.Frames(frames.TOOLS_FD), tools).run()


def fork_broker(tools):
    """As a child of init, so that the shell has no child that it did not start."""
    child = posix.fork()
    if child == 0:
        posix.setsid()
        if posix.fork() > 0:
            posix._exit(0)
        try:
            be_broker(tools)
        finally:
            posix._exit(0)
    posix.waitpid(child, 0)


def main(source):
    with open(frames.MANIFEST, encoding="utf-8") as file:
        tools = json.load(file)
    posix.mkdir(DIRECTORY, 0o700)
    os.mkfifo(CALLS, 0o600)
    write_stubs(tools)
    fork_broker(tools)
    posix.close(frames.TOOLS_FD)
    os.environ["BASH_ENV"] = STUBS
    os.execv(SHELL, [SHELL, source])


main(sys.argv[1])
