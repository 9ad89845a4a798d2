# SPDX-License-Identifier: Apache-2.0
"""security.md S5 and admin.md A5: what the server tells of what happened, what it never tells, and how tampering shows."""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import host, multipart
from support.client import raw_request
from support.server import PROGRAM, Server

MASTER = "mk-" + "Zq7Lw2Xc9Vb4Nm6Kj1Hg"
ADMIN = "/api/v1/admin"


@pytest.fixture(scope="module")
def served(program):
    """A server of its own, with a master key: its events are those of these tests."""
    server = Server({"MASTER_API_KEY": MASTER, "ENABLE_ACCESS_LOGS": "true", "AUTH_FAILURE_LIMIT": "0"})
    yield server
    server.stop()


def events(server, key=MASTER, **query):
    text = "&".join(f"{name}={value}" for name, value in query.items())
    with server.client(key=key) as client:
        reply = client.get(f"{ADMIN}/security/events" + (f"?{text}" if text else ""))
    assert reply.status == 200, reply
    assert reply.json["count"] == len(reply.json["events"])
    return reply.json["events"]


def newest(server, event_type, **wanted):
    """The newest event of a type with these values."""
    for event in events(server, event_type=event_type, limit=1000):
        if all(event.get(name) == value for name, value in wanted.items()):
            return event
    raise AssertionError(f"no {event_type} with {wanted} in {events(server, limit=20)}")


def audit_path(server, name="audit.log"):
    return os.path.join(server.data_dir, "audit", name)


def verify(*paths):
    return subprocess.run([PROGRAM, "audit", "verify", *paths], capture_output=True, text=True, timeout=30, check=False)


# ---- events ----


def test_authentication(served):
    """S5.2, S5.3, 4.9: each attempt on a protected path, with the beginning of its key."""
    with served.client() as client:
        client.get("/files/x?secret=1")
        client.get("/files/x", key="wrong-key-0123456789")
        client.get("/files/x", key="short")
        client.get("/files/y", key=None)
    good = newest(served, "authentication", endpoint="GET /files/x", success=True)
    assert good["severity"] == "info" and good["client_ip"] == "127.0.0.1"
    assert good["api_key_prefix"] == served.key[:6] + "..." and good["timestamp"].endswith("Z")
    bad = newest(served, "authentication", api_key_prefix="wrong-...")
    assert bad["severity"] == "warning" and bad["success"] is False and bad["endpoint"] == "GET /files/x"
    assert newest(served, "authentication", api_key_prefix="sh...")["success"] is False
    assert newest(served, "authentication", api_key_prefix="none")["endpoint"] == "GET /files/y"


def test_open_paths_are_no_attempts(served):
    """S5.2: not of open paths."""
    before = events(served, event_type="authentication", limit=1000)
    with served.client(key=None) as client:
        client.get("/health")
    after = events(served, event_type="authentication", limit=1000)
    assert not [event for event in after if event["endpoint"] == "GET /health"], (len(before), len(after))


def test_code_execution(served):
    """S5.2: each run, with the hash of its source and what was noticed in it."""
    code = "import os\nprint(eval('1'))"
    with served.client() as client:
        run = client.exec(code)
    event = newest(served, "code_execution", session_id=run.session)
    assert event["language"] == "py" and event["success"] is True and event["outcome"] == "ok"
    assert event["code_hash"] == hashlib.sha256(code.encode()).hexdigest()[:16]
    assert event["execution_time_ms"] >= 0 and event["severity"] == "warning"
    assert event["warnings"] == [
        "Potentially dangerous pattern detected: import\\s+os",
        "Potentially dangerous pattern detected: eval\\s*\\(",
    ]


def test_analysis_blocks_nothing_and_is_not_in_the_answer(served):
    """S2.1, S2.2, 7.5: a match is a warning in the log, and nothing else."""
    with served.client() as client:
        run = client.exec("import subprocess\nprint(subprocess.run(['echo','x'],capture_output=True).stdout)")
    assert run.outcome == "ok" and "dangerous" not in run.reply.text
    with served.client() as client:
        plain = client.exec("print(1)")
        failed = client.exec("exit 3", "bash")
    assert newest(served, "code_execution", session_id=plain.session)["warnings"] == []
    assert newest(served, "code_execution", session_id=plain.session)["severity"] == "info"
    assert newest(served, "code_execution", session_id=failed.session)["success"] is False


