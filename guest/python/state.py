# SPDX-License-Identifier: Apache-2.0
"""The names that one program of a session leaves to the next (exec.md 10.7, security.md S3).

load() and save() run inside the cell, as the program itself, and are no wall: what lies in a state is whatever the
programs of that session put there. A state is one version byte, then two pickles, whole (version 1) or as an lz4 frame
(version 2): of the Python that alone can read the second, or None; and of (values, modules, needs, sources).

values   the variables by name, in one pickle, so that what they share they share again
modules  names that were bound to modules, and which
needs    the names of modules that code among the values reads
sources  texts of programs that functions among the values come from, by the file names of their code; it may be absent

Functions and classes of the program travel by value and come back with the next program's names as their globals.
Nothing here ever raises, prints or warns: a state that cannot be read counts as absent, a value that cannot be written
is left out alone.

The imports are where they are needed, because a program that leaves plain values shall not pay for more.
"""

import sys

WHOLE, COMPRESSED = 1, 2

COMPRESS_FROM_BYTES = 4096
SLICE_BYTES = 1 << 20
BLOCK_BYTES = 1 << 16
BALLAST_BYTES = 16 << 20

PYTHON = sys.version_info[:2]  # code is written as it is compiled

Module = type(sys)
Function = type(lambda: None)
Code = type((lambda: None).__code__)
Cell = type((lambda x: lambda: x)(0).__closure__[0])
DEPTH_MAX = 10000  # of calls while values are written; twice as many fit on a stack of 8 MiB


class Loaded:
    """What load() found besides the values, and what save() needs to know about it."""

    def __init__(self, names=(), modules=None, needs=(), content=None, sources=None):
        self.names = names
        self.modules = modules or {}
        self.needs = needs
        self.content = content  # the state's bytes, if they are few
        self.sources = sources


class Quiet:
    """Stands for sys.stderr while values are packed and unpacked: libraries warn there."""

    def write(self, text):
        return len(text)

    def flush(self):
        pass


def quietly(function, *arguments):
    """Calls function; returns its result, or None if it raised whatever there is to raise."""
    stderr = sys.stderr
    sys.stderr = Quiet()
    try:
        return function(*arguments)
    except BaseException:
        return None
    finally:
        sys.stderr = stderr


def distribution(name):
    """Imports a module that must not be one of the program's own files."""
    path = sys.path
    sys.path = [entry for entry in path if not entry.startswith("/mnt/data")]
    try:
        __import__(name)
    finally:
        sys.path = path
    return sys.modules[name]


# Load


class Stream:
    """A file for an unpickler that holds an lz4 frame. What is large is decompressed into its place: there may be no
    room for it twice."""

    def __init__(self, file):
        self.file = file
        self.frame = distribution("lz4.frame").LZ4FrameDecompressor()
        self.block = memoryview(b"")

    def more(self):
        """Returns what is decompressed and not yet read; empty at the end."""
        while not self.block and not self.frame.eof:
            packed = self.file.read(BLOCK_BYTES) if self.frame.needs_input else b""
            if not packed and self.frame.needs_input:
                break
            self.block = memoryview(self.frame.decompress(packed, BLOCK_BYTES))
        return self.block

    def readinto(self, place):
        place = memoryview(place).cast("B")
        done = 0
        while done < len(place) and self.more():
            piece = self.block[: len(place) - done]
            place[done : done + len(piece)] = piece
            self.block = self.block[len(piece) :]
            done += len(piece)
        return done

    def read(self, size):
        place = bytearray(size)
        read = self.readinto(place)
        if read < size:
            del place[read:]
        return place

    def readline(self):
        line = b""
        while not line.endswith(b"\n") and self.more():
            line += self.read(1)
        return line


def unpack(stream):
    Unpickler = distribution("_pickle").Unpickler
    python = Unpickler(stream).load()
    if python not in (None, PYTHON):
        raise ValueError("code of another Python")
    if python:
        distribution("cloudpickle")  # it will be asked for by name
    return Unpickler(stream).load()


def read_values(path, unpack=unpack):
    """Returns the contents of the state, and the bytes they were in if those are few."""
    with open(path, "rb", buffering=0) as file:
        version = file.read(1)[0]
        if version == WHOLE:
            import _io

            content = file.read()
            return unpack(_io.BytesIO(content)), content if len(content) <= COMPRESS_FROM_BYTES else None
        if version != COMPRESSED:
            raise ValueError("unknown version")
        return unpack(Stream(file)), None


