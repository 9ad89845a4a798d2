# SPDX-License-Identifier: Apache-2.0
"""zygote.py -- the Python zygote: loads what programs use, then makes a copy of itself for each of them.

The warden starts it as `python3 -S zygote.py` with the root file system of cells and hardly any rights. The copies, their
walls and what they are told are codecell-zygote.so's; a copy is back here when it is a process of its cell like any
other, with its arguments and its environment. From then on nothing here is a wall.

What is loaded here is paid once. What this process only *has* is shared by all copies; what it would keep secret from one of
them (the state of a random generator, a key) must be made anew in each: RANDOM_STATE.
"""

import atexit
import gc
import io
import os
import sys

DIRECTORY = "/opt/codecell/guest/python"
REHEARSAL = DIRECTORY + "/rehearsal.py"
OWN_DESCRIPTORS = 6  # three standard ones, the socket, the filter, and that of the directory they are listed from
LIBRARY = "/opt/codecell/zygote.so"


# OpenCV brings four hundred shared libraries: their mappings alone double what every copy costs. It is loaded by the
# programs that use it.
LEFT_OUT = {"cv2"}


def load(name, path):
    module = sys.modules[name] = type(sys)(name)
    module.__file__ = path
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec", dont_inherit=True), module.__dict__)
    return module


def attempt(call):
    try:
        call()
    except Exception:
        pass


def load_libraries(names):
    """Imports what is installed; a library that is broken is its programs' concern."""
    for name in names:
        attempt(lambda: __import__(name))


def bring_fonts():
    """The list of fonts that matplotlib would otherwise make (tools/prepare)."""
    directory = os.environ["MPLCONFIGDIR"]
    os.mkdir(directory)
    for entry in os.scandir(DIRECTORY + "/prepared"):
        if entry.name.startswith("fontlist-"):
            with open(entry.path, "rb") as source, open(directory + "/" + entry.name, "wb") as copy:
                copy.write(source.read())


def use_numpy():
    import numpy

    generator = numpy.random.default_rng(1)
    (generator.random((4, 4)) @ numpy.ones((4, 4))).sum()
    str(numpy.arange(3))


def use_pandas():
    import pandas

    frame = pandas.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, 3.5], "c": ["x", "y", "x"]})
    str(frame), frame.sum(numeric_only=True), frame.describe(), frame.groupby("c").mean(numeric_only=True)


def use_matplotlib():
    import matplotlib.font_manager
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3], label="x")
    axes.legend()
    figure.savefig(io.BytesIO(), format="png")
    pyplot.close("all")
    matplotlib.font_manager._get_font.cache_clear()  # or its files would stay open


def use_libraries():
    """Much is loaded and compiled at the first use only."""
    for use in use_numpy, use_pandas, use_matplotlib:
        attempt(use)


def numpy_seed(random):
    """numpy.random.seed() would do, but makes hundreds of pages of a copy its own."""
    import ctypes

    random.seed()  # which also forgets the second half of a normal pair
    generator = random.mtrand._rand._bit_generator
    words = (ctypes.c_char * 2496).from_address(generator.ctypes.state_address)

    def seed():
        words.raw = os.urandom(len(words))

    seed()
    return seed if generator.state["state"]["key"].tobytes() == words.raw else random.seed


def sympy_seed(modules):
    dummies = modules["sympy.core.symbol"].Dummy
    generators = [modules["sympy.core.random"].rng, dummies._prng]
    generators += [modules[name].rgen for name in ("sympy.ntheory.ecm", "sympy.ntheory.qs") if name in modules]

    def seed():
        for generator in generators:
            generator.seed()
        dummies._base_dummy_index = dummies._prng.randint(10**6, 9 * 10**6)

    return seed


def process_key_seed(process):
    def seed():
        process.current_process().authkey = os.urandom(32)

    return seed


def ssl_seed(ssl):
    """OpenSSL notices a copy by its number, and all copies may have the same one."""
    return lambda: ssl.RAND_add(os.urandom(48), 0.0)


# Modules that have random state, and what returns the function that makes it new. The module random sees to itself.
RANDOM_STATE = {
    "numpy.random": numpy_seed,
    "sympy.core.random": lambda module: sympy_seed(sys.modules),
    "multiprocessing.process": process_key_seed,
    "_ssl": ssl_seed,
}


def random_state():
    """Returns the functions that refresh_randomness() is to call, of the modules that are loaded."""
    return [seed_of(sys.modules[name]) for name, seed_of in RANDOM_STATE.items() if name in sys.modules]


def refresh_randomness(seeds):
    """No two copies may draw the same numbers."""
    for seed in seeds:
        seed()


def take_environment(assignments):
    environment = dict(assignment.partition("=")[::2] for assignment in assignments)
    for name in [name for name in os.environ if name not in environment]:
        del os.environ[name]
    os.environ.update(environment)


def is_importable(entry, name):
    if entry.is_dir():
        return entry.name == name and os.path.exists(entry.path + "/__init__.py")
    return entry.name.endswith((".py", ".so"))


def forget_missing_directories():
    """A directory that programs import from may be there in a cell."""
    for path in [path for path, finder in sys.path_importer_cache.items() if finder is None]:
        del sys.path_importer_cache[path]


def make_room(modules, workspace):
    """A program's own modules come before libraries of the same names, as they would in a new interpreter."""
    for entry in os.scandir(workspace):
        name = entry.name.partition(".")[0]  # of x.py, the package x, or x.cpython-311-x86_64-linux-gnu.so
        if name not in modules or not is_importable(entry, name):
            continue
        if getattr(modules[name], "__file__", None) is None:  # part of the interpreter, which always comes first
            continue
        for loaded in [loaded for loaded in modules if loaded == name or loaded.startswith(name + ".")]:
            del modules[loaded]
    if "matplotlib" in modules and os.path.exists(workspace + "/matplotlibrc"):
        attempt(lambda: modules["matplotlib"].rc_file(workspace + "/matplotlibrc"))


