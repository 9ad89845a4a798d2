# SPDX-License-Identifier: Apache-2.0
"""F13: the server's processes, the host's mounts, name and identity are hidden or generic inside a cell."""

import os
import socket
import threading

import pytest
from support import host


def test_f13_processes_of_the_host(attack):
    server = attack.server
    told = attack.evidence(
        f"""
facts = dict(pids=sorted(int(p) for p in os.listdir("/proc") if p.isdigit()), me=os.getpid())
for pid in (1, {server.pid}, {server.api_pid}, {os.getpid()}, os.getppid()):
    for what in ("environ", "maps", "mem", "cmdline", "fd", "cwd", "root", "auxv", "stack", "io"):
        path = "/proc/%d/%s" % (pid, what)
        try:
            data = os.listdir(path) if what in ("fd",) else os.readlink(path) if what in ("cwd", "root") else open(path, "rb").read(65536).decode("latin-1")
            facts["%d %s" % (pid, what)] = str(data)
        except OSError as error:
            facts["%d %s" % (pid, what)] = "!" + name(error.errno)
tell(facts)
"""
    )
    assert len(told["pids"]) <= 4 and max(told["pids"]) < 100, told["pids"]
    text = str(told)
    assert server.key not in text and server.data_dir not in text and server.home not in text, text
    for what in ("environ", "maps", "mem", "fd", "auxv", "stack"):
        assert told[f"1 {what}"].startswith("!") or told[f"1 {what}"] == "", (what, told[f"1 {what}"][:200])
    if server.pid > max(told["pids"]):
        assert told[f"{server.pid} environ"] in ("!ENOENT", "!ESRCH"), told


def test_f13_mounts_tell_nothing_of_the_host(attack):
    told = attack.evidence(
        """
texts = {p: open(p).read() for p in ("/proc/self/mountinfo", "/proc/self/mounts", "/proc/self/mountstats", "/proc/self/cgroup") if os.path.exists(p)}
tell(texts)
"""
    )
    text = str(told)
    for secret in (
        attack.server.data_dir,
        attack.server.home,
        "codecell-test",
        "/blobs",
        "codecell.db",
        os.path.join(attack.server.data_dir, "work"),
        os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
    ):
        assert secret not in text, (secret, text)
    for line in told["/proc/self/cgroup"].splitlines():
        assert line.split(":", 2)[2] == "/", told["/proc/self/cgroup"]


def test_f13_identity(attack):
    told = attack.evidence(
        """
def read(path):
    try:
        return open(path).read()
    except OSError as error:
        return "!" + name(error.errno)
import platform
tell(dict(hostname=socket.gethostname(), uname=list(os.uname()), node=platform.node(), etc_hostname=read("/etc/hostname"), machine=read("/etc/machine-id"),
          dbus=read("/var/lib/dbus/machine-id"), resolv=read("/etc/resolv.conf"), hosts=read("/etc/hosts"), passwd=read("/etc/passwd"), shadow=read("/etc/shadow"),
          product=read("/sys/class/dmi/id/product_uuid"), serial=read("/sys/class/dmi/id/product_serial"), version=read("/proc/version"),
          cpuinfo=read("/proc/cpuinfo")[:20], meminfo=read("/proc/meminfo")[:20], sysctl=read("/proc/sys/kernel/hostname"), domain=read("/proc/sys/kernel/domainname"),
          cmdline=read("/proc/cmdline"), keys=read("/proc/keys"), ssh=attempt(os.listdir, "/etc/ssh"), home=attempt(os.listdir, "/home"), root=attempt(os.listdir, "/root"),
          run=attempt(os.listdir, "/run"), var=attempt(os.listdir, "/var/lib"), log=attempt(os.listdir, "/var/log")))
"""
    )
    assert (
        told["hostname"] == "sandbox" and told["uname"][1] == "sandbox" and told["etc_hostname"].strip() in ("sandbox",)
    ), told
    assert told["node"] == "sandbox", told["node"]
    assert told["sysctl"].strip() in ("sandbox", "!ENOENT", "!EACCES"), told["sysctl"]
    real = host.read("/etc/machine-id").strip()
    assert not real or real not in str(told), "the host's machine-id"
    if socket.gethostname() not in ("sandbox", "localhost"):
        assert socket.gethostname() not in told["hosts"].split() and told["uname"][1] != socket.gethostname(), told
    resolv = told["resolv"].lower()
    assert "search" not in resolv and "internal" not in resolv, told["resolv"]
    assert told["shadow"].startswith("!"), told["shadow"]
    host_users = {
        line.split(":")[0] for line in host.read("/etc/passwd").splitlines() if 1000 <= int(line.split(":")[2]) < 60000
    }
    assert not host_users & {line.split(":")[0] for line in told["passwd"].splitlines()}, told["passwd"]
    assert told["product"].startswith("!") and told["serial"].startswith("!"), told
    assert told["version"] and told["cpuinfo"] and told["meminfo"]  # S1 rule 10: libraries need them
    for place in ("ssh", "root", "home", "run", "log"):
        assert told[place] in ("ENOENT", "EACCES", "ok:[]") or place == "run", (place, told[place])


NAMES = {
    "bash": 'hostname; uname -n; echo "$HOSTNAME"',
    "js": "const os = require('os'); console.log(os.hostname())",
    "java": "public class Code { public static void main(String[] a) throws Exception {"
    " System.out.println(java.net.InetAddress.getLocalHost().getHostName()); } }",
    "php": "<?php echo gethostname(), PHP_EOL, php_uname('n'), PHP_EOL;",
    "r": 'cat(Sys.info()[["nodename"]], "\\n", sep="")',
}


@pytest.mark.parametrize("lang", NAMES)
def test_f13_the_name_in_each_language(attack, need_language, lang):
    """By the runtime's own call, of an interpreter that was there before its program too."""
    need_language(lang)
    for _ in range(3):
        run = attack.exec(NAMES[lang], lang)
        assert set(run.lines()) == {"sandbox"}, dict(run)


def test_f13_other_cells_are_invisible(attack):
    marker = "f13neighbour"
    thread = threading.Thread(target=lambda: attack.server.client().exec(f"exec -a {marker} sleep 3", "bash"))
    thread.start()
    assert host.until(lambda: host.marked(marker), 5)
    seen = attack.exec(
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/comm 2>/dev/null | tr '\\0' ' '; ps aux 2>/dev/null", "bash"
    )
    thread.join()
    assert seen.outcome == "ok" and marker not in seen.stdout, dict(seen)


def test_f13_server_files_are_unreachable(attack):
    server = attack.server
    run = attack.exec(
        f"cat {server.data_dir}/codecell.db {server.log_path}; ls {server.home} {server.data_dir} /var/lib/codecell /etc/codecell; "
        "find / -xdev \\( -name 'codecell*' -o -name '*.env' \\) -not -path '/proc/*' -not -path '/opt/codecell*' 2>/dev/null",
        "bash",
    )
    assert run.stdout == "", dict(run)
