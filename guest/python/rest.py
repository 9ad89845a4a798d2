# SPDX-License-Identifier: Apache-2.0
"""rest.py -- programs of one session in one interpreter (exec.md 10.7).

A program that has ended well may rest, in its zygote's copy, until the next one of its session comes: that one finds
everything that it left, also what cannot be written to a state. The server stops the process meanwhile, and looks for
itself if it is alone; it may also say that there will be no next one, and then the program ends as any other.

What a program prints and the files that it writes do not depend on it. So one that would do something more at its end does
not rest: one that has threads or children, functions to be called at its exit, classes whose objects notice their end, or
files of the workspace open for writing. It ends at once, and leaves its state.

One that rests and has much to leave does so when it is told to, after its answer has gone out.
"""

import posix
import sys

LARGE_BYTES = 32 << 20  # of memory: not worth a try to leave it at once
SAVE = 1  # what zygote_rest() returns if the state is to be left


def has_children():
    try:
        posix.waitpid(-1, posix.WNOHANG)
        return True
    except ChildProcessError:
        return False


def notices_end(namespace):
    """Whether there is a class of the program's whose objects would do something when they go."""
    return any(isinstance(value, type) and "__del__" in vars(value) for value in list(namespace.values()))


def has_open_files(workspace):
    """Whether something of the workspace is open for writing: its libraries may write the rest when it is closed."""
    import fcntl

    for name in posix.listdir("/proc/self/fd"):
        try:
            if int(name) > 2 and posix.readlink("/proc/self/fd/" + name).startswith(workspace):
                if fcntl.fcntl(int(name), fcntl.F_GETFL) & posix.O_ACCMODE != posix.O_RDONLY:
                    return True
        except OSError:
            pass  # that of the list itself
    return False


class Session:
    """The programs that one copy runs. zygote: the names of zygote.py."""

    def __init__(self, run, library, zygote):
        self.run = run
        self.library = library
        self.zygote = zygote
        self.exit_functions = self.count_exit_functions()
        self.program = None  # which has ended well, and can rest
        self.limits = None  # of its state and its memory, in bytes
        self.unsaved = False  # it has yet to leave its state
        self.takes_time = False  # the last one's state did

    def count_exit_functions(self):
        return self.zygote["atexit"]._ncallbacks()

    def take_program(self):
        program, self.program = self.program, None
        return program

    def can_rest(self, program):
        return (
            self.library.zygote_may_rest()
            and (program.lives_on or program.found is not None or self.run.has_names(program.namespace))
            and len(sys._current_frames()) == 1
            and self.count_exit_functions() == self.exit_functions
            and not notices_end(program.namespace)
            and not has_children()
            and not has_open_files(self.run.WORKSPACE)
        )

    def keep(self, program, limits):
        """Leaves the state of a program that can rest, or says that it has yet to. Returns False if it cannot rest."""
        limit_bytes, memory_bytes = self.limits = tuple(map(int, limits.split(",")))
        state = self.run.state_module()
        state.sources = program.sources
        resident_bytes = state.resident_bytes()
        if limit_bytes == 0 or not self.can_rest(program) or resident_bytes >= memory_bytes // 2:
            return False
        if self.zygote["flush_standard"]() != 0:
            return False
        self.zygote["flush_open_files"]()
        found = None
        if not self.takes_time and resident_bytes < LARGE_BYTES:
            skip = self.run.PRELOADED.keys()
            found = state.keep_if_small(self.run.STATE_LEFT, program.namespace, skip, limit_bytes, program.found)
        self.unsaved = found is None
        program.found = found or program.found
        program.lives_on = True
        self.program = program
        return True

    def save(self):
        """Leaves what keep() has not. Whatever the values have to say while they are written, nobody listens any more."""
        state, program, stdout = self.run.state_module(), self.program, sys.stdout
        sys.stdout = state.Quiet()
        skip = self.run.PRELOADED.keys()
        program.found = state.keep(self.run.STATE_LEFT, program.namespace, skip, *self.limits, program.found)
        sys.stdout = stdout
        self.takes_time = program.found.content is None
        self.unsaved = False

    def next_program(self):
        """Rests. Returns the arguments of run() for the next program, or None."""
        if self.program is None:
            return None
        try:
            posix.chdir("/")
            stop_timers()
        except Exception:
            return None
        outcome = self.library.zygote_rest(self.unsaved)
        while outcome == SAVE:
            self.save()
            outcome = self.library.zygote_rest(False)
        if outcome != 0:
            return None
        self.zygote["take_environment"](self.zygote["strings"](self.library.zygote_environment()))
        arguments = self.zygote["strings"](self.library.zygote_arguments())
        self.find_workspace()
        renew_streams()
        path, state, *rest = arguments[arguments.index(self.run.__file__) + 1 :]
        return path, state, rest

    def find_workspace(self):
        """What lies there is new."""
        sys.path_importer_cache.pop(self.run.WORKSPACE, None)
        self.zygote["make_room"](sys.modules, self.run.WORKSPACE)
        self.run.state_module().quietly(self.run.state_module().close_figures)


def stop_timers():
    """They would go off in the next program."""
    import _signal

    for timer in _signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF:
        _signal.setitimer(timer, 0)


def renew_streams():
    """The next program has standard streams of its own, at the same numbers."""
    import io

    sys.stdin = sys.__stdin__ = io.open(0, closefd=False, encoding="utf-8", errors="surrogateescape")
    for number, name in (1, "stdout"), (2, "stderr"):
        stream = getattr(sys, "__%s__" % name)
        if stream is None or stream.closed:
            file = io.FileIO(number, "w", closefd=False)
            stream = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", write_through=True)
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)


def runner(run, library, zygote):
    """Returns what runs the programs of one session, one after the other. Its arguments are those of run.run()."""

    def run_programs(path, state, *arguments):
        session = Session(run, library, zygote)
        call = path, state, list(arguments)
        while call:
            try:
                status = run.run(*call, session)
            except SystemExit as end:
                if session.program is None:
                    raise
                status = 0
            call = session.next_program()
        return status

    return run_programs
