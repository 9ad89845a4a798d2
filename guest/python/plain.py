# SPDX-License-Identifier: Apache-2.0
"""plain.py -- the Python zygote for programs that name no library (src/engine/plain.h): zygote.py without libraries, of
which a copy costs half as much."""

import sys

# Of the standard library, what programs import most. More would cost each copy more than it saves the few.
MODULES = (
    "argparse",
    "base64",
    "bisect",
    "calendar",
    "collections",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "glob",
    "hashlib",
    "heapq",
    "io",
    "itertools",
    "json",
    "logging",
    "math",
    "operator",
    "os",
    "pathlib",
    "pickle",
    "pprint",
    "random",
    "re",
    "shutil",
    "statistics",
    "string",
    "struct",
    "subprocess",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "traceback",
    "typing",
    "unicodedata",
    "urllib.parse",
    "uuid",
    "zlib",
)


def take(name):
    """Imports a module of this directory that programs shall not find loaded."""
    __import__(name)
    return sys.modules.pop(name)


if __name__ == "__main__":
    take("zygote").main(MODULES)
