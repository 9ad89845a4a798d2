# SPDX-License-Identifier: Apache-2.0
"""ptc.md P7, P8: tokens, limits, and programs that wait for their clients."""

import os
import signal
import time

from support import host
from support.client import exec_bytes, in_threads, raw_connect
from support.tools import ECHO, PATH, WAITS, WEATHER, Run, declare, post, resume

OTHER_KEY = "another-key-of-sixteen-characters"


def test_token_is_good_once(client):
    """P8."""
    first = post(client, code="await echo()\nawait echo()", tools=declare("echo"))
    results = [{"call_id": first.calls[0]["id"], "result": 1}]
    second = resume(client, first, results)
    assert second.token != first.token and len(second.token) >= 22
    for token in (first.token, "x", second.token[:-1], second.token + "x", second.token[::-1], "a" * 100000):
        answer = post(client, continuation_token=token, tool_results=results)
        assert answer.error == "Invalid or expired continuation token" and answer.session is None, answer
    assert resume(client, second, []).status == "error"  # no result supplied: raised in the program


def test_token_is_bound_to_its_key(server_with):
    """P8: another key of the same server has no use for a token."""
    server = server_with(API_KEYS="another-key-for-this-test-0123456789")
    with server.client() as client, server.client(key="another-key-for-this-test-0123456789") as stranger:
        first = post(client, code="await echo()\nprint('done')", tools=declare("echo"))
        assert "Invalid or expired" in resume(stranger, first, []).error
        last = resume(client, first, [{"call_id": first.calls[0]["id"], "result": 1}])
        assert last.status == "completed" and last.stdout == "done\n"


def test_missing_and_unknown_results(client):
    """P8: an unknown call is ignored, a pending one without an entry fails in the program."""
    code = "for r in await asyncio.gather(echo(), echo(), return_exceptions=True): print(r)"
    first = post(client, code=code, tools=declare("echo"))
    known, missing = (call["id"] for call in first.calls)
    last = resume(client, first, [{"call_id": "call_999", "result": 1}, {"call_id": known, "result": 2}])
    assert last.stdout == f"2\nNo result supplied for tool call {missing}\n", last


def test_time_limit(client):
    """P7, P8."""
    answer = post(client, code="print('x')\nwhile True: pass", timeout=1000)
    assert answer.error == "Execution failed or timed out" and answer.stdout == "x\n", answer
    assert answer.stderr == "Execution timed out after 1 seconds\n", answer


def test_the_clock_stands_still(client):
    """P8: the limit is of each round, and waiting for the client does not count."""
    code = "import time\nfor i in range(3):\n    time.sleep(1.2)\n    await echo()\nprint('done')"
    answer = post(client, code=code, tools=declare("echo"), timeout=2000)
    for _ in range(3):
        time.sleep(1.2)
        answer = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])
    assert answer.status == "completed" and answer.stdout == "done\n", answer
    assert 3000 < answer["usage"]["wall_ms"] < 10000, answer["usage"]


def test_time_limit_after_a_pause(client):
    first = post(client, code="await echo()\nwhile True: pass", tools=declare("echo"), timeout=1000)
    last = resume(client, first, [{"call_id": first.calls[0]["id"], "result": 1}])
    assert last.error == "Execution failed or timed out", last


def test_memory_and_floods(client):
    """P7."""
    answer = post(client, code="print('x')\nx = bytearray(4 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1")
    assert answer.error in ("Out of memory", "MemoryError"), answer
    answer = post(client, code="b = bytearray\nx = []\nwhile True: x.append(b(b'x' * (1 << 20)))")
    assert answer.error in ("Out of memory", "MemoryError"), answer
    answer = post(client, code="while True: print('x' * 100000)")
    assert answer.error == "stdout length exceeded" and answer.stderr == "stdout length exceeded\n", answer
    answer = post(client, code="print('x' * 100000)")
    assert answer.stdout.endswith("[Output truncated - size limit exceeded]") and answer["truncated"]["stdout"] is True


def test_round_trips(server_with):
    """P7, P8."""
    server = server_with(PTC_MAX_ROUND_TRIPS="3")
    with server.client() as client:
        run = Run(client, "while True:\n    print(await echo(n=1))", ECHO)
        assert len(run.rounds) == 3 and run.error == "Maximum round trips (3) exceeded", run.answer
        assert run.stderr == "Maximum round trips (3) exceeded\n" and run.stdout == "{'n': 1}\n" * 3, run.answer
        assert Run(client, "for i in range(3): await echo(n=1)", ECHO).status == "completed"


