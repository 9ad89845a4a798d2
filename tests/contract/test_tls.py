# SPDX-License-Identifier: Apache-2.0
"""http-api.md 1.9: with a certificate the port speaks TLS and nothing else; a demanded file that is missing stops the start."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile

import pytest

from support import host
from support.need import require


@pytest.fixture(scope="module")
def certificate():
    """(certificate, key): self-signed, for 127.0.0.1; the key readable by root only."""
    require(shutil.which("openssl"), "openssl, to make a certificate")
    place = tempfile.mkdtemp(prefix="codecell-test-tls-")
    os.chmod(place, 0o755)
    cert, key = os.path.join(place, "cert.pem"), os.path.join(place, "key.pem")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            cert,
        ],
        check=True,
        capture_output=True,
    )
    os.chmod(key, 0o600)
    yield cert, key
    shutil.rmtree(place)


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