def test_waiting_for_tool_results(served):
    """S5.2: a program that waits has not failed; one that is dropped while it waits has an end."""
    body = {"code": "await ask()", "tools": [{"name": "ask"}]}
    with served.client() as client:
        reply = client.post("/exec/programmatic", body)
        execution_id = reply.header("X-Execution-Id")
        waiting = newest(served, "code_execution", execution_id=execution_id)
        assert waiting["outcome"] == "waiting" and "success" not in waiting, waiting
        assert waiting["session_id"] == reply.json["session_id"], waiting
        assert client.delete(f"/executions/{execution_id}").status == 204
    event = newest(served, "code_execution", execution_id=execution_id, outcome="cancelled")
    assert event["success"] is False and event["api_key_prefix"] == waiting["api_key_prefix"], event


def test_files_and_sessions(served):
    """S5.2: each file that is stored, fetched or deleted."""
    with served.client() as client:
        up = client.upload(("notes.txt", b"contents of notes"))
        client.download(up.session, up.id)
        client.download_reply(up.session, "unknown-file")
        assert client.delete(f"/files/{up.session}/{up.id}").status == 200
        assert client.delete(f"/files/{up.session}/{up.id}").status == 404
    for operation in ("upload", "download", "delete"):
        event = newest(served, "file_operation", operation=operation, file_id=up.id, success=True)
        assert event["filename"] == "notes.txt" and event["severity"] == "info" and event["session_id"] == up.session
    assert newest(served, "file_operation", operation="download", file_id="unknown-file")["success"] is False
    refused = newest(served, "file_operation", operation="delete", file_id=up.id, success=False)
    assert refused["severity"] == "warning" and refused["filename"] is None
    assert newest(served, "session", operation="created", session_id=up.session)


def test_states(program):
    """S5.2, S3.5: a state that is kept, found, or too large; never what is in it."""
    server = Server({"MASTER_API_KEY": MASTER, "STATE_MAX_SIZE_MB": "1", "SANDBOX_POOL_ENABLED": "false"})
    try:
        with server.client() as client:
            session = client.exec("secret = 'word-of-a-state'").session
            client.exec("import os; big = os.urandom(3 << 20)", session_id=session)
            client.exec("print(1)", session_id=session)
        saved = newest(server, "state", operation="save", session_id=session)
        assert saved["severity"] == "info" and 0 < saved["size_bytes"] < 10000
        loaded = newest(server, "state", operation="load", session_id=session)
        assert loaded["severity"] == "info" and loaded["source"] == "redis"
        refused = newest(server, "state", operation="size_limit_exceeded", session_id=session)
        assert refused["severity"] == "warning" and refused["size_bytes"] > 1 << 20
        assert "word-of-a-state" not in json.dumps(events(server, limit=1000))
    finally:
        server.stop()


def test_refused_uploads(served):
    """S5.2: those that were refused too."""
    with served.client() as client:
        assert client.upload_reply([]).status == 422
        assert client.request("POST", "/upload", body=b"").status in (400, 422)
        assert client.upload_reply([multipart.file("evil.exe", b"MZ")]).status == 415
    event = newest(served, "file_operation", filename="evil.exe")
    assert event["success"] is False and event["operation"] == "upload" and event["file_id"] is None


def test_keys(served):
    """S5.2: changes of keys."""
    with served.client(key=MASTER) as client:
        made = client.post(f"{ADMIN}/keys", {"name": "audited"}).json
        key_hash = made["record"]["key_hash"]
        assert client.delete(f"{ADMIN}/keys/{key_hash}").status == 200
    assert newest(served, "key", operation="create")["key_hash"] == key_hash
    assert newest(served, "key", operation="revoke")["success"] is True
    with served.client(key=MASTER) as client:
        assert client.delete(f"{ADMIN}/keys/{key_hash}").status == 404
        assert client.patch(f"{ADMIN}/keys/{key_hash}", {"enabled": False}).status == 404
    refused = newest(served, "key", operation="disable")
    assert refused["success"] is False and refused["severity"] == "warning" and refused["changed"] == ["enabled"]


def test_configuration(served):
    """S5.2: what is unsafe about a configuration."""
    assert any("starts" in event["message"] for event in events(served, event_type="configuration"))


