# SPDX-License-Identifier: Apache-2.0
"""files.md F1 and F7: POST /upload and file names."""

import json
import re

import pytest

from support import multipart
from support.multipart import Part, field, file

ID = re.compile(r"^[A-Za-z0-9_-]{21}$")


@pytest.fixture(scope="module")
def strict(default_server):
    """The default rules: strict names, the seed's extensions."""
    with default_server.client() as client:
        yield client


def upload_name(client, name, **kwargs):
    return client.upload_reply([Part("file", b"x", name, "text/plain", **kwargs)])


def test_answer(client):
    """F1 (pinned): message, both session keys equal, entries with exactly two keys."""
    up = client.upload(("My Report (2024).csv", b"a,b\n1,2\n"))
    assert set(up) == {"message", "storage_session_id", "session_id", "files"} and up["message"] == "success"
    assert up["session_id"] == up["storage_session_id"] and ID.match(up.session)
    assert up["files"] == [{"filename": "My_Report__2024_.csv", "fileId": up.id}] and ID.match(up.id)


def test_each_upload_is_a_new_session(client):
    """F1."""
    assert client.upload(("a.txt", b"x")).session != client.upload(("a.txt", b"x")).session


@pytest.mark.parametrize("name", ["file", "files", "files[]"])
def test_part_names(client, name):
    """F1: file, files, files[]."""
    reply = client.upload_reply([file("a.txt", b"1", name), file("b.txt", b"2", name)])
    assert reply.status == 200 and [entry["filename"] for entry in reply.json["files"]] == ["a.txt", "b.txt"], reply


def test_file_wins_over_files(client):
    """F1: if a file part exists, the files parts are ignored."""
    reply = client.upload_reply(
        [file("a.txt", b"1", "files"), file("b.txt", b"2", "file"), file("c.txt", b"3", "files[]")]
    )
    assert [entry["filename"] for entry in reply.json["files"]] == ["b.txt"]


def test_order_and_fields_anywhere(client):
    """F1: order of the parts; fields before, between and after."""
    reply = client.upload_reply(
        [field("kind", "user"), file("z.txt"), field("id", "x"), file("a.txt"), field("entity_id", "")]
    )
    assert [entry["filename"] for entry in reply.json["files"]] == ["z.txt", "a.txt"]


def test_same_name_twice(client):
    """F1: stored under different ids; when mounted, the later one wins."""
    up = client.upload(("a.txt", b"1"), ("a.txt", b"2"))
    assert len(set(up.ids)) == 2 and [client.download(up.session, each) for each in up.ids] == [b"1", b"2"]
    assert client.exec("cat a.txt", "bash", session_id=up.session).stdout == "2\n"


def test_empty_file(client):
    """F1: allowed."""
    up = client.upload(("empty.txt", b""))
    assert client.download(up.session, up.id) == b""


def test_headers_are_ignored(client):
    """F1 (pinned): User-Id, User-Agent."""
    reply = client.upload_reply(
        [file("a.txt")], headers={"User-Id": "u", "User-Agent": "LibreChat/1.0", "X-LibreChat-Code-Worker-ID": "w"}
    )
    assert reply.status == 200


def test_content_type_is_kept(client):
    """F8 (pinned): the part's own type; octet-stream by default."""
    reply = client.upload_reply(
        [
            Part("file", b"a,b\n", "a.csv", "text/csv"),
            Part("file", b"x", "b.csv", None),
            Part("file", b"x", "c.txt", "application/x-custom; v=1"),
        ]
    )
    session = reply.json["session_id"]
    kinds = {entry["metadata"]["original-filename"]: entry["contentType"] for entry in client.files(session)}
    assert kinds == {"a.csv": "text/csv", "b.csv": "application/octet-stream", "c.txt": "application/x-custom; v=1"}, kinds


# Checks


