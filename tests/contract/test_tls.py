# SPDX-License-Identifier: Apache-2.0
"""http-api.md 1.9: with a certificate the port speaks TLS and nothing else; a demanded file that is missing stops the start."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile

import pytest

from support import host
from support.need import require
from support.server import PROGRAM


def make_certificate(place, name="cert", days=2):
    """(certificate, key): self-signed, for 127.0.0.1; the key readable by root only."""
    cert, key = os.path.join(place, f"{name}.pem"), os.path.join(place, f"{name}-key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]
    subprocess.run(command, check=True, capture_output=True)
    os.chmod(key, 0o600)
    return cert, key


@pytest.fixture(scope="module")
def place():
    require(shutil.which("openssl"), "openssl, to make a certificate")
    with tempfile.TemporaryDirectory(prefix="codecell-test-tls-") as path:
        os.chmod(path, 0o755)
        yield path


@pytest.fixture(scope="module")
def certificate(place):
    return make_certificate(place)


def start(server_with, certificate, **env):
    server = server_with(wait=False, SSL_CERT_FILE=certificate[0], SSL_KEY_FILE=certificate[1], **env)
    context = ssl.create_default_context(cafile=certificate[0])

    def ready():
        try:
            return request(server, context, "GET", "/ready")[0] == 200
        except OSError:
            return False

    assert host.until(ready, 60, 0.05), server.log_tail()
    return server, context


def request(server, context, method, path, body=None):
    connection = http.client.HTTPSConnection(server.host, server.port, timeout=20, context=context)
    try:
        connection.request(
            method, path, body=body, headers={"x-api-key": server.key, "Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("enabled", ["true", None])
def test_speaks_tls(server_with, certificate, enabled):
    """1.9: ENABLE_HTTPS=true, or unset and both files there."""
    server, context = start(server_with, certificate, ENABLE_HTTPS=enabled)
    status, run = request(
        server, context, "POST", "/exec", json.dumps({"lang": "bash", "code": "sleep 3.2; echo over TLS"})
    )
    assert status == 200 and run["stdout"] == "over TLS\n", run
    with socket.create_connection((server.host, server.port), timeout=3) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
        try:
            assert not sock.recv(100).startswith(b"HTTP/1.1 200"), "plain HTTP on a TLS port"
        except (ConnectionResetError, socket.timeout):
            pass
    # C12: a stream of broken handshakes does no harm.
    for junk in (b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + os.urandom(500), os.urandom(300), b""):
        with socket.create_connection((server.host, server.port), timeout=3) as sock:
            sock.sendall(junk)
    assert request(server, context, "GET", "/health")[0] == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_protocols_are_refused(server_with, certificate):
    """Nothing below TLS 1.2."""
    server, context = start(server_with, certificate, ENABLE_HTTPS="true")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        with socket.create_connection((server.host, server.port), timeout=5) as sock, old.wrap_socket(sock) as wrapped:
            wrapped.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
            assert not wrapped.recv(10)
            raise OSError("closed")
    assert request(server, context, "GET", "/health")[0] == 200


@pytest.mark.parametrize("missing", ["SSL_CERT_FILE", "SSL_KEY_FILE"])
def test_missing_files_stop_the_start(server_with, certificate, missing):
    """1.9: demanded and absent."""
    files = {"SSL_CERT_FILE": certificate[0], "SSL_KEY_FILE": certificate[1], missing: "/nothing/here.pem"}
    server = server_with(wait=False, ENABLE_HTTPS="true", **files)
    assert server.wait_exit(15) != 0
    assert missing in server.log(), server.log()
    assert "PRIVATE KEY" not in server.log()


def test_off(server_with, certificate):
    """1.9: ENABLE_HTTPS=false wins over files that exist."""
    server = server_with(ENABLE_HTTPS="false", SSL_CERT_FILE=certificate[0], SSL_KEY_FILE=certificate[1])
    with server.client() as client:
        assert client.get("/health").status == 200


# ---- reload ----


def shown(server):
    """The certificate that the server shows to a new connection, as PEM."""
    return ssl.get_server_certificate((server.host, server.port))


def pem(path):
    """The certificate of a file in the form of shown()."""
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(host.read(path)))


def put(source, target):
    """Puts a pair of files in the place of another, as a renewal does: by rename."""
    for old, new in zip(target, source, strict=True):
        shutil.copy2(new, old + ".new")
        os.rename(old + ".new", old)


@pytest.fixture
def renewable(place):
    """The files a server is started with, and another pair to replace them by."""
    return make_certificate(place, "live"), make_certificate(place, "other")


def test_reload_drops_nothing(server_with, renewable):
    """A connection from before goes on, one from after sees the new certificate, an execution in between ends."""
    live, other = renewable
    server, context = start(server_with, live)
    first = pem(live[0])
    assert shown(server) == first
    kept = http.client.HTTPSConnection(server.host, server.port, timeout=30, context=context)
    headers = {"x-api-key": server.key, "Content-Type": "application/json"}
    kept.request("POST", "/exec", body=json.dumps({"lang": "bash", "code": "sleep 2; echo done"}), headers=headers)
    put(other, live)
    os.kill(server.pid, signal.SIGHUP)
    assert host.until(lambda: shown(server) == pem(other[0]), 10, 0.05), server.log_tail()
    assert json.loads(kept.getresponse().read())["stdout"] == "done\n"
    kept.request("GET", "/health")
    assert kept.getresponse().status == 200
    kept.close()
    assert request(server, ssl.create_default_context(cafile=other[0]), "GET", "/health")[0] == 200
    assert "certificate read again" in server.log()


def test_a_bad_renewal_changes_nothing(server_with, renewable):
    live, other = renewable
    server, context = start(server_with, live)
    first = pem(live[0])
    shutil.copy2(other[1], live[1])  # a key that is not that of the certificate
    os.kill(server.pid, signal.SIGHUP)
    assert host.until(lambda: "the key is not that of the certificate" in server.log(), 10, 0.05), server.log_tail()
    assert shown(server) == first and request(server, context, "GET", "/health")[0] == 200
    os.remove(live[1])
    os.kill(server.pid, signal.SIGHUP)
    assert host.until(lambda: "No such file" in server.log(), 10, 0.05), server.log_tail()
    assert shown(server) == first
    assert "PRIVATE KEY" not in server.log()


def test_a_renewed_certificate_survives_the_api(server_with, renewable):
    """The api that is started again after a crash shows what the last signal brought."""
    live, other = renewable
    server, _ = start(server_with, live)
    put(other, live)
    os.kill(server.pid, signal.SIGHUP)
    assert host.until(lambda: shown(server) == pem(other[0]), 10, 0.05), server.log_tail()
    os.kill(server.api_pid, signal.SIGKILL)

    def again():
        try:
            return shown(server) == pem(other[0])
        except OSError:
            return False

    assert host.until(again, 30, 0.1), server.log_tail()


def test_many_signals_in_a_row(server_with, renewable):
    live, _ = renewable
    server, context = start(server_with, live)
    for _ in range(300):
        os.kill(server.pid, signal.SIGHUP)
    assert request(server, context, "GET", "/health")[0] == 200
    assert server.process.poll() is None


# ---- doctor ----


def doctor(certificate, key, **variables):
    done = subprocess.run(
        [PROGRAM, "doctor"],
        env={"PATH": os.environ["PATH"], "SSL_CERT_FILE": certificate, "SSL_KEY_FILE": key, "ENABLE_HTTPS": "true", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return [line.split(None, 2) for line in done.stdout.splitlines() if " tls " in line][0]


def test_doctor_looks_at_the_certificate(renewable):
    live, other = renewable
    status, _, text = doctor(*live)
    assert status == "warn" and re.search("expires in [12] days", text), text
    status, _, text = doctor(live[0], other[1])
    assert status == "FAIL" and "the key is not that of the certificate" in text, text
    status, _, text = doctor(live[1], live[1])
    assert status == "FAIL" and "cannot be read" in text, text
    status, _, text = doctor("/nothing/here.pem", live[1])
    assert status == "FAIL" and "SSL_CERT_FILE" in text, text


def test_files_that_are_not_there_are_told(server_with, renewable):
    """1.9: without ENABLE_HTTPS that means plain HTTP, but never in silence, and not to who wants to see certificates."""
    live, _ = renewable
    status, _, text = doctor("/nothing/here.pem", live[1], ENABLE_HTTPS="")
    assert status == "warn" and "/nothing/here.pem" in text and "plain HTTP" in text, text
    status, _, text = doctor("/nothing/here.pem", live[1], ENABLE_HTTPS="false")
    assert status == "ok", text
    files = {"SSL_CERT_FILE": "/nothing/here.pem", "SSL_KEY_FILE": live[1]}
    server = server_with(**files)
    with server.client() as client:
        assert client.get("/health").status == 200 and "/nothing/here.pem" in server.log()
    server = server_with(wait=False, SSL_CA_CERTS=live[0], **files)
    assert server.wait_exit(15) == 78 and "SSL_CA_CERTS" in server.log(), server.log()


def test_doctor_is_content_with_a_good_one(place):
    status, _, text = doctor(*make_certificate(place, "long", days=90))
    assert status == "ok" and re.search("(89|90) more days", text), text


def test_without_a_client_certificate(server_with, certificate):
    """1.9, S5.2: nobody gets in, and whoever tries with a key leaves a trace."""
    tls = {"ENABLE_HTTPS": "true", "SSL_CERT_FILE": certificate[0], "SSL_KEY_FILE": certificate[1]}
    server = server_with(wait=False, SSL_CA_CERTS=certificate[0], **tls)
    context = ssl.create_default_context(cafile=certificate[0])

    def refused():
        try:
            return request(server, context, "GET", "/files/x")[0] == 403
        except OSError:
            return False

    assert host.until(refused, 60, 0.05), server.log_tail()
    assert request(server, context, "GET", "/health")[0] == 403
    assert host.until(lambda: server.events("authentication"), 5)
    event = server.events("authentication")[-1]
    assert event["success"] is False and event["api_key_prefix"] == server.key[:6] + "...", event
    assert event["endpoint"] == "GET /files/x" and event["reason"] == "A valid client certificate is required", event


def test_client_authorities_that_are_none_stop_the_start(server_with, place):
    """No client would get in."""
    certificate, key = make_certificate(place, "live", days=90)
    garbage = os.path.join(place, "garbage.pem")
    with open(garbage, "w") as file:
        file.write("no certificate\n")
    status, _, text = doctor(certificate, key, SSL_CA_CERTS=garbage)
    assert status == "FAIL" and "SSL_CA_CERTS" in text, text
    tls = {"ENABLE_HTTPS": "true", "SSL_CERT_FILE": certificate, "SSL_KEY_FILE": key, "SSL_CA_CERTS": garbage}
    server = server_with(wait=False, **tls)
    assert server.wait_exit(15) == 78 and "SSL_CA_CERTS" in server.log(), server.log()


def test_a_key_of_another_certificate_stops_the_start(server_with, renewable):
    live, other = renewable
    server = server_with(wait=False, ENABLE_HTTPS="true", SSL_CERT_FILE=live[0], SSL_KEY_FILE=other[1])
    assert server.wait_exit(15) == 78
    assert "the key is not that of the certificate" in server.log()
