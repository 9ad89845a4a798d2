#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A run with a 500 MB input file against the same run without it, interleaved.

usage: bigfile.py [COUNT]"""

import os
import sys
import time

from common import running_server, summary, table, verdict

SIZE_MB = 500


def upload(server):
    """Streams the file up in pieces; returns its reference."""
    import http.client
    import json

    boundary = "codecell-bench"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="big.txt"\r\n\r\n'.encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    block = os.urandom(1 << 20)
    connection = http.client.HTTPConnection(server.host, server.port, timeout=300)
    connection.putrequest("POST", "/upload")
    for name, value in (
        ("x-api-key", server.key),
        ("Content-Type", f"multipart/form-data; boundary={boundary}"),
        ("Content-Length", str(len(head) + (SIZE_MB << 20) + len(tail))),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(head)
    for _ in range(SIZE_MB):
        connection.send(block)
    connection.send(tail)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 200, body
    return {"id": body["files"][0]["fileId"], "storage_session_id": body["session_id"], "name": "big.txt"}


def timed(client, files, code):
    start = time.perf_counter()
    run = client.exec(code, "bash", files=files)
    took = (time.perf_counter() - start) * 1000
    assert run.outcome == "ok", dict(run)
    return took, run


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with running_server(MAX_FILE_SIZE_MB="500", MAX_REQUEST_SIZE_MB="600") as server, server.client() as client:
        start = time.perf_counter()
        reference = upload(server)
        upload_s = time.perf_counter() - start
        _, seen = timed(client, [reference], "stat -c %s big.txt; tail -c 16 big.txt | wc -c")
        assert seen.stdout == f"{SIZE_MB << 20}\n16\n", dict(seen)
        assert seen.files[0]["inherited"] is True, dict(seen)
        without, with_file = [], []
        for _ in range(count):
            without.append(timed(client, [], "echo x")[0])
            with_file.append(timed(client, [reference], "echo x")[0])
    added = summary(with_file)["p50"] - summary(without)["p50"]
    table("milliseconds", [("without", summary(without)), (f"with {SIZE_MB} MB", summary(with_file))])
    print(f"\nadded at p50: {added:.2f} ms; the upload took {upload_s:.1f} s")
    return verdict(
        [(f"a {SIZE_MB} MB input adds at most 20 ms ({added:.2f} ms)", added <= 20)],
        {
            "without_ms": summary(without),
            "with_ms": summary(with_file),
            "added_ms": round(added, 2),
            "upload_s": round(upload_s, 1),
        },
    )


if __name__ == "__main__":
    sys.exit(main())
