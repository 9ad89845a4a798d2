# SPDX-License-Identifier: Apache-2.0
"""security.md S1, S2, S4.1 and http-api.md 11.3: what every program can observe. Whether it could do otherwise is asked in tests/attack."""

import re

import pytest

from support import host

UNAME = "sandbox"


def test_own_processes_only(client):
    """S1.1: a few processes, none of them the host's or another cell's."""
    run = client.exec("ls /proc | grep -c '^[0-9]'; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; kill -0 1234567 2>&1", "bash")
    assert int(run.lines()[0]) < 12 and "codecell api" not in run.stdout and "warden" not in run.stdout, run.stdout


def test_what_can_be_written(client):
    """S1.2: /mnt/data and private scratch; the system and the runtimes are read-only."""
    run = client.exec(
        "for d in /mnt/data /tmp /dev/shm; do echo x > $d/probe && echo $d yes; done\n"
        "for d in / /usr /usr/lib/python3 /etc /opt /bin /lib /root /home /proc/sys/kernel; do\n"
        "  (echo x > $d/probe) 2>/dev/null && echo $d written\ndone; true",
        "bash",
    )
    assert run.lines() == ["/mnt/data yes", "/tmp yes", "/dev/shm yes"], dict(run)


def test_environment_and_secrets(server, client):
    """S1.3, 10.3: nothing of the server's is in the environment or can be read."""
    run = client.exec("env -0 | tr '\\0' '\\n' | cut -d= -f1 | sort; ls -A /var/lib/codecell %s 2>&1" % server.data_dir, "bash")
    names = {line for line in run.lines() if re.fullmatch(r"[A-Z_]+", line)}
    assert names <= {"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "USER", "PWD", "SHLVL", "_", "OLDPWD"}, names
    assert server.key not in run.stdout and run.stdout.count("No such file") == 2, run.stdout


def test_no_network(client):
    """S1.4, S4.1: a loopback device and nothing else; connections and names fail at once."""
    code = """
import socket, time
began = time.time()
for host, port in (('1.1.1.1', 53), ('10.0.0.1', 80), ('169.254.169.254', 80)):
    try:
        socket.create_connection((host, port), 5)
        print('connected', host)
    except OSError:
        pass
try:
    print(socket.getaddrinfo('example.org', 80))
except OSError:
    pass
devices = [line.split(':')[0].strip() for line in open('/proc/self/net/dev') if ':' in line]
print(devices, time.time() - began < 4)
"""
    assert client.exec(code).stdout == "['lo'] True\n"


def test_system_calls(client, need_language):
    """S1.5: ptrace fails with EPERM (pinned)."""
    need_language("c")
    code = (
        "#include <errno.h>\n#include <stdio.h>\n#include <sys/ptrace.h>\n"
        'int main(void) { long r = ptrace(PTRACE_TRACEME, 0, 0, 0); printf("%ld %d\\n", r, errno == EPERM); return 0; }'
    )
    assert client.exec(code, "c").stdout == "-1 1\n"


def test_limits(client):
    """S1.6: of files, of their size, of processes, of the stack."""
    run = client.exec("ulimit -n; ulimit -f; ulimit -s; ulimit -c", "bash")
    files, blocks, stack, core = run.lines()
    assert (files, blocks, core) == ("256", "102400", "0") and stack != "unlimited"
    run = client.exec("import os, sys\nfor i in range(5000):\n    if os.fork() == 0:\n        import time; time.sleep(20)\n", timeout=10000)
    assert run.outcome in ("process_limit", "error", "timeout") and run.code != 0
    assert client.exec("x = bytearray(2 << 30)\nprint(len(x))").outcome in ("out_of_memory", "error")


def test_user(client):
    """S1.7, 10.3: one user, no capability, and no way to get any."""
    run = client.exec(
        "id -u; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; find / -xdev -perm -4000 2>/dev/null | head -3", "bash"
    )
    lines = run.lines()
    assert lines[0] == "1001"
    fields = dict(line.split(":\t") for line in lines[1:] if ":\t" in line)
    assert fields.pop("NoNewPrivs") == "1" and fields.pop("Seccomp") == "2"
    assert fields and all(int(value, 16) == 0 for value in fields.values()), fields


def test_name_of_the_host(client):
    """S1.8: sandbox, wherever it is asked."""
    run = client.exec("hostname; uname -n; cat /etc/hostname", "bash")
    assert run.lines() == [UNAME] * 3


def test_another_name(server_with):
    """S1.8: CONTAINER_GENERIC_HOSTNAME."""
    with server_with(CONTAINER_GENERIC_HOSTNAME="elsewhere").client() as client:
        assert client.exec("hostname", "bash").stdout == "elsewhere\n"

        def remembered():
            run = client.exec("import platform\nprint(platform.node())", "py")
            assert run.stdout == "elsewhere\n", dict(run)
            return run.usage["warm"] in ("armed", "forked")

        assert host.until(remembered, 60)


def test_nothing_tells_of_the_host(client):
    """S1.9: machine id and resolver are generic (pinned)."""
    run = client.exec("cat /etc/machine-id; echo; cat /etc/resolv.conf; echo", "bash")
    here = host.read("/etc/machine-id").strip()
    assert not here or here not in run.stdout
    assert "search" not in run.stdout and "internal" not in run.stdout and "compute" not in run.stdout


def test_what_libraries_need(client):
    """S1.10: version, processors and memory can be read."""
    run = client.exec("cat /proc/version /proc/cpuinfo /proc/meminfo | grep -cE '^(Linux|processor|MemTotal)'", "bash")
    assert run.code == 0 and int(run.stdout) >= 3


def test_nothing_survives(client):
    """S1.11, 11.3, 9.7: /tmp and processes of a run are gone; files of /mnt/data and Python's names are there."""
    code = "import subprocess\nopen('/tmp/a', 'w').write('x'); open('kept.txt', 'w').write('y')\nname = 5\n"
    code += "subprocess.Popen(['bash', '-c', 'exec -a ctsurvivor sleep 100'], start_new_session=True)"
    run = client.exec(code)
    assert run.outcome == "ok" and host.gone("ctsurvivor", 2) == []
    code = "import os\nprint(os.path.exists('/tmp/a'), open('/mnt/data/kept.txt').read(), name, os.getpid() < 50)"
    assert client.exec(code, session_id=run.session).stdout == "False y 5 True\n"


def test_prompts_keep_their_word(client):
    """11.3: a file of an earlier call can be edited; each call is a new process."""
    first = client.exec("echo one > a.txt; echo $$ > /tmp/b", "bash")
    second = client.exec("echo two >> a.txt; cat a.txt; ls /tmp", "bash", session_id=first.session)
    assert second.stdout == "one\ntwo\n" and second.file("a.txt")["modified_from"]["id"] == first.file("a.txt")["id"]


def test_no_engine(client):
    """S1.12: no socket of a container engine."""
    run = client.exec("ls -d /var/run/docker.sock /run/docker.sock /run/podman /run/containerd 2>&1 | grep -vc 'No such'", "bash")
    assert run.stdout == "0\n"


PATTERNS = (
    *("import os", "import subprocess", "import  sys", "from os import path", "from subprocess import run", "__import__('re')"),
    *("eval('1')", "exec('1')", "compile('1', '', 'eval')", "open('/dev/null')", "FILE (1)", "input()", "raw_input()"),
)


def warnings_of(server, execution):
    def events():
        return server.events("code_execution", execution_id=execution)

    assert host.until(events, 5)
    return events()[0]["warnings"]


@pytest.mark.parametrize("line", PATTERNS)
def test_patterns_of_python(server, client, line):
    """S2.2, S2.1: each is noticed, in any case of letters, and the program runs as if it were not."""
    run = client.exec(f"def never():\n    {line}\nprint('ran')")
    assert run.stdout == "ran\n" and run.stderr == ""
    noticed = warnings_of(server, run["execution_id"])
    assert len(noticed) == 1 + line.startswith("raw_"), noticed
    assert all(each.startswith("Potentially dangerous pattern detected: ") for each in noticed), noticed


def test_patterns_of_any_language(server, client):
    """S2.3, 7.5: a very large source is noted, and nothing of Python in another language."""
    run = client.exec("# " + "x" * 100001 + "\necho ran import os", "bash")
    assert run.stdout == "ran import os\n"
    assert warnings_of(server, run["execution_id"]) == ["Code is very large, may impact performance"]
    run = client.exec("echo 'import os'", "bash")
    assert warnings_of(server, run["execution_id"]) == []
