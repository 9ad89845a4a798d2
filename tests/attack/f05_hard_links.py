# SPDX-License-Identifier: Apache-2.0
"""F5: hard links to files outside fail; many hard links of one file are bounded."""

import time


def test_f05_links_to_files_outside(attack):
    told = attack.evidence(
        """
facts = {}
for target in ("/etc/passwd", "/etc/hostname", "/usr/bin/python3", "/proc/self/environ", "/dev/null", "/proc/self/exe"):
    facts[target] = attempt(os.link, target, "/mnt/data/hard%d" % len(facts))
    facts["at " + target] = sc(265 if os.uname().machine == "x86_64" else 37, -100, ctypes.c_char_p(target.encode()), -100, b"/mnt/data/h\\0", 0x400)
tell(facts)
"""
    )
    assert set(told.values()) <= {"EXDEV", "EPERM", "EACCES", "ENOENT", "ELOOP"}, told


def test_f05_link_of_an_input_is_a_copy(attack):
    up = attack.upload(("in.txt", b"original"))
    agent = attack.upload(("agent.txt", b"agent"), entity_id="f05")
    run = attack.exec(
        "ln in.txt twin.txt; ln agent.txt agent2.txt; echo more >> twin.txt; chmod u+w agent2.txt; echo evil >> agent2.txt; cat in.txt",
        "bash",
        files=[up.reference(), agent.reference()],
    )
    assert run.outcome == "ok", dict(run)
    assert attack.fetch(run.file("twin.txt")) == b"originalmore\n", dict(run)
    assert attack.download(up.session, up.id) == b"original"
    assert attack.download(agent.session, agent.id) == b"agent"


def test_f05_a_hundred_thousand_links(attack):
    start = time.monotonic()
    run = attack.exec(
        """
import os, time
open("/mnt/data/a.txt", "w").write("x" * 1000)
made, end = 0, time.monotonic() + 4
try:
    while made < 100000 and time.monotonic() < end:
        os.link("/mnt/data/a.txt", "/mnt/data/l%06d.txt" % made); made += 1
except OSError as error:
    print(error)
print(made)
""",
        "py",
        timeout=20000,
    )
    assert run.outcome == "ok", dict(run)
    assert len(run.files) <= 10 and run["artifact_truncation"]["skipped_count"] > 0, dict(run)
    assert len(run["artifact_truncation"].get("skipped", [])) <= 20
    assert time.monotonic() - start < 20