def test_no_file(client):
    """F1: 422 with body -> files, missing."""
    for parts in ([], [field("kind", "user")], [Part("file", b"", "")], [Part("other", b"x", "a.txt")]):
        reply = client.upload_reply(parts)
        assert reply.status == 422 and reply.error == "Request validation failed", reply
        assert (
            reply.json["details"][0]["field"] == "body -> files" and reply.json["details"][0]["code"] == "missing"
        ), reply


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"--codecell-contract-boundary",
        b'--codecell-contract-boundary\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nno end',
    ],
)
def test_malformed(client, body):
    """F1: 400."""
    reply = client.request("POST", "/upload", body=body, headers={"Content-Type": multipart.content_type()})
    assert reply.status in (400, 422) and reply.error in ("Error processing upload", "Request validation failed"), reply
    if b"no end" in body:
        assert reply.status == 400, reply


@pytest.mark.parametrize("entity", ["a b", "x" * 41, "é"])
def test_bad_entity(client, entity):
    """F1: same rule as in /exec, 422."""
    reply = client.upload_reply([field("entity_id", entity), file("a.txt")])
    assert reply.status == 422 and reply.json["details"][0]["field"] == "body -> entity_id", reply


def test_lenient_fields(client):
    """F1: other kinds and versions that are no numbers are ignored."""
    up = client.upload(("a.txt", b"x"), kind="nonsense", version="abc", id="r" * 200, read_only="perhaps")
    shown = client.files(up.session)[0]
    assert "kind" not in shown and "version" not in shown and "read_only" not in shown, shown


def test_kept_fields(client):
    """F1, F3: kind, id and version are shown."""
    up = client.upload(("a.txt", b"x"), kind="skill", version="7", id="skill-1")
    shown = client.files(up.session)[0]
    assert (shown["kind"], shown["version"], shown["resource_id"], shown["read_only"]) == (
        "skill",
        7,
        "skill-1",
        True,
    ), shown


def test_one_bad_file_fails_all(strict):
    """F1: before anything is stored."""
    reply = strict.upload_reply([field("entity_id", "one-bad"), file("good.txt"), file("bad.exe")])
    assert reply.status == 415
    run = strict.exec("ls", "bash", entity_id="one-bad")
    assert run.stdout == ""


def test_order_of_checks(strict):
    """F1: size, then count, then names, then extensions."""
    big = file("../big.exe", b"x" * ((10 << 20) + 1))
    assert strict.upload_reply([big]).status == 413
    many = [file("../x.exe") for _ in range(51)]
    assert strict.upload_reply(many).status == 413
    assert strict.upload_reply([file("../x.exe")]).status == 400
    assert strict.upload_reply([file("x.exe")]).status == 415


# F7.1 names, strict

BAD = [
    ("../x.txt", "path traversal"),
    ("..", "path traversal"),
    ("a/../b.txt", "path traversal"),
    ("a\\b.txt", "path traversal"),
    ("..\\x.txt", "path traversal"),
    ("a<b.txt", "suspicious characters"),
    ("a>b.txt", "suspicious characters"),
    ("a:b.txt", "suspicious characters"),
    ("a|b.txt", "suspicious characters"),
    ("a?b.txt", "suspicious characters"),
    ("a*b.txt", "suspicious characters"),
    ("a\x01b.txt", "suspicious characters"),
    ("a\x7fb.txt", "suspicious characters"),
    ("a%22b.txt", "suspicious characters"),
    ("a%0Ab.txt", "suspicious characters"),
    ("a%0Db.txt", "suspicious characters"),
    ("x" * 256 + ".txt", "too long"),
    ("/".join(["x" * 200] * 6) + ".txt", "too long"),
    ("/", "empty"),
    ("./.", "empty"),
    ("//", "empty"),
]