class Lost:
    """Stands for what cannot be made again."""

    def __setstate__(self, _):
        pass


class Whole:
    """A file whose pieces are bytes."""

    def __init__(self, file):
        self.read = lambda size: bytes(file.read(size))
        self.readline = lambda: bytes(file.readline())


def rescuer(lost):
    """An unpickler that goes on if a value cannot be made again, and adds to lost what stands there then."""
    pickle = distribution("pickle")

    def making(way, taken):
        """A step that takes so many from the stack, and puts what it makes of them there."""

        def step(unpickler):
            stack = unpickler.stack
            function, arguments = stack[-2:]
            rest = len(stack) - taken
            try:
                way(unpickler)
            except BaseException:
                if getattr(function, "__name__", "") in ("_class_setstate", "_function_setstate"):
                    lost.append(arguments[0])  # what cloudpickle fills has been made
                stack[rest:] = [Lost()]
                lost.append(stack[-1])

        return step

    def filling(way, taken):
        """A step that changes what lies below those it takes: all since the mark, if none are counted."""

        def step(unpickler):
            stack = unpickler.stack if taken else unpickler.metastack[-1]
            rest = len(stack) - taken
            try:
                way(unpickler)
            except BaseException:
                del stack[rest:]
                lost.append(stack[-1])

        return step

    class Rescuer(pickle._Unpickler):
        dispatch = dict(pickle._Unpickler.dispatch)

    for names, wrap, taken in (
        (("REDUCE", "NEWOBJ", "STACK_GLOBAL"), making, 2),
        (("NEWOBJ_EX",), making, 3),
        (("BUILD", "APPEND"), filling, 1),
        (("SETITEM",), filling, 2),
        (("SETITEMS", "ADDITEMS", "APPENDS"), filling, 0),
    ):
        for name in names:
            code = getattr(pickle, name)[0]
            Rescuer.dispatch[code] = wrap(Rescuer.dispatch[code], taken)
    return Rescuer


def rescue(stream):
    """unpack(), without the values that need what cannot be made again."""
    lost = []
    stream = Whole(stream)
    python = distribution("_pickle").Unpickler(stream).load()
    if python not in (None, PYTHON):
        raise ValueError("code of another Python")
    values, modules, needs, *sources = rescuer(lost)(stream).load()
    marks = {id(each) for each in lost}
    for name in list(values):
        if leads_to(marks, values[name], values):
            del values[name]
    return values, modules, needs, *sources


def leads_to(marks, value, values):
    import gc

    seen = {id(vars(module)) for module in list(sys.modules.values()) if isinstance(module, Module)} | {id(values)}
    pending = [value]
    while pending:
        found = pending.pop()
        if id(found) in marks:
            return True
        if id(found) not in seen and not isinstance(found, Module):
            seen.add(id(found))
            if not isinstance(found, type) or found.__module__ == "__main__":
                pending += gc.get_referents(found)
    return False


def read_or_rescue(path):
    try:
        return read_values(path)
    except BaseException:
        return read_values(path, rescue)


def read_into(path, namespace):
    fixed = {name: namespace[name] for name in namespace}
    try:
        (values, modules, needs, *sources), content = read_or_rescue(path)
        loaded = Loaded(frozenset(values), dict(modules), frozenset(needs), content, *map(dict, sources))
        namespace.update(values)
        return loaded
    except BaseException:
        namespace.clear()
        raise
    finally:
        namespace.update(fixed)  # functions that come back set __builtins__ in their globals


def load(path, namespace):
    """Puts the values of the state into namespace, which must be that of sys.modules["__main__"].

    Returns what else the state says, or None if there is none that can be read."""
    return quietly(read_into, path, namespace)


# Save


class TooLarge(Exception):
    pass


class ByValue(Exception):
    """Something that only cloudpickle can write."""


class TakesTime(Exception):
    """More than an answer should wait for."""


shared_bytes = 0  # of what is resident, what a copy has of its zygote (zygote.py), which is not the cell's


def resident_bytes():
    import posix

    with open("/proc/self/statm", "rb", buffering=0) as file:
        return max(0, int(file.read().split()[1]) * posix.sysconf("SC_PAGE_SIZE") - shared_bytes)


