# SPDX-License-Identifier: Apache-2.0
"""`codecell selftest --attack` says DOWN of servers that have no walls. tests/attack/walls_selftest.py takes the walls of the
real one away; here are two that never had any: one that runs programs as they are, and one that praises everything."""

import http.server
import json
import os
import resource
import signal
import subprocess
import tempfile
import threading

import pytest

KEY = "no-walls-key-0123456789"
NOBODY = 65534
TIMEOUT_S = 20


def _no_rights():
    """What a test may not do without: the programs are hostile, and nothing else holds them."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _send(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/languages":
            self._send([{"code": code, "available": True} for code in ("py", "bash", "c", "cpp")])
        else:
            self._send({"ready": True, "root:": "x"})

    def do_DELETE(self):
        self._send({})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        self._send(self.server.run(request))


class Server(http.server.ThreadingHTTPServer):
    """Attributes: url. run(request) makes the answer to every POST."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, run):
        super().__init__(("127.0.0.1", 0), Answers)
        self.run = run
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, *_):
        """Clients of the self-test break off on purpose."""


def _answer(**fields):
    return {"session_id": "s", "files": [], "stdout": "", "stderr": "", "code": 0, "outcome": "ok", **fields}


def _run_as_it_is(request):
    """A program of the host's, with the rights of nobody."""
    with tempfile.TemporaryDirectory(prefix="codecell-test-", ignore_cleanup_errors=True) as home:
        os.chmod(home, 0o777)
        return _run_in(home, request)


def _run_in(home, request):
    command = {"py": ["/usr/bin/python3", "-c"], "bash": ["/bin/bash", "-c"]}[request["lang"]]
    process = subprocess.Popen(
        [*command, request["code"]],
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_no_rights,
    )
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return _answer(stdout=out, stderr=err, code=process.returncode, outcome="ok" if process.returncode == 0 else "error")


def _praise(request):
    """Says that all is well, whatever was asked."""
    if "still here" in request.get("code", ""):
        return _answer(stdout="still here\n")
    if "echo fine" in request.get("code", ""):
        return _answer(stdout="fine\n")
    files = [{"name": name, "id": name, "storage_session_id": "s"} for name in ("link00.txt", "fifo.txt")]
    return _answer(files=files)


@pytest.fixture
def selftest(program, tmp_path):
    """selftest(server, ids) returns the exit status and {id: [(verdict, evidence), ...]}."""

    def run(url, ids):
        report = tmp_path / "report.json"
        done = subprocess.run(
            [program, "selftest", "--attack", "--url", url, "--key", KEY, "--only", ids, "--json", str(report)],
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert report.exists(), done.stdout + done.stderr
        found = {}
        for case in json.loads(report.read_text())["cases"]:
            found.setdefault(case["id"], []).append((case["verdict"], case["evidence"]))
        return done.returncode, found

    return run


def _serve(run):
    server = Server(run)
    yield server.url
    server.shutdown()
    server.server_close()


@pytest.fixture
def bare():
    yield from _serve(_run_as_it_is)


@pytest.fixture
def praising():
    yield from _serve(_praise)


# Programs that nothing but this test's user and limits holds: only such as look, or ask for what they are not given.
HARMLESS = "K2,K5,K6,K7,K8,K15,K16,F13,R12,R20,N1,N10,C9"


def test_x09_programs_without_walls(selftest, bare):
    status, found = selftest(bare, HARMLESS)
    assert status == 1, found
    for case in ("K2", "K5", "K6", "K7", "K8", "K15", "K16", "F13", "N1", "N10"):
        assert "DOWN" in [verdict for verdict, _ in found[case]], (case, found[case])
    # The host's side too: of these programs it sees the rights and the namespaces that they have.
    kernel = [evidence for verdict, evidence in found["K7"] if "namespace" in evidence]
    assert kernel and "Seccomp: 0" in kernel[0] and "its net namespace is the host's" in kernel[0], found["K7"]
    # What needs no wall is no fault of theirs.
    assert found["R20"][0][0] == "held", found["R20"]


CLAIMED = "F1,F4,R1,R2,R4,R7,R10,R13,R18,C1,C5,C8,C10,C11,C16,C19"


def test_x09_a_server_that_praises(selftest, praising):
    """No limit is met, links are outputs, anybody may enter: every promise that an answer alone can show is broken."""
    status, found = selftest(praising, CLAIMED)
    assert status == 1
    good = {case: seen for case, seen in found.items() if "DOWN" not in [verdict for verdict, _ in seen]}
    assert not good, good


def test_x09_a_wall_is_down_though_the_report_is_lost(program, praising):
    command = [program, "selftest", "--attack", "--url", praising, "--key", KEY, "--only", "F1", "--json", "/dev/full"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1 and "DOWN" in done.stdout and "No space left" in done.stderr, done


def test_x09_a_report_that_does_not_come_is_no_verdict(selftest, praising):
    status, found = selftest(praising, "K2,K3,K5")
    assert status == 3
    assert {verdict for seen in found.values() for verdict, _ in seen} == {"NOT RUN"}, found


def test_x09_a_server_that_falls(selftest):
    """The attack kills the server: no answer to it, and none to the next request."""
    fallen = threading.Event()

    def run(request):
        if "r01" in request["code"] or "pthread" in request["code"]:
            fallen.set()
        if fallen.is_set():
            raise ConnectionAbortedError("as if it had died")
        return _praise(request)

    server = Server(run)
    try:
        status, found = selftest(server.url, "R1")
    finally:
        server.shutdown()
        server.server_close()
    assert status == 1
    assert "DOWN" in [verdict for verdict, _ in found["R1"]], found