def test_pause_expires(server_with):
    """P8: then the cell is gone, and the slot is free again."""
    server = server_with(PTC_PAUSE_TTL_SECONDS="1", MAX_CONCURRENT_EXECUTIONS="2")
    with server.client() as client:
        first = post(client, code=WAITS, tools=[WEATHER])
        assert host.until(lambda: "its time is over" in server.log(), 20, 0.1), server.log_tail()
        assert "Invalid or expired" in resume(client, first, []).error
        runs = in_threads([lambda: server.client().exec("print(1)").stdout] * 4)
        assert runs == ["1\n"] * 4


def test_paused_runs_are_bounded(server_with):
    """P8: beyond PTC_MAX_PAUSED the oldest is dropped; other programs run on."""
    server = server_with(PTC_MAX_PAUSED="2", MAX_CONCURRENT_EXECUTIONS="1")
    with server.client() as client:
        waiting = [post(client, code=WAITS, tools=[WEATHER]) for _ in range(3)]
        assert "Invalid or expired" in resume(client, waiting[0], []).error
        assert client.exec("print(1)").stdout == "1\n"
        for answer in waiting[1:]:
            last = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])
            assert last.status == "completed", last


def test_a_low_limit_of_descriptors(server_with):
    """P8: a shell's soft limit is raised to the hard one: each program that waits takes five in the api."""
    server = server_with(prefix=("/usr/bin/prlimit", "--nofile=64:4096"), MAX_CONCURRENT_EXECUTIONS="2")
    for pid in (server.pid, server.api_pid):
        line = next(line for line in host.read(f"/proc/{pid}/limits").splitlines() if line.startswith("Max open files"))
        assert line.split()[3:5] == ["4096", "4096"], line
    with server.client() as client:
        waiting = [post(client, code="ask '{}'", lang="bash", tools=declare("ask")) for _ in range(16)]
        assert [answer.status for answer in waiting] == ["tool_call_required"] * 16
        assert client.exec("ulimit -n", "bash").stdout == "256\n"


def memory_of(server):
    """Of all processes of the server; what several share is counted once."""
    rollups = [host.read(f"/proc/{pid}/smaps_rollup") for pid in host.descendants(server.pid)]
    return sum(int(line.split()[1]) << 10 for rollup in rollups for line in rollup.splitlines() if line.startswith("Pss:"))


def test_a_hundred_wait_by_default(default_server):
    """P8: of one key, on a server with every default: no thread each and little memory, and others run on."""
    with default_server.client() as client:
        assert host.until(lambda: client.exec("print(1)")["usage"]["warm"] != "started", 60, 0.2)  # copies can be made
        before, n_threads = memory_of(default_server), threads(default_server)
        waiting = [post(client, code="print(await echo())", tools=declare("echo")) for _ in range(100)]
        each = (memory_of(default_server) - before) / 100
        assert all(answer.status == "tool_call_required" for answer in waiting)
        assert threads(default_server) <= n_threads + 2  # those of HTTP may come and go
        if "libasan" not in host.read(f"/proc/{default_server.api_pid}/maps"):
            assert each < 10e6, each  # with the slot that it has
        assert client.exec("print(2)").stdout == "2\n"
        for number, answer in enumerate(waiting):
            last = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": number}])
            assert (last.status, last.stdout) == ("completed", f"{number}\n"), last


# A child that wants 400 MB while its parent waits; its limit is 512.
GROWS = """
(sleep 0.2; exec -a ctgrows python3 -c 'x = b"x" * (400 << 20); import time; time.sleep(120)') &
ask '{}'
"""


