# SPDX-License-Identifier: Apache-2.0
"""run.py SOURCE STATE [ARGS...] -- runs one Python program inside a cell (exec.md 10.3, 10.7).

STATE says how many bytes the program may leave to the next one of its session (state.py), 0 for none, and how much memory
the cell has: "52428800,536870912". With a "+" behind it the program may leave them also if it fails. A "!" at the very end
says that the client wants what the program shows (display.py).

Started as `python3 -S run.py`, because site costs as much as the interpreter itself: what programs expect of site (the
package directories, exit(), help()) is set up here. Whatever this file imports at its top is paid by every program, so
it imports only what the interpreter already holds; the rest is imported where it is used. The program is untrusted, and
so is this process: nothing here is a wall.
"""

import builtins
import posix
import sys

DIRECTORY = __file__.rpartition("/")[0]
WORKSPACE = "/mnt/data"
PROGRAM = WORKSPACE + "/code.py"
FILENAME = "<code>"  # of the program, in tracebacks
EARLIER_CHARACTERS_MAX = 1 << 17  # of the texts of earlier programs that are kept for tracebacks
PACKAGES = "/opt/skill-deps/python"  # of the operator's (SKILL_DEPS_PATH), if there are any
STATE_FOUND = "/run/build/.state.in"
STATE_LEFT = "/run/build/.state"

# Names a program may use without importing them (exec.md 10.7.6) and the modules they stand for.
PRELOADED = {
    "numpy": "numpy",
    "np": "numpy",
    "pandas": "pandas",
    "pd": "pandas",
    "matplotlib": "matplotlib",
    "plt": "matplotlib.pyplot",
    "scipy": "scipy",
    "sklearn": "sklearn",
    "cv2": "cv2",
    "PIL": "PIL",
    "Image": "PIL.Image",
    "sympy": "sympy",
    "sp": "sympy",
    "networkx": "networkx",
    "nx": "networkx",
    "statsmodels": "statsmodels",
    "sm": "statsmodels.api",
    "json": "json",
    "os": "os",
    "sys": "sys",
    "re": "re",
    "math": "math",
    "datetime": "datetime",
    "collections": "collections",
    "itertools": "itertools",
    "functools": "functools",
    "pathlib": "pathlib",
}


class AfterImport:
    """Import hook: calls actions[name](module) right after a module of that name was first imported."""

    def __init__(self, actions):
        self.actions = actions

    def find_spec(self, fullname, path=None, target=None):
        action = self.actions.pop(fullname, None)
        if action is None:
            return None
        spec = self.next_spec(fullname, path, target)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                action(module)

            spec.loader.exec_module = exec_module
        return spec

    def next_spec(self, *arguments):
        """As importlib.util would find it, which imports modules that may be waited for."""
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(*arguments)
                if spec is not None:
                    return spec
        return None


def set_up_packages():
    """Adds the package directories that site would have added to the search path."""
    version = "python%d.%d" % sys.version_info[:2]
    sys.path += [
        "/usr/local/lib/%s/dist-packages" % version,
        "/usr/local/lib/%s/site-packages" % version,
        "/usr/lib/python3/dist-packages",
    ]
    try:
        posix.stat(PACKAGES)
    except OSError:
        return
    sys.path.append(PACKAGES)


def set_up_builtins():
    """exit(), quit() and help(), which site would have added."""
    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()


def lines_of(text):
    """As the compiler counts them: other characters that str.splitlines() knows do not end one."""
    import _io

    lines = list(_io.StringIO(text, None))
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return lines


