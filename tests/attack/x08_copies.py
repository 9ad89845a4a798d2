# SPDX-License-Identifier: Apache-2.0
"""X8: what is special about programs that are copies of one interpreter: nothing of it may be a way to another, or up."""

import json
import threading

import pytest
from support import host
from support.guest import REST_FD

AGENTS = ["/opt/codecell/guest/python/zygote.py", "/opt/codecell/guest/python/plain.py"]


@pytest.fixture(autouse=True)
def copies(attack):
    """The zygote takes seconds to be ready."""
    status = "print(open('/proc/self/status').read())"
    assert host.until(lambda: "Seccomp_filters:\t2" in attack.exec(status, "py").stdout, 60, 0.2)


@pytest.fixture(params=["", "# numpy\n"], ids=["plain", "with libraries"])
def told_by(attack, request):
    """Asks a copy of either zygote, and not an interpreter of the program's own."""
    origin = "result = {'loaded': 'num' 'py' in sys.modules, 'copy': 'Seccomp_filters:\\t2' in open('/proc/self/status').read()}\n"

    def ask(body):
        told = []

        def once():
            told[:] = [attack.evidence(request.param + origin + body + "\ntell(result)")]
            return told[0]["copy"] and told[0]["loaded"] == bool(request.param)

        assert host.until(once, 60, 0.2)
        return told[0]

    return ask


def test_x08_nothing_is_shared(told_by):
    """No memory that two copies could both write."""
    told = told_by(
        "import re\nmaps = open('/proc/self/maps').read().splitlines()\n"
        "result.update(all=len(maps), shared=[line for line in maps if re.match(r'\\S+ .w.s ', line)])",
    )
    assert told["all"] > 40 and not told["shared"], told


def test_x08_what_only_zygotes_may(told_by):
    """Calls that a zygote needs to make its copies, and that these get back as any cell has them."""
    told = told_by(
        "result.update(seccomp=sc('seccomp', 2, 0, 0), setns=sc('setns', -1, 0), unshare=sc('unshare', 0x10000000))\n"
        "result.update(clone3=sc('clone3', 0, 0), bound=sc('prctl', 24, 63), bits=sc('prctl', 28, 0))\n"
        "result.update(rules=sc('landlock_create_ruleset', 0, 0, 1), confine=sc('landlock_restrict_self', -1, 0))",
    )
    assert [told[call] for call in ("seccomp", "setns", "unshare")] == ["EPERM"] * 3, told
    assert [told[call] for call in ("clone3", "bound", "bits", "rules", "confine")] == ["ENOSYS"] * 5, told


LOCKS_PY = """
import fcntl, struct
f = open('/proc/self/exe', 'rb')
for name, call in {
    'shared': lambda: fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB),
    'exclusive': lambda: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB),
    'lease': lambda: fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_RDLCK),
}.items():
    try:
        call()
        result[name] = 'ok'
    except OSError as error:
        result[name] = error.strerror
# Of all locks on the file only the first is told, and that is not a cell's.
fcntl.lockf(f, fcntl.LOCK_SH | fcntl.LOCK_NB, 7, 1000)
asked = fcntl.fcntl(f, fcntl.F_GETLK, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 1000, 7, 0))
result['told'] = struct.unpack('hhqqi4x', asked)[2:4]
"""


def test_x08_locks_on_the_executable(told_by):
    """/proc/self/exe is one file for all copies; its locks would be messages between cells."""
    told = told_by(LOCKS_PY)
    assert told["told"] == [0, 0], told
    assert "ok" not in (told["shared"], told["exclusive"], told["lease"]), told


RIGHTS_PY = """
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
result.update(
    {name: status[name].strip() for name in ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp')},
    maps=open('/proc/self/uid_map').read().split(), parent=os.getppid(), session=os.getsid(0) == os.getpid(),
    descriptors=sorted(int(fd) for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + fd)),
    namespaces={name: os.readlink('/proc/self/ns/' + name) for name in ('user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup')},
    groups=open('/proc/self/cgroup').read(), processes=sorted(int(name) for name in os.listdir('/proc') if name.isdigit()),
)
"""


