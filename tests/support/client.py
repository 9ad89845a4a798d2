# SPDX-License-Identifier: Apache-2.0
"""A client of the API on one keep-alive connection, and raw sockets for what a well-behaved client never sends."""

import http.client
import json
import socket
import threading

from . import multipart

TIMEOUT_S = 150


class Reply:
    """Status, headers (pairs, in order) and body of an answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def values(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name, default=None):
        found = self.values(name)
        return found[0] if found else default

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def error(self):
        return self.json.get("error")

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


class Run(dict):
    """The JSON of a 200 answer to /exec, with attributes for what tests ask most."""

    reply = None
    stdout = property(lambda self: self["stdout"])
    stderr = property(lambda self: self["stderr"])
    code = property(lambda self: self["code"])
    outcome = property(lambda self: self["outcome"])
    files = property(lambda self: self["files"])
    usage = property(lambda self: self["usage"])
    session = property(lambda self: self["session_id"])

    def file(self, name):
        """The entry with this name; an assertion if there is not exactly one."""
        found = [entry for entry in self["files"] if entry["name"] == name]
        assert len(found) == 1, f"{len(found)} entries named {name!r} in {self['files']}"
        return found[0]

    def names(self, kind=None):
        """Of the entries; of those alone that are inherited, modified or new, if kind says so."""
        kinds = {
            None: lambda entry: True,
            "inherited": lambda entry: entry.get("inherited") is True,
            "modified": lambda entry: "modified_from" in entry,
            "new": lambda entry: "inherited" not in entry and "modified_from" not in entry,
        }
        return [entry["name"] for entry in self["files"] if kinds[kind](entry)]

    def lines(self):
        return self["stdout"].splitlines()

    def result(self):
        """The last line of stdout as JSON: how attack programs hand back their evidence."""
        lines = self["stdout"].strip().splitlines()
        assert lines, f"the program printed nothing: {dict(self)}"
        return json.loads(lines[-1])


class Upload(dict):
    """The JSON of a 200 answer to /upload."""

    session = property(lambda self: self["session_id"])
    ids = property(lambda self: [entry["fileId"] for entry in self["files"]])
    id = property(lambda self: self["files"][0]["fileId"])

    def reference(self, index=0, **extra):
        """An item for /exec's files list."""
        entry = self["files"][index]
        return {"id": entry["fileId"], "storage_session_id": self["session_id"], "name": entry["filename"], **extra}

    def references(self):
        """Those of all its files."""
        return [self.reference(index) for index in range(len(self["files"]))]


class Client:
    """Not for use by two threads at once: one connection. key=None sends no key; extra headers may present one."""

    def __init__(self, host, port, key=None, timeout=TIMEOUT_S):
        self.host, self.port, self.key, self.timeout = host, port, key, timeout
        self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def request(self, method, path, body=None, headers=None, key=True):
        """Sends one request. key=True presents the client's key, None or False none, a string that one."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = dict(headers or {})
        presented = self.key if key is True else key
        if presented:
            sent.setdefault("x-api-key", presented)
        try:
            self.connection.request(method, path, body=body, headers=sent)
            answer = self.connection.getresponse()
            reply = Reply(answer.status, answer.getheaders(), answer.read())
            if answer.will_close:
                self.close()
        except BaseException:
            self.close()
            raise
        return reply

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def delete(self, path, **kwargs):
        return self.request("DELETE", path, **kwargs)

    def post(self, path, value=None, headers=None, method="POST", **kwargs):
        """Posts a JSON value."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.request(method, path, body=json.dumps(value).encode(), headers=sent, **kwargs)

    def patch(self, path, value, **kwargs):
        return self.post(path, value, method="PATCH", **kwargs)

    def exec_reply(self, code, lang="py", path="/exec", headers=None, **fields):
        return self.post(path, {"lang": lang, "code": code, **fields}, headers=headers)

    def exec(self, code, lang="py", path="/exec", headers=None, **fields):
        """Runs a program; the answer must be 200. Returns a Run."""
        reply = self.exec_reply(code, lang, path, headers, **fields)
        assert reply.status == 200, reply
        run = Run(reply.json)
        run.reply = reply
        return run

    def cool(self, session, **fields):
        """Ends the interpreter that lives on for a session, if one does: the next run finds what was stored."""
        run = self.exec("import os; os._exit(1)", "py", session_id=session, **fields)
        assert (run.code, run.session) == (1, session), dict(run)

    def upload_reply(self, parts, path="/upload", boundary=multipart.BOUNDARY, headers=None, **kwargs):
        sent = {"Content-Type": multipart.content_type(boundary), **(headers or {})}
        return self.request("POST", path, body=multipart.encode(parts, boundary), headers=sent, **kwargs)

    def upload(self, *files, path="/upload", **fields):
        """Uploads (name, bytes) pairs or Parts with form fields; the answer must be 200. Returns an Upload."""
        parts = [multipart.field(name, str(value)) for name, value in fields.items()]
        parts += [each if isinstance(each, multipart.Part) else multipart.file(*each) for each in files]
        reply = self.upload_reply(parts, path)
        assert reply.status == 200, reply
        return Upload(reply.json)

    def download_reply(self, session, file_id):
        return self.get(f"/download/{session}/{file_id}")

    def download(self, session, file_id):
        reply = self.download_reply(session, file_id)
        assert reply.status == 200, reply
        return reply.body

    def fetch(self, entry):
        """The bytes of an entry of /exec's files."""
        return self.download(entry["storage_session_id"], entry["id"])

    def files(self, session, detail=None):
        reply = self.get(f"/files/{session}" + (f"?detail={detail}" if detail else ""))
        assert reply.status == 200, reply
        return reply.json


def raw_connect(server, timeout=30):
    """A bare TCP connection to a server."""
    sock = socket.create_connection((server.host, server.port), timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_reply(sock, method="GET"):
    """Reads one answer from a raw connection; None if the server closed without one."""
    answer = http.client.HTTPResponse(sock, method=method)
    try:
        answer.begin()
        return Reply(answer.status, answer.getheaders(), answer.read())
    except (http.client.BadStatusLine, ConnectionError, http.client.IncompleteRead):
        return None


def raw_request(server, data, timeout=30, method="POST"):
    """Sends bytes on a new connection and reads one answer; None if there was none. A reset while sending is no error."""
    with raw_connect(server, timeout) as sock:
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return read_reply(sock, method)
        except (ConnectionResetError, socket.timeout):
            return None


def exec_bytes(server, value, path="/exec", extra=b""):
    """A complete POST of a JSON value, as bytes for a raw connection."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return (
        b"POST "
        + path.encode()
        + b" HTTP/1.1\r\nHost: test\r\nx-api-key: "
        + server.key.encode()
        + b"\r\nContent-Type: application/json\r\nContent-Length: "
        + str(len(body)).encode()
        + b"\r\n"
        + extra
        + b"\r\n"
        + body
    )


def in_threads(jobs):
    """Runs callables at the same time, each in its own thread. Returns their results in order; an exception is raised."""
    results = [None] * len(jobs)
    errors = []

    def work(index):
        try:
            results[index] = jobs[index]()
        except BaseException as error:  # noqa: BLE001 -- handed to the caller below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
