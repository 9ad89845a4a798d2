# SPDX-License-Identifier: Apache-2.0
"""Rules of the specification that belong to no route in particular."""

import os
import re
import subprocess

import pytest

from support import host
from support.server import LIBRECHAT

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_times(client):
    """1.5, F3: UTC with milliseconds and Z, wherever clients read one."""
    upload = client.upload(("a.txt", b"x"))
    for detail in ("full", "summary"):
        assert TIME.fullmatch(client.files(upload.session, detail)[0]["lastModified"])
    metadata = client.get(f"/sessions/{upload.session}/objects/{upload.id}").json
    assert TIME.fullmatch(metadata["lastModified"])


def test_an_input_that_cannot_be_read(server_with):
    """10.6.7: it is left out, and stderr says so; the run goes on."""
    server = server_with()
    with server.client() as client:
        lost = client.upload(("lost.txt", b"the contents that will be lost"))
        kept = client.upload(("kept.txt", b"kept"))
        for folder, _, names in os.walk(os.path.join(server.data_dir, "blobs")):
            for name in names:
                if b"will be lost" in open(os.path.join(folder, name), "rb").read():
                    os.unlink(os.path.join(folder, name))
        run = client.exec("ls; cat kept.txt", "bash", files=[lost.reference(), kept.reference()])
    assert run.stdout == "kept.txt\nkept\n" and run.code == 0
    assert run.stderr.strip() == "[sandbox] input file unavailable: lost.txt"


def test_the_state_has_no_route(client):
    """10.7.4, 2: nothing lists, reads or deletes it."""
    run = client.exec("x = 5")
    for method, path in (("GET", "/state/"), ("GET", "/state/{}/info"), ("DELETE", "/state/"), ("POST", "/state/")):
        path = path.format(run.session) if "{}" in path else path + run.session
        assert client.request(method, path).status == 404, path
    assert "x" not in str(client.files(run.session)) and client.files(run.session) == []
    assert client.exec("print(x)", session_id=run.session).stdout == "5\n"


def test_the_examples_of_a_run(client):
    """10.13: an input edited, one left alone, a result in a folder; and a program that fails."""
    upload = client.upload(("sales.csv", b"qty,price\n2,3\n"), ("notes.md", b"# notes\n"))
    labels = {"kind": "user", "resource_id": "u-17"}
    code = (
        "import os\nimport pandas as pd\nos.makedirs('report', exist_ok=True)\ndf = pd.read_csv('sales.csv')\n"
        "df['total'] = df.qty * df.price\ndf.to_csv('sales.csv', index=False)\ndf.to_json('report/out.json')\nprint(len(df))"
    )
    files = [upload.reference(0, **labels), upload.reference(1, **labels)]
    run = client.exec(code, args=["--fast"], user_id="u-17", timeout=20000, files=files)
    assert run.stdout == "1\n" and run.stderr == "" and run.names() == ["notes.md", "report/out.json", "sales.csv"]
    notes, out, sales = run.files
    assert notes["inherited"] is True and notes["resource_id"] == "u-17" and notes["kind"] == "user"
    assert notes["storage_session_id"] == upload.session == notes["session_id"] and notes["id"] == upload.ids[1]
    assert out["storage_session_id"] == run.session and "inherited" not in out and "modified_from" not in out
    assert sales["modified_from"] == {"id": upload.ids[0], "storage_session_id": upload.session}
    assert "inherited" not in sales and client.fetch(sales) == b"qty,price,total\n2,3,6\n"
    run = client.exec("print('before')\nraise ValueError('test error')")
    assert run.stdout == "before\n" and run.stderr.endswith("ValueError: test error\n") and run.files == []
    assert (run.code, run["signal"], run["status"], run["message"]) == (1, None, "RE", None)


