# SPDX-License-Identifier: Apache-2.0
"""The list of attack cases, and which of them have no test."""

import glob
import os

CASES = (
    [f"K{n}" for n in range(1, 19)]
    + [f"F{n}" for n in range(1, 16)]
    + [f"R{n}" for n in range(1, 21)]
    + [f"N{n}" for n in range(1, 11)]
    + [f"C{n}" for n in range(1, 21)]
)

# Not yet attacked, each with what it waits for.
WAITING = {
    "K18": "hypervisor mode",
    "F8": "destination conflicts between uploads",
    "F9": "archive uploads",
    "F11": "covered in part by contract/test_download.py",
    "R19": "the 72-hour soak",
    "N3": "the list names hosts, and TLS is not opened: what a listed service stores for strangers is what its operator chose",
    "C4": "no language-level sandbox is used",
    "C8": "per-session tokens",
    "C15": "Redis and S3",
    "C17": "callbacks",
    "C18": "templates",
    "C20": "package installation",
}


def tested():
    names = (
        os.path.basename(path) for path in glob.glob(os.path.join(os.path.dirname(__file__), "[a-w][0-9][0-9]_*.py"))
    )
    return {name[0].upper() + str(int(name[1:3])) for name in names}


def test_every_case_has_a_test_or_a_reason():
    without = [case for case in CASES if case not in tested()]
    print("\nattack cases without a test:")
    for case in without:
        print(f"  {case}: {WAITING.get(case, '?')}")
    assert set(without) == set(WAITING), set(without) ^ set(WAITING)