def test_rate_limits(served):
    """S5.2, A5.2: each refusal, and where everybody stands."""
    with served.client(key=MASTER) as client:
        made = client.post(f"{ADMIN}/keys", {"name": "slow", "rate_limits": {"daily": 1}}).json
    with served.client(key=made["api_key"]) as client:
        assert client.get("/files/x").status == 200
        assert client.get("/files/x").status == 429
    event = newest(served, "rate_limit")
    assert event["limit_type"] == "api_key" and event["period"] == "daily" and event["severity"] == "warning"
    assert event["limit"] == 1 and event["used"] == 1 and event["endpoint"] == "GET /files/x"
    with served.client(key=MASTER) as client:
        listed = client.get(f"{ADMIN}/security/rate-limits").json
        one = client.get(f"{ADMIN}/security/rate-limits?key_hash={made['record']['key_hash']}").json
        assert client.get(f"{ADMIN}/security/rate-limits?key_hash={'0' * 64}").status == 404
        assert client.get(f"{ADMIN}/security/rate-limits?key_hash=x").status == 404
    mine = [entry for entry in listed["keys"] if entry["key_hash"] == made["record"]["key_hash"]]
    assert len(mine) == 1 and [entry["key_hash"] for entry in one["keys"]] == [made["record"]["key_hash"]]
    limits = {entry["period"]: entry for entry in mine[0]["limits"]}
    assert list(limits) == ["per_second", "per_minute", "hourly", "daily", "monthly"]
    assert limits["daily"]["limit"] == 1 and limits["daily"]["is_exceeded"] and limits["daily"]["remaining"] == 0
    assert limits["monthly"]["limit"] is None and limits["monthly"]["remaining"] is None
    assert limits["monthly"]["used"] == 1 and limits["monthly"]["is_exceeded"] is False


def test_a_lowered_limit_tells_what_was_used(served):
    """S5.2: the event says what the answer says, also where more was used than is allowed now."""
    with served.client(key=MASTER) as client:
        made = client.post(f"{ADMIN}/keys", {"name": "lowered", "rate_limits": {"hourly": 100}}).json
    with served.client(key=made["api_key"]) as client:
        for _ in range(8):
            assert client.get("/files/x").status == 200
        with served.client(key=MASTER) as master:
            lowered = {"rate_limits": {"hourly": 3}}
            assert master.patch(f"{ADMIN}/keys/{made['record']['key_hash']}", lowered).status == 200
        reply = client.get("/files/lowered")
    assert reply.status == 429 and "Limit: 3, Used: 8" in reply.text, reply
    event = newest(served, "rate_limit", endpoint="GET /files/lowered")
    assert (event["limit"], event["used"]) == (3, 8), event


def test_auth_stats(server_with):
    """A5.1: failed tries and blocked addresses."""
    server = server_with(MASTER_API_KEY=MASTER, AUTH_FAILURE_LIMIT="3", TRUSTED_PROXIES="127.0.0.1")
    with server.client(key="no-such-key-here") as client:
        for _ in range(4):
            reply = client.get("/files/x", headers={"X-Forwarded-For": "192.0.2.7"})
        client.get("/files/x", headers={"X-Forwarded-For": "192.0.2.8"})
    assert reply.status == 429
    with server.client(key=MASTER) as client:
        stats = client.get(f"{ADMIN}/security/auth-stats").json
    assert stats["total_recent_failures"] == 4
    assert stats["api_keys"] == {"total_managed_keys": 0, "enabled_keys": 0, "disabled_keys": 0}
    first, second = stats["failing_ips"]
    assert first["ip"] == "192.0.2.7" and first["failures"] == 3 and first["blocked"]
    assert 0 < first["expires_in_seconds"] <= 3600
    assert second["ip"] == "192.0.2.8" and second["failures"] == 1 and not second["blocked"]
    limited = newest(server, "rate_limit", client_ip="192.0.2.7")
    assert limited["limit_type"] == "auth_failures" and limited["limit"] == 3


# ---- the endpoint ----


