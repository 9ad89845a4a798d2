# SPDX-License-Identifier: Apache-2.0
"""http-api.md 7.4 and 7.5: sizes."""

import json
import time

import pytest

from support import multipart
from support.client import raw_connect, raw_request, read_reply
from support.server import Server


@pytest.fixture(scope="module")
def small(program):
    server = Server(
        {
            "AUTH_FAILURE_LIMIT": "0",
            "MAX_JSON_BODY_MB": "1",
            "MAX_REQUEST_SIZE_MB": "4",
            "MAX_FILE_SIZE_MB": "2",
            "MAX_FILES_PER_SESSION": "3",
        }
    )
    yield server
    server.stop()


@pytest.fixture
def tight(small):
    with small.client() as client:
        yield client


def _chunked(server, path, kind, total):
    """Sends total bytes without a declared length; returns the answer."""
    with raw_connect(server, 20) as sock:
        sock.sendall(
            b"POST "
            + path
            + b" HTTP/1.1\r\nHost: t\r\nx-api-key: "
            + server.key.encode()
            + b"\r\nContent-Type: "
            + kind
            + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        try:
            sock.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            for _ in range(total // 0x10000):
                sock.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            sock.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return read_reply(sock, "POST")
        except ConnectionResetError:
            return None


def test_json_body_limit(small, tight):
    """MAX_JSON_BODY_MB: on the declared length, and while reading; the limit itself is allowed."""
    body = json.dumps({"lang": "bash", "code": "echo x", "pad": ""}).encode()
    exact = body[:-2] + b"p" * (1048576 - len(body)) + b'"}'
    assert len(exact) == 1048576
    assert tight.request("POST", "/exec", body=exact, headers={"Content-Type": "application/json"}).status == 200
    reply = tight.request("POST", "/exec", body=exact + b" ", headers={"Content-Type": "application/json"})
    assert (
        reply.status == 413
        and reply.error == "Request body too large. Maximum size is 1MB"
        and reply.json["error_type"] == "resource_exhausted"
    ), reply
    reply = _chunked(small, b"/exec", b"application/json", 3 << 20)
    assert reply is None or reply.status == 413, reply


@pytest.mark.parametrize("length", [b"18446744073709551614", b"18446744073709551615", b"18446744073709551616"])
@pytest.mark.parametrize("path", [b"/exec", b"/upload", b"/nothing"])
def test_lengths_that_no_body_has(small, path, length):
    """7.4: answered at once, up to and beyond the largest number there is; the connection is closed."""
    start = time.monotonic()
    with raw_connect(small, 20) as sock:
        sock.sendall(
            b"POST %s HTTP/1.1\r\nHost: t\r\nx-api-key: %s\r\nContent-Length: %s\r\n\r\n{}"
            % (path, small.key.encode(), length)
        )
        reply = read_reply(sock, "POST")
        assert reply.status == (404 if path == b"/nothing" and length[-1:] != b"6" else 413), reply
        assert sock.recv(1) == b""
    assert time.monotonic() - start < 5


def test_any_body_limit(small, tight):
    """MAX_REQUEST_SIZE_MB: uploads as a whole."""
    start = time.monotonic()
    reply = raw_request(
        small,
        b"POST /upload HTTP/1.1\r\nHost: t\r\nx-api-key: "
        + small.key.encode()
        + b"\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 4194305\r\n\r\n",
    )
    assert reply.status == 413 and reply.error == "Request body too large. Maximum size is 4MB", reply
    assert time.monotonic() - start < 1
    reply = _chunked(small, b"/upload", b"multipart/form-data; boundary=b", 6 << 20)
    assert reply is None or reply.status in (400, 413), reply


def test_file_limit(tight):
    """MAX_FILE_SIZE_MB: a file of exactly N MiB is allowed, one byte more is 413 and stores nothing."""
    up = tight.upload(("exact.txt", b"x" * (2 << 20)))
    assert len(tight.download(up.session, up.id)) == 2 << 20
    reply = tight.upload_reply([multipart.file("ok.txt", b"x"), multipart.file("over.txt", b"x" * ((2 << 20) + 1))])
    assert reply.status == 413 and reply.error == "File over.txt exceeds maximum size of 2MB", reply


def test_file_count(tight):
    """MAX_FILES_PER_SESSION."""
    assert tight.upload(*[(f"{i}.txt", b"x") for i in range(3)])["message"] == "success"
    reply = tight.upload_reply([multipart.file(f"{i}.txt", b"x") for i in range(4)])
    assert reply.status == 413 and reply.error == "Too many files. Maximum 3 files allowed", reply
    reply = tight.upload_reply([multipart.file(f"{i}.txt", b"x") for i in range(4)], "/upload/batch")
    assert reply.status == 413 and reply.error == "Too many files in batch. Maximum 3 files allowed per upload.", reply


def test_defaults(default_server):
    """7.4: 10 MB a file, 50 files, by default."""
    with default_server.client() as client:
        assert client.upload(("x.txt", b"x" * (10 << 20)))["message"] == "success"
        reply = client.upload_reply([multipart.file("x.txt", b"x" * ((10 << 20) + 1))])
        assert reply.status == 413 and reply.error == "File x.txt exceeds maximum size of 10MB", reply
        reply = client.upload_reply([multipart.file(f"{i}.txt", b"x") for i in range(51)])
        assert reply.status == 413 and "Maximum 50 files" in reply.error, reply


def test_large_source(client):
    """7.5: the source has no limit of its own."""
    run = client.exec("x = 1\n" * 100_000 + "print(x)", "py")
    assert run.outcome == "ok" and run.stdout == "1\n", run.stderr[-500:]
    run = client.exec("# " + "x" * 5_000_000 + "\nprint('long')", "py")
    assert run.outcome == "ok" and run.stdout == "long\n", run.stderr[-500:]


@pytest.mark.needs_values("MAX_FILE_SIZE_MB", reason="the rule names a file of 50 MB")
def test_upload_times(client):
    """F1 (pinned): 100 KB within 10 s, 50 MB within 120 s."""
    start = time.monotonic()
    client.upload(("x.txt", b"x" * 100_000))
    assert time.monotonic() - start < 10
    start = time.monotonic()
    up = client.upload(("x.txt", b"x" * (50 << 20)))
    assert time.monotonic() - start < 120
    run = client.exec("wc -c < x.txt", "bash", files=[up.reference()])
    assert run.stdout == f"{50 << 20}\n"
