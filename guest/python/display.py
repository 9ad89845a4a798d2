# SPDX-License-Identifier: Apache-2.0
"""display.py -- what a program shows beside its text: figures, display(x), the value of a last bare expression.

Loaded by run.py only if the client asks for it. Each entry is appended to one file as it is shown, so that what was shown
before a program is killed is not lost: a line "TYPE LENGTH NAME" and LENGTH bytes. The server looks at every byte of it and
has limits of its own; those here only keep a program from filling its disk.
"""

import os
import sys

FILE = "/mnt/data/.codecell-display"
ENTRIES_MAX = 32
BYTES_MAX = 8 << 20

# Of several that an object has the first is its richest; its text goes along in any case.
REPRESENTATIONS = (
    ("text/html", "_repr_html_"),
    ("image/svg+xml", "_repr_svg_"),
    ("image/png", "_repr_png_"),
    ("application/json", "_repr_json_"),
)


class Display:
    """What one run has shown so far."""

    def __init__(self):
        self.entries = self.bytes = 0
        self.full = False
        self.shown = []  # figures that need not be shown again at the end
        self.process = os.getpid()

    def add(self, kind, content, name=""):
        """Appends an entry; says once that there would have been more."""
        if isinstance(content, str):
            content = content.encode("utf-8", "replace")
        if self.entries >= ENTRIES_MAX or self.bytes + len(content) > BYTES_MAX:
            kind, content, name = "more", b"", ""
            if self.full:
                return
            self.full = True
        self.entries += 1
        self.bytes += len(content)
        with open(FILE, "ab") as file:
            file.write(b"%s %d %s\n" % (kind.encode(), len(content), name.encode()))
            file.write(content)

    def figure(self, figure):
        import io

        content = io.BytesIO()
        figure.savefig(content, format="png", bbox_inches="tight")
        self.shown.append(figure)
        self.add("image/png", content.getvalue(), "plot_%d.png" % len(self.shown))

    def value(self, value):
        """Shows an object: its richest form, and its text."""
        if is_figure(value):
            self.figure(value)
            return
        for kind, method in REPRESENTATIONS:
            content = represent(value, method)
            if content is None:
                continue
            if kind == "application/json" and not isinstance(content, str):
                import json

                content = json.dumps(content)
            self.add(kind, content)
            break
        self.add("text/plain", repr(value))

    def open_figures(self):
        """Shows the figures that are open and were not shown."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        for number in pyplot.get_fignums() if pyplot else ():
            figure = pyplot.figure(number)
            if not any(figure is shown for shown in self.shown):
                self.figure(figure)

    def end(self):
        """To be called once the program is over, however it ended."""
        if os.getpid() == self.process:
            self.open_figures()


def is_figure(value):
    figure = sys.modules.get("matplotlib.figure")
    return figure is not None and isinstance(value, figure.Figure)


def represent(value, method):
    """What a method of that name returns, if the class has one and it works: bytes, a str, or for JSON anything."""
    if isinstance(value, type):
        return None
    try:
        content = getattr(type(value), method)(value)
    except Exception:
        return None
    if isinstance(content, tuple):  # with metadata
        content = content[0]
    if method == "_repr_png_" and isinstance(content, str):
        import base64

        content = base64.b64decode(content)
    return content if isinstance(content, (str, bytes)) or method == "_repr_json_" else None


def install(builtins):
    """Gives the program display() and a show() of pyplot that shows here. Returns the Display."""
    shown = Display()

    def display(*values):
        for value in values:
            shown.value(value)

    builtins.display = display
    return shown


def replace_show(shown, pyplot):
    def show(*args, **kwargs):
        shown.open_figures()
        for number in pyplot.get_fignums():
            pyplot.close(number)

    pyplot.show = show


def split(source, filename):
    """Returns (statements, expression): the code of all but the last statement, and that of the last if it is a bare
    expression; else the expression is None."""
    import ast

    module = compile(source, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    expression = None
    if module.body and isinstance(module.body[-1], ast.Expr):
        last = ast.Expression(module.body.pop().value)
        expression = compile(last, filename, "eval", dont_inherit=True)
    return compile(module, filename, "exec", dont_inherit=True), expression
