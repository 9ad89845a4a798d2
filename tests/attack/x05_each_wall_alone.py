# SPDX-License-Identifier: Apache-2.0
"""K7, K11, K16, R1, R2: each wall seen by itself, where another one behind it would hide that it is missing.

`tests/attack/walls.py` takes the walls away one by one. What these programs do stays harmless then: they read, or go a
little beyond a limit."""

import os
import signal
import subprocess
import threading

import pytest

from support import host
from support.client import in_threads
from support.guest import DENIED, NO_SOCKET
from support.server import REPOSITORY

# A starter with further groups and wide limits (where the host lets us widen them): nothing of either may reach a cell.
GROUPS, GENEROUS = ("setpriv", "--groups", "0,4242"), ("prlimit", "--rtprio=5:5", "--nice=5:5")
LIMITS = {
    "Max core file size": ("1", "1"),
    "Max open files": ("256", "256"),
    "Max stack size": (str(8 << 20), str(64 << 20)),
    "Max locked memory": (str(64 << 10),) * 2,
    "Max msgqueue size": ("0", "0"),
    "Max nice priority": ("0", "0"),
    "Max realtime priority": ("0", "0"),
    "Max pending signals": ("1024", "1024"),
    "Max file size": (str(100 << 20),) * 2,
}


@pytest.fixture
def generous(server_with):
    able = subprocess.run([*GENEROUS, "true"], capture_output=True, check=False).returncode == 0
    return server_with(prefix=GROUPS + (GENEROUS if able else ()), MAX_CONCURRENT_EXECUTIONS="1")


def test_x05_limits_and_groups(generous):
    with generous.client() as client:
        seen = {}
        thread = threading.Thread(
            target=lambda: seen.update(
                run=client.exec("cat /proc/self/limits; id -G; exec -a x05groups sleep 3", "bash")
            )
        )
        thread.start()
        assert host.until(lambda: host.marked("x05groups"), 10), seen
        groups = {pid: host.status_field(pid, "Groups") for pid in host.marked("x05groups")}
        thread.join()
    lines = seen["run"].lines()
    assert set(groups.values()) == {""}, groups
    assert lines[-1] == "1001", lines[-1]
    for name, (soft, hard) in LIMITS.items():
        line = next(line for line in lines if line.startswith(name))
        assert tuple(line[len(name) :].split()[:2]) == (soft, hard), line


def test_x05_every_file_system(attack):
    """Flags and sizes of what is mounted, as the kernel states them."""
    told = attack.evidence(
        """
places = ("/", "/usr", "/proc", "/tmp", "/run/build", "/dev/shm", "/mnt/data")
facts = {}
for place in places:
    s = os.statvfs(place)
    facts[place] = dict(flags=[n for n in ("RDONLY", "NOSUID", "NODEV", "NOEXEC") if s.f_flag & getattr(os, "ST_" + n)],
                        bytes=s.f_blocks * s.f_frsize, inodes=s.f_files)
tell(facts)
"""
    )
    for place in ("/", "/usr", "/proc"):
        assert "RDONLY" in told[place]["flags"], (place, told[place])
    for place, seen in told.items():
        assert "NOSUID" in seen["flags"], (place, seen)
    for place in ("/proc", "/tmp", "/run/build", "/dev/shm", "/mnt/data"):
        assert "NODEV" in told[place]["flags"], (place, told[place])
    assert "NOEXEC" in told["/proc"]["flags"], told["/proc"]
    for place, inodes in (("/tmp", 65536), ("/run/build", 65536), ("/dev/shm", 65536), ("/mnt/data", 131072)):
        assert 0 < told[place]["inodes"] <= inodes and 0 < told[place]["bytes"] <= 512 << 20, (place, told[place])


def test_x05_mounts_of_an_earlier_cell_are_gone(server_with):
    with server_with(MAX_CONCURRENT_EXECUTIONS="1").client() as client:
        seen = [client.exec("cut -d' ' -f5 /proc/self/mountinfo", "bash").lines() for _ in range(3)]
    assert seen[0] == seen[1] == seen[2] and len(set(seen[0])) == len(seen[0]), seen


