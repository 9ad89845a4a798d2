# SPDX-License-Identifier: Apache-2.0
# Stands before each Python program of the self-test, behind calls.py and attempts.py: the lines in which it reports.

_libc.prctl(15, b"@MARK@", 0, 0, 0)  # the mark by which the host finds the processes of this program


def _line(*fields):
    print("\t".join(str(field).replace("\t", " ").replace("\n", " ")[:100] for field in fields), flush=True)


def held(what, condition, seen=""):
    _line("HELD" if condition else "DOWN", what, seen)


def fails(what, seen, among=None):
    "The attempt must have failed: with one of these errors if they are given."
    held(what, seen in among if among else not seen.startswith("ok"), seen)


def works(what, seen):
    "A control: what anybody may do."
    if not seen.startswith("ok"):
        _line("LACK", what, seen)


def skip(why):
    _line("SKIP", why)


def end():
    _line("END")


