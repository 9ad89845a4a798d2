# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the zygote that Python programs are copies of: no program is lost, and another zygote takes its place."""

import os
import signal
import sys
import threading
import time

import pytest
from support import host

LIBRARIES, PLAIN = "zygote", "plain"  # the agents of guest/python
NAMES = {LIBRARIES: "python", PLAIN: "plain python"}
PROGRAMS = {LIBRARIES: "print({}) # numpy", PLAIN: "print({})"}


def zygotes(server, agent=LIBRARIES):
    return host.zygotes(server, f"/opt/codecell/guest/python/{agent}.py")


def ready_count(server, agent=LIBRARIES):
    return host.read(server.log_path).count(f"zygote: {NAMES[agent]} is ready")


def origin(server, agent=LIBRARIES, within_s=20):
    """Where Python programs come from, once a zygote is there."""
    with server.client() as client:
        end = time.monotonic() + within_s
        while True:
            run = client.exec(PROGRAMS[agent].format(1), "py")
            assert (run.outcome, run.stdout) == ("ok", "1\n"), dict(run)
            if run.usage["warm"] != "started" and run.usage["wall_ms"] or time.monotonic() > end:
                return run.usage["warm"]


def awaits_the_first(server, begun):
    """A program that names a library is a copy as soon as there can be one: alone it would load what it needs for as long."""
    with server.client() as client:
        run = client.exec(PROGRAMS[LIBRARIES].format(1), "py")
    assert (run.outcome, run.stdout) == ("ok", "1\n"), dict(run)
    waited = run.usage["prepare_ms"] > 400 or time.monotonic() > begun + 5  # a copy comes late on a busy machine
    assert run.usage["warm"] != "started" or waited, dict(run)


def test_another_takes_its_place(server_with):
    begun = time.monotonic()
    server = server_with(SANDBOX_POOL_ENABLED="true")
    awaits_the_first(server, begun)
    assert host.until(lambda: all(ready_count(server, agent) == 1 for agent in NAMES), 60)
    first = {agent: zygotes(server, agent) for agent in NAMES}
    assert [len(pids) for pids in first.values()] == [1, 1]
    for pids in first.values():
        os.kill(pids[0], signal.SIGKILL)
    for agent in NAMES:
        assert host.until(lambda agent=agent: ready_count(server, agent) == 2, 60), server.log_tail()
        assert len(zygotes(server, agent)) == 1 and zygotes(server, agent) != first[agent]
        assert origin(server, agent) in ("armed", "forked")


def test_another_of_php_takes_its_place(server_with):
    server, agent = server_with(SANDBOX_POOL_ENABLED="true"), "/opt/codecell/guest/php/zygote.php"
    assert host.until(lambda: "zygote: php is ready" in host.read(server.log_path), 60)
    (first,) = host.zygotes(server, agent)
    with server.client() as client:
        for kill in range(3):
            run = client.exec("<?php echo 1;", "php")
            assert (run.outcome, run.stdout) == ("ok", "1\n"), dict(run)
            if kill == 1:
                os.kill(first, signal.SIGKILL)
        assert host.until(lambda: host.read(server.log_path).count("zygote: php is ready") == 2, 60), server.log_tail()
        assert host.until(lambda: client.exec("<?php echo 1;", "php").usage["warm"] == "armed", 60)
    assert len(host.zygotes(server, agent)) == 1 and host.zygotes(server, agent) != [first]


def test_one_stands_in_for_the_other(server_with):
    """A program without libraries can be a copy of the zygote that has them."""
    server = server_with(SANDBOX_POOL_ENABLED="true", SANDBOX_POOL_PY="0", MAX_CONCURRENT_EXECUTIONS="1")
    assert host.until(lambda: ready_count(server) == 1 and ready_count(server, PLAIN) == 1, 60)
    loaded = "import sys; print('num' 'py' in sys.modules)"
    with server.client() as client:
        assert client.exec(loaded, "py").stdout == "False\n"
        assert host.until(lambda: [client.exec(code, "py").stdout for code in (loaded + " # numpy", loaded)] == ["True\n"] * 2, 60)


def test_no_program_is_lost(server_with):
    """Killed again and again while programs come: each of them is answered, if it must be by an interpreter of its own."""
    server = server_with(SANDBOX_POOL_ENABLED="true", MAX_QUEUED_EXECUTIONS="100")
    assert host.until(lambda: all(ready_count(server, agent) == 1 for agent in NAMES), 60)
    stop, wrong, right = threading.Event(), [], []

    def work(number):
        with server.client() as client:
            while not stop.is_set():
                run = client.exec(PROGRAMS[LIBRARIES if number % 2 else PLAIN].format(f"{number} * 2"), "py")
                (right if (run.outcome, run.stdout) == ("ok", f"{number * 2}\n") else wrong).append(dict(run))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    replaced = []
    for killed in range(1, 5):
        time.sleep(0.5)
        for pid in zygotes(server) + zygotes(server, PLAIN):
            os.kill(pid, signal.SIGKILL)
        replaced.append(host.until(lambda killed=killed: all(ready_count(server, agent) > killed for agent in NAMES), 60))
    stop.set()
    for thread in threads:
        thread.join()
    assert all(replaced), server.log_tail()
    assert not wrong, wrong[0]
    assert len(right) > 20


