# SPDX-License-Identifier: Apache-2.0
# What the kernel lets this process have at most.
import resource as r

AT_MOST = dict(
    CORE=1, NOFILE=4096, MEMLOCK=1 << 20, MSGQUEUE=0, NICE=0, RTPRIO=0, SIGPENDING=65536, STACK=1 << 30, FSIZE=1 << 40
)
for limit, most in AT_MOST.items():
    hard = r.getrlimit(getattr(r, "RLIMIT_" + limit))[1]
    held(limit, hard != r.RLIM_INFINITY and hard <= most, "%s %s" % (limit.lower(), hard))
# 1 is the one value at which the kernel hands the memory of a crashed program to no handler of the host.
for value in ((0, 0), (0, 1)):
    fails("core %s %s" % value, attempt(r.setrlimit, r.RLIMIT_CORE, value))
groups = os.getgroups()
held("groups", 0 not in groups and not set(groups) - {os.getgid()}, "groups %s" % groups)
blocked = [line.split()[1] for line in open("/proc/self/status") if line.startswith("SigBlk")]
held("signals", int(blocked[0], 16) == 0, "none blocked")
held("first to be killed", int(open("/proc/self/oom_score_adj").read()) > int(open("/proc/1/oom_score_adj").read()), "before its init")
end()
