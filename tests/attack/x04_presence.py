# SPDX-License-Identifier: Apache-2.0
"""N9: files of the shared runtime tree tell nobody who else uses them."""


def test_x04_watches_and_caches(attack):
    told = attack.evidence("""
import fcntl
fd = os.open("/usr/bin", os.O_RDONLY)
facts = dict(inotify=attempt(lambda: ctypes.CDLL(None, use_errno=True).inotify_init1(0)), notify=sc(72, fd, 1026, 1), wide=sc(72, fd, (1 << 32) | 1026, 1))
facts["nowait"] = attempt(lambda: os.preadv(os.open("/usr/bin/env", os.O_RDONLY), [bytearray(10)], 0, os.RWF_NOWAIT))
facts["locks"] = open("/proc/locks").read()
facts["plain"] = attempt(lambda: os.preadv(os.open("/usr/bin/env", os.O_RDONLY), [bytearray(10)], 0))
tell(facts)
""")
    assert told["inotify"] == "ok:-1" and told["notify"] == "EPERM" and told["wide"] == "EPERM", told
    assert told["nowait"] in ("EOPNOTSUPP", "ENOTSUP") and told["plain"] == "ok:10" and told["locks"] == "", told


def test_x04_tail_follows_without_watches(attack):
    run = attack.exec("echo a > f; (sleep 0.5; echo b >> f) & timeout 3 tail -s 0.1 -f f", "bash")
    assert run.stdout == "a\nb\n", dict(run)


def test_x04_figures_of_the_whole_host_are_masked(attack):
    """Traffic of disks, interrupts and pressure tell what others do; memory, processors and load stay, since libraries ask for them."""
    told = attack.evidence("""
names = ("buddyinfo", "diskstats", "interrupts", "iomem", "ioports", "pagetypeinfo", "partitions", "schedstat", "slabinfo", "softirqs", "zoneinfo",
         "locks", "consoles", "timer_list", "pressure/cpu", "pressure/io", "sys/kernel/core_pattern", "sys/kernel/random/boot_id")
tell({n: attempt(lambda n=n: open("/proc/" + n).read()) for n in names})
""")
    assert all(answer in ("ok:", "ENOENT", "EACCES") for answer in told.values()), told