def test_filters_and_order(served):
    """A5.3: newest first, by type, severity, time and number."""
    with served.client() as client:
        for number in range(5):
            client.get(f"/files/order-{number}")
    paths = [event["endpoint"] for event in events(served, event_type="authentication", limit=6)]
    assert [path for path in paths if "order" in path][:5] == [f"GET /files/order-{n}" for n in (4, 3, 2, 1, 0)]
    assert len(events(served, limit=2)) == 2
    assert all(event["severity"] == "warning" for event in events(served, severity="warning"))
    assert events(served, event_type="nonsense") == []
    assert events(served, since="2999-01-01T00:00:00Z") == []
    assert events(served, since="2020-01-01T00:00:00+01:00")
    assert 5 <= len(events(served, limit="", since="", event_type="", severity="")) <= 100, "empty is as none"


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=%20", "since=yesterday"])
def test_bad_queries(served, query):
    """A5.3, 8.4: what is no such query is a 422."""
    with served.client(key=MASTER) as client:
        reply = client.get(f"{ADMIN}/security/events?{query}")
    assert reply.status == 422 and reply.json["details"][0]["field"].startswith("query -> "), reply


@pytest.mark.parametrize("path", ["events", "auth-stats", "rate-limits"])
def test_only_for_the_master(served, path):
    """A5.1, A5.2, A5.3: with the master key only."""
    with served.client() as client:
        assert client.get(f"{ADMIN}/security/{path}").status == 403
        assert client.get(f"{ADMIN}/security/{path}", key=None).status == 401
        assert client.get(f"{ADMIN}/security/{path}", key="unknown-key-0123").status == 401


def test_the_buffer_is_bounded(server_with):
    """A5.3, S5.1: AUDIT_EVENT_BUFFER events are kept."""
    server = server_with(MASTER_API_KEY=MASTER, AUDIT_EVENT_BUFFER="7")
    with server.client() as client:
        for _ in range(20):
            client.get("/files/x")
    assert len(events(server, limit=1000)) == 7


# ---- the files ----


def lines_of(path):
    return [json.loads(line) for line in host.read(path).splitlines()]


def test_the_log_is_whole(served):
    assert host.until(lambda: verify(audit_path(served)).returncode == 0, 10, 0.1), verify(audit_path(served)).stdout
    lines = lines_of(audit_path(served))
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert os.stat(audit_path(served)).st_mode & 0o77 == 0


def test_events_are_in_the_log_output_too(served):
    """S5.1: one object a line."""
    assert host.until(lambda: '"event_type":"configuration"' in served.log(), 10, 0.1)


def hostile_requests(server):
    """Names and paths that would be lines of their own if they were not escaped."""
    with server.client() as client:
        client.get("/files/%0a%7b%22event_type%22:%22forged%22%7d%0a")
        client.upload_reply([multipart.file("a\x1b[31m\x0bb.txt", b"x")])
        client.get("/files/x", key="k" * 5)
    body = b"GET /files/x HTTP/1.1\r\nHost: t\r\nx-api-key: k\x1b[31mred-key\r\n\r\n"
    raw_request(server, body, method="GET")


def test_hostile_values_are_escaped(served):
    """S5.4: one event stays one line."""
    hostile_requests(served)
    assert host.until(lambda: "forged" in host.read(audit_path(served)), 10, 0.05)
    text = host.read(audit_path(served))
    assert "\x1b" not in text and "\x0b" not in text
    for line in lines_of(audit_path(served)):
        assert line["event_type"] != "forged"
    assert host.until(lambda: verify(audit_path(served)).returncode == 0, 10, 0.1)


def head_has_arrived(server):
    """It follows the log about a second behind."""
    last = json.loads(host.read(audit_path(server)).splitlines()[-1])
    return host.read(audit_path(server, "audit.log.head")) == f"{last['seq']:020} {last['hash']}\n"


@pytest.fixture
def kept(served, tmp_path):
    """A copy of the log and its head, of at least ten lines."""
    with served.client() as client:
        for _ in range(10):
            client.get("/files/x")
    assert host.until(lambda: verify(audit_path(served)).returncode == 0, 10, 0.1)
    assert host.until(lambda: head_has_arrived(served), 20, 0.1)
    for name in ("audit.log", "audit.log.head"):
        shutil.copy(audit_path(served, name), tmp_path / name)
    path = tmp_path / "audit.log"
    host.until(lambda: verify(str(path)).returncode == 0, 5, 0.1)
    return path


TAMPERING = {
    "edit": lambda lines: lines[:4] + [lines[4].replace("127.0.0.1", "192.0.2.1")] + lines[5:],
    "deletion": lambda lines: lines[:4] + lines[5:],
    "truncation": lambda lines: lines[:-1],
    "order": lambda lines: lines[:4] + [lines[5], lines[4]] + lines[6:],
    "insertion": lambda lines: lines[:4] + ['{"event_type":"x"}\n'] + lines[4:],
    "repetition": lambda lines: lines[:5] + lines[4:],
    "beginning": lambda lines: lines[1:],
    "all": lambda lines: [],
}


