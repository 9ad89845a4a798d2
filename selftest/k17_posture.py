# SPDX-License-Identifier: Apache-2.0
# Counters that tell of other programs, and memory that is merged with theirs.
page = ctypes.create_string_buffer(128)
struct.pack_into("<II", page, 0, 1, 128)  # a software event, which the kernel grants to anybody at paranoid 2
fails("perf_event_open", sc("perf_event_open", page, 0, -1, -1, 0), DENIED)
fails("perf_event_open without a page", sc("perf_event_open", 0, 0, -1, -1, 0), DENIED)
fails("merge its memory", sc("prctl", 67, 1, 0, 0, 0))
for path in ("/proc/stat", "/proc/interrupts", "/proc/softirqs", "/proc/schedstat", "/proc/sched_debug", "/proc/pressure/cpu", "/proc/diskstats"):
    said = attempt(lambda: open(path, "rb").read(64).strip() and "bytes")
    if path != "/proc/stat":  # libraries count processors in it
        held("read " + path, said != "ok:bytes", said if said.startswith("E") else "empty")
end()
