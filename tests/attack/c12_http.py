# SPDX-License-Identifier: Apache-2.0
"""C12: malformed, ambiguous, slow and oversized HTTP is bounded and answered 4xx, or the connection is closed; the server goes on."""

import http.client
import json
import os
import random
import socket
import time

import pytest

from support import host, multipart
from support.client import exec_bytes, in_threads, raw_connect, raw_request, read_reply

OK_BODY = b'{"lang":"bash","code":"echo smuggled"}'


def _head(server, *lines, path=b"/exec", version=b"HTTP/1.1"):
    return (
        b"POST "
        + path
        + b" "
        + version
        + b"\r\nHost: t\r\nx-api-key: "
        + server.key.encode()
        + b"\r\n"
        + b"".join(line + b"\r\n" for line in lines)
        + b"\r\n"
    )


def _refused(reply):
    return reply is None or 400 <= reply.status < 500


@pytest.fixture(autouse=True)
def _flat_memory(server):
    """No attack of this file may leave the api with more than a few MiB."""
    before = host.rss_kib(server.api_pid)
    yield
    host.until(lambda: host.rss_kib(server.api_pid) - before < 16 * 1024, 5, 0.1)
    assert host.rss_kib(server.api_pid) - before < 32 * 1024


# Both frame the body differently; taking either silently is how requests are smuggled.
AMBIGUOUS = {
    "both lengths": [b"Content-Length: 4", b"Transfer-Encoding: chunked"],
    "two lengths": [b"Content-Length: 4", b"Content-Length: 38"],
    "list of lengths": [b"Content-Length: 4, 38"],
    "negative length": [b"Content-Length: -1"],
    "plus length": [b"Content-Length: +38"],
    "hex length": [b"Content-Length: 0x26"],
    "empty length": [b"Content-Length:"],
    "huge length": [b"Content-Length: 99999999999999999999999999"],
    "overflowing length": [b"Content-Length: 18446744073709551617"],
    "text length": [b"Content-Length: abc"],
    "chunked twice": [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
    "unknown coding": [b"Transfer-Encoding: xchunked"],
    "coding list": [b"Transfer-Encoding: gzip, chunked"],
}


@pytest.mark.parametrize("way", sorted(AMBIGUOUS))
def test_c12_ambiguous_framing(attack, way):
    """Either refused, or the connection is not used again: what follows the body is never run as a second request."""
    server = attack.server
    second = b"GET /health HTTP/1.1\r\nHost: smuggled\r\n\r\n"
    with raw_connect(server, 1.5) as sock:
        sock.sendall(_head(server, b"Content-Type: application/json", *AMBIGUOUS[way]) + b"0\r\n\r\n" + second)
        try:
            first = read_reply(sock, "POST")
            follow = read_reply(sock, "GET") if first is not None else None
        except (socket.timeout, ConnectionError):
            return
    assert _refused(first), first
    assert follow is None or follow.status != 200, (way, first, follow)


def test_c12_header_injection_and_garbage(attack):
    server = attack.server
    samples = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200),
        b"\0" * 1000,
        b"GET\r\n\r\n",
        b"GET / \r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"get / http/1.1\r\n\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost\r\n\r\n",
        b"GET /health HTTP/1.1\r\n: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX-Api-Key : x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://evil/health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"A" * 100000,
        b"\r\n" * 5000,
        b"GET /health HTTP/1.1\nHost: x\n\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"\x01\x02\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: x\r\nx-api-key: y\r\n\r\n",
    ]
    generator = random.Random(12)
    samples += [bytes(generator.randrange(256) for _ in range(generator.randrange(1, 2000))) for _ in range(30)]
    for sample in samples:
        reply = raw_request(server, sample, timeout=0.3)
        assert reply is None or reply.status < 500 or reply.status in (501, 505), (sample[:60], reply)
    reply = raw_request(server, b"GET /files/x HTTP/1.1\r\nHost: x\r\nx-api-key: a\r\nInjected: yes\r\n\r\n")
    assert reply.status == 401 and reply.header("injected") is None