DEFAULTS = {
    "13.1": {
        **{"API_HOST": "0.0.0.0", "API_PORT": "8000", "API_DEBUG": "false", "API_RELOAD": "false", "ENABLE_HTTPS": ""},
        **{"SSL_CERT_FILE": "/app/ssl/fullchain.pem", "SSL_KEY_FILE": "/app/ssl/privkey.pem", "SSL_CA_CERTS": ""},
        **{"ENABLE_CORS": "false", "CORS_ORIGINS": "", "ENABLE_DOCS": "true", "EXECUTION_PROFILE": "default"},
    },
    "13.2": {
        **{"API_KEYS": "", "MASTER_API_KEY": "", "AUTH_ENABLED": "true", "AUTH_BEARER_ENABLED": "true"},
        **{"AUTH_FAILURE_LIMIT": "10", "AUTH_FAILURE_WINDOW_SECONDS": "3600", "API_KEY_CACHE_TTL_SECONDS": "300"},
        **{"RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_EXEC": "", "RATE_LIMIT_UPLOAD": "", "RATE_LIMIT_DOWNLOAD": ""},
        **{"RATE_LIMIT_FETCH": "", "MAX_REQUEST_SIZE_MB": "150", "MAX_JSON_BODY_MB": "50"},
    },
    "13.3": {
        **{"MAX_EXECUTION_TIME": "30", "MAX_MEMORY_MB": "512", "MAX_OUTPUT_BYTES": "65536", "MAX_OUTPUT_FILES": "10"},
        **{"MAX_CONCURRENT_EXECUTIONS": "0", "SANDBOX_UID": "1001", "SANDBOX_TMPFS_SIZE_MB": "100"},
        **{"SANDBOX_TTL_MINUTES": "5", "SANDBOX_CLEANUP_INTERVAL_MINUTES": "5", "SANDBOX_POOL_ENABLED": "true"},
        **{"SANDBOX_POOL_WARMUP_ON_STARTUP": "true", "SANDBOX_POOL_PY": "2", "SANDBOX_POOL_PARALLEL_BATCH": "5"},
        **{"SANDBOX_POOL_REPLENISH_INTERVAL": "2", "SANDBOX_POOL_EXHAUSTION_TRIGGER": "true", "REPL_ENABLED": "true"},
        **{"REPL_WARMUP_TIMEOUT_SECONDS": "15", "ENABLE_NETWORK_ISOLATION": "true", "PTC_PAUSE_TTL_SECONDS": "600"},
        **{"ENABLE_FILESYSTEM_ISOLATION": "true", "PTC_MAX_ROUND_TRIPS": "50", "PTC_MAX_PAUSED": "100"},
    },
    "13.4": {
        **{"CONTAINER_MASK_HOST_INFO": "true", "CONTAINER_GENERIC_HOSTNAME": "sandbox", "ENABLE_WAN_ACCESS": "false"},
        **{"WAN_NETWORK_NAME": "code-interpreter-wan", "WAN_DNS_SERVERS": "8.8.8.8,1.1.1.1,8.8.4.4"},
        **{"ENABLE_SANDBOX_NETWORK": "false", "SANDBOX_EGRESS_PORT": "18443", "SANDBOX_EGRESS_ALLOWLIST": ""},
    },
    "13.5": {
        **{"MAX_FILE_SIZE_MB": "10", "MAX_FILES_PER_SESSION": "50", "MAX_FILENAME_LENGTH": "255", "FILENAME_STRICT": "true"},
        **{"ALLOWED_FILE_EXTENSIONS": "@seed", "BLOCKED_FILE_PATTERNS": "*.exe,*.dll,*.so,*.dylib,*.bin"},
        **{"AGENT_UPLOAD_BYPASS_EXTENSIONS": "true", "SESSION_TTL_HOURS": "24", "SESSION_CLEANUP_INTERVAL_MINUTES": "60"},
    },
    "13.6": {
        **{"STATE_PERSISTENCE_ENABLED": "true", "STATE_TTL_SECONDS": "7200", "STATE_MAX_SIZE_MB": "50"},
        **{"STATE_MAX_REDIS_SIZE_MB": "100", "STATE_CAPTURE_ON_ERROR": "false", "STATE_ARCHIVE_ENABLED": "true"},
        **{"STATE_ARCHIVE_AFTER_SECONDS": "3600", "STATE_ARCHIVE_TTL_DAYS": "7", "STATE_ARCHIVE_CHECK_INTERVAL_SECONDS": "300"},
    },
    "13.7": {
        **{"REDIS_HOST": "localhost", "REDIS_PORT": "6379", "REDIS_PASSWORD": "", "REDIS_DB": "0", "REDIS_URL": ""},
        **{"REDIS_MAX_CONNECTIONS": "20", "REDIS_SOCKET_TIMEOUT": "5", "REDIS_SOCKET_CONNECT_TIMEOUT": "5"},
        **{"S3_ENDPOINT": "localhost:3900", "S3_ACCESS_KEY": "", "S3_SECRET_KEY": "", "S3_SECURE": "false"},
        **{"S3_BUCKET": "code-interpreter-files", "S3_REGION": "garage"},
    },
    "13.8": {
        **{"LOG_LEVEL": "INFO", "LOG_FORMAT": "json", "LOG_FILE": "", "LOG_MAX_SIZE_MB": "100", "LOG_BACKUP_COUNT": "5"},
        **{"ENABLE_ACCESS_LOGS": "false", "ENABLE_SECURITY_LOGS": "true", "AUDIT_EVENT_BUFFER": "1000"},
        **{"METRICS_EXECUTION_RETENTION_DAYS": "90", "METRICS_DAILY_RETENTION_DAYS": "365"},
        **{"METRICS_AGGREGATION_INTERVAL_MINUTES": "60", "DETAILED_METRICS_ENABLED": "true"},
    },
    "X7": {
        **{"DATA_DIR": "/var/lib/codecell", "SANDBOX_ROOTFS": "/", "SANDBOX_DISK_MB": "512", "MAX_PROCESSES": "256"},
        **{"MAX_CPUS": "1.0", "MAX_QUEUED_EXECUTIONS": "256", "MAX_QUEUE_SECONDS": "30", "COMPILE_CACHE_MB": "512"},
    },
}