class Sources:
    """What tracebacks, inspect and warnings show of programs, which have no files: the lines behind FILENAME, and behind the
    names under which the functions of earlier programs of the session live on. As a loader of __main__ it has the text in
    which inspect looks for classes."""

    def __init__(self, text):
        self.set_text(text)
        self.earlier = {}
        self.registered = set()  # the names that linecache knows of these

    def set_text(self, text):
        self.text = text
        self.own_lasting_name = None  # not asked for yet

    def lasting_name(self, filename):
        """The name for code that outlives its program; None if it is no program's."""
        if filename == FILENAME:
            if self.own_lasting_name is None:
                import _imp

                digest = _imp.source_hash(0, self.text.encode("utf-8", "replace"))
                self.own_lasting_name = "<code %s>" % digest.hex()[:6]
            return self.own_lasting_name
        return filename if filename in self.earlier else None

    def add_text(self, name, texts):
        """Adds the text behind a lasting name to texts, unless it makes them too many: a state must not fail for them."""
        text = self.earlier.get(name, self.text)
        if name not in texts and len(text) + sum(map(len, texts.values())) <= EARLIER_CHARACTERS_MAX:
            texts[name] = text

    def take_earlier(self, texts):
        self.earlier.update(texts)
        if "linecache" in sys.modules:
            self.register(sys.modules["linecache"])

    def register(self, linecache):
        texts = {**self.earlier, FILENAME: self.text}
        for name in self.registered - texts.keys() | {PROGRAM}:
            linecache.cache.pop(name, None)  # it would be the text of a program that is over
        self.registered = texts.keys()
        for name, text in texts.items():
            linecache.cache[name] = (len(text), None, lines_of(text), name)

    def get_source(self, module):
        return "\n".join([self.text, *self.earlier.values()])

    def next_program(self, text, codes):
        """The functions that the last program has left, which was compiled to codes, get its lasting name."""
        renamed = {}
        for code in codes:
            rename(code, self.lasting_name(FILENAME), renamed)
        if len(renamed) > len(codes):  # it has defined something
            import gc

            functions = [each for each in gc.get_objects() if type(each) is type(rename)]
            for function in functions:
                function.__code__ = renamed.get(id(function.__code__), function.__code__)
            alive = {function.__code__.co_filename for function in functions}
            texts = {}
            for name in [self.lasting_name(FILENAME), *reversed(self.earlier)]:
                if name in alive:
                    self.add_text(name, texts)
            self.earlier = dict(reversed(texts.items()))
        self.set_text(text)


def rename(code, filename, renamed):
    """Puts code with another filename, and all code inside it, into renamed, under the id() of the old one. Returns it."""
    inner = (rename(each, filename, renamed) if type(each) is type(code) else each for each in code.co_consts)
    renamed[id(code)] = code.replace(co_filename=filename, co_consts=tuple(inner))
    return renamed[id(code)]


def replace_show(pyplot):
    """Gives pyplot a show() that saves every open figure as the next free plot_N.png of the workspace, and closes it."""

    def show(*args, **kwargs):
        import os

        number = 1
        for figure in pyplot.get_fignums():
            while os.path.exists("%s/plot_%d.png" % (WORKSPACE, number)):
                number += 1
            pyplot.figure(figure).savefig("%s/plot_%d.png" % (WORKSPACE, number), bbox_inches="tight")
            pyplot.close(figure)

    pyplot.show = show


# Behind the first, for characters that it does not have: CJK and the scripts of India. Those that are absent are left out.
FONTS = (
    "DejaVu Sans",
    "WenQuanYi Micro Hei",
    "Lohit Devanagari",
    "Lohit Bengali",
    "Lohit Gujarati",
    "Lohit Gurmukhi",
    "Lohit Kannada",
    "Lohit Malayalam",
    "Lohit Odia",
    "Lohit Tamil",
    "Lohit Telugu",
)


def add_fonts(font_manager):
    """Lets matplotlib draw any script with the fonts that there are."""
    import matplotlib

    found = {font.name for font in font_manager.fontManager.ttflist}
    if matplotlib.rcParams["font.family"] == ["sans-serif"]:
        matplotlib.rcParams["font.family"] = [name for name in FONTS if name in found] or ["sans-serif"]


def point_spawn_at_source(spawn, path):
    """Processes started by spawning run the main module again: from the source's real path."""
    prepare = spawn.get_preparation_data

    def get_preparation_data(name):
        data = prepare(name)
        if data.get("init_main_from_path") == PROGRAM:
            data["init_main_from_path"] = path
        return data

    spawn.get_preparation_data = get_preparation_data


def give_children_site(module):
    """Interpreters that libraries start with this one's options find the distribution's packages."""
    options = module._args_from_interpreter_flags
    module._args_from_interpreter_flags = lambda: [option for option in options() if option != "-S"]


def import_traceback():
    path = sys.path
    sys.path = [entry for entry in path if entry != WORKSPACE]  # a user's collections.py must not spoil this
    import traceback

    sys.path = path
    return traceback