def test_c12_header_limits(attack):
    server = attack.server
    assert _refused(
        raw_request(server, b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70000 + b"\r\n\r\n", timeout=5)
    )
    assert _refused(
        raw_request(
            server,
            b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(20000)) + b"\r\n",
            timeout=5,
        )
    )
    assert _refused(raw_request(server, b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", timeout=5))
    with raw_connect(server, 10) as sock:  # a header that never ends
        try:
            for _ in range(200):
                sock.sendall(b"X-Endless: " + b"a" * 60000)
        except (BrokenPipeError, ConnectionResetError):
            pass


COOKIES = {"one": b"a=" + b"b" * 50000, "larger": b"a=" + b"b" * 64000, "many": b"a=b; " * 6000, "more": b"a=b; " * 12000}


@pytest.mark.parametrize("cookies", COOKIES.values(), ids=COOKIES)
def test_c12_cookies(attack, cookies):
    """Nobody here reads them, but the library takes them apart, in memory that their connection may not have."""
    server, api = attack.server, attack.server.api_pid
    head = b"GET /health HTTP/1.1\r\nCookie: " + cookies + b"\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    assert _refused(raw_request(server, head, timeout=5))
    with server.client() as client:
        assert client.exec("echo 42", "bash").stdout == "42\n"
    assert server.api_pid == api


def test_c12_slow_loris(attack):
    """Hundreds of half-sent requests: others are served as if they were not there."""
    server = attack.server
    socks = []
    try:
        for number in range(300):
            sock = raw_connect(server, 5)
            if number % 3 == 0:
                sock.sendall(b"POST /exec HTTP/1.1\r\nHost: t\r\nX-Slow: ")
            elif number % 3 == 1:
                sock.sendall(_head(server, b"Content-Type: application/json", b"Content-Length: 1000") + b"{")
            else:
                sock.sendall(b"G")
            socks.append(sock)
        for _ in range(5):
            for sock in socks[::7]:
                try:
                    sock.sendall(b"a")
                except OSError:
                    pass
            start = time.monotonic()
            assert attack.exec("echo quick", "bash").stdout == "quick\n"
            assert time.monotonic() - start < 1.5
        with server.client() as client:
            start = time.monotonic()
            assert client.get("/health").status == 200 and time.monotonic() - start < 1
    finally:
        for sock in socks:
            sock.close()
    assert host.until(lambda: host.fd_count(server.api_pid) < 200, 5)


def _is_refused(server):
    """Whether the server closes a new connection on which nothing was sent."""
    with raw_connect(server, 2) as sock:
        try:
            return sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False


def test_c12_one_address_cannot_take_all_connections(server_with):
    """The sixth of five is closed at once; other addresses, and the same one later, get in."""
    server = server_with(MAX_CONNECTIONS_PER_ADDRESS="5", TRUSTED_PROXIES="192.0.2.1")
    assert host.until(lambda: not _connections(server), 10, 0.05)
    held = [raw_connect(server) for _ in range(5)]
    try:
        assert host.until(lambda: len(_connections(server)) == 5, 10, 0.05)
        assert host.until(lambda: _is_refused(server), 20)  # accepted at the same moment it might still pass
        with socket.create_connection((server.host, server.port), timeout=10, source_address=("127.0.0.2", 0)) as sock:
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.1 200"
    finally:
        for sock in held:
            sock.close()
    assert host.until(lambda: _answers(server), 10, 0.05)


def _connections(server):
    """Sockets of the api on its own port that are connections."""
    port = f":{server.port:04X}"
    rows = [line.split() for line in host.read("/proc/net/tcp").splitlines()[1:]]
    return [row for row in rows if row[1].endswith(port) and row[3] == "01" and row[9] != "0"]


def _answers(server):
    try:
        with server.client(timeout=5) as client:
            return client.get("/health").status == 200
    except OSError:
        return False


def test_c12_proxies_may_hold_many(server_with):
    server = server_with(MAX_CONNECTIONS_PER_ADDRESS="5", TRUSTED_PROXIES="127.0.0.1")
    held = [raw_connect(server) for _ in range(20)]
    try:
        assert _answers(server)
    finally:
        for sock in held:
            sock.close()


def test_c12_chunks(attack):
    server = attack.server
    head = _head(server, b"Content-Type: application/json", b"Transfer-Encoding: chunked")

    def chunked(size):
        return (
            b"".join(
                b"%x\r\n%s\r\n" % (len(OK_BODY[i : i + size]), OK_BODY[i : i + size])
                for i in range(0, len(OK_BODY), size)
            )
            + b"0\r\n\r\n"
        )

    good = raw_request(server, head + chunked(1))
    assert good.status == 200 and good.json["stdout"] == "smuggled\n", good
    for bad in (
        b"zz\r\n",
        b"-1\r\n",
        b"ffffffffffffffffffff\r\n",
        b"8000000000000000\r\nx",
        b"5\r\nabc",
        b" 5\r\nabcde\r\n0\r\n\r\n",
        b"5 5\r\nabcde\r\n0\r\n\r\n",
    ):
        reply = raw_request(server, head + bad + b"\r\n0\r\n\r\n", timeout=2)
        assert reply is None or 400 <= reply.status < 500, (bad, reply)
    extension = raw_request(server, head + b"26;x=" + b"y" * 100000 + b"\r\n" + OK_BODY + b"\r\n0\r\n\r\n", timeout=3)
    assert extension is None or extension.status in (200, 400, 413, 431), extension
    with raw_connect(server, 5) as sock:  # a body of one-byte chunks that never ends
        sock.sendall(head)
        start = time.monotonic()
        try:
            while time.monotonic() - start < 2:
                sock.sendall(b"1\r\n \r\n" * 1000)
        except (BrokenPipeError, ConnectionResetError):
            pass


def test_c12_declared_giant(attack):
    """A gigabyte is refused on its declared length, before a byte of it."""
    server = attack.server
    for kind in (b"application/json", b"multipart/form-data; boundary=b"):
        path = b"/exec" if b"json" in kind else b"/upload"
        start = time.monotonic()
        reply = raw_request(
            server, _head(server, b"Content-Type: " + kind, b"Content-Length: 1073741824", path=path) + b"{", timeout=5
        )
        assert reply is not None and reply.status == 413, reply
        assert time.monotonic() - start < 1


def test_c12_undeclared_giant(attack):
    """And while it is read, when it comes in chunks."""
    server = attack.server
    with raw_connect(server, 10) as sock:
        sock.sendall(_head(server, b"Content-Type: application/json", b"Transfer-Encoding: chunked"))
        block = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        sent = 0
        try:
            while sent < 80:
                sock.sendall(block)
                sent += 1
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            sock.sendall(b"0\r\n\r\n")
        try:
            reply = read_reply(sock, "POST")
        except (ConnectionResetError, socket.timeout):
            reply = None
    assert reply is None or reply.status == 413, reply


JSON = {
    "deep list": b'{"lang":"bash","code":"echo x","args":' + b"[" * 100000 + b"]" * 100000 + b"}",
    "deep object": b'{"lang":"bash","code":"echo x","args":' + b'{"a":' * 100000 + b"1" + b"}" * 100000 + b"}",
    "only brackets": b"[" * 1000000,
    "no end": b'{"lang":"bash","code":"',
    "empty": b"",
    "bare value": b'"text"',
    "number": b"1e999999999",
    "list": b"[]",
    "null": b"null",
    "not utf-8": b'{"lang":"bash","code":"\xff\xfe"}',
    "overlong": b'{"lang":"bash","code":"\xc0\x80"}',
    "lone surrogate": b'{"lang":"bash","code":"echo \\ud800"}',
    "reversed pair": b'{"lang":"bash","code":"echo \\udc00\\ud800"}',
    "raw nul": b'{"lang":"bash","code":"echo \0"}',
    "raw newline": b'{"lang":"bash","code":"echo \n"}',
    "trailing": b'{"lang":"bash","code":"echo x"} trailing',
    "two documents": b'{"lang":"bash","code":"echo x"}{"lang":"bash","code":"echo y"}',
    "comment": b'{"lang":"bash",/* x */"code":"echo x"}',
    "single quotes": b"{'lang':'bash','code':'echo x'}",
    "nan": b'{"lang":"bash","code":"echo x","timeout":NaN}',
    "utf-16": '{"lang":"bash","code":"echo x"}'.encode("utf-16"),
}


@pytest.mark.parametrize("way", sorted(JSON))
def test_c12_json(attack, way):
    reply = attack.request("POST", "/exec", body=JSON[way], headers={"Content-Type": "application/json"})
    assert reply.status in (400, 422), reply
    assert reply.json["error_type"] == "validation" and reply.error, reply


def test_c12_json_that_is_fine(attack):
    """A byte order mark is refused or skipped; duplicate keys take one meaning; NUL in code reaches the program or is refused."""
    bom = attack.request("POST", "/exec", body=b"\xef\xbb\xbf" + OK_BODY, headers={"Content-Type": "application/json"})
    assert bom.status in (200, 400, 422), bom
    twice = attack.request(
        "POST",
        "/exec",
        body=b'{"lang":"bash","code":"echo one","code":"echo two"}',
        headers={"Content-Type": "application/json"},
    )
    assert twice.status in (200, 400, 422) and (
        twice.status != 200 or twice.json["stdout"] in ("one\n", "two\n")
    ), twice
    nul = attack.exec_reply("print('a')\0\nprint('b')", "py")
    assert nul.status in (200, 400, 422), nul
    if nul.status == 200:
        assert nul.json["outcome"] == "error" and "null byte" in nul.json["stderr"], nul  # Python's own words
    keys = attack.request(
        "POST",
        "/exec",
        body=json.dumps({"lang": "bash", "code": "echo x", **{"k%d" % i: i for i in range(100000)}}).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert keys.status in (200, 400, 413, 422), keys


def test_c12_hash_collisions_and_wide_lists(attack):
    start = time.monotonic()
    reply = attack.post(
        "/exec",
        {
            "lang": "bash",
            "code": "echo x",
            "files": [{"id": str(i), "storage_session_id": "s", "name": f"n{i}"} for i in range(50000)],
        },
    )
    assert reply.status in (200, 400, 413, 422), reply
    assert time.monotonic() - start < 10


def test_c12_multipart(attack):
    server = attack.server
    many = multipart.encode([multipart.file(f"f{i}.txt", b"") for i in range(10000)])
    reply = attack.request("POST", "/upload", body=many, headers={"Content-Type": multipart.content_type()})
    assert reply.status == 413, reply
    fields = multipart.encode([multipart.field(f"x{i}", "y") for i in range(20000)])
    reply = attack.request("POST", "/upload", body=fields, headers={"Content-Type": multipart.content_type()})
    assert reply.status in (400, 413, 422), reply
    bodies = [
        b"",
        b"--",
        b"--b",
        b"--b--",
        b"--b\r\n",
        b"--b\r\n\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.txt"\r\n\r\ndata',
        b"\r\n--b--\r\n" * 1000,
        b"--b\r\n" + b"X: y\r\n" * 10000 + b"\r\n\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: " + b"a" * 200000 + b"\r\n\r\n--b--",
        b"--b\r\n" * 50000,
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data; name=\r\n\r\nx\r\n--b--\r\n",
        os.urandom(5000),
    ]
    for body in bodies:
        for kind in (
            b"multipart/form-data; boundary=b",
            b"multipart/form-data",
            b"multipart/form-data; boundary=",
            b'multipart/form-data; boundary="b',
            b"multipart/form-data; boundary=" + b"b" * 5000,
        ):
            reply = raw_request(
                server,
                _head(server, b"Content-Type: " + kind, b"Content-Length: %d" % len(body), path=b"/upload") + body,
                timeout=3,
            )
            assert _refused(reply), (body[:60], kind[:60], reply)


def test_c12_boundary_tricks(attack):
    """A boundary inside the data, with and without what makes it one."""
    data = b"--x\r\n--codecell-contract-boundar\r\n\r\n-codecell-contract-boundary\r\n\r-\n--\r\n--codecell"
    up = attack.upload(("x.txt", data), ("y.txt", b"\r\n"), ("z.txt", b"\r\n--"))
    assert [attack.download(up.session, each) for each in up.ids] == [data, b"\r\n", b"\r\n--"]
    # A line that only begins like a boundary is data for some readers and an error for others; never two parts.
    almost = b'one\r\n--codecell-contract-boundaryX\r\nContent-Disposition: form-data; name="file"; filename="evil.txt"\r\n\r\ntwo'
    reply = attack.upload_reply([multipart.file("x.txt", almost)])
    assert reply.status == 400 or [entry["filename"] for entry in reply.json["files"]] == ["x.txt"], reply


def test_c12_range_and_old_versions(attack):
    up = attack.upload(("x.txt", b"0123456789"))
    for value in (
        "bytes=0-0",
        "bytes=" + ",".join("%d-" % i for i in range(2000)),
        "bytes=-99999999999999999999",
        "bytes=5-2",
        "lines=1",
    ):
        reply = attack.get(f"/download/{up.session}/{up.id}", headers={"Range": value})
        assert reply.status in (200, 206, 416) and len(reply.body) <= 20000, reply
    key = attack.server.key.encode()
    old = raw_request(attack.server, b"GET /health HTTP/1.0\r\n\r\n", method="GET")
    assert old is not None and old.status == 200, old
    run = raw_request(
        attack.server,
        b"POST /exec HTTP/1.0\r\nx-api-key: "
        + key
        + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(OK_BODY)
        + OK_BODY,
    )
    assert run is not None and run.status == 200 and run.json["stdout"] == "smuggled\n", run
    bare = raw_request(attack.server, b"GET /health HTTP/1.1\r\n\r\n", method="GET")  # no Host
    assert bare is not None and bare.status in (200, 400), bare


def test_c12_pipelining(attack):
    server = attack.server
    one = exec_bytes(server, {"lang": "bash", "code": "echo one"})
    two = exec_bytes(server, {"lang": "bash", "code": "echo two"})
    with raw_connect(server, 20) as sock:
        sock.sendall(one + two + b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
        reader = sock.makefile("rb")

        class Shared:
            def makefile(self, *_args, **_kwargs):
                return _Unclosable(reader)

        answers = []
        for method in ("POST", "POST", "GET"):
            answer = http.client.HTTPResponse(Shared(), method=method)
            answer.begin()
            answers.append((answer.status, answer.read()))
    assert [status for status, _ in answers] == [200, 200, 200], answers
    assert json.loads(answers[0][1])["stdout"] == "one\n" and json.loads(answers[1][1])["stdout"] == "two\n", answers


class _Unclosable:
    """A reader that HTTPResponse may close without ending the connection."""

    def __init__(self, reader):
        self.reader = reader

    def __getattr__(self, name):
        return getattr(self.reader, name)

    def close(self):
        pass

    def flush(self):
        pass


def test_c12_expect(attack):
    server = attack.server
    with raw_connect(server, 10) as sock:
        sock.sendall(
            _head(
                server, b"Content-Type: application/json", b"Content-Length: %d" % len(OK_BODY), b"Expect: 100-continue"
            )
        )
        assert sock.recv(4096).startswith(b"HTTP/1.1 100"), "Expect must be answered before the body"
        sock.sendall(OK_BODY)
        assert read_reply(sock, "POST").json["stdout"] == "smuggled\n"
    # A body that will be refused need not be asked for.
    reply = raw_request(
        server,
        _head(server, b"Content-Type: application/json", b"Content-Length: 1073741824", b"Expect: 100-continue"),
        timeout=5,
    )
    assert reply is not None and reply.status == 413, reply
    odd = raw_request(
        server,
        _head(
            server, b"Content-Type: application/json", b"Content-Length: %d" % len(OK_BODY), b"Expect: the-unexpected"
        )
        + OK_BODY,
        timeout=10,
    )
    assert odd is None or odd.status in (200, 417), odd


def test_c12_early_hang_up(attack):
    server = attack.server
    before = host.fd_count(server.api_pid)
    upload = multipart.encode([multipart.file("x.txt", b"y" * 3_000_000)])
    head = _head(
        server,
        b"Content-Type: " + multipart.content_type().encode(),
        b"Content-Length: %d" % len(upload),
        path=b"/upload",
    )

    def drop(cut):
        def go():
            with raw_connect(server) as sock:
                try:
                    sock.sendall((head + upload)[:cut])
                except OSError:
                    pass

        return go

    in_threads([drop(random.Random(i).randrange(1, len(upload))) for i in range(40)])
    assert host.until(lambda: host.fd_count(server.api_pid) <= before + 3, 10), (before, host.fd_count(server.api_pid))
    incoming = os.path.join(server.data_dir, "blobs", "incoming")
    if os.path.isdir(incoming):
        assert host.until(lambda: not os.listdir(incoming), 5), os.listdir(incoming)


def test_c12_reader_that_never_reads(attack):
    """A download nobody reads holds one connection and no memory."""
    up = attack.upload(("x.txt", b"z" * 30_000_000))
    socks = []
    for _ in range(20):
        sock = raw_connect(attack.server)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(
            b"GET /download/"
            + up.session.encode()
            + b"/"
            + up.id.encode()
            + b" HTTP/1.1\r\nHost: t\r\nx-api-key: "
            + attack.server.key.encode()
            + b"\r\n\r\n"
        )
        socks.append(sock)
    time.sleep(0.5)
    start = time.monotonic()
    assert attack.exec("echo quick", "bash").stdout == "quick\n" and time.monotonic() - start < 2
    for sock in socks:
        sock.close()