def test_x08_no_right_is_left(attack, told_by):
    """A zygote may enter namespaces; a copy may nothing."""
    told = told_by(RIGHTS_PY)
    none = "0" * 16
    assert [told[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [none] * 5, told
    assert (told["NoNewPrivs"], told["Seccomp"], told["Groups"]) == ("1", "2", ""), told
    assert told["Uid"] == told["Gid"] == "\t".join(["1001"] * 4) and told["maps"][0] == "1001", told
    assert [fd for fd in told["descriptors"] if fd != REST_FD] == [0, 1, 2], told
    assert told["parent"] == 1 and told["session"], told
    assert len(told["processes"]) == 2 and told["processes"][0] == 1, told
    assert all(line.endswith(":/") for line in told["groups"].splitlines()), told
    for others in [host.namespaces()] + [host.namespaces(pid) for agent in AGENTS for pid in host.zygotes(attack.server, agent)]:
        assert not [name for name, link in told["namespaces"].items() if others[name] == link], told


CELL_PY = """
server = socket.create_server(('127.0.0.1', 0))
result['loopback'] = attempt(socket.create_connection, server.getsockname(), 1).startswith('ok')
import platform
result['names'] = [os.uname().nodename, socket.gethostname(), platform.node(), platform.uname().node]
result['mounts'] = sorted(line.split()[4] for line in open('/proc/self/mountinfo'))
result['filter'] = {call: sc(call, -1, 0, 0) for call in ('setns', 'seccomp', 'clone3', 'unshare', 'mount')}
"""


def test_x08_the_copy_is_of_its_cell(told_by):
    """What a copy has around it is the cell's: the zygote's network has no loopback that is up, its mounts lack the workspace,
    and its filter lets namespaces be entered. The host's name is not even what a library of the zygote's remembers."""
    told = told_by(CELL_PY)
    assert told["loopback"], told
    assert set(told["names"]) == {"sandbox"}, told["names"]
    assert {"/mnt/data", "/run/build", "/tmp", "/dev/shm"} <= set(told["mounts"]), told
    expected = {"setns": "EPERM", "seccomp": "EPERM", "clone3": "ENOSYS", "unshare": "EPERM", "mount": "EPERM"}
    assert told["filter"] == expected, told


def test_x08_memory_is_the_cells(attack):
    """What a copy takes is charged to its own cell, not to the zygote it came from."""
    run = attack.exec("x = bytearray(300 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('filled')", "py")
    assert run.stdout == "filled\n", dict(run)
    assert run.usage["memory_peak_bytes"] > 290 << 20, dict(run)
    run = attack.exec("x = bytearray(900 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('filled')", "py")
    assert run.outcome == "out_of_memory", dict(run)


@pytest.mark.parametrize("agent", AGENTS)
def test_x08_the_zygote_is_out_of_reach(attack, agent):
    """The zygote keeps hardly any rights itself, and no descriptor but its own."""
    (zygote,) = host.zygotes(attack.server, agent)
    assert host.status_field(zygote, "Uid").split()[0] != "0"
    assert int(host.status_field(zygote, "CapEff"), 16) & ~(1 << 21 | 1 << 18 | 1 << 1) == 0
    assert host.status_field(zygote, "CapBnd") == host.status_field(zygote, "CapEff")
    assert host.status_field(zygote, "Seccomp") == "2" and host.status_field(zygote, "NoNewPrivs") == "1"
    mine, its = host.namespaces(), host.namespaces(zygote)
    assert not [name for name in ("mnt", "net", "ipc", "uts") if mine[name] == its[name]]


def test_x08_orders_that_nobody_waits_for(server_with):
    """A copy is privileged when it is born: no program may run in a cell that one may still be born in, and whatever ends
    while a copy is made must not stop the zygote."""
    server = server_with(SANDBOX_POOL_ENABLED="true", SANDBOX_POOL_PY="2", MAX_CONCURRENT_EXECUTIONS="2")
    assert host.until(lambda: "python is ready" in host.read(server.log_path), 60)
    strange = []

    def work():
        with server.client() as client:
            for _ in range(25):
                run = client.exec("cat /proc/[0-9]*/cmdline | tr '\\0' ' '; sleep 0.01; cat /proc/[0-9]*/cmdline", "bash")
                if run.outcome != "ok" or "guest/python/" in run.stdout:
                    strange.append(dict(run))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not strange, strange[0]
    with server.client() as client:
        assert host.until(lambda: client.exec("print(1)", "py").usage["warm"] in ("armed", "forked"), 10)


PHP_SPY = """<?php
$status = [];
foreach (file('/proc/self/status') as $line) { [$name, $value] = explode(':', $line, 2); $status[$name] = trim($value); }
$libc = FFI::cdef('int open(const char *path, int flags); int flock(int fd, int how); int close(int fd);', 'libc.so.6');
$exe = $libc->open('/proc/self/exe', 0); // PHP itself would follow the link to the cell's own view of the file
$locks = [$exe > 2, $libc->flock($exe, 5), $libc->flock($exe, 6), $libc->close($exe)];
$files = [];
foreach (scandir('/proc/self/fd') as $fd) { $files[$fd] = @readlink("/proc/self/fd/$fd"); }
foreach (['pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup', 'user'] as $name) { $namespaces[$name] = readlink("/proc/self/ns/$name"); }
echo json_encode([
    'status' => $status, 'locks' => $locks, 'files' => $files, 'namespaces' => $namespaces, 'parent' => posix_getppid(),
    'maps' => preg_split('/\\s+/', trim(file_get_contents('/proc/self/uid_map'))), 'groups' => file('/proc/self/cgroup'),
    'shared' => array_values(preg_grep('/^\\S+ .w.s /', file('/proc/self/maps'))),
    'random' => [mt_rand(), random_int(0, PHP_INT_MAX), lcg_value(), uniqid('', true), bin2hex(random_bytes(8)),
                 bin2hex(openssl_random_pseudo_bytes(8)), implode(str_split(str_shuffle('abcdefghijklmnopqrstuvwxyz'))), (string) array_rand(range(0, 99999))],
]);
"""


def copies_of_php(attack, n):
    told = []

    def once():
        run = attack.exec(PHP_SPY, "php")
        seen = json.loads(run.stdout)
        # A copy that dies while it waits is replaced by an interpreter of the program's own, without the filter of copies.
        if run.usage["warm"] in ("armed", "forked") and seen["status"]["Seccomp_filters"] == "2":
            told.append(seen)
        return len(told) == n

    assert host.until(once, 60, 0.2), told
    return told


def test_x08_copies_of_php(attack):
    """PHP programs are copies too: no right is left, everything around is the cell's, and nothing drawn is another's."""
    told, mine = copies_of_php(attack, 4), host.namespaces()
    for each in told:
        status = each["status"]
        assert [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == ["0" * 16] * 5, status
        assert (status["NoNewPrivs"], status["Seccomp"], status["Seccomp_filters"]) == ("1", "2", "2"), status
        assert status["Uid"] == status["Gid"] == "\t".join(["1001"] * 4) and each["maps"][0] == "1001", each
        assert each["parent"] == 1 and all(line.strip().endswith(":/") for line in each["groups"]), each
        assert not each["shared"] and each["locks"] == [True, -1, -1, 0], each
        own = [file for fd, file in each["files"].items() if fd.isdigit() and int(fd) > 2 and file]
        assert all(file.startswith(("/opt/codecell/guest/php/", "/run/build/code.php", "/proc/")) for file in own), each
        assert not [name for name, link in each["namespaces"].items() if mine[name] == link], each
    for drawn in zip(*(each["random"] for each in told)):
        assert len(set(drawn)) == len(told), drawn