class Room:
    """How much memory a cell has left. A pickler keeps a table of all it has met, and doubles it when it is full; the
    files of a cell are memory too. A program that has succeeded must not be killed for what it leaves."""

    def __init__(self, memory_bytes):
        import posix

        self.limit = memory_bytes - memory_bytes // 16
        self.start = resident_bytes()
        for place in "/mnt/data", "/run/build", "/tmp", "/dev/shm":
            status = posix.statvfs(place)
            self.limit -= (status.f_blocks - status.f_bfree) * status.f_frsize

    def check(self, file_bytes):
        resident = resident_bytes()
        if resident + 2 * max(0, resident - self.start) + file_bytes > self.limit:
            raise TooLarge


class Sink:
    """The file below a pickler: compresses what is more than a little, and ends it all at the limit."""

    def __init__(self, path, limit_bytes, memory_bytes):
        self.path = path
        self.limit = limit_bytes
        self.memory = memory_bytes
        self.unchecked = 0
        self.size = 0
        self.head = bytearray()
        self.file = None
        self.frame = None

    def write(self, data):
        data = data.raw() if hasattr(data, "raw") else memoryview(data)  # a PickleBuffer has a shape
        if self.file is None and len(self.head) + len(data) <= COMPRESS_FROM_BYTES:
            self.head += data
            return
        if self.file is None:
            self.begin()
        for at in range(0, len(data), SLICE_BYTES):
            piece = data[at : at + SLICE_BYTES]
            self.unchecked += len(piece)
            if self.room and self.unchecked >= SLICE_BYTES:
                self.unchecked = 0
                self.room.check(self.size)
            self.put(self.frame.compress(piece) if self.frame else piece)

    def begin(self):
        try:
            self.frame = distribution("lz4.frame").LZ4FrameCompressor(auto_flush=True)
        except ImportError:
            self.frame = None
        self.room = Room(self.memory) if self.memory else None
        head, self.head = self.head, bytearray()
        self.open(COMPRESSED if self.frame else WHOLE)
        self.put(self.frame.begin() + self.frame.compress(head) if self.frame else head)

    def open(self, version):
        self.file = open(self.path, "wb", buffering=0)
        self.put(bytes([version]))

    def put(self, data):
        self.size += len(data)
        if self.size > self.limit:
            raise TooLarge
        view = memoryview(data)
        try:
            while view.nbytes:  # not len(): the program may have put another in its place, and this would never end
                view = view[self.file.write(view) :]
        except OSError as error:
            raise TooLarge from error

    def finish(self, unless=None):
        """Completes the file; writes none if it would hold exactly what the bytes unless hold."""
        if self.file is None:
            if self.head == unless:
                return False
            self.open(WHOLE)
            self.put(self.head)
        elif self.frame:
            self.put(self.frame.flush())
        self.file.close()
        return True


class SmallSink(Sink):
    """A sink for what takes next to no time."""

    def begin(self):
        raise TakesTime


class Nowhere:
    """A sink that tells only if a value can be written."""

    def write(self, data):
        pass


def plain_pickler(sink):
    """A pickler for values that need no definition of the program's."""

    class Plain(distribution("_pickle").Pickler):
        def reducer_override(self, value):
            if isinstance(value, (Function, type)) and value.__module__ == "__main__":
                raise ByValue
            return NotImplemented

    return Plain(sink, 5)


