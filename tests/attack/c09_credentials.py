# SPDX-License-Identifier: Apache-2.0
"""C9: no credential of the server can be found inside a cell: in the environment, command lines, files or memory."""

import pytest

from support import guest, host
from support.server import LIBRECHAT, Server

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "c09-secret-aws",
    "HF_TOKEN": "c09-secret-hf",
    "REDIS_URL": "redis://:c09-secret-redis@localhost/0",
    "REDIS_PASSWORD": "c09-secret-redispw",
    "S3_SECRET_KEY": "c09-secret-s3",
    "MASTER_API_KEY": "c09-secret-master-key-0123456789",
    "API_KEYS": "c09-secret-other-key-0123456789",
}

# A marker is spelt in two halves, so that the program's own source does not contain it.
SEARCH = """
needles = [(a + b).encode() for a, b in PAIRS]
found = []
def look(where, data):
    for needle in needles:
        if needle in data: found.append([where, needle.decode()])
for k, v in os.environ.items(): look("env " + k, v.encode())
for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
    for what in ("environ", "cmdline", "maps", "auxv", "comm"):
        try: look("/proc/%s/%s" % (pid, what), open("/proc/%s/%s" % (pid, what), "rb").read())
        except OSError: pass
    if int(pid) == os.getpid(): continue
    try:
        with open("/proc/%s/mem" % pid, "rb", 0) as memory:
            for line in open("/proc/%s/maps" % pid):
                start, end = (int(x, 16) for x in line.split()[0].split("-"))
                if line.split()[1][0] == "r" and end - start < 64 << 20:
                    try:
                        memory.seek(start); look("/proc/%s/mem" % pid, memory.read(end - start))
                    except (OSError, OverflowError, ValueError): pass
    except OSError: pass
readable = 0
for root, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(root, f) not in ("/proc", "/sys", "/dev", "/usr")]
    for file in files:
        path = os.path.join(root, file)
        try:
            if stat.S_ISREG(os.lstat(path).st_mode) and os.path.getsize(path) < 16 << 20 and not path.startswith("/run/build"):
                look(path, open(path, "rb").read()); readable += 1
        except OSError: pass
memory = dict(init=attempt(lambda: open("/proc/1/mem", "rb").read(1)), environ=attempt(lambda: open("/proc/1/environ", "rb").read(1)),
              parent=attempt(lambda: open("/proc/%d/mem" % os.getppid(), "rb").read(1)), dumpable=sc("prctl", 3, 0, 0, 0, 0))
tell(dict(found=found, readable=readable, memory=memory))
"""


@pytest.fixture(scope="module")
def with_secrets(program):
    server = Server({**LIBRECHAT, **SECRETS})
    yield server
    server.stop()


def test_c09_none_inside(with_secrets):
    server = with_secrets
    pairs = [["c09-sec", "ret"], [server.key[:12], server.key[12:]], [server.data_dir[:8], server.data_dir[8:]]]
    with server.client() as client:
        run = client.exec(guest.py(f"PAIRS = {pairs!r}\n" + SEARCH), "py", timeout=60000)
    assert run.outcome == "ok", dict(run)
    told = run.result()
    assert told["found"] == [], told
    # PID 1 is a fork of the server's privileged half: its memory and environment are out of reach.
    assert (
        not told["memory"]["init"].startswith("ok")
        and not told["memory"]["environ"].startswith("ok:b'")
        or told["memory"]["environ"] == "ok:b''"
    ), told


def test_c09_not_in_answers_or_logs(with_secrets):
    server = with_secrets
    with server.client() as client:
        texts = [
            client.get(path).body.decode("utf-8", "replace")
            for path in ("/health", "/ready", "/languages", "/health/detailed", "/config", "/nothing")
        ]
        texts += [client.get("/files/x", key="wrong-" + "k" * 30).text, client.post("/exec", {}).text]
    log = server.log()
    for secret in ("c09-secret", server.key):
        assert not any(secret in text for text in texts), secret
        assert secret not in log, secret
    assert "wrong-" + "k" * 30 not in log


def test_c09_command_lines_on_the_host(with_secrets):
    server = with_secrets
    for pid in [server.pid] + host.descendants(server.pid):
        assert server.key not in " ".join(host.command_line(pid)) and "c09-secret" not in " ".join(
            host.command_line(pid)
        ), pid


def test_c09_environment_of_the_api(with_secrets):
    """Nothing of the operator's, and what bounds the memory that the C library keeps for each thread."""
    environment = host.read(f"/proc/{with_secrets.api_pid}/environ").split("\0")
    assert {entry.partition("=")[0] for entry in environment if entry} == {"PATH", "LC_ALL", "GLIBC_TUNABLES"}
    assert "GLIBC_TUNABLES=glibc.malloc.tcache_count=0" in environment


def test_c09_source_and_answers_stay_out_of_the_log(with_secrets):
    server = with_secrets
    with server.client() as client:
        client.exec("echo c09-private-output # c09-private-source", "bash", args=["c09-private-argument"])
        client.upload(("x.txt", b"c09-private-contents"))
    assert "c09-private" not in server.log()