def test_x05_the_filter_and_not_the_kernel_answers(attack):
    """Arguments to which the kernel alone would give another answer, though a want of capabilities refuses the sensible ones."""
    told = attack.evidence(
        """
NR_IOCTL, NR_SYNCFS, NR_PREADV2 = (16, 306, 327) if os.uname().machine == "x86_64" else (29, 267, 286)
tell(dict(
    raw4=sc("socket", 2, 3, 100000), raw6=sc("socket", 10, 3, 100000),       # EINVAL: no such protocol
    whiteout=attempt(os.mknod, "/tmp/whiteout", stat.S_IFCHR | 0o666, 0),    # anybody may make device 0:0
    push=sc(NR_IOCTL, 1, 0x5412, b"x"),                                      # ENOTTY: standard output is a pipe
    mm=sc("prctl", 35, 9999, 0, 0, 1), strict=sc("prctl", 22, 99, 0, 0, 0),  # EINVAL
    layout=sc("personality", 0x0040000), sync=sc(NR_SYNCFS, -1),             # success, EBADF
    nowait=sc(NR_PREADV2, -1, 0, 0, 0, 0, os.RWF_NOWAIT),                    # EBADF
))
"""
    )
    assert told.pop("sync") == "ok:0" and told.pop("nowait") in ("EOPNOTSUPP", "ENOTSUP"), told
    assert told.pop("raw4") in NO_SOCKET and told.pop("raw6") in NO_SOCKET, told
    assert set(told.values()) <= DENIED, told


def test_x05_secure_bits_are_locked(attack):
    """No root by number, no capabilities kept or raised, and no way back."""
    told = attack.evidence('tell(dict(bits=sc("prctl", 27, 0, 0, 0, 0), ambient=sc("prctl", 47, 2, 0, 0, 0)))')
    assert told["bits"].startswith("ok:") and int(told["bits"][3:]) & 0b11101111 == 0b11101111, told
    assert not told["ambient"].startswith("ok"), told


def test_x05_the_init_is_behind_the_walls_too(attack):
    """A program loses capabilities by being executed; the process that executes it must have none either."""
    told = attack.evidence(
        """
tell({line.split(":")[0]: line.split()[1:] for line in open("/proc/1/status")})
"""
    )
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(told[name][0], 16) == 0, (name, told[name])
    assert told["Seccomp"] == ["2"] and told["NoNewPrivs"] == ["1"] and set(told["Uid"]) == {"1001"}, told


def test_x05_the_program_dies_before_its_init(attack):
    """When memory is short the kernel takes who has the highest score."""
    told = attack.evidence('tell({who: int(open("/proc/%s/oom_score_adj" % who).read()) for who in ("self", "1")})')
    assert told == {"self": 1000, "1": 500}, told


def test_x05_no_signal_is_ignored_or_blocked(attack):
    """Whatever the server ignores, a program starts with every signal as it is by default."""
    run = attack.exec("exec grep -E '^Sig(Blk|Ign)' /proc/self/status", "bash")
    assert [int(line.split()[1], 16) for line in run.lines()] == [0, 0], dict(run)


def test_x05_a_killed_init_is_no_success(attack):
    """A compiled program whose init dies has not succeeded, though its compiler has."""
    seen = {}
    code = '#include <unistd.h>\n#include <sys/prctl.h>\nint main(void) { prctl(PR_SET_NAME, "x05init"); sleep(20); }'
    thread = threading.Thread(target=lambda: seen.update(reply=attack.exec_reply(code, "c", timeout=30000)))
    thread.start()
    assert host.until(lambda: host.marked("x05init"), 15), seen
    os.kill(host.parent_of(host.marked("x05init")[0]), signal.SIGKILL)
    thread.join()
    assert seen["reply"].status in (200, 503), seen
    assert (
        seen["reply"].status == 503 or seen["reply"].json["outcome"] != "ok" and seen["reply"].json["code"] != 0
    ), seen


def test_x05_a_slot_is_free_when_its_memory_is(server_with):
    """While the outputs of one session are stored, their memory is not taken from the next in that slot."""
    leave = "import os\nfor i in range(9): open('o%d' % i, 'wb').write(os.urandom(40 << 20))"
    need = "b = bytearray(400 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\nprint('had it')"
    server = server_with(MAX_CONCURRENT_EXECUTIONS="2", MAX_FILE_SIZE_MB="50")

    def run(codes):
        with server.client() as client:
            return [client.exec(code, timeout=30000) for code in codes]

    leaves, needs = in_threads([lambda: run([leave] * 2), lambda: run([need] * 12)])
    assert [each.outcome for each in leaves + needs] == ["ok"] * 14, [
        (each.outcome, each.stderr[-200:]) for each in leaves + needs
    ]
    assert all(len(each.files) == 9 for each in leaves)