def strings(pointer):
    found = []
    while pointer[len(found)] is not None:
        found.append(pointer[len(found)])
    return [os.fsdecode(item) for item in found]


def flush_open_files():
    """A file that a program left open is written when the interpreter ends; a copy does not wait for that."""
    for thing in gc.get_objects():
        if isinstance(thing, (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            try:
                if not thing.closed:
                    thing.flush()
            except Exception:
                pass


def flush_standard():
    """Returns the interpreter's exit code if the standard output cannot be written, or 0."""
    status = 0
    for stream in sys.stdout, sys.stderr:
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:
            status = 120 if stream is sys.stdout else status
    return status


def exit_code(reason):
    """What the interpreter makes of the value of SystemExit."""
    if reason is None:
        return 0
    if isinstance(reason, int):
        return reason & 0xFF if -(1 << 63) <= reason < 1 << 63 else 0xFF
    print(reason, file=sys.stderr)
    return 1


def wait_for_threads():
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()


def is_private(name):
    return name[:1] == "_" and name[1:2] != "_"


def clear_names(names):
    """As the interpreter does with the names of a module that something else still holds."""
    for private in True, False:
        for name in list(names):
            if isinstance(name, str) and name != "__builtins__" and is_private(name) == private:
                names[name] = None


def drop_program():
    """Lets go of the program. Its names may survive in a function that is a signal handler, or a library's by now."""
    place = id(sys.modules.pop("__main__").__dict__)
    gc.collect()
    for names in gc.get_objects():
        if id(names) == place and type(names) is dict and names.get("__name__") == "__main__":
            clear_names(names)
            gc.collect()
            break


# In the interpreter's order. Files come before the collector, which may close the lower half of one first.
LAST_STEPS = wait_for_threads, atexit._run_exitfuncs, flush_standard, flush_open_files, drop_program, flush_open_files


def leave(reason, end=os._exit):
    """Ends the process as the interpreter would, but for taking apart what was loaded before the program. Whatever the
    program did to the interpreter, the process ends."""
    status = 1
    try:
        status = exit_code(reason)
        for step in LAST_STEPS:
            try:
                step()
            except BaseException:
                pass
        status = flush_standard() or status
    finally:
        end(status)


def be_program(run, runners, arguments):
    """arguments: the command that the program would otherwise be started with, which names one of the runners' files."""
    reason = 1
    try:
        for file, runner in runners.items():
            if file in arguments:
                reason = runner(*arguments[arguments.index(file) + 1 :])
                break
    except SystemExit as end:
        reason = end.code
    except BaseException as error:
        run.report(error)
    finally:
        leave(reason)


def main(modules=None):
    """modules: what is loaded instead of the libraries."""
    import ctypes

    gc.disable()  # what is loaded stays: to look through it again and again takes an eighth of the time
    library = ctypes.PyDLL(LIBRARY)
    library.zygote_prepare()
    run = load("codecell_run", DIRECTORY + "/run.py")
    run.set_up_packages()
    run.set_up_builtins()
    run.state_module().warm()
    run.own_module("display")
    tools = load("codecell_tools", DIRECTORY + "/tools.py")
    rest = load("codecell_rest", DIRECTORY + "/rest.py")
    if modules is None:
        attempt(bring_fonts)
        load_libraries(name for name in dict.fromkeys(run.PRELOADED.values()) if name not in LEFT_OUT)
        use_libraries()
    else:
        load_libraries(modules)
    run.set_up_libraries()
    seeds = random_state()
    refresh_randomness(seeds)  # what it needs is loaded before the first copy
    for function in library.zygote_arguments, library.zygote_environment:
        function.restype = ctypes.POINTER(ctypes.c_char_p)
    if library.zygote_shared_mappings() != 0:
        sys.exit("a library has memory that all programs would share")
    forget_missing_directories()
    gc.collect()
    if len(os.listdir("/proc/self/fd")) > OWN_DESCRIPTORS:
        sys.exit("a library holds a file open, which no copy would find open")
    gc.freeze()
    gc.enable()
    library.zygote_settle()
    if library.zygote_learn() == 0:
        be_trial(run, seeds, library, ctypes)
    if library.zygote_serve() == 0:
        runners = {
            run.__file__: rest.runner(run, library, globals()),
            tools.__file__: tools.run_program,
        }
        be_copy(run, runners, seeds, library, ctypes)


def be_trial(run, seeds, library, ctypes):
    """Does what a copy does, with the rehearsal for a program, so that the library learns what that takes (pages.h)."""
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in 0, 1, 2:
        os.dup2(null, descriptor)
    become_copy(seeds, ctypes)
    take_environment(["%s=%s" % item for item in os.environ.items()])
    make_room(sys.modules, run.WORKSPACE)
    try:
        run.run(REHEARSAL, "0,0", [])
    finally:
        leave(0, lambda status: library.zygote_report())


def become_copy(seeds, ctypes):
    ctypes.pythonapi.PyOS_AfterFork_Child()
    refresh_randomness(seeds)


def be_copy(run, runners, seeds, library, ctypes):
    become_copy(seeds, ctypes)
    state = run.state_module()
    state.shared_bytes = state.resident_bytes()
    library.zygote_await()
    take_environment(strings(library.zygote_environment()))
    arguments = strings(library.zygote_arguments())
    make_room(sys.modules, run.WORKSPACE)
    be_program(run, runners, arguments)


if __name__ == "__main__":
    main()