class Standing:
    """Pickles as the result of a call, in the place of something that has no pickle of its own."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call

    def __call__(self):  # a pickler wants to see that what it will call can be called
        raise TypeError


def is_named_tuple(value):
    bases = vars(value).get("__orig_bases__")
    return isinstance(bases, tuple) and "typing" in sys.modules and sys.modules["typing"].NamedTuple in bases


def members_as_in_a_base(value):
    """What a class says itself although a base of it says the same."""
    bases = [vars(base) for base in value.__bases__]
    return {name: each for name, each in vars(value).items() if any(each is base.get(name, bases) for base in bases)}


trying = False  # whether what members have for themselves can be written: then that of other members does not matter


def private_attributes(member, namespace):
    """What a class keeps for itself may be a lock; members do without what cannot be written."""
    global trying
    if trying:
        return {}
    trying = True
    try:
        named = {key: each for key, each in vars(member).items() if key[:1] == "_" != key[-1:]}
        return {key: each for key, each in named.items() if can_be_written(each, namespace)}
    finally:
        trying = False


def attributes_of_members(value, namespace):
    """What the members of an enum have beside what every enum gives its members, which has names like _value_."""
    return {
        name: more
        for name, member in value.__members__.items()
        if (
            more := {key: each for key, each in vars(member).items() if key[:1] != "_"}
            | private_attributes(member, namespace)
        )
    }


sources = None  # of the programs whose definitions are saved (run.py)


class Used:
    """What code needs that is written."""

    def __init__(self):
        self.names = set()
        self.texts = {}  # of the programs that it comes from


def full_pickler(sink, namespace, used):
    """A pickler that writes the program's definitions by value; their globals will be those of the next program. Adds to
    used what these need."""
    cloudpickle = distribution("cloudpickle")
    functools, weakref = distribution("functools"), distribution("weakref")
    cache = type(functools.lru_cache(len))
    weak_mappings = weakref.WeakKeyDictionary, weakref.WeakValueDictionary

    class Full(cloudpickle.CloudPickler):
        def reducer_override(self, value):
            kind = type(value)
            if kind.__module__ == "dataclasses":
                for name, constant in vars(sys.modules["dataclasses"]).items():
                    if constant is value:  # compared by identity: a copy would not do
                        return getattr, (sys.modules["dataclasses"], name)
            if isinstance(value, type):
                return self.reduce_class(value)
            if kind is Code:
                used.names.update(value.co_names)
                return self.dispatch_table[Code](self.with_lasting_name(value) if sources else value)
            if kind is cache:
                return Standing(functools.lru_cache, *value.cache_parameters().values()), (value.__wrapped__,)
            if kind is functools.cached_property:
                state = {name: each for name, each in vars(value).items() if name != "lock"}
                return functools.cached_property, (value.func,), state
            if kind is Cell:
                return self.reduce_cell(value)
            if kind in weak_mappings:
                return kind, (), None, None, iter(list(value.items()))
            return super().reducer_override(value)

        def with_lasting_name(self, code):
            name = sources.lasting_name(code.co_filename)
            if name is None:
                return code
            sources.add_text(name, used.texts)
            return code.replace(co_filename=name)

        def reduce_class(self, value):
            reduced = self.without_original_bases(value) if is_named_tuple(value) else super().reducer_override(value)
            if not isinstance(reduced, tuple):
                return reduced
            if reduced[0] is cloudpickle.cloudpickle._make_skeleton_class:
                return self.reduce_ordinary_class(value, *reduced)
            if reduced[0] is cloudpickle.cloudpickle._make_skeleton_enum:
                return self.reduce_enum(value, *reduced)
            return reduced

        def reduce_ordinary_class(self, value, make, arguments, state, *rest):
            # cloudpickle leaves these out: the module's name would be that of whoever makes the class
            state[0].update(members_as_in_a_base(value), __qualname__=value.__qualname__)
            kind, name, bases, *others = arguments
            if kind.__name__ == "_TypedDictMeta" and bases == (dict,):  # of one with a base this is all that is left
                arguments = kind, name, (sys.modules["typing"].TypedDict,), *others
            return make, arguments, state, *rest

        def reduce_enum(self, value, make, arguments, state, *rest):
            """With names beside the first of a value, with combinations of flags, and with what __init__ set, which will not
            be called."""
            bases, name, qualname, _, *others = arguments
            members = value.__members__
            for each in members:
                state[0].pop(each, None)
            updates = [
                Standing(dict.update, Standing(vars, Standing(getattr, value, member)), more)
                for member, more in attributes_of_members(value, namespace).items()
            ]
            if updates:  # beside some member that is written in any case
                state[0]["__doc__"] = Standing(distribution("_operator").getitem, (value.__doc__, updates), 0)
            values = {each: member._value_ for each, member in members.items()}
            return make, (bases, name, qualname, values, *others), state, *rest

        def reduce_cell(self, cell):
            """Functions that share a variable share it again."""
            try:
                return Cell, (), (None, {"cell_contents": cell.cell_contents})
            except ValueError:  # it is empty
                return Cell, ()

        def without_original_bases(self, value):
            """Else cloudpickle would call what makes such classes, without what that needs."""
            bases = value.__orig_bases__
            others = tuple(tuple if each is sys.modules["typing"].NamedTuple else each for each in bases)
            if others == (tuple,):
                del value.__orig_bases__
            else:
                value.__orig_bases__ = others
            try:
                return super().reducer_override(value)
            finally:
                value.__orig_bases__ = bases

        def _dynamic_function_reduce(self, function):
            make, arguments, state, *rest = super()._dynamic_function_reduce(function)
            if function.__closure__:
                arguments = *arguments[:4], function.__closure__
                state[1]["__closure__"] = None
            if function.__globals__ is namespace:
                state[1]["__globals__"] = {}  # each global is saved, or left out, on its own
            return make, arguments, state, *rest

    pickler = Full(sink, 5)
    pickler.globals_ref[id(namespace)] = Standing(vars, Standing(__import__, "__main__"))
    return pickler


class Chosen:
    """What is to be saved of a namespace. A module that was not asked for this time stays known."""

    def __init__(self, namespace, skip_names, loaded):
        self.values = {}
        self.private = {}  # values to be saved if code reads them, or that would be saved for nothing
        self.modules = {name: module for name, module in loaded.modules.items() if name not in namespace} if loaded else {}
        for name, value in list(namespace.items()):
            if not isinstance(name, str):
                continue
            if not isinstance(value, Module):
                if not name.startswith("_"):
                    self.values[name] = value
                elif name[:2] != "__":
                    self.private[name] = value
            elif name not in skip_names and name[:2] != "__" and sys.modules.get(value.__name__) is value:
                self.modules[name] = value.__name__
        self.importable = self.modules.keys() | skip_names
        self.needs = loaded.needs if loaded else ()  # until all is written

    def is_nothing(self):
        return not self.values and not self.modules

    def set_needs(self, names):
        self.needs = sorted(names & self.importable - self.values.keys())
        return self.needs

    def take_private(self, names):
        """Returns those that names are of, and have not been chosen yet; now they are."""
        taken = {name: value for name, value in self.private.items() if name in names and name not in self.values}
        self.values.update(taken)
        return taken


def without_main(function, *arguments):
    """Calls function while nothing can be found in __main__: a reference to it would lead nowhere in the next cell."""
    main, depth = sys.modules["__main__"], sys.getrecursionlimit()
    sys.modules["__main__"] = Module("__main__")
    sys.setrecursionlimit(max(depth, DEPTH_MAX))
    try:
        return function(*arguments)
    finally:
        sys.setrecursionlimit(depth)
        sys.modules["__main__"] = main


def can_be_written(value, namespace):
    try:
        full_pickler(Nowhere(), namespace, Used()).dump(value)
        return True
    except BaseException:
        return False


def write_plain(sink, namespace, chosen):
    plain_pickler(sink).dump(None)
    plain_pickler(sink).dump((chosen.values, chosen.modules, []))
    chosen.needs = []


class Afterwards:
    """Pickles as what depends on the code that has been written before."""

    def __init__(self, chosen, used):
        self.chosen = chosen
        self.used = used


class PrivateValues(Afterwards):
    def __reduce__(self):
        taken = self.chosen.take_private(self.used.names)
        if not taken:
            return dict, ()
        more = PrivateValues(self.chosen, self.used)  # that code among these reads
        return distribution("_operator").or_, (taken, more)


class Needs(Afterwards):
    def __reduce__(self):
        return list, (self.chosen.set_needs(self.used.names),)


def write_full(sink, namespace, chosen):
    used = Used()
    values = chosen.values
    if chosen.private:
        values = Standing(distribution("_operator").or_, values, PrivateValues(chosen, used))
    plain_pickler(sink).dump(PYTHON)
    full_pickler(sink, namespace, used).dump((values, chosen.modules, Needs(chosen, used), used.texts))


def write_possible(sink, namespace, chosen):
    for values in chosen.values, chosen.private:
        for name in list(values):
            if not can_be_written(values[name], namespace):
                del values[name]
    write_full(sink, namespace, chosen)


def write_values(path, limits, namespace, chosen, loaded):
    """Writes the state in the first way that works. Returns True if there is a new one at path."""
    for way in write_plain, write_full, write_possible:
        sink = Sink(path, *limits)
        try:
            way(sink, namespace, chosen)
            return sink.finish(loaded and loaded.content)
        except TooLarge:
            raise
        except BaseException:
            continue
    return False


def tell_too_large(path, limit_bytes):
    """Leaves a file without contents whose size says it."""
    with open(path, "wb") as file:
        file.truncate(limit_bytes + 1)


def as_loaded(chosen, content):
    """What load() would return of a state of what was chosen."""
    return Loaded(frozenset(chosen.values), chosen.modules, frozenset(chosen.needs), content)


def save_chosen(path, namespace, chosen, limits, loaded):
    import posix

    if chosen.is_nothing() and loaded is None:
        return
    part = path + ".part"
    try:
        if without_main(write_values, part, limits, namespace, chosen, loaded):
            posix.rename(part, path)
            return
    except TooLarge:
        tell_too_large(path, limits[0])
    try:
        posix.unlink(part)
    except FileNotFoundError:
        pass


def save_into(path, namespace, skip_names, limits, loaded):
    save_chosen(path, namespace, Chosen(namespace, skip_names, loaded), limits, loaded)


def save(path, namespace, skip_names, limit_bytes, memory_bytes=0, loaded=None):
    """Writes the state of namespace to path, which must not exist.

    Names bound to modules are not saved if they are among skip_names. loaded is what load() returned: if nothing has
    changed since, no file is made. A state above limit_bytes, or one whose making would take more than memory_bytes for
    the whole cell (0: unknown), leaves a file of limit_bytes and one more, without contents."""
    quietly(save_into, path, namespace, skip_names, (limit_bytes, memory_bytes), loaded)


def wait_for_threads():
    """They may still change what is to be saved. The interpreter's own way to wait at its end, which tells pools of
    threads first that no more work will come; it does so once."""
    threading = sys.modules.get("threading")
    if threading:
        threading._shutdown()


def close_figures():
    """A figure that comes back opens itself, and show() would show it once more."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot:
        pyplot.close("all")