def test_memory_of_what_waits_is_bounded(server_with):
    """P8: PTC_MEMORY_MB: the oldest of who holds most is dropped, and who waits cannot grow behind the server's back."""
    server = server_with(PTC_MEMORY_MB="600", MAX_CONCURRENT_EXECUTIONS="2", API_KEYS=OTHER_KEY)
    held = "x = b'x' * (200 << 20)\nawait echo()\nprint(len(x) >> 20)"
    with server.client() as client, server.client(key=OTHER_KEY) as other:
        small = post(other, code="print(await echo())", tools=declare("echo"))
        waiting = [post(client, code=held, tools=declare("echo"), timeout=30000) for _ in range(3)]
        assert "Invalid or expired" in resume(client, waiting[0], []).error
        for answer in waiting[1:]:
            last = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])
            assert (last.status, last.stdout) == ("completed", "200\n"), last
        assert resume(other, small, [{"call_id": small.calls[0]["id"], "result": 1}]).stdout == "1\n"
        growing = post(client, lang="bash", code=GROWS, tools=declare("ask"), timeout=30000)
        assert host.until(lambda: host.marked("ctgrows"), 20, 0.1) and host.gone("ctgrows", 60) == []
        assert resume(client, growing, [{"call_id": growing.calls[0]["id"], "result": 1}]).status == "completed"


def test_who_holds_most_does_not_wait_beside_others(server_with):
    """P8: it would be the one to go, with calls that its client was told to make."""
    server = server_with(PTC_MEMORY_MB="64", API_KEYS=OTHER_KEY)
    held = "x = b'x' * (200 << 20)\nprint(await echo())"
    with server.client() as client, server.client(key=OTHER_KEY) as other:
        small = post(other, code="print(await echo())", tools=declare("echo"))
        refused = post(client, code=held, tools=declare("echo"), timeout=30000)
        assert refused.status == "error" and "PTC_MEMORY_MB" in refused.error, refused
        assert resume(other, small, [{"call_id": small.calls[0]["id"], "result": 1}]).stdout == "1\n"
        alone = post(client, code=held, tools=declare("echo"), timeout=30000)
        assert resume(client, alone, [{"call_id": alone.calls[0]["id"], "result": 2}]).stdout == "2\n"


def test_who_hangs_up_as_the_program_begins_to_wait(server_with):
    """P9: that round is cancelled: nobody else will ever know its token. The keeper's word for the pause comes late."""
    server = server_with()
    body = {"code": "import time; time.sleep(0.6)\nawait echo()", "tools": declare("echo")}
    keepers = [pid for pid in host.descendants(server.pid) if host.command_line(pid)[:1] == ["codecell-slot"]]
    with raw_connect(server) as sock:
        sock.sendall(exec_bytes(server, body, PATH))
        time.sleep(0.4)
        for pid in keepers:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(0.5)
    for pid in keepers:
        os.kill(pid, signal.SIGCONT)
    assert host.until(lambda: server.events("code_execution", outcome="cancelled"), 10), server.log_tail()