@pytest.mark.parametrize("name,reason", BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_names(strict, name, reason):
    """F7.1, 12.3.12: 400 with the reason."""
    reply = upload_name(strict, name)
    assert reply.status == 400 and reply.error == f"Invalid filename: {reason}", reply


def test_an_empty_extended_name_is_none(strict):
    """F7.1: the name beside it counts; without one it is empty."""
    names = (b"filename=\"a.txt\"; filename*=UTF-8''", b"filename*=UTF-8''; filename=\"a.txt\"", b"filename*=UTF-8''")
    replies = [strict.upload_reply([Part("file", b"x", disposition=b"form-data; name=\"file\"; " + name)]) for name in names]
    assert [reply.status for reply in replies] == [200, 200, 400], replies
    assert [reply.json["files"][0]["filename"] for reply in replies[:2]] == ["a.txt", "a.txt"]


def test_nul_in_a_name(strict):
    """F7.1: null byte (or a header that cannot hold one: malformed)."""
    reply = strict.upload_reply([Part("file", b"x", disposition=b'form-data; name="file"; filename="a\0b.txt"')])
    assert reply.status == 400 and reply.error in ("Invalid filename: null byte", "Error processing upload"), reply
    reply = strict.upload_reply(
        [Part("file", b"x", disposition=b"form-data; name=\"file\"; filename*=UTF-8''a%00b.txt")]
    )
    assert reply.status == 400 and reply.error == "Invalid filename: null byte", reply


@pytest.mark.parametrize(
    "name,stored",
    [
        ("file with spaces.txt", "file_with_spaces.txt"),
        ("manufacturing_analysis (v2).xlsx", "manufacturing_analysis__v2_.xlsx"),
        ("special@chars#here!.pdf", "special_chars_here_.pdf"),
        ("日本語 レポート.xlsx", "日本語_レポート.xlsx"),
        ("re\u0301sume\u0301.docx", "r\u00e9sum\u00e9.docx"),
        ("résumé.docx", "résumé.docx"),
        ("chart📊.csv", "chart📊.csv"),
        (".hidden", "_.hidden"),
        ("my charts/foo bar.png", "my_charts/foo_bar.png"),
        ("charts//foo.png", "charts/foo.png"),
        ("/charts/foo.png", "charts/foo.png"),
        ("./a/./b.txt", "a/b.txt"),
        ("a%2eb.txt", "a_2eb.txt"),
        ("x[1]&;$.txt", "x_1____.txt"),
        ("Makefile", "Makefile"),
        ("UPPER.TXT", "UPPER.TXT"),
        ("script.test.py", "script.test.py"),
        ("skills/weather/SKILL.md", "skills/weather/SKILL.md"),
        ("x" * 251 + ".txt", "x" * 251 + ".txt"),
    ],
)
def test_good_names(strict, name, stored):
    """F7.1, F7.3: sanitised; the original is kept beside."""
    reply = upload_name(strict, name)
    assert reply.status == 200, reply
    assert reply.json["files"][0]["filename"] == stored
    shown = strict.files(reply.json["session_id"])[0]
    assert (
        shown["metadata"]["original-filename"].strip("/.").replace("./", "") != "" and shown["path"] == "/" + stored
    ), shown


def test_long_names_in_bytes(strict):
    """F7.3: a segment over 255 bytes is cut on a character boundary with six hex digits and its extension."""
    reply = upload_name(strict, "界" * 200 + ".txt")
    stored = reply.json["files"][0]["filename"]
    assert len(stored.encode()) <= 255 and re.fullmatch(r"界+-[0-9a-f]{6}\.txt", stored), stored
    other = upload_name(strict, "界" * 201 + ".txt").json["files"][0]["filename"]
    assert other != stored


def test_filename_star(strict):
    """F7.1: filename* is preferred; invalid bytes become U+FFFD."""
    reply = strict.upload_reply(
        [
            Part(
                "file",
                b"x",
                disposition=b'form-data; name="file"; filename="plain.txt"; filename*=UTF-8\'\'r%C3%A9sum%C3%A9%20x.txt',
            )
        ]
    )
    assert reply.json["files"][0]["filename"] == "résumé_x.txt", reply
    reply = strict.upload_reply([Part("file", b"x", b"bad\xff.txt", "text/plain")])
    assert reply.json["files"][0]["filename"] == "bad\ufffd.txt", reply


# F7.2 extensions

SEED = ".txt .csv .json .xml .yaml .yml .py .js .ts .go .java .c .cpp .h .hpp .rs .php .rb .r .f90 .d .md .rst .html .css .png .jpg .jpeg .gif .svg .pdf .doc .docx .xls .xlsx".split()
EXTENDED = ".rtf .dotx .xltx .ppt .pptx .potx .ppsx .odt .ods .odp .odg .sql .bmp .webp .ico .htm .sh .bat .ps1 .dockerfile .makefile .ini .cfg .conf .log .zip .eml .msg .mbox .ics .vcf".split()


def test_seed_extensions(strict):
    """F7.2: exactly these 35, in any case."""
    assert len(SEED) == 35
    for extension in SEED:
        assert upload_name(strict, "x" + extension).status == 200, extension
        assert upload_name(strict, "x" + extension.upper()).status == 200, extension
    for extension in EXTENDED + [".exe", ".tar", ".gz", ".bin", ".mp3", ".unknown", "."]:
        reply = upload_name(strict, "x" + extension)
        if extension == ".":
            continue
        assert reply.status == 415 and reply.error == f"File type not allowed: x{extension}", reply


def test_extension_rules(strict):
    """F7.2: only the last counts; a name whose only dot is the first has none."""
    assert upload_name(strict, "archive.tar.gz").status == 415
    assert upload_name(strict, "x.exe.txt").status == 200
    for name in (".env", "Makefile", "LICENSE", "dir.d/README"):
        assert upload_name(strict, name).status == 200, name


@pytest.mark.needs_values("ALLOWED_FILE_EXTENSIONS", reason="the rule is that list")
def test_extended(client):
    """F7.2: @extended adds; blocked patterns stay."""
    for extension in SEED + EXTENDED:
        assert upload_name(client, "x" + extension).status == 200, extension
    for extension in (".exe", ".dll", ".so", ".dylib", ".bin", ".EXE", ".tar"):
        assert upload_name(client, "x" + extension).status == 415, extension


def test_any_and_blocked(server_with):
    """F7.2: * for any, a list of one's own, patterns of one's own."""
    server = server_with(ALLOWED_FILE_EXTENSIONS="*", BLOCKED_FILE_PATTERNS="*.exe,secret*,?.md")
    with server.client() as client:
        for name, status in (
            ("x.anything", 200),
            ("x.exe", 415),
            ("X.EXE", 415),
            ("secret.txt", 415),
            ("my-secret.txt", 200),
            ("a.md", 415),
            ("ab.md", 200),
        ):
            assert upload_name(client, name).status == status, name
    server = server_with(ALLOWED_FILE_EXTENSIONS="@seed,.foo,bar")
    with server.client() as client:
        for name, status in (("x.foo", 200), ("x.bar", 200), ("x.txt", 200), ("x.zip", 415)):
            assert upload_name(client, name).status == status, name


# FILENAME_STRICT=false


@pytest.mark.needs_values("FILENAME_STRICT", reason="the rule is that setting")
@pytest.mark.parametrize(
    "name,stored",
    [
        ("a\\b.txt", "a/b.txt"),
        ("../x.txt", "x.txt"),
        ("a/../b/c.txt", "a/b/c.txt"),
        ("a<b>:|?*.txt", "a_b_____.txt"),
        ("a\x01b.txt", "a_b.txt"),
        ("..\\..\\etc\\passwd.txt", "etc/passwd.txt"),
    ],
)
def test_lenient_names(client, name, stored):
    """F7.1: FILENAME_STRICT=false mends instead of refusing."""
    reply = upload_name(client, name)
    assert reply.status == 200 and reply.json["files"][0]["filename"] == stored, reply


def test_example_of_the_specification(client):
    """F1: the request as written there."""
    body = (
        b'--B1\r\nContent-Disposition: form-data; name="entity_id"\r\n\r\nagent-77\r\n--B1\r\nContent-Disposition: form-data; name="file"; filename="My Report (2024).csv"\r\n'
        b"Content-Type: text/csv\r\n\r\na,b\n1,2\n\r\n--B1--\r\n"
    )
    reply = client.request(
        "POST", "/v1/upload", body=body, headers={"Content-Type": "multipart/form-data; boundary=B1"}
    )
    assert reply.status == 200, reply
    up = json.loads(reply.body)
    assert client.download(up["session_id"], up["files"][0]["fileId"]) == b"a,b\n1,2\n"
    shown = client.files(up["session_id"])[0]
    assert shown["size"] == 8 and shown["read_only"] is True and shown["contentType"] == "text/csv"