def show_lines_of_threads(threading):
    """The interpreter's own way to show what ends a thread reads the lines from files (up to Python 3.12)."""
    show = threading.excepthook
    traceback = import_traceback()  # now: sys.path, which that changes, will be other threads' too

    def excepthook(args, /):
        if args.exc_type is SystemExit or args.exc_value is None or sys.stderr is None:
            return show(args)
        name = args.thread.name if args.thread else threading.get_ident()
        print("Exception in thread %s:" % name, file=sys.stderr, flush=True)
        traceback.print_exception(args.exc_value)
        sys.stderr.flush()

    threading.excepthook = threading.__excepthook__ = excepthook


def hide_own_files(warnings):
    """What the program is warned of while none of its code runs is shown as the interpreter does that: at sys:1."""
    show = warnings._showwarnmsg

    def _showwarnmsg(message):
        if message.filename.startswith(DIRECTORY + "/"):
            message.filename, message.lineno, message.source = "sys", 1, None
        show(message)

    warnings._showwarnmsg = _showwarnmsg


# What is done to a library once, whichever program uses it; what was done is taken out.
LIBRARIES = {
    "matplotlib.font_manager": add_fonts,
    "multiprocessing.util": give_children_site,  # it has a name of its own for what it imports from the next
    "subprocess": give_children_site,
    "threading": show_lines_of_threads,
    "warnings": hide_own_files,
}


def set_up_libraries():
    """Does it for those that are loaded."""
    for name in LIBRARIES.keys() & sys.modules.keys():
        LIBRARIES.pop(name)(sys.modules[name])


def set_up_hooks(sources, path, show=replace_show):
    set_up_libraries()
    actions = {
        **LIBRARIES,
        "linecache": sources.register,
        "matplotlib.pyplot": show,
        "multiprocessing.spawn": lambda module: point_spawn_at_source(module, path),
    }
    for name in actions.keys() & sys.modules.keys():
        actions.pop(name)(sys.modules[name])
    hook = AfterImport(actions)
    sys.meta_path.insert(0, hook)
    return hook


def renew_hooks(hook, sources, show):
    """For the next program in the same interpreter."""
    for name, action in ("linecache", sources.register), ("matplotlib.pyplot", show):
        if name in sys.modules:
            action(sys.modules[name])
        else:
            hook.actions[name] = action


def set_up_main(sources):
    """Puts an empty module in the place of __main__ and returns its namespace."""
    main = type(sys)("__main__")
    main.__file__ = PROGRAM
    main.__loader__ = sources
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    return main.__dict__


def compile_program(source):
    """Returns (code, mode); the mode is "eval" if the whole source is one expression, whose value is to be shown."""
    try:
        return compile(source, FILENAME, "eval", dont_inherit=True), "eval"
    except (SyntaxError, ValueError):
        pass  # and leave the handler, or this error would be shown as the context of the next
    try:
        return compile(source, FILENAME, "exec", dont_inherit=True), "exec"
    except SyntaxError as error:
        add_line(error, source)
        raise


def add_line(error, source):
    """What the compiler finds behind its parser it shows with the line of a file."""
    if error.text is None and error.lineno:
        error.text = "".join(lines_of(source.decode("utf-8", "replace"))[error.lineno - 1 : error.lineno]) or None


def mentioned_names(code, found):
    """Adds every name that code, or code inside it, mentions to the set found."""
    found.update(code.co_names)
    for constant in code.co_consts:
        if type(constant) is type(code):
            mentioned_names(constant, found)
    return found


def global_names(source, mode):
    """Returns (read, defined, imported): the global names that the source reads, those that it defines itself, and those
    that nothing but imports defines."""
    import _symtable as table_bits

    read, defined, imported = set(), set(), set()
    top = table_bits.symtable(source, FILENAME, mode)
    pending = [top]
    while pending:
        table = pending.pop()
        pending += table.children
        for name, flags in table.symbols.items():
            scope = flags >> table_bits.SCOPE_OFF & table_bits.SCOPE_MASK
            if table is not top and scope not in (table_bits.GLOBAL_EXPLICIT, table_bits.GLOBAL_IMPLICIT):
                continue
            if flags & table_bits.DEF_LOCAL:
                defined.add(name)
            if flags & table_bits.DEF_IMPORT:
                imported.add(name)
            if flags & table_bits.USE:
                read.add(name)
    return read, defined | imported, imported - defined


