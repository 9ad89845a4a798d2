# SPDX-License-Identifier: Apache-2.0
"""http-api.md 13: bad values stop the start with a message that names the variable; unknown ones are ignored."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import pytest

from support import host
from support.server import free_port, refused_start


@pytest.fixture
def open_directory():
    """A directory that the unprivileged half of the server can reach (pytest's own are private)."""
    made = tempfile.mkdtemp(prefix="codecell-test-")
    os.chmod(made, 0o755)
    yield made
    shutil.rmtree(made)


CONFIG, TEMPFAIL = 78, 75  # exit statuses: a person has to mend it; waiting may

BAD = [
    ("API_PORT", "0"),
    ("API_PORT", "65536"),
    ("API_PORT", "abc"),
    ("API_PORT", "80 80"),
    ("API_PORT", "-1"),
    ("API_HOST", "not an address"),
    ("API_DEBUG", "maybe"),
    ("ENABLE_CORS", "2"),
    ("MAX_EXECUTION_TIME", "0"),
    ("MAX_EXECUTION_TIME", "301"),
    ("MAX_EXECUTION_TIME", "1.5"),
    ("MAX_MEMORY_MB", "63"),
    ("MAX_MEMORY_MB", "4097"),
    ("MAX_OUTPUT_FILES", "0"),
    ("MAX_OUTPUT_FILES", "51"),
    ("MAX_FILE_SIZE_MB", "0"),
    ("MAX_FILE_SIZE_MB", "501"),
    ("MAX_FILES_PER_SESSION", "1001"),
    ("MAX_FILENAME_LENGTH", "256"),
    ("SESSION_TTL_HOURS", "0"),
    ("SESSION_TTL_HOURS", "169"),
    ("SESSION_CLEANUP_INTERVAL_MINUTES", "1441"),
    ("SANDBOX_TMPFS_SIZE_MB", "9"),
    ("SANDBOX_DISK_MB", "15"),
    ("MAX_PROCESSES", "15"),
    ("MAX_CPUS", "0.05"),
    ("MAX_CPUS", "65"),
    ("LOG_LEVEL", "LOUD"),
    ("LOG_FORMAT", "xml"),
    ("TRUSTED_PROXIES", "::ffff:10.0.0.0/104"),
    ("EXECUTION_PROFILE", "other"),
    ("SANDBOX_UID", "0"),
    ("SANDBOX_UID", "-5"),
    ("TRUSTED_PROXIES", "10.0.0.0/33"),
    ("TRUSTED_PROXIES", "nonsense"),
    ("API_KEY", "too-short"),
    ("DATA_DIR", "/tmp/"),
    ("DATA_DIR", "//etc/."),
    ("STATE_TTL_SECONDS", "59"),
    ("WAN_DNS_SERVERS", "not-an-ip"),
    ("METRICS_DAILY_RETENTION_DAYS", "29"),
    ("AUTH_FAILURE_LIMIT", "-1"),
    ("ENABLE_NETWORK_ISOLATION", "false"),
    ("REDIS_DB", "16"),
    ("CORS_ORIGINS", '["https://a.example", 1]'),
    ("ALLOWED_FILE_EXTENSIONS", "txt,tar.gz"),
    ("BLOCKED_FILE_PATTERNS", "*.exe," + "x" * 300),
    ("WAN_DNS_SERVERS", ",".join(["192.0.2.1"] * 17)),
    ("DATA_DIR", "/var/lib/" + "x" * 256),
]


@pytest.mark.parametrize("variable,value", BAD, ids=[f"{name}-{i}" for i, (name, _) in enumerate(BAD)])
def test_bad_values(program, tmp_path, variable, value):
    """13: the start stops, quickly, and says which variable."""
    given = {"API_PORT": "1", "API_KEY": "good-key-0123456789", "DATA_DIR": str(tmp_path / "data"), variable: value}
    said = refused_start([program, "serve"], tmp_path, **given)
    assert variable in said and "good-key-0123456789" not in said, said
    assert checked(program, tmp_path, given) == said


def checked(program, cwd, given):
    """What `codecell config --check` says, as `serve` would have said it."""
    said = refused_start([program, "config", "--check"], cwd, **given)
    return "".join(f"codecell serve: {line}\n" for line in said.splitlines())


def test_tls_files_are_checked_too(program, tmp_path):
    """13: a certificate that is demanded and missing is a bad value like others."""
    given = {"API_KEY": "good-key-0123456789", "DATA_DIR": str(tmp_path / "data")}
    given.update(ENABLE_HTTPS="true", SSL_CERT_FILE="/nothing/here.pem", SSL_KEY_FILE="/dev/null")
    said = refused_start([program, "serve"], tmp_path, **given)
    assert "SSL_CERT_FILE=/nothing/here.pem" in said and "SSL_KEY_FILE=/dev/null" in said, said
    assert checked(program, tmp_path, given) == said


HINTS = {
    "STATE_ARCHIVE_AFTER_SECONDS": {"STATE_TTL_SECONDS": "600"},
    "PTC_PAUSE_TTL_SECONDS": {"PTC_PAUSE_TTL_SECONDS": "3601", "SESSION_TTL_HOURS": "1"},
}


@pytest.mark.parametrize("variable", HINTS)
def test_values_that_do_not_go_together(program, server_with, tmp_path, variable):
    """13: what is allowed each by itself starts, and `config --check`, doctor and the log say what will not happen."""
    env = {"PATH": os.environ["PATH"], "API_KEY": "good-key-7d1f0c2b9a", "DATA_DIR": str(tmp_path), **HINTS[variable]}
    done = subprocess.run([program, "config", "--check"], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout == "" and variable in done.stderr, done
    sentence = done.stderr.removeprefix("warning: ").strip()
    done = subprocess.run([program, "doctor"], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert f"warn  config       {sentence}" in done.stdout, done
    assert sentence in server_with(**HINTS[variable]).log()


@pytest.mark.parametrize("kind", ["link", "second name", "another's", "pipe"])
def test_a_log_file_of_somebody_else(program, server, open_directory, kind):
    """13: root gives the log to the api's user: nothing that may be another's file, and writes into no pipe of that user's."""
    place = pathlib.Path(open_directory)
    log, other = place / "codecell.log", place / "other"
    other.write_text("")
    if kind == "link":
        log.symlink_to(other)
    elif kind == "second name":
        os.link(other, log)
    elif kind == "pipe":
        os.mkfifo(log)
        os.chown(log, os.stat(server.data_dir).st_uid, -1)
    else:
        log.write_text("")
        os.chown(log, 12345, 12345)
    given = {"API_KEY": "good-key-7d1f0c2b9a", "DATA_DIR": str(place / "data"), "LOG_FILE": str(log)}
    said = refused_start([program, "serve"], place, 60, **given)
    assert "LOG_FILE" in said, said
    assert said.splitlines()[0] in refused_start([program, "doctor"], place, 60, **given).splitlines()
    assert other.stat().st_uid == 0 and (kind == "pipe" or log.lstat().st_uid in (0, 12345))


def test_several_at_once(program, tmp_path):
    """13: at least the first is named; a person need not guess."""
    given = {"API_KEY": "good-key-0123456789", "MAX_MEMORY_MB": "1", "LOG_LEVEL": "LOUD", "DATA_DIR": str(tmp_path)}
    said = refused_start([program, "serve"], tmp_path, **given)
    assert "MAX_MEMORY_MB" in said or "LOG_LEVEL" in said, said


@pytest.mark.parametrize("value", ["true", "false", "1", "0", "yes", "no", "TRUE", "No"])
def test_booleans(server_with, value):
    """13: the six spellings, in any case."""
    server = server_with(ENABLE_CORS=value)
    with server.client() as client:
        reply = client.get("/health", headers={"Origin": "http://a.example"})
        assert (reply.header("access-control-allow-origin") is not None) == (value.lower() in ("true", "1", "yes"))


def test_unknown_variables_and_foreign_ones(server_with):
    """13: unknown variables are ignored, those of other mechanisms accepted."""
    server = server_with(
        NO_SUCH_VARIABLE="x",
        NSJAIL_BINARY="nsjail",
        SANDBOX_POOL_PY="3",
        REDIS_HOST="elsewhere",
        S3_BUCKET="b",
        REPL_ENABLED="false",
    )
    with server.client() as client:
        assert client.exec("echo x", "bash").stdout == "x\n"


def test_dotenv(program, open_directory):
    """13: a .env file of the working directory; the process environment wins."""
    with open(os.path.join(open_directory, ".env"), "w") as file:
        file.write('# comment\nAPI_KEY=dotenv-key-7d1f0c2b9a\nLOG_LEVEL=LOUD\nexport MAX_MEMORY_MB="100"\n')
    env = {"PATH": os.environ["PATH"], "DATA_DIR": os.path.join(open_directory, "data")}
    done = subprocess.run([program, "serve"], env=env, cwd=open_directory, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "LOG_LEVEL" in done.stdout + done.stderr, done
    done = subprocess.run(
        [program, "config"],
        env={**env, "LOG_LEVEL": "INFO"},
        cwd=open_directory,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0 and "100" in done.stdout and "dotenv-key-7d1f0c2b9a" not in done.stdout, done


def test_config_lists_every_variable(program, tmp_path):
    """13, X7: `codecell config` knows every variable, and shows no secret."""
    env = {"PATH": os.environ["PATH"], "API_KEY": "very-secret-key-0123456789", "DATA_DIR": str(tmp_path)}
    done = subprocess.run([program, "config"], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done
    for name in (
        "API_HOST",
        "MAX_EXECUTION_TIME",
        "MAX_OUTPUT_BYTES",
        "DATA_DIR",
        "SANDBOX_DISK_MB",
        "MAX_QUEUED_EXECUTIONS",
        "ALLOWED_FILE_EXTENSIONS",
        "TRUSTED_PROXIES",
    ):
        assert name in done.stdout, name
    assert "very-secret" not in done.stdout


def test_port_in_use(server_with):
    """13: a port that is taken stops the start and says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = server_with(wait=False, API_PORT=str(taken.getsockname()[1]))
        assert server.wait_exit(15) == TEMPFAIL
        assert "API_PORT" in server.log() or "in use" in server.log().lower(), server.log()


def test_an_address_that_is_not_there_yet(server_with):
    """13: that of a bridge comes with its network, maybe later than the server."""
    server = server_with(wait=False, API_HOST="192.0.2.7")
    assert server.wait_exit(15) == TEMPFAIL and "API_HOST=192.0.2.7" in server.log(), server.log()


def test_two_faults_one_of_which_may_pass(server_with):
    """13: the other stays."""
    server = server_with(wait=False, API_HOST="192.0.2.7", SANDBOX_ROOTFS="/nothing/here")
    assert server.wait_exit(15) == CONFIG and "API_HOST=192.0.2.7" in server.log(), server.log()


def test_everything_at_once(server_with, open_directory):
    """13: whatever can be switched on is, and every option reaches the warden."""
    place = pathlib.Path(open_directory)
    certificate, key = place / "cert.pem", place / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
    subprocess.run([*command, "-days", "2", "-subj", "/CN=localhost"], check=True, capture_output=True, timeout=60)
    (place / "packages").mkdir(mode=0o755)
    server = server_with(
        wait=False,
        SANDBOX_POOL_ENABLED="true",
        HOT_SESSIONS_MAX="2",
        ENABLE_WAN_ACCESS="true",
        ENABLE_SANDBOX_NETWORK="true",
        SANDBOX_EGRESS_ALLOWLIST="files.example",
        SKILL_DEPS_PATH=str(place / "packages"),
        ENABLE_HTTPS="true",
        SSL_CERT_FILE=str(certificate),
        SSL_KEY_FILE=str(key),
        LOG_FILE=str(place / "codecell.log"),
        MAX_CONCURRENT_EXECUTIONS="2",
    )
    log = place / "codecell.log"
    ready = lambda: log.exists() and "listens on" in log.read_text() or server.process.poll() is not None
    assert host.until(ready, 60) and server.process.poll() is None, server.log() + log.read_text()


def test_what_has_no_room_is_told(server_with):
    """Programs that run and wait and hot sessions share one number of cells."""
    server = server_with(MAX_CONCURRENT_EXECUTIONS="4", PTC_MAX_PAUSED="600", HOT_SESSIONS_MAX="64")
    assert "PTC_MAX_PAUSED=600 is 508 here" in server.log() and "HOT_SESSIONS_MAX=64 is 0 here" in server.log()


def test_limits_of_a_shell(server_with):
    """13: what a login allows its processes ends neither the server nor the programs of its clients."""
    # A server that is built with a sanitizer needs twenty tebibytes of addresses before it can lift these two.
    limits = ["prlimit", "--as=70000000000000:", "--cpu=1:", "--data=70000000000000:", "--fsize=200000:", "--nproc=1:"]
    server = server_with(prefix=[*limits, "--stack=131072:", "--"])
    with server.client() as client:
        run = client.exec("ulimit -t; ulimit -v; ulimit -d; ulimit -s; while [ $SECONDS -lt 3 ]; do :; done; echo on", "bash")
    assert run.stdout == "unlimited\n" * 3 + "8192\non\n", dict(run)


def test_limits_that_cannot_be_raised_are_told(program, tmp_path):
    """Issue: the server would end, or its programs would, and nobody could see why."""
    env = {"PATH": os.environ["PATH"], "API_KEY": "good-key-7d1f0c2b9a", "DATA_DIR": str(tmp_path)}
    nobody = ["setpriv", "--reuid=65534", "--clear-groups", "prlimit", "--cpu=100:100", "--nproc=500:500"]
    nobody += ["--stack=1000000:1000000", "--"]
    done = subprocess.run([*nobody, program, "doctor"], env=env, cwd="/", capture_output=True, text=True, timeout=60)
    line = next(line for line in done.stdout.splitlines() if line.split()[1] == "limits")
    assert line.startswith("warn ") and "ulimit -t -u -s" in line, line
    assert "LimitCPU=infinity LimitNPROC=infinity LimitSTACK=infinity" in line, line


@pytest.mark.parametrize("kind", ["another user's", "holds letters"])
def test_doctor_knows_which_directory_is_refused(program, server_with, open_directory, kind):
    """In the same words as the start, and with the command that mends it."""
    path = os.path.join(open_directory, "data")
    os.mkdir(path)
    if kind == "another user's":
        os.chown(path, 4321, 4321)
    else:
        with open(os.path.join(path, "letters.txt"), "w"):
            pass
    env = {"PATH": os.environ["PATH"], "API_KEY": "good-key-7d1f0c2b9a", "DATA_DIR": path, "API_PORT": str(free_port())}
    done = subprocess.run([program, "doctor"], env=env, cwd="/", capture_output=True, text=True, timeout=60)
    line = next(line for line in done.stdout.splitlines() if line.split()[1] == "data-dir")
    assert done.returncode != 0 and line.startswith("FAIL ") and os.listdir(path) in ([], ["letters.txt"]), line
    assert ("chown -R" if kind == "another user's" else "letters.txt") in line, line
    server = server_with(wait=False, data_dir=path)
    assert server.wait_exit(15) == CONFIG and line.split(None, 2)[2][:80] in server.log(), server.log()


def test_two_servers_on_one_data_directory(server_with):
    """Storage: a second server on the same directory is refused, the first goes on."""
    first = server_with()
    second = server_with(wait=False, data_dir=first.data_dir)
    assert second.wait_exit(15) == TEMPFAIL
    assert "DATA_DIR" in second.log() or first.data_dir in second.log(), second.log()
    with first.client() as client:
        assert client.exec("echo on", "bash").stdout == "on\n"


def test_subcommands(program):
    """A table of subcommands: an unknown one gets one specific line, help names all."""
    done = subprocess.run([program, "nonsense"], capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "nonsense" in done.stderr
    for flag in ("--help", "help"):
        done = subprocess.run([program, flag], capture_output=True, text=True, timeout=20)
        if done.returncode == 0:
            break
    assert done.returncode == 0 and all(name in done.stdout for name in ("serve", "doctor", "config")), done
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "1.2.0" in done.stdout, done


def test_doctor(program, open_directory):
    """Issue: one line a check, and exit 0 where the server can run."""
    env = {
        "PATH": os.environ["PATH"],
        "API_KEY": "good-key-7d1f0c2b9a",
        "DATA_DIR": os.path.join(open_directory, "data"),
        "API_PORT": str(free_port()),
    }
    done = subprocess.run([program, "doctor"], env=env, cwd=open_directory, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    assert len(done.stdout.splitlines()) >= 10, done.stdout
    as_json = subprocess.run(
        [program, "doctor", "--json"], env=env, cwd=open_directory, capture_output=True, text=True, timeout=60
    )
    assert as_json.returncode == 0, as_json
    checks = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [check["check"] for check in checks] == [line.split()[1] for line in done.stdout.splitlines()]
    assert all(check["what"] and bool(check["mend"]) == (check["status"] != "ok") for check in checks), checks
