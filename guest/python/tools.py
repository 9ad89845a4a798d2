# SPDX-License-Identifier: Apache-2.0
"""tools.py SOURCE -- runs one Python program that calls tools inside a cell (ptc.md P5).

The program is module code in which await, async for, async with and return are allowed at top level. Each tool of
MANIFEST is an async function. What it is called with, and what comes back, travels on a descriptor of its own
(src/engine/tool_frame.h); this file is no wall, and nothing on the server's side believes it.

Started like run.py, whose setup it shares. run_program() works as well in a process that was forked with everything
imported.
"""

import ast
import asyncio
import json
import os
import sys
import threading

# A program that waits for nothing but a timer goes on by itself, if the timer is near.
SOON_S = 0.05

CO_COROUTINE = 0x80  # inspect.CO_COROUTINE
RETURN_NAME = "__codecell_return__"

KEYWORDS = frozenset(
    "False None True and as assert async await break class continue def del elif else except finally for from global if"
    " import in is lambda nonlocal not or pass raise return try while with yield".split()
)


def load(name, path):
    """Returns a module of ours, which the program's own modules must not hide."""
    module = sys.modules.get(name)
    if module is None:
        module = sys.modules[name] = type(sys)(name)
        module.__file__ = __file__.rpartition("/")[0] + path
        with open(module.__file__, "rb") as file:
            exec(compile(file.read(), module.__file__, "exec", dont_inherit=True), module.__dict__)
    return module


run = load("codecell_run", "/run.py")
frames = load("codecell_frames", "/../tools/frames.py")


class ToolError(Exception):
    """A tool call failed; the text is the tool's."""


class TopLevelReturn(BaseException):
    """Stands for a return statement outside of functions."""


class Bridge:
    """Calls tools from any event loop of this process, whichever thread runs it."""

    def __init__(self, stream):
        self.frames = stream
        self.lock = threading.Lock()
        self.waiting = {}  # number: (loop, future)
        self.number = 0
        self.told_idle = True
        self.over = False

    async def call(self, name, argument):
        loop = asyncio.get_running_loop()
        if self.over:
            raise ToolError("Tools cannot be called any more")
        self._attend(loop)
        future = loop.create_future()
        with self.lock:
            self.number += 1
            number = self.number
            self.waiting[number] = loop, future
            self.frames.call(number, name, argument)
            self.told_idle = False
        try:
            return await future
        finally:
            with self.lock:
                self.waiting.pop(number, None)

    def _attend(self, loop):
        """Makes a loop read answers, and say when it cannot go on without them."""
        if getattr(loop, "_codecell_bridge", None) is self:
            return
        loop._codecell_bridge = self
        loop.add_reader(self.frames.fd, self._take_answers)
        selector = getattr(loop, "_selector", None)
        if selector is None:
            return
        select = selector.select

        def select_and_tell(timeout=None):
            if self.frames.unsent or not self.told_idle:
                self._tell(loop, timeout)
            return select(timeout)

        selector.select = select_and_tell

    def _tell(self, loop, timeout):
        with self.lock:
            if not self.told_idle and (timeout is None or timeout > SOON_S):
                self.frames.idle()
                self.told_idle = True
            everything = self.frames.send()
        if not everything:
            loop.add_writer(self.frames.fd, self._send_rest, loop)

    def _send_rest(self, loop):
        with self.lock:
            everything = self.frames.send()
        if everything:
            loop.remove_writer(self.frames.fd)

    def _take_answers(self):
        with self.lock:
            answers = self.frames.receive()
            if answers is None:
                self.over = True
                answers = [(b"error", number, b"The server is gone") for number in self.waiting]
            taken = [(word, data) + self.waiting.get(number, (None, None)) for word, number, data in answers]
        here = asyncio.get_running_loop()
        for word, data, loop, future in taken:
            if loop is here:
                settle(future, word, data)
            elif loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(settle, future, word, data)


def settle(future, word, data):
    if future.done():
        return
    if word != b"result":
        future.set_exception(ToolError(data.decode("utf-8", "replace")))
        return
    try:
        future.set_result(json.loads(data))
    except (ValueError, RecursionError) as error:  # JSON that this language has no room for
        future.set_exception(ToolError("The result cannot be read: %s" % error))


