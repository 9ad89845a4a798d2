# SPDX-License-Identifier: Apache-2.0
"""files.md F5 and F8: downloads and media types."""

import os
import time

import pytest

from support import host
from support.multipart import Part


def upload(client, name, data=b"x", kind="application/octet-stream"):
    reply = client.upload_reply([Part("file", data, name, kind)])
    assert reply.status == 200, reply
    return reply.json["session_id"], reply.json["files"][0]["fileId"]


def test_answer(client):
    """F5: headers and bytes."""
    session, file_id = upload(client, "My Report (2024).csv", b"a,b\n1,2\n", "text/csv")
    for query in ("", "?kind=user&id=x&version=2"):
        reply = client.get(f"/download/{session}/{file_id}{query}")
        assert reply.status == 200 and reply.body == b"a,b\n1,2\n"
        assert reply.header("content-type") == "text/csv"
        assert (
            reply.header("content-disposition")
            == "attachment; filename=\"My_Report__2024_.csv\"; filename*=UTF-8''My_Report__2024_.csv"
        )
        assert reply.header("cache-control") == "private, max-age=3600"
        assert reply.header("x-read-only") is None
        assert ("chunked" in reply.header("transfer-encoding", "")) != (reply.header("content-length") is not None)


@pytest.mark.parametrize(
    "name,ascii_name,encoded",
    [
        ("charts/résumé 表.pdf", "resume__.pdf", "r%C3%A9sum%C3%A9_%E8%A1%A8.pdf"),
        ("plain.txt", "plain.txt", "plain.txt"),
        ("表.txt", "_.txt", "%E8%A1%A8.txt"),
        ("a-b_c.d.txt", "a-b_c.d.txt", "a-b_c.d.txt"),
        ("Ünïcödé.txt", "Unicode.txt", "%C3%9Cn%C3%AFc%C3%B6d%C3%A9.txt"),
        ("chart📊.csv", "chart_.csv", "chart%F0%9F%93%8A.csv"),
    ],
)
def test_disposition(client, name, ascii_name, encoded):
    """F5: base name, ASCII form and percent-encoded form."""
    session, file_id = upload(client, name)
    reply = client.download_reply(session, file_id)
    assert reply.header("content-disposition") == f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{encoded}"


def test_read_only_header(client):
    """F5."""
    up = client.upload(("a.md", b"x"), read_only="true")
    assert client.download_reply(up.session, up.id).header("x-read-only") == "true"


def test_absent(client):
    """F5 (pinned): 404 File not found."""
    session, file_id = upload(client, "a.txt")
    for s, f in (("x", "y"), (session, "y"), ("x", file_id)):
        reply = client.download_reply(s, f)
        assert reply.status == 404 and reply.error == "File not found", reply


def test_lost_bytes(server_with):
    """F5: 404 File content not found; 10.6.7: such an input is skipped with a line on stderr."""
    server = server_with()
    with server.client() as client:
        session, file_id = upload(client, "lost.txt", b"these bytes get lost")
        for root, _, files in os.walk(server.data_dir):
            for name in files:
                path = os.path.join(root, name)
                if os.path.getsize(path) == 20 and open(path, "rb").read() == b"these bytes get lost":
                    os.unlink(path)
        reply = client.download_reply(session, file_id)
        assert reply.status == 404 and reply.error == "File content not found", reply
        run = client.exec("ls", "bash", files=[{"id": file_id, "storage_session_id": session, "name": "lost.txt"}])
        assert run.stdout == "" and run.stderr.splitlines() == ["[sandbox] input file unavailable: lost.txt"], dict(run)


def test_bytes(client):
    """F5 (pinned): byte-identical, small and large."""
    for size in (0, 1, 65535, 65536, 65537, 5_000_001):
        data = os.urandom(size)
        session, file_id = upload(client, "x.txt", data)
        start = time.monotonic()
        assert client.download(session, file_id) == data
        assert time.monotonic() - start < 5


def test_alias(client):
    """F5: an alias id works like its source."""
    session, file_id = upload(client, "a.txt", b"data", "text/x-odd")
    run = client.exec("true", "bash", files=[{"id": file_id, "storage_session_id": session, "name": "a.txt"}])
    alias = client.files(run.session)[0]["id"]
    reply = client.download_reply(run.session, alias)
    assert reply.body == b"data" and reply.header("content-type") == "text/x-odd"


TYPES = {
    "txt": "text/plain",
    "log": "text/plain",
    "csv": "text/csv",
    "md": "text/markdown",
    "html": "text/html",
    "htm": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "py": "text/x-python",
    "ts": "text/typescript",
    "c": "text/x-c",
    "h": "text/x-c",
    "sh": "application/x-sh",
    "sql": "application/sql",
    "rtf": "application/rtf",
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "xls": "application/vnd.ms-excel",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "svg": "image/svg+xml",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "ico": "image/vnd.microsoft.icon",
    "pdf": "application/pdf",
    "zip": "application/zip",
    "PNG": "image/png",
}
OUTPUT_TYPES = {
    "tsv": "text/tab-separated-values",
    "mjs": "text/javascript",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "gz": "application/gzip",
    "tar": "application/x-tar",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "parquet": "application/vnd.apache.parquet",
    "ipynb": "application/x-ipynb+json",
    "odd": "application/octet-stream",
}


@pytest.mark.needs_values("ALLOWED_FILE_EXTENSIONS", reason="uploads endings of @extended")
def test_guessed_types(client):
    """F8: octet-stream uploads are guessed from the name on download."""
    for extension, kind in TYPES.items():
        session, file_id = upload(client, "x." + extension)
        assert client.download_reply(session, file_id).header("content-type") == kind, extension


def test_types_of_outputs(client):
    """F8: outputs."""
    extensions = list(OUTPUT_TYPES)
    for start in range(0, len(extensions), 6):
        run = client.exec('for e in "$@"; do echo x > x.$e; done', "bash", args=extensions[start : start + 6])
        for entry in run.files:
            extension = entry["name"].split(".")[-1]
            assert (
                client.download_reply(run.session, entry["id"]).header("content-type") == OUTPUT_TYPES[extension]
            ), extension


def test_hostile_types_and_names_stay_harmless(client):
    """6.6, F5: attachments with nosniff; no header is split by a stored type or name."""
    reply = client.upload_reply([Part("file", b"<script>alert(1)</script>", "x.html", "text/html")])
    answer = client.download_reply(reply.json["session_id"], reply.json["files"][0]["fileId"])
    assert (
        answer.header("content-disposition").startswith("attachment;")
        and answer.header("x-content-type-options") == "nosniff"
    )
    odd = client.upload_reply([Part("file", b"x", "x.txt", "text/plain\x0bX-Evil: 1")])
    if odd.status == 200:
        answer = client.download_reply(odd.json["session_id"], odd.json["files"][0]["fileId"])
        assert answer.status == 200 and answer.header("x-evil") is None


@pytest.mark.needs_values("MAX_FILE_SIZE_MB", reason="uploads 80 MB")
def test_large_download_is_streamed(server, client):
    """F5: not loaded whole."""
    session, file_id = upload(client, "big.txt", b"z" * (80 << 20))
    before = host.rss_kib(server.api_pid)
    assert len(client.download(session, file_id)) == 80 << 20
    assert host.rss_kib(server.api_pid) - before < 16 * 1024