def test_x05_a_little_too_much_memory(attack):
    run = attack.exec(
        "b = bytearray(640 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\nprint('had it')", "py", timeout=20000
    )
    assert "had it" not in run.stdout and run.outcome in ("out_of_memory", "error"), dict(run)


def test_x05_a_few_processes_too_many(attack):
    told = attack.evidence(
        """
children, stopped = [], None
try:
    while len(children) < 300:
        pid = os.fork()
        if pid == 0:
            time.sleep(20); os._exit(0)
        children.append(pid)
except OSError as error:
    stopped = name(error.errno)
for pid in children: os.kill(pid, signal.SIGKILL)
for pid in children: os.waitpid(pid, 0)
tell(dict(made=len(children), stopped=stopped))
""",
        timeout=20000,
    )
    assert told["stopped"] == "EAGAIN" and told["made"] <= 256, told


def _settings(pid, name):
    """What the groups of a process, from its own up to its server's, have in a file of this name."""
    found = []
    for path in host.cgroup_directories(pid):
        while "/codecell." in path:
            found.append(host.read(f"{path}/{name}").strip())
            path = path.rpartition("/")[0]
    return [text for text in found if text]


def test_x05_the_kernel_has_been_told_the_limits(server_with):
    """On a busy machine a program gets less than its share, whether that is limited or not."""
    server = server_with(MAX_CPUS="0.5", MAX_MEMORY_MB="300", MAX_PROCESSES="100", MAX_CONCURRENT_EXECUTIONS="1")
    with server.client() as client:
        client.exec("sleep 0.3", "bash")  # long enough for the slot's keeper to step aside; it must have come back
        thread = threading.Thread(target=lambda: client.exec("exec -a x05limits sleep 3", "bash"))
        thread.start()
        assert host.until(lambda: host.marked("x05limits"), 10)
        pid = host.marked("x05limits")[-1]
        seen = {
            name: _settings(pid, name)
            for name in ("cpu.cfs_quota_us", "cpu.max", "memory.limit_in_bytes", "memory.max", "pids.max")
        }
        thread.join()
    assert "50000" in seen["cpu.cfs_quota_us"] or "50000 100000" in seen["cpu.max"], seen
    assert str(300 << 20) in seen["memory.limit_in_bytes"] + seen["memory.max"], seen
    assert "102" in seen["pids.max"], seen  # with the keeper and the init


def test_x05_nothing_of_the_init_can_be_read(attack):
    told = attack.evidence(
        """
facts = {what: attempt(lambda: open("/proc/1/" + what, "rb").read(1)) for what in ("environ", "maps", "auxv", "mem")}
facts.update({what: attempt(os.listdir, "/proc/1/" + what) for what in ("fd", "map_files")})
facts.update({what: attempt(os.readlink, "/proc/1/" + what) for what in ("cwd", "root", "exe", "ns/user")})
facts["cmdline"] = open("/proc/1/cmdline").read().strip("\\0")
tell(facts)
"""
    )
    assert told.pop("cmdline") == "init", told
    worked = {what: answer for what, answer in told.items() if answer.startswith("ok")}
    assert not worked, worked


def test_x05_the_process_that_speaks_http_has_no_rights(server):
    api = server.api_pid
    ids = host.status_field(api, "Uid").split() + host.status_field(api, "Gid").split()
    assert "0" not in ids and host.status_field(api, "Groups") == "", ids
    assert host.status_field(api, "NoNewPrivs") == "1"
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(host.status_field(api, name), 16) == 0, name


@pytest.mark.parametrize("key", ["0123456789abcdef", "my-default-key-0123456789", "passwordpassword"])
def test_x05_well_known_keys_stop_the_start(server_with, key):
    """Long enough and of many characters, and yet no secret."""
    server = server_with(wait=False, API_KEY=key)
    assert server.wait_exit(10) not in (0, None)
    assert "API_KEY" in server.log() and key not in server.log(), server.log()


def test_x05_walls_are_named_as_in_the_sources(program):
    """The table of mutations still fits the sources."""
    done = subprocess.run(
        ["python3", f"{REPOSITORY}/tests/attack/walls.py", "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