def pack_argument(keywords):
    """The bytes of a call's input. Raises TypeError for what is no JSON."""
    try:
        data = json.dumps(keywords, allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError("Tool arguments must be JSON serializable: %s" % error) from None
    if frames.excess(data):
        raise ValueError(frames.excess(data))
    return data


def merge_arguments(name, parameters, positional, keywords):
    """Positional arguments take the names of the schema, a single dict is the keywords themselves (P5.4)."""
    if len(positional) == 1 and isinstance(positional[0], dict) and not keywords:
        return positional[0]
    if len(positional) > len(parameters):
        raise TypeError(
            "%s() takes at most %d positional arguments but %d were given" % (name, len(parameters), len(positional))
        )
    merged = dict(zip(parameters, positional))
    for key in keywords:
        if key in merged:
            raise TypeError("%s() got multiple values for argument %r" % (name, key))
    merged.update(keywords)
    return merged


def make_function(bridge, tool):
    name, parameters = tool["name"], tool["parameters"]
    known_as = frames.identifier(name, r"[-\s]", KEYWORDS)

    async def call(*positional, **keywords):
        argument = pack_argument(merge_arguments(known_as, parameters, positional, keywords))
        return await bridge.call(name.encode("utf-8"), argument)

    call.__name__ = call.__qualname__ = known_as
    call.__doc__ = tool["description"]
    return known_as, call


def install(fd, namespace, manifest=frames.MANIFEST):
    """Puts the tools into namespace. Returns the bridge that they call through."""
    bridge = Bridge(frames.Frames(fd))
    with open(manifest, encoding="utf-8") as file:
        tools = json.load(file)
    namespace.update(make_function(bridge, tool) for tool in tools)
    return bridge


class Returns(ast.NodeTransformer):
    """Makes each return outside of functions raise TopLevelReturn, which only bare handlers of the program could see."""

    def skip(self, node):
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = skip

    def visit_Return(self, node):
        raised = ast.Raise(exc=ast.Name(id=RETURN_NAME, ctx=ast.Load()), cause=None)
        statements = [ast.Expr(value=node.value)] if node.value else []
        return [ast.fix_missing_locations(ast.copy_location(each, node)) for each in statements + [raised]]


def compile_program(source):
    tree = compile(source, run.FILENAME, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(Returns().visit(tree), run.FILENAME, "exec", flags, dont_inherit=True)


def execute(code, namespace):
    outcome = eval(code, namespace)
    if code.co_flags & CO_COROUTINE:
        asyncio.run(outcome)


def trim(error):
    """Takes the frames that are not the program's off both ends of an error's trace: those that led to it, and this
    file's inside a call."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != run.FILENAME:
        trace = trace.tb_next
    error.__traceback__ = last = trace
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            last = trace
        trace = trace.tb_next
    if last is not None:
        last.tb_next = None


def describe(error):
    """What the caller is told in a word (P5.7)."""
    if isinstance(error, SyntaxError):
        import traceback

        return traceback.format_exception_only(error)[-1].strip()
    try:
        text = str(error)
    except Exception:
        text = ""
    return text or type(error).__name__


def report(error, stream):
    trim(error)
    run.report(error)
    stream.fail(describe(error))
    os.set_blocking(stream.fd, True)
    stream.send()


def run_program(path, fd=frames.TOOLS_FD):
    """Runs the program as __main__. Returns its exit code; SystemExit passes through."""
    with open(path, "rb") as file:
        source = file.read()
    sys.argv = [run.PROGRAM]
    sys.path[0] = run.WORKSPACE
    sources = run.Sources(source.decode("utf-8", "replace"))
    run.set_up_hooks(sources, path)
    namespace = run.set_up_main(sources)
    namespace.update({RETURN_NAME: TopLevelReturn, "ToolError": ToolError, "asyncio": asyncio, "json": json})
    bridge = install(fd, namespace)
    try:
        code = compile_program(source)
        run.preload(code, source, "exec", namespace, None)
        execute(code, namespace)
    except TopLevelReturn:
        pass
    except (Exception, KeyboardInterrupt) as error:
        report(error, bridge.frames)
        return 1
    return 0


if __name__ == "__main__":
    run.set_up_packages()
    run.set_up_builtins()
    sys.exit(run_program(sys.argv[1]))