@pytest.mark.parametrize("kind", sorted(TAMPERING))
def test_tampering_is_found(kept, kind):
    lines = kept.read_text().splitlines(keepends=True)
    changed = TAMPERING[kind](lines)
    assert changed != lines
    kept.write_text("".join(changed))
    done = verify(str(kept))
    assert done.returncode == 1 and str(kept) in done.stdout, done


def test_a_copy_is_checked_by_its_last_hash(kept):
    last = json.loads(kept.read_text().splitlines()[-1])["hash"]
    os.remove(str(kept) + ".head")
    done = verify("--last", last, str(kept))
    assert done.returncode == 0 and "cannot be told" not in done.stdout, done
    assert "cannot be told" in verify(str(kept)).stdout
    lines = kept.read_text().splitlines(keepends=True)
    kept.write_text("".join(lines[:-1]))
    assert verify(str(kept)).returncode == 0
    assert verify("--last", last, str(kept)).returncode == 1


def test_a_noted_hash_is_that_of_any_event(kept):
    """What was there when it was noted is unchanged, whatever followed."""
    lines = lines_of(kept)
    done = verify("--last", lines[4]["hash"], str(kept))
    assert done.returncode == 0, done
    assert f"event 5 has the hash of --last: unchanged up to there; {len(lines) - 5} more follow" in done.stdout, done
    done = verify("--last", "ab" * 32, str(kept))
    assert done.returncode == 1 and "no event has the hash" in done.stdout, done
    os.remove(str(kept) + ".head")
    assert "cannot be told" in verify("--last", lines[4]["hash"], str(kept)).stdout
    done = verify(str(kept), "--last", lines[4]["hash"])
    assert done.returncode == 2 and "--last comes before the files" in done.stderr, done


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_a_verdict_that_cannot_be_printed(kept, redirection):
    shell = ["sh", "-c", f'exec "$0" "$@" {redirection}', PROGRAM, "audit", "verify", str(kept)]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and "could not be written" in done.stderr, done


def test_the_chain_goes_on_after_restart_and_kill(server_with, tmp_path):
    server = server_with()
    with server.client() as client:
        client.get("/files/before")
    assert host.until(lambda: "before" in host.read(audit_path(server)), 10, 0.05)
    os.kill(server.api_pid, 9)
    server.wait_ready()
    with server.client() as client:
        client.get("/files/after")
    assert host.until(lambda: "/files/after" in host.read(audit_path(server)), 10, 0.05)
    assert host.until(lambda: verify(audit_path(server)).returncode == 0, 10, 0.1), verify(audit_path(server)).stdout
    server.terminate()
    done = verify_own(server.data_dir, tmp_path)
    assert done.returncode == 0, done