def test_who_has_many_waiting_starves_nobody(server_with):
    """P8: a key whose programs all go on at once waits for another key's, not the other way round."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="2", API_KEYS=OTHER_KEY)
    with server.client() as client, server.client(key=OTHER_KEY) as other:
        code = "await echo()\nimport time\nend = time.time() + 0.6\nwhile time.time() < end: pass"
        waiting = [post(client, code=code, tools=declare("echo"), timeout=30000) for _ in range(12)]

        def go_on(answer):
            with server.client() as mine:
                return resume(mine, answer, [{"call_id": answer.calls[0]["id"], "result": 1}]).status

        def ask():
            time.sleep(0.5)
            began = time.monotonic()
            assert other.exec("echo on", "bash").stdout == "on\n"
            return time.monotonic() - began

        began = time.monotonic()
        *ends, waited = in_threads([lambda answer=answer: go_on(answer) for answer in waiting] + [ask])
        assert ends == ["completed"] * 12
        assert waited < (time.monotonic() - began) * 0.7, (waited, time.monotonic() - began)


def test_no_program_may_wait(server_with):
    server = server_with(PTC_MAX_PAUSED="0", MAX_CONCURRENT_EXECUTIONS="1")
    with server.client() as client:
        assert "PTC_MAX_PAUSED" in post(client, code=WAITS, tools=[WEATHER]).error
        assert post(client, code="print(1)").stdout == "1\n"


def test_one_slot_is_enough(server_with):
    server = server_with(MAX_CONCURRENT_EXECUTIONS="1")
    with server.client() as client:
        assert Run(client, "print(await echo(a=1))", ECHO).stdout == "{'a': 1}\n"


def test_paused_runs_leave_slots_for_others(server_with):
    """Those that wait have slots of their own: as many as ever run beside them. Slots that are left over are given back."""
    network = {"ENABLE_SANDBOX_NETWORK": "true", "SANDBOX_EGRESS_ALLOWLIST": "public.test"}
    server = server_with(MAX_CONCURRENT_EXECUTIONS="2", SANDBOX_POOL_REPLENISH_INTERVAL="1", **network)
    with server.client() as client:
        client.exec("print(1)")
        (proxy,) = [pid for pid in host.descendants(server.pid) if "proxy" in host.command_line(pid)[1:2]]
        held = host.fd_count(proxy)  # with the networks of at most two slots
        waiting = [post(client, code=WAITS, tools=[WEATHER]) for _ in range(6)]
        began = time.monotonic()
        runs = in_threads([lambda: server.client().exec("sleep 2; echo 1", "bash").stdout] * 2)
        assert runs == ["1\n"] * 2 and time.monotonic() - began < 3.9
        for answer in waiting:
            last = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])
            assert last.status == "completed", last
        assert slots(server) == 8
        assert host.until(lambda: slots(server) == 4, 30), slots(server)
        assert host.until(lambda: host.fd_count(proxy) <= held + 4, 10), (held, host.fd_count(proxy))
        for answer in [post(client, code=WAITS, tools=[WEATHER]) for _ in range(6)]:
            last = resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])
            assert last.status == "completed", last


def slots(server):
    return [host.command_line(pid)[:1] for pid in host.descendants(server.pid)].count(["codecell-slot"])


def test_paused_runs_cost_no_thread(server_with):
    server = server_with(MAX_CONCURRENT_EXECUTIONS="8")
    with server.client() as client:
        client.exec("print(1)")
        before = threads(server)
        waiting = [post(client, code=WAITS, tools=[WEATHER]) for _ in range(5)]
        assert threads(server) == before
        for answer in waiting:
            resume(client, answer, [{"call_id": answer.calls[0]["id"], "result": 1}])


def threads(server):
    status = host.read(f"/proc/{server.api_pid}/status")
    return int(next(line for line in status.splitlines() if line.startswith("Threads:")).split()[1])


def test_revoked_key_ends_what_waits(server_with):
    """A program that waits does not survive its key."""
    master = "master-key-for-this-test-0123456789abcdef"
    server = server_with(MASTER_API_KEY=master, MAX_CONCURRENT_EXECUTIONS="2")
    with server.client() as admin:
        made = admin.post("/api/v1/admin/keys", {"name": "short-lived"}, key=master)
        assert made.status in (200, 201), made
        key = made.json["api_key"]
        with server.client(key=key) as client:
            first = post(client, code=WAITS, tools=[WEATHER])
        listed = admin.get("/api/v1/admin/keys", key=master).json
        entries = listed["keys"] if isinstance(listed, dict) else listed
        key_hash = next(entry["key_hash"] for entry in entries if entry["name"] == "short-lived")
        assert admin.delete(f"/api/v1/admin/keys/{key_hash}", key=master).status in (200, 204)
        assert host.until(lambda: "its key is no good any more" in server.log(), 20, 0.1), server.log_tail()
        with server.client(key=key) as client:
            assert client.post(PATH, {"continuation_token": first.token, "tool_results": []}).status == 401


def test_server_stops_with_paused_runs(server_with):
    """P8: all are destroyed, and nothing is left (the fixture looks)."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="4")
    with server.client() as client:
        for _ in range(3):
            post(client, code=WAITS, tools=[WEATHER])


def test_long_rounds_are_streamed(client):
    """P4: the keep-alive scheme of exec.md 10.11, in first rounds and later ones."""
    code = "import time\ntime.sleep(3.5)\nawait echo()\ntime.sleep(3.5)\nprint('x')"
    first = client.post(PATH, {"code": code, "tools": declare("echo"), "timeout": 20000})
    assert first.body.startswith(b" ") and first.json["status"] == "tool_call_required", first
    results = [{"call_id": first.json["tool_calls"][0]["id"], "result": 1}]
    last = client.post(PATH, {"continuation_token": first.json["continuation_token"], "tool_results": results})
    assert last.body.startswith(b" ") and last.json["stdout"] == "x\n", last
