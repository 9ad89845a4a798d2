# SPDX-License-Identifier: Apache-2.0
"""`codecell keys`: the same keys from the command line, while the server runs and while it does not."""

import json
import os
import re
import subprocess

import pytest

from support import host
from support.server import PROGRAM

USAGE = 2
MASTER = "mk-" + "Ht4Jw8Pn2Sx6Bv9Kd3Qz"


class Command:
    def __init__(self, data_dir):
        self.environment = {"PATH": os.environ["PATH"], "DATA_DIR": data_dir}

    def __call__(self, *words, status=0, **kwargs):
        ran = subprocess.run(
            [PROGRAM, "keys", *words], env=self.environment, capture_output=True, text=True, timeout=60, **kwargs
        )
        assert ran.returncode == status, ran
        return ran

    def unprinted(self, redirection, *words):
        """With a redirection of the shell; without one stdout is a pipe that nobody reads."""
        shell = ["sh", "-c", f'exec "$0" "$@" {redirection}', PROGRAM, "keys", *words]
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as out:
            return subprocess.run(
                shell, env=self.environment, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=False
            )

    def create(self, name="cli", *words):
        return json.loads(self("create", "--json", "--name", name, *words).stdout)

    def list(self):
        return json.loads(self("list", "--json").stdout)


@pytest.fixture
def running(server_with):
    server = server_with()
    return server, Command(server.data_dir)


def test_a_fault_before_data_dir(running, tmp_path):
    """A .env whose fault hides DATA_DIR must not lead to the keys of another server."""
    (tmp_path / ".env").write_text("FOO BAR\nDATA_DIR=/nowhere\n")
    assert ".env line 1" in running[1]("list", status=1, cwd=tmp_path).stderr


def audit_log(server):
    return os.path.join(server.data_dir, "audit", "audit.log")