def written(path, otherwise):
    """What a state without compression at path consists of, if it is small; otherwise if there is no file."""
    try:
        with open(path, "rb", buffering=0) as file:
            content = file.read(COMPRESS_FROM_BYTES + 2)
    except FileNotFoundError:
        return otherwise
    return content[1:] if content[:1] == bytes([WHOLE]) and len(content) <= COMPRESS_FROM_BYTES + 1 else None


def keep(path, namespace, skip_names, limit_bytes, memory_bytes, loaded):
    """save(), for a program that lives on. Returns what load() would, had it found what is saved now, and what could not
    be saved."""
    chosen = Chosen(namespace, skip_names, loaded)
    names = chosen.values.keys() | ()
    quietly(save_chosen, path, namespace, chosen, (limit_bytes, memory_bytes), loaded)
    kept = as_loaded(chosen, written(path, loaded.content if loaded else None))
    kept.names |= names
    return kept


def keep_if_small(path, namespace, skip_names, limit_bytes, loaded):
    """keep(), if that takes next to no time. Otherwise returns None, and nothing is at path."""

    def write_small():
        chosen = Chosen(namespace, skip_names, loaded)
        if chosen.is_nothing() and loaded is None:
            return Loaded()
        sink = SmallSink(part, limit_bytes, 0)
        without_main(write_plain, sink, namespace, chosen)
        kept = as_loaded(chosen, bytes(sink.head))
        if sink.finish(loaded and loaded.content):
            rename(part, path)
        return kept

    part = path + ".part"
    rename = distribution("posix").rename
    return quietly(write_small)