def test_one_that_hangs_is_replaced(server_with):
    """A zygote that has stopped answers no order: programs start interpreters, and then another zygote is there."""
    server = server_with(SANDBOX_POOL_ENABLED="true", SANDBOX_POOL_PY="0", MAX_CONCURRENT_EXECUTIONS="4")
    assert host.until(lambda: ready_count(server) == 1, 60)
    (hung,) = zygotes(server)
    os.kill(hung, signal.SIGSTOP)
    with server.client() as client:
        for _ in range(6):
            run = client.exec(PROGRAMS[LIBRARIES].format(1), "py")
            assert (run.outcome, run.stdout) == ("ok", "1\n"), dict(run)
    assert host.until(lambda: ready_count(server) == 2 and zygotes(server) != [hung], 60), server.log_tail()
    assert origin(server) in ("armed", "forked")


def stop_the_next(server):
    """Kills the zygote and stops its successor before that is ready. Returns the successor."""
    while True:
        ready, (first,) = ready_count(server), host.zygotes(server)
        os.kill(first, signal.SIGKILL)
        assert host.until(lambda first=first: set(host.zygotes(server)) - {first}, 60, 0.002)
        (hung,) = host.zygotes(server)
        os.kill(hung, signal.SIGSTOP)
        if ready_count(server) == ready:
            return hung
        os.kill(hung, signal.SIGCONT)


def stop_the_warden(server):
    """For longer than a zygote has to start; one that is ready meanwhile has not hung."""
    agent = "/opt/codecell/guest/php/zygote.php"
    assert host.until(lambda: "zygote: php is ready" in host.read(server.log_path), 60)
    (first,) = host.zygotes(server, agent)
    os.kill(first, signal.SIGKILL)
    assert host.until(lambda: set(host.zygotes(server, agent)) - {first}, 60, 0.002)
    os.kill(server.pid, signal.SIGSTOP)
    time.sleep(6)
    os.kill(server.pid, signal.SIGCONT)


def test_one_that_hangs_while_it_starts(server_with):
    """It has a limit of time, like a library that waits for ever while it is imported; programs do without meanwhile."""
    server = server_with(SANDBOX_POOL_ENABLED="true", SANDBOX_POOL_PY="0", REPL_WARMUP_TIMEOUT_SECONDS="5")
    assert host.until(lambda: ready_count(server) >= 1, 120)
    hung = stop_the_next(server)
    ready = ready_count(server)
    with server.client() as client:
        run = client.exec(PROGRAMS[LIBRARIES].format(1), "py")
        assert (run.outcome, run.stdout) == ("ok", "1\n"), dict(run)
        assert run.usage["warm"] == "started" or not host.alive(hung), dict(run)
    stop_the_warden(server)
    assert host.until(lambda: ready_count(server) > ready, 120), server.log_tail()
    assert "zygote: python is not ready after 5 s and is ended" in host.read(server.log_path), server.log_tail()
    assert not host.alive(hung) and origin(server, within_s=60) in ("armed", "forked")
    assert host.until(lambda: host.read(server.log_path).count("zygote: php is ready") == 2, 60), server.log_tail()
    assert "zygote: php is not ready" not in host.read(server.log_path)


def test_new_libraries_are_found(server_with):
    """A library that is installed while the server runs is loaded by the next zygote."""
    directory = f"/usr/local/lib/python3.{sys.version_info[1]}/dist-packages"
    if not os.path.isdir(directory):
        pytest.skip("no directory for packages of this machine's own")
    server = server_with(SANDBOX_POOL_ENABLED="true")
    assert host.until(lambda: ready_count(server) == 1, 60)
    module = os.path.join(directory, "codecell_test_module.py")
    try:
        with open(module, "w", encoding="ascii") as file:
            file.write("answer = 42\n")
        assert host.until(lambda: ready_count(server) == 2, 60), server.log_tail()
        with server.client() as client:
            assert client.exec("import codecell_test_module as m; print(m.answer)", "py").stdout == "42\n"
    finally:
        os.unlink(module)


def test_without_zygotes(server_with):
    server = server_with(SANDBOX_POOL_ENABLED="false")
    with server.client() as client:
        run = client.exec("import numpy; print(numpy.ones(2).sum())", "py")
    assert (run.outcome, run.stdout) == ("ok", "2.0\n"), dict(run)
    assert not zygotes(server) and not zygotes(server, PLAIN)
