# SPDX-License-Identifier: Apache-2.0
"""K14: the runtime cannot be overwritten through /proc/self/exe, neither its own nor the one that started it."""

import hashlib
import os

from support.server import BUILD

WATCHED = [
    "/usr/bin/python3",
    "/usr/bin/bash",
    "/usr/bin/env",
    os.path.join(BUILD, "codecell"),
    os.path.join(BUILD, "codecell-warden"),
]


def _digests():
    return {
        path: hashlib.sha256(open(os.path.realpath(path), "rb").read()).hexdigest()
        for path in WATCHED
        if os.path.exists(path)
    }


def test_k14_overwrite_the_runtime(attack):
    before = _digests()
    told = attack.evidence(
        """
facts = {}
def overwrite(path, flags=os.O_WRONLY):
    return attempt(lambda: os.write(os.open(path, flags), b"#!/bin/sh\\n"))
for target in ("/proc/self/exe", "/proc/1/exe", "/proc/%d/exe" % os.getppid(), "/usr/bin/python3", "/usr/bin/bash", os.path.realpath("/proc/self/exe")):
    facts["write " + target] = overwrite(target)
    facts["trunc " + target] = overwrite(target, os.O_WRONLY | os.O_TRUNC)
    facts["chmod " + target] = attempt(os.chmod, target, 0o777)
    facts["unlink " + target] = attempt(os.unlink, target) if not target.startswith("/proc") else "EPERM"
    facts["rename " + target] = attempt(lambda: (open("/tmp/x", "w").close(), os.rename("/tmp/x", target)))
# A descriptor of the runtime, taken while it runs, reopened when it has gone and the text is no longer busy.
for target in ("/proc/self/exe", "/proc/1/exe"):
    try:
        fd = os.open(target, os.O_PATH)
        facts["reopen " + target] = overwrite("/proc/self/fd/%d" % fd)
        child = subprocess.run(["bash", "-c", "for i in 1 2 3; do echo x > /proc/self/fd/%d && echo WROTE; sleep 0.05; done" % fd], pass_fds=[fd],
                               capture_output=True, text=True)
        facts["reopen in child " + target] = "ok:wrote" if "WROTE" in child.stdout else "EROFS"
    except OSError as error:
        facts["reopen " + target] = name(error.errno)
mine = subprocess.Popen(["sleep", "5"])
path = "/proc/%d/exe" % mine.pid
fd = os.open(path, os.O_PATH)
mine.kill(); mine.wait()
facts["reopen dead"] = overwrite("/proc/self/fd/%d" % fd)
facts["ro /usr"] = "EROFS" if os.statvfs("/usr").f_flag & os.ST_RDONLY else "ok:writable"
facts["ro exe"] = "EROFS" if os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY else "ok:writable"
tell(facts)
"""
    )
    worked = {way: answer for way, answer in told.items() if answer.startswith("ok")}
    assert not worked, worked
    # The wall is the read-only mount, not the file's owner.
    assert told["reopen dead"] == "EROFS" or told["ro exe"] == "EROFS", told
    assert _digests() == before