def verify_own(data_dir, place, *options):
    """The log of a configured server, no file being named."""
    return subprocess.run(
        [PROGRAM, "audit", "verify", *options],
        env={"DATA_DIR": str(data_dir), "PATH": os.environ["PATH"]},
        cwd=place,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def data_dir(kept, tmp_path):
    """Of no server at work, with the log and its head."""
    place = tmp_path / "data" / "audit"
    place.mkdir(parents=True)
    for name in ("audit.log", "audit.log.head"):
        shutil.copy(tmp_path / name, place / name)
    return place.parent


def test_a_log_without_its_head_is_not_sound(data_dir, tmp_path):
    place = data_dir / "audit"
    assert verify_own(place.parent, tmp_path).returncode == 0
    (place / "audit.log.head").unlink()
    done = verify_own(place.parent, tmp_path)
    assert done.returncode == 1 and "audit.log.head: is missing" in done.stdout, done
    (place / "audit.log").write_text("")
    done = verify_own(place.parent, tmp_path)
    assert done.returncode == 0 and "no event was written yet" in done.stdout, done


def test_files_that_a_rotation_moves_are_of_one_moment(data_dir, tmp_path):
    """While the lock of the directory is held, which whoever rotates holds, nothing is opened."""
    log = data_dir / "audit" / "audit.log"
    directory = os.open(data_dir / "audit", os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    log.rename(log.with_suffix(".log.1"))
    with ThreadPoolExecutor() as pool:
        verifying = pool.submit(verify_own, data_dir, tmp_path)
        time.sleep(1)
        log.with_suffix(".log.1").rename(log)
        os.close(directory)
        done = verifying.result()
    assert done.returncode == 0, done


@pytest.mark.parametrize("name", ["audit.log", "audit.log.1", "audit.log.head"])
def test_what_is_no_file_is_not_waited_for(data_dir, tmp_path, name):
    """Who may write there may put there what never ends, or lead elsewhere."""
    path = data_dir / "audit" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    done = verify_own(data_dir, tmp_path)
    assert done.returncode == 1 and f"{path}: is no regular file" in done.stderr, done
    path.unlink()
    path.symlink_to(tmp_path / "audit.log")
    done = verify_own(data_dir, tmp_path)
    assert done.returncode == 1 and f"{path}: " in done.stderr, done


def test_a_named_file_may_be_a_link_and_must_be_a_file(kept, tmp_path):
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(kept)
    os.mkfifo(pipe)
    assert verify(str(link)).returncode == 0
    done = verify(str(pipe))
    assert done.returncode == 1 and f"{pipe}: is no regular file" in done.stderr, done


def test_a_busy_log_is_sound(kept):
    with open(kept, "a", encoding="utf-8") as file:
        file.write('{"event_type":"au')
    done = verify(str(kept))
    assert done.returncode == 0 and "beginning of a line" in done.stdout, done
    os.remove(str(kept) + ".head")
    assert verify(str(kept)).returncode == 1


def test_a_path_cannot_pass_for_other_fields_of_an_access_line(served):
    with served.client() as client:
        client.get("/files/%22,%20client%20192.0.2.9,%20path%20%22" + "y" * 600)

    def access_lines():
        return [line for line in served.log().splitlines() if "192.0.2.9" in line and " ms, client " in line]

    assert host.until(access_lines, 10, 0.1)
    lines = access_lines()
    assert len(lines) == 1, lines
    line = json.loads(lines[0])["message"] if lines[0].startswith("{") else lines[0]
    before, path = line.split(", path ", 1)
    assert ", client 127.0.0.1, key " in before and "192.0.2.9" not in before
    assert path.startswith('"/files/\\", client 192.0.2.9, path \\"yyy') and path.endswith('yyy"...'), path
    assert len(path) < 530


def test_rotation(server_with):
    server = server_with(LOG_MAX_SIZE_MB="1", LOG_BACKUP_COUNT="3")
    path = "/files/" + "x" * 900
    rotated = audit_path(server, "audit.log.1")
    with server.client() as client:
        assert host.until(lambda: client.get(path).status and os.path.exists(rotated), 60, 0)
        client.get("/files/after-rotation")
    assert host.until(lambda: "after-rotation" in host.read(audit_path(server)), 10, 0.05)
    assert host.until(lambda: verify(rotated, audit_path(server)).returncode == 0, 10, 0.1), verify(
        rotated, audit_path(server)
    )


def test_a_moved_log_is_made_again(server_with):
    server = server_with()
    with server.client() as client:
        client.get("/files/one")
        assert host.until(lambda: "/files/one" in host.read(audit_path(server)), 10, 0.05)
        os.rename(audit_path(server), audit_path(server, "moved"))
        client.get("/files/two")
    assert host.until(
        lambda: os.path.exists(audit_path(server)) and "/files/two" in host.read(audit_path(server)), 10, 0.05
    )
    assert host.until(
        lambda: verify(audit_path(server, "moved"), audit_path(server)).returncode == 0, 10, 0.1
    ), verify(audit_path(server, "moved"), audit_path(server))


# ---- a log that somebody emptied, removed or moved ----


def ask(server, path, times=1):
    """Until it is in the log."""
    with server.client() as client:
        for _ in range(times):
            client.get(path)
    assert host.until(lambda: path in host.read(audit_path(server)), 10, 0.05)


def empty(server):
    os.truncate(audit_path(server), 0)


def remove(server):
    os.unlink(audit_path(server))


@pytest.mark.parametrize("deed", [empty, remove])
def test_a_log_that_is_emptied_under_the_server_is_not_whole(server_with, tmp_path, deed):
    """It is told at once, without another event, and no later event makes it good again."""
    server = server_with(MASTER_API_KEY=MASTER)
    ask(server, "/files/before", 10)
    last = lines_of(audit_path(server))[-1]["seq"]
    deed(server)
    assert host.until(lambda: events(server, event_type="audit", severity="critical"), 20, 0.2), server.log_tail()
    opening, told = lines_of(audit_path(server))[:2]
    assert (opening["operation"], opening["reason"]) == ("log_opened", "lost") and opening["seq"] > last
    assert (told["event_type"], told["severity"], told["operation"]) == ("audit", "critical", "log_damaged"), told
    assert '"operation":"log_damaged"' in server.log() and "the audit log was " in server.log()
    ask(server, "/files/after")
    for done in (verify_own(server.data_dir, tmp_path), verify(audit_path(server))):
        assert done.returncode == 1 and f"events 1 to {opening['seq'] - 1} are not here" in done.stdout, done
    assert len(server.events("audit", operation="log_damaged")) == 1


def test_a_log_that_is_removed_while_no_server_runs_is_not_whole(server_with, tmp_path):
    server = server_with()
    ask(server, "/files/before", 10)
    server.terminate()
    remove(server)
    server.start()
    ask(server, "/files/after")
    opening, told = lines_of(audit_path(server))[:2]
    assert opening["reason"] == "lost" and told["operation"] == "log_damaged", (opening, told)
    done = verify_own(server.data_dir, tmp_path)
    assert done.returncode == 1 and f"events 1 to {opening['seq'] - 1} are not here" in done.stdout, done


def test_a_log_that_is_moved_away_is_whole_with_the_new_one(server_with, tmp_path):
    """Alone the new one lacks its beginning, unless somebody has noted where that is."""
    server = server_with()
    ask(server, "/files/before", 10)
    moved = tmp_path / "moved"
    os.rename(audit_path(server), audit_path(server, "moved"))
    assert host.until(lambda: os.path.exists(audit_path(server)) and host.read(audit_path(server)), 20, 0.1)
    os.rename(audit_path(server, "moved"), moved)
    ask(server, "/files/after")
    opening = lines_of(audit_path(server))[0]
    assert opening["reason"] == "moved" and "log_damaged" not in host.read(audit_path(server))
    done = verify(str(moved), audit_path(server))
    assert done.returncode == 0 and "events 1 to " in done.stdout, done
    done = verify_own(server.data_dir, tmp_path)
    assert done.returncode == 1 and "are not here: the file before was moved away" in done.stdout, done
    done = verify_own(server.data_dir, tmp_path, "--last", lines_of(moved)[-1]["hash"])
    assert done.returncode == 0 and "right before them, has the hash of --last" in done.stdout, done
    done = verify(audit_path(server))
    assert done.returncode == 0 and f"events 1 to {opening['seq'] - 1} were in older files" in done.stdout, done


def test_a_log_that_was_edited_and_put_back_is_told(server_with):
    """Its last line is still there; what is missing further up was not rotated away."""
    server = server_with()
    ask(server, "/files/before", 5)
    lines = host.read(audit_path(server)).splitlines(keepends=True)
    with open(audit_path(server, "edited"), "w") as file:
        file.writelines(lines[:2] + lines[3:])
    os.chown(audit_path(server, "edited"), os.stat(audit_path(server)).st_uid, os.stat(audit_path(server)).st_gid)
    os.rename(audit_path(server, "edited"), audit_path(server))
    assert host.until(lambda: server.events("audit", operation="log_damaged"), 20, 0.1), server.log_tail()
    assert "was replaced" in server.log() and verify(audit_path(server)).returncode == 1


def test_a_command_goes_on_with_a_rotation_that_was_cut_short(server_with, tmp_path):
    """What it let go is not missed because the next to write is not the server."""
    server = server_with(LOG_MAX_SIZE_MB="1", LOG_BACKUP_COUNT="1")
    rotated, path = audit_path(server, "audit.log.1"), "/files/" + "x" * 900
    with server.client() as client:
        assert host.until(lambda: client.get(path).status and os.path.exists(rotated), 100, 0)
        ask(server, "/files/x", 3)
    server.terminate()
    os.rename(audit_path(server), rotated)
    environment = {"DATA_DIR": server.data_dir, "PATH": os.environ["PATH"], "LOG_BACKUP_COUNT": "1"}
    subprocess.run([PROGRAM, "keys", "create", "--name", "x"], env=environment, cwd=tmp_path, check=True, timeout=60)
    done = verify_own(server.data_dir, tmp_path)
    assert done.returncode == 0, done


def test_a_command_right_after_a_move_keeps_the_chain(server_with, tmp_path):
    """The head is a second behind, so that only the server knows where the chain ended."""
    server = server_with()
    ask(server, "/files/before", 3)
    assert host.until(lambda: head_has_arrived(server), 20, 0.05)
    ask(server, "/files/between", 20)
    os.rename(audit_path(server), tmp_path / "moved")
    environment = {"DATA_DIR": server.data_dir, "PATH": os.environ["PATH"]}
    subprocess.run([PROGRAM, "keys", "create", "--name", "x"], env=environment, cwd=tmp_path, check=True, timeout=60)
    ask(server, "/files/after")
    done = verify(str(tmp_path / "moved"), audit_path(server))
    assert done.returncode == 0, (done, host.read(audit_path(server)))


def test_rotated_files_that_were_let_go_are_not_missed(server_with, tmp_path):
    """Whatever LOG_BACKUP_COUNT the one who asks believes in; those that somebody took are."""
    server = server_with(LOG_MAX_SIZE_MB="1", LOG_BACKUP_COUNT="1")
    rotated, path = audit_path(server, "audit.log.1"), "/files/" + "x" * 900

    def first():
        return int(host.read(rotated).split(',"seq":', 1)[1].split(",", 1)[0]) if os.path.exists(rotated) else 1

    with server.client() as client:
        assert host.until(lambda: client.get(path).status and first() > 1, 100, 0)
    assert host.until(lambda: verify_own(server.data_dir, tmp_path).returncode == 0, 10, 0.1), verify_own(
        server.data_dir, tmp_path
    )
    os.unlink(rotated)
    done = verify_own(server.data_dir, tmp_path)
    assert done.returncode == 1 and "are not here: rotated files are missing" in done.stdout, done


def test_without_security_logs(server_with):
    """S5.1: ENABLE_SECURITY_LOGS=false."""
    server = server_with(ENABLE_SECURITY_LOGS="false", MASTER_API_KEY=MASTER)
    with server.client() as client:
        client.get("/files/quiet")
    assert newest(server, "authentication", endpoint="GET /files/quiet")
    assert os.listdir(os.path.join(server.data_dir, "audit")) == []
    assert "quiet" not in server.log()


def test_usage_of_the_command():
    for arguments in ([], ["nonsense"], ["verify", "--nonsense"]):
        done = subprocess.run([PROGRAM, "audit", *arguments], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2 and done.stderr, (arguments, done)
    assert verify("/nonexistent/audit.log").returncode == 1


# ---- what is in no log ----


def test_no_secret_in_any_log(server_with):
    """S5.3: after a busy run no key, no source, no contents of files, no output, in no log of any level."""
    words = {name: f"{name}-{secrets.token_hex(12)}" for name in ("source", "contents", "output", "wrong", "basic")}
    master = "mk-" + secrets.token_urlsafe(24)
    further = "fk-" + secrets.token_urlsafe(24)
    server = server_with(LOG_LEVEL="DEBUG", ENABLE_ACCESS_LOGS="true", MASTER_API_KEY=master, API_KEYS=further)
    with server.client() as client:
        run = client.exec(f"# {words['source']}\nprint('{words['output']}')\nraise ValueError('{words['output']}')")
        assert words["output"] in run.stdout
        client.exec(f"{words['source']} (", "py")
        up = client.upload(("data.txt", words["contents"].encode()))
        client.exec("cat data.txt >&2; cp data.txt new.txt", "bash", files=[up.reference()])
        client.download(up.session, up.id)
        client.get("/files/x", key=words["wrong"])
        client.get("/files/x", key=further)
        client.get("/files/x", key=None, headers={"Authorization": f"Bearer {words['wrong']}"})
        client.get(f"/files/x?api_key={server.key}")
        client.post("/exec", {"lang": "py", "code": 7, "args": [words["source"]]})
    with server.client(key=master) as client:
        made = client.post(f"{ADMIN}/keys", {"name": "busy"}).json["api_key"]
    with server.client(key=made) as client:
        client.exec("echo 1", "bash")
    server.terminate()
    logs = [server.log_path] + [
        os.path.join(server.data_dir, "audit", name) for name in os.listdir(os.path.join(server.data_dir, "audit"))
    ]
    text = "".join(host.read(path) for path in logs)
    assert '"event_type":"code_execution"' in text and "POST /exec" in text
    for secret in [*words.values(), server.key, master, further, made]:
        assert secret not in text, [line for line in text.splitlines() if secret in line][:3]