def words(line):
    return "".join(each if each.isalnum() or each == "_" else " " for each in line).split()


def begins_with_import(name, text):
    """Whether the first line that has the name is an import. This is to cost next to nothing: nearly always it is."""
    lines = (words(line) for line in text.splitlines() if name in line)
    return next((line[0] in ("import", "from") for line in lines if name in line), True)


def bindings(node):
    """The (name, module) pairs of an import statement."""
    prefix = "." * node.level + (node.module or "") + "." if hasattr(node, "level") else ""
    for alias in node.names:
        if prefix or alias.asname:
            yield alias.asname or alias.name, prefix + alias.name
        else:
            yield (alias.name.partition(".")[0],) * 2


def read_above_import(names, source, modules):
    """Returns those of the names that the source reads further up than where it imports the very modules that they stand
    for."""
    text = source.decode("utf-8", "replace")
    names = [name for name in names if not begins_with_import(name, text)]
    if not names:
        return set()
    import ast

    reads, imports, imported = {}, {}, {}
    for node in ast.walk(ast.parse(source, FILENAME)):
        if isinstance(node, ast.Name):
            reads.setdefault(node.id, []).append((node.lineno, node.col_offset))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for name, module in bindings(node):
                imports.setdefault(name, []).append((node.lineno, node.col_offset))
                imported.setdefault(name, set()).add(module)
    return {name for name in names if imported[name] == {modules[name]} and min(reads[name]) < min(imports[name])}


# By which a program comes to what has a name that it does not mention.
WAYS_TO_NAMES = ("globals", "locals", "vars", "__import__", "__main__", "import_module", "unittest", "doctest")


def preload(code, source, mode, namespace, found):
    """Imports the names that the program reads and does not define itself: the preloaded ones, and those that earlier
    programs of the session gave to modules. Absent libraries are skipped."""
    modules = {**PRELOADED, **found.modules} if found else PRELOADED
    mentioned = mentioned_names(code, set())
    runs_text = not mentioned.isdisjoint(("eval", "exec", "compile"))
    finds_any = runs_text or not mentioned.isdisjoint(WAYS_TO_NAMES)
    calls_found = found is not None and bool(found.needs) and (finds_any or not mentioned.isdisjoint(found.names))
    if mentioned.isdisjoint(modules) and not runs_text and not calls_found:
        return
    read, defined, imported = global_names(source, mode)
    try:
        defined -= read_above_import(imported & read & modules.keys() - namespace.keys(), source, modules)
    except Exception:  # whatever is wrong with the source, its own compilation has to say so
        pass
    if runs_text:  # text that is run later may read any name that it spells
        import re

        read.update(re.findall(r"\w+", source.decode("utf-8", "replace")))
    if calls_found:
        read |= found.needs
        defined -= found.needs
    for name in modules.keys() & (read - defined) - namespace.keys():
        try:
            __import__(modules[name])
            namespace[name] = sys.modules[modules[name]]
        except Exception:  # absent, or broken: the program will say so if it needs it
            pass


def own_module(name):
    """Returns a module beside this file, which the program's own modules must not hide."""
    module = sys.modules.get("codecell_" + name)
    if module is None:
        path = "%s/%s.py" % (DIRECTORY, name)
        module = sys.modules["codecell_" + name] = type(sys)("codecell_" + name)
        with open(path, "rb") as file:
            exec(compile(file.read(), path, "exec", dont_inherit=True), module.__dict__)
    return module


def state_module():
    return own_module("state")


def find_state(namespace):
    """Puts the names that an earlier program of the session left into namespace. Returns what else is known of them."""
    try:
        posix.stat(STATE_FOUND)
    except FileNotFoundError:
        return None
    return state_module().take(STATE_FOUND, namespace)


def has_names(namespace):
    """Whether there is anything that the next program could miss."""
    names = [name for name in namespace if not (isinstance(name, str) and name.startswith("_"))]
    return not all(name in PRELOADED and type(namespace[name]) is type(sys) for name in names)