def key_events(server):
    """(operation, first digits of the hash, success) of each, in order."""
    lines = [json.loads(line) for line in host.read(audit_log(server)).splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    return [(e["operation"], e["key_hash"][:8], e["success"]) for e in lines if e["event_type"] == "key"]


def is_sound(server):
    ran = subprocess.run([PROGRAM, "audit", "verify", audit_log(server)], capture_output=True, text=True, timeout=60)
    return ran.returncode == 0


def _status(server, key):
    with server.client(key=key) as client:
        return client.get("/files/nothing").status


def test_every_change_is_seen_at_the_next_request(running):
    """4.4: the server has the key in its cache; another process changes it."""
    server, command = running
    made = command.create("worker", "--hourly", "5")
    key, key_hash = made["api_key"], made["record"]["key_hash"]
    with server.client(key=key) as client:
        assert client.get("/files/x").status == 200
        assert client.get("/files/x").header("x-ratelimit-limit") == "5"
        command("disable", key_hash)
        assert client.get("/files/x").error == "API key is disabled"
        command("enable", key_hash[:8])
        assert client.get("/files/x").status == 200
        command("change", key_hash, "--hourly", "1000", "--daily", "7", "--name", "renamed")
        assert client.get("/files/x").header("x-ratelimit-limit") == "7"
        assert command.list()[0]["name"] == "renamed"
        command("revoke", key_hash)
        assert client.get("/files/x").error == "Invalid API key"
    assert command.list() == []


def test_limits_change_one_by_one(keys_of_a_server):
    """0 takes a limit away; those that are not given stay."""
    key_hash = keys_of_a_server.create("limited", "--hourly", "5", "--daily", "6", "--monthly", "7")["record"]["key_hash"]
    keys_of_a_server("change", key_hash, "--daily", "0", "--monthly", "8")
    limits = keys_of_a_server.list()[0]["rate_limits"]
    assert limits == {"per_second": None, "per_minute": None, "hourly": 5, "daily": None, "monthly": 8}
    keys_of_a_server("revoke", key_hash)


def test_the_key_alone_is_on_stdout(running):
    server, command = running
    ran = command("create", "--name", "scripted")
    assert re.fullmatch(r"sk-[A-Za-z0-9_-]{32}\n", ran.stdout)
    assert "only time" in ran.stderr
    assert _status(server, ran.stdout.strip()) == 200
    table = command("list").stdout
    assert "scripted" in table and ran.stdout.strip() not in table


def test_the_list_shows_what_a_key_may(running):
    """Below the heads of its columns, in which nothing is cut."""
    _, command = running
    until = "2090-01-31T12:00:00Z"
    limits = "--per-minute", "5", "--daily", "1000"
    command("create", "--name", "has limits", "--expires", until, "--network", "off", "--tenant", "ops", *limits)
    heads, *rows = command("list").stdout.splitlines()
    (row,) = [row for row in rows if row.endswith("has limits")]
    for head, value in ("state", "enabled"), ("expires", until), ("network", "off"), ("limits", "5/minute 1000/day"), ("tenant", "ops"):
        assert row[heads.index(head) :].startswith(value + "  "), (heads, row)
    command("create", "--name", "has none")
    (row,) = [row for row in command("list").stdout.splitlines() if row.endswith("has none")]
    for head, value in ("expires", "never"), ("network", "server"), ("limits", "- "):
        assert row[heads.index(head) :].startswith(value + " "), (heads, row)


@pytest.mark.parametrize("words", [(), ("change",), ("revoke",), ("create",)])
def test_help_needs_no_key(keys_of_a_server, words):
    assert "HASH is the key's SHA-256" in keys_of_a_server(*words, "--help").stdout


def stored_keys(server):
    """Whole keys in any file of the data directory."""
    found = []
    for directory, _, names in os.walk(server.data_dir):
        for name in names:
            with open(os.path.join(directory, name), "rb") as file:
                found += re.findall(rb"sk-[A-Za-z0-9_-]{32}", file.read())
    return found


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize("redirection", [">&-", "<&- >&- 2>&-", ">/dev/full", ""])
def test_a_key_that_cannot_be_printed_is_taken_back(default_server, keys_of_a_server, redirection, form):
    before = len(key_events(default_server))
    ran = keys_of_a_server.unprinted(redirection, "create", "--name", "unseen", *form)
    assert ran.returncode == 1, ran
    if "2>" not in redirection:
        assert "could not be written" in ran.stderr and "taken back" in ran.stderr, ran
    assert "unseen" not in [key["name"] for key in keys_of_a_server.list()]
    told = key_events(default_server)[before:]
    assert [(operation, success) for operation, _, success in told] == [("create", True), ("revoke", True)]
    assert told[0][1] == told[1][1] and stored_keys(default_server) == []


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize("redirection", [">&-", ">/dev/full"])
def test_a_list_that_cannot_be_printed(keys_of_a_server, redirection, form):
    ran = keys_of_a_server.unprinted(redirection, "list", *form)
    assert ran.returncode == 1 and "could not be written" in ran.stderr, ran


def test_every_change_is_in_the_audit_log(server_with):
    """S5: one chain, whoever writes: the server, the command beside it, and the command without a server."""
    server = server_with(MASTER_API_KEY=MASTER)
    command = Command(server.data_dir)
    key_hash = command.create("audited")["record"]["key_hash"]
    with server.client(key=MASTER) as client:
        assert client.patch(f"/api/v1/admin/keys/{key_hash}", {"enabled": False}).status == 200
        assert client.patch(f"/api/v1/admin/keys/{key_hash}", {"enabled": True, "name": "n"}).status == 200
    short = key_hash[:8]
    seen = [("create", short, True), ("disable", short, True), ("enable", short, True)]
    assert host.until(lambda: key_events(server) == seen, 10, 0.05), key_events(server)
    command("change", short, "--hourly", "7", "--network", "off")
    command("disable", short)
    command("list")
    seen += [("change", short, True), ("disable", short, True)]
    assert key_events(server) == seen, "it is there when the command returns"
    with server.client(key=MASTER) as client:

        def newest():
            return client.get("/api/v1/admin/security/events?event_type=key").json["events"][0]

        assert host.until(lambda: newest()["operation"] == "disable" and "source" in newest(), 20, 0.1), newest()
        told = client.get("/api/v1/admin/security/events?event_type=key").json["events"]
    assert sorted((each["operation"], each.get("source")) for each in told if "source" in each) == [
        (operation, "command line") for operation in ("change", "create", "disable")
    ]
    change = [each for each in told if each["operation"] == "change"][0]
    assert change["changed"] == ["rate_limits", "network"] and change["uid"] == os.getuid()
    enable = [each for each in told if each["operation"] == "enable"][0]
    assert enable["changed"] == ["name", "enabled"] and enable["client_ip"] == "127.0.0.1"
    server.terminate()
    command.environment["ENABLE_SECURITY_LOGS"] = "false"  # of the command, not of the server that wrote the log
    command("enable", short)
    server.start()
    command("revoke", short)
    with server.client() as client:
        client.get("/files/afterwards")
    assert host.until(lambda: "afterwards" in host.read(audit_log(server)), 10, 0.05)
    assert key_events(server) == [*seen, ("enable", short, True), ("revoke", short, True)]
    assert host.until(lambda: is_sound(server), 10, 0.1)


def test_nothing_changes_without_the_audit_log(running):
    server, command = running
    key_hash = command.create("kept")["record"]["key_hash"]
    server.terminate()
    audit = os.path.join(server.data_dir, "audit")
    os.rename(audit, audit + ".away")
    for words in (("create", "--name", "unseen"), ("disable", key_hash), ("revoke", key_hash)):
        assert "nothing is changed" in command(*words, status=1).stderr
    assert [(key["name"], key["enabled"]) for key in command.list()] == [("kept", True)]
    os.rename(audit + ".away", audit)
    command("revoke", key_hash)


def test_without_a_server(running):
    """Before a start and between two; the store stays the api's."""
    server, command = running
    server.terminate()
    made = command.create("offline", "--tenant", "ops", "--expires", "2090-01-31T12:00:00Z")
    assert made["record"]["tenant"] == "ops" and made["record"]["expires_at"] == "2090-01-31T12:00:00.000Z"
    owner = os.stat(server.data_dir).st_uid
    for name in [name for name in os.listdir(server.data_dir) if name.startswith(("codecell.db", "keys."))]:
        assert os.lstat(os.path.join(server.data_dir, name)).st_uid == owner, name
    server.start()
    assert _status(server, made["api_key"]) == 200


def test_two_commands_and_the_server_at_once(running):
    """Nothing is lost when many processes change keys together."""
    server, command = running
    started = [
        subprocess.Popen(
            [PROGRAM, "keys", "create", "--name", f"k{number}"],
            env=command.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    keys = []
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        keys.append(out.strip())
    assert len(command.list()) == 6
    assert [_status(server, key) for key in keys] == [200] * 6
    assert host.until(lambda: len(key_events(server)) == 6 and is_sound(server), 10, 0.1), key_events(server)


@pytest.mark.parametrize(
    "words,status,text",
    [
        ((), USAGE, "list, create, change"),
        (("frob",), USAGE, "list, create, change"),
        (("create",), USAGE, "name: Field required"),
        (("create", "--name", ""), USAGE, "name:"),
        (("create", "--name", "a\x1b[2J"), USAGE, "name:"),
        (("create", "--name", "x", "--tenant", "a b"), USAGE, "tenant:"),
        (("create", "--name", "x", "--tenant", "env"), USAGE, "tenant:"),
        (("create", "--name", "x", "--expires", "soon"), USAGE, "expires_at:"),
        (("create", "--name", b"\xff"), USAGE, "name: Input should be text in UTF-8"),
        (("create", "--name", "x", "--tenant", b"ops\xff"), USAGE, "tenant: Input should be text in UTF-8"),
        (("create", "--name", "x", "--expires", b"2090\xff"), USAGE, "expires_at: Input should be text in UTF-8"),
        (("create", "--name", "x", "--network", b"off\xff"), USAGE, "network: Input should be text in UTF-8"),
        (("create", "--name", "x", "--hourly", "-1"), USAGE, "--hourly needs a number"),
        (("list", "--name", "x"), USAGE, "--name"),
        (("change", "00000000"), USAGE, "nothing to change"),
        (("change", "00000000", "--json"), USAGE, "nothing to change"),
        (("change", "00000000", "--tenant", "ops"), USAGE, "unknown option '--tenant'"),
        (("change", "00000000", "--name", "x", "--tenant", "ops"), USAGE, "unknown option '--tenant'"),
        (("revoke",), USAGE, "hash"),
        (("revoke", "abc"), USAGE, "hash"),
        (("revoke", "../../x"), USAGE, "hash"),
        (("revoke", "0" * 64), 1, "no managed key"),
        (("disable", "00000000"), 1, "no managed key"),
    ],
)
def test_complaints(keys_of_a_server, words, status, text):
    ran = keys_of_a_server(*words, status=status)
    assert text in ran.stderr and ran.stdout == "", ran


@pytest.fixture(scope="module")
def keys_of_a_server(default_server):
    return Command(default_server.data_dir)


def test_a_directory_that_is_no_servers(tmp_path):
    ran = Command(str(tmp_path))("list", status=1)
    assert "belongs to root" in ran.stderr
    assert os.listdir(tmp_path) == []
    ran = Command(str(tmp_path / "missing"))("list", status=1)
    assert "started once" in ran.stderr


def test_help():
    assert "create --name" in Command("/nowhere")("--help").stdout
