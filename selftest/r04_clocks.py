# SPDX-License-Identifier: Apache-2.0
ts = ctypes.create_string_buffer(struct.pack("<qq", 0, 0))
for what, call in dict(
    clock_settime=("clock_settime", 0, ts), nothing=("clock_settime", 0, 0), settimeofday=("settimeofday", ts, 0),
    adjtimex=("adjtimex", 0), clock_adjtime=("clock_adjtime", 0, 0), unshare=("unshare", 0x80),
).items():
    fails(what, sc(*call), DENIED)
fails("offsets", attempt(lambda: open("/proc/self/timens_offsets", "w").write("monotonic 864000 0")))
end()