def leave_state(limits, program):
    """Leaves the names of a program to the next one, if there are any."""
    limit_bytes, memory_bytes = map(int, limits.split(","))
    if limit_bytes == 0 or (program.found is None and not has_names(program.namespace)):
        return
    state = state_module()
    state.sources = program.sources
    state.leave(STATE_LEFT, program.namespace, PRELOADED.keys(), limit_bytes, memory_bytes, program.found)


def own_frames_removed(trace):
    """Returns the trace without the frames of this file that lead to the program."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def is_success(status):
    """Whether the interpreter would end with 0 for what a program gave to sys.exit(): 0.0 is text to be shown."""
    return status is None or (isinstance(status, int) and status == 0)


def report(error):
    """Shows an uncaught exception as the interpreter would, without the frames of this file."""
    error.__traceback__ = own_frames_removed(error.__traceback__)
    if sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(error), error, error.__traceback__)
        return
    import_traceback().print_exception(error)


class Program:
    """One run of a program: its names, and what it found of earlier ones."""

    def __init__(self, namespace, hook, sources):
        self.namespace = namespace
        self.hook = hook
        self.sources = sources
        self.codes = []  # what it was compiled to
        self.found = None
        self.shown = None  # what the client wants to see
        self.lives_on = False  # what earlier programs of the session left is in namespace

    def execute(self, source):
        """Returns the exit code; SystemExit passes through."""
        try:
            code, mode = compile_program(source)
            if not self.lives_on:
                self.found = find_state(self.namespace)
                if self.found and self.found.sources:
                    self.sources.take_earlier(self.found.sources)
            self.codes = [code]
            preload(code, source, mode, self.namespace, self.found)
            if self.shown and mode == "exec":
                self.run_and_show(source)
                return 0
            value = eval(code, self.namespace)
            if mode == "eval":
                sys.displayhook(value)
                self.show(value)
        except KeyboardInterrupt as error:
            report(error)
            return 130
        except Exception as error:
            report(error)
            return 1
        return 0

    def run_and_show(self, source):
        """Runs the statements; the value of a last bare expression is shown."""
        statements, expression = own_module("display").split(source, FILENAME)
        self.codes = [code for code in (statements, expression) if code]
        eval(statements, self.namespace)
        if expression:
            self.show(eval(expression, self.namespace))

    def show(self, value):
        if self.shown and value is not None:
            self.shown.value(value)


def begin(path, source, show, session):
    """Returns the Program: a new one, or that of the session that goes on."""
    program = session and session.take_program()
    text = source.decode("utf-8", "replace")
    if program is None:
        sys.path[0] = WORKSPACE  # as for a script there
        sources = Sources(text)
        return Program(set_up_main(sources), set_up_hooks(sources, path, show), sources)
    if sys.path[:1] != [WORKSPACE]:
        sys.path.insert(0, WORKSPACE)
    for names in program.namespace, globals():
        names.pop("__warningregistry__", None)  # what the last one was warned of, this one has yet to hear
    program.sources.next_program(text, program.codes)
    renew_hooks(program.hook, program.sources, show)
    return program


def run(path, state, arguments, session=None):
    """Runs the program as __main__. Returns its exit code; SystemExit passes through. session: a rest.Session, in which
    the program may go on with what earlier ones left, and leave it as it is."""
    with open(path, "rb") as file:
        source = file.read()
    sys.argv = [PROGRAM] + arguments
    shown, show = None, replace_show
    if state.endswith("!"):
        state = state[:-1]
        shown = own_module("display").install(builtins)
        show = lambda pyplot: own_module("display").replace_show(shown, pyplot)
    program = begin(path, source, show, session)
    program.shown = shown
    process = posix.getpid()
    status = 1
    try:
        status = program.execute(source)
    except SystemExit as end:
        status = end.code
        raise
    finally:
        if shown:
            try:
                shown.end()
            except Exception as error:
                report(error)
        if posix.getpid() == process and (status in (None, 0) or state.endswith("+")):
            try:
                limits = state.rstrip("+")
                if not is_success(status) or session is None or not session.keep(program, limits):
                    leave_state(limits, program)
            except BaseException:  # the program made it impossible, and is told nothing
                pass
    return status


if __name__ == "__main__":
    set_up_packages()
    set_up_builtins()
    sys.exit(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