def take(path, namespace):
    """load(), and the file is no more."""
    import posix

    loaded = load(path, namespace)
    posix.unlink(path)
    quietly(close_figures)
    return loaded


def save_apart(path, namespace, skip_names, limit_bytes, memory_bytes, loaded):
    """save() in a process that the kernel may kill for memory, without harm to this one."""
    import posix

    if len(sys._current_frames()) > 1:  # what a thread has locked stays locked in a fork
        return tell_too_large(path, limit_bytes)
    child = posix.fork()
    if child == 0:
        ballast = b"\1" * BALLAST_BYTES  # noqa: F841 -- of two that are alike, the kernel takes the larger
        try:
            save(path, namespace, skip_names, limit_bytes, memory_bytes, loaded)
        finally:
            posix._exit(0)
    if posix.waitpid(child, 0)[1] != 0:
        tell_too_large(path, limit_bytes)


def leave(path, namespace, skip_names, limit_bytes, memory_bytes, loaded):
    """save(), at the end of a program that may have used up nearly all the memory of the cell."""
    wait_for_threads()
    # A pickler copies a string before it writes it: with less than half in use there is room for any.
    way = save if resident_bytes() < memory_bytes // 2 else save_apart
    quietly(way, path, namespace, skip_names, limit_bytes, memory_bytes, loaded)


def warm():
    """Imports all that load() and save() may want, for a process that will fork programs."""
    for name in "_pickle", "_io", "posix", "functools", "cloudpickle", "lz4.frame":
        try:
            distribution(name)
        except ImportError:
            pass
