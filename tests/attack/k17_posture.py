# SPDX-License-Identifier: Apache-2.0
"""K17: doctor reports the Spectre/MDS posture and KSM, perf is off inside, and memory is not merged across cells."""

import re
import subprocess

from support import host


def test_k17_doctor_reports(program):
    done = subprocess.run([program, "doctor"], capture_output=True, text=True, timeout=60)
    said = (done.stdout + done.stderr).lower()
    assert re.search(r"spectre|mitigation|vulnerabilit", said), said
    assert re.search(r"ksm|samepage|same-page", said), said


def test_k17_perf_and_merging_are_off(attack):
    told = attack.evidence(
        """
page = ctypes.create_string_buffer(128)
struct.pack_into("<II", page, 0, 1, 128)  # a software event, which the kernel grants to anybody at paranoid 2
tell(dict(perf=sc("perf_event_open", page, 0, -1, -1, 0), perf_null=sc("perf_event_open", 0, 0, -1, -1, 0),
          merge=sc("prctl", 67, 1, 0, 0, 0), ksm=attempt(lambda: open("/sys/kernel/mm/ksm/run").read().strip()),
          speculation=[l for l in open("/proc/self/status") if l.startswith("Speculation")]))
"""
    )
    assert told["perf"] in ("EPERM", "ENOSYS") and told["perf_null"] in (
        "EPERM",
        "ENOSYS",
    ), told  # EFAULT without the filter
    assert told["merge"] in ("EPERM", "EINVAL", "ENOSYS"), told
    assert told["ksm"] in ("ENOENT", "EACCES", "ok:0"), told
    assert host.read("/sys/kernel/mm/ksm/run", "0").strip() in ("0", "2")
