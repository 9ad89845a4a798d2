# SPDX-License-Identifier: Apache-2.0
"""F7, N9: nothing of a session is left for the next one in its slot: counters of the network, times of devices, memory."""

import os
import time

from support.client import in_threads

SEND = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(777):
    try: s.sendto(b"x", ("8.8.8.8", 53))
    except OSError: pass
"""
COUNT = """
names, values = open("/proc/net/snmp").read().splitlines()[:2]
print(dict(zip(names.split(), values.split()))["OutNoRoutes"], open("/proc/net/snmp").read().split("Udp: ")[2].split()[3])
"""


def _one_slot(server_with):
    return server_with(MAX_CONCURRENT_EXECUTIONS="1")


def test_x02_network_counters(attack, server_with):
    """Packets without a route never reach an interface, but the namespace counts them."""
    with _one_slot(server_with).client() as client:
        for _ in range(2):
            assert client.exec(SEND + COUNT).stdout.split()[0] == "777"
            assert client.exec(COUNT).stdout.split() == ["0", "0"]


def test_x02_runtimes_of_others(attack, server_with):
    """A compiler that is being started for the next program is no part of one that needs none: neither its process nor its
    threads, whenever that comes."""
    alone = [{"init", "bash"}, {"init", "bash", "cat"}]
    with server_with(SANDBOX_POOL_ENABLED="true", SANDBOX_POOL_PY="0", MAX_CONCURRENT_EXECUTIONS="1").client() as client:
        for n in range(6):
            made = client.exec("public class Code { public static void main(String[] a) { System.out.println(%d); } }" % n, "java")
            assert made.stdout == "%d\n" % n, dict(made)
            time.sleep(n * 0.08)
            seen = client.exec("cat /proc/[0-9]*/comm", "bash")
            assert set(seen.stdout.split()) in alone, dict(seen)


def test_x02_the_null_device_of_the_host_is_out_of_reach(attack):
    before = os.stat("/dev/null").st_mtime_ns
    told = attack.evidence("""
facts = {}
for n, path in enumerate((0, "/proc/self/fd/0", "/dev/null", "/dev/zero")):
    facts["touch %s" % path] = attempt(os.utime, path)
facts["same"] = os.fstat(0).st_ino == os.stat("/dev/null").st_ino and os.fstat(0).st_dev == os.stat("/dev/null").st_dev
facts["rdev"] = os.fstat(0).st_rdev == os.makedev(1, 3)
facts["read"] = attempt(os.read, 0, 10)
tell(facts)
""")
    assert {told[key] for key in told if key.startswith("touch")} == {"EROFS"}, told
    assert told["same"] and told["rdev"] and told["read"] == "ok:b''", told
    assert os.stat("/dev/null").st_mtime_ns == before


def test_x02_memory_of_outputs_is_not_the_next_cells_loss(attack, server_with):
    """While one session's 280 MiB of outputs are stored, the other slot's and then its own next cell have all their memory."""
    leave = "import os\nfor i in range(4): open('.junk%d' % i, 'wb').write(b'x' * (60 << 20))\nfor i in range(10): open('o%d' % i, 'wb').write(os.urandom(4 << 20))"
    need = "b = bytearray(400 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\nprint('had it')"
    server = server_with(MAX_CONCURRENT_EXECUTIONS="2")

    def run(codes):
        with server.client() as client:
            return [client.exec(code) for code in codes]

    for runs in in_threads([lambda: run([leave] * 3), lambda: run([need] * 5)]):
        assert [each.outcome for each in runs] == ["ok"] * len(runs), runs