def configuration(program, directory, **env):
    env = {"PATH": os.environ["PATH"], "API_KEY": "a-key-of-32-characters-0123456789", **env}
    done = subprocess.run([program, "config"], env=env, cwd=directory, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done
    lines = [line.partition("  #")[0] for line in done.stdout.splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_defaults(program, tmp_path):
    """13.1, 13.2, 13.3, 13.4, 13.5, 13.6, 13.7, 13.8, X7: every variable, and what it is if nobody says."""
    shown = configuration(program, tmp_path)
    wrong = {
        f"{section} {name}": shown.get(name)
        for section, variables in DEFAULTS.items()
        for name, value in variables.items()
        if shown.get(name) != value
    }
    assert not wrong


@pytest.mark.needs_values("FILENAME_STRICT", "ALLOWED_FILE_EXTENSIONS", reason="looks at what they allow")
def test_a_librechat_deployment(program, tmp_path, client):
    """13.9: the recommended values are taken, and the server of these tests runs with them."""
    shown = configuration(program, tmp_path, **{k: v for k, v in LIBRECHAT.items() if k != "AUTH_FAILURE_LIMIT"})
    assert shown["MAX_EXECUTION_TIME"] == "120" and shown["ALLOWED_FILE_EXTENSIONS"] == "@extended"
    assert client.upload(("a name with spaces.zip", b"PK")).ids
    assert host.until(lambda: client.get("/health").status == 200, 1)


def test_results_that_cannot_be_stored(server_with):
    """10.9.8, X1: they are left out, the answer says so, and the run is what it was."""
    server = server_with()
    incoming = os.path.join(server.data_dir, "blobs", "incoming")
    with server.client() as client:
        os.chmod(incoming, 0)
        try:
            run = client.exec("echo a > a.txt; echo b > b.txt; echo out", "bash")
        finally:
            os.chmod(incoming, 0o700)
        assert run.stdout == "out\n" and run.outcome == "ok" and run.files == []
        assert run["artifact_delivery"] == {
            **{"code": "artifact_delivery_failed", "status": "failed", "attempted": 2, "delivered": 0, "failed": 2}
        }
        run = client.exec("echo a > a.txt", "bash")
        assert run.names() == ["a.txt"] and "artifact_delivery" not in run
