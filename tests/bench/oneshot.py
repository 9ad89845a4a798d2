#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""POST /exec of bash `echo hi` over one keep-alive connection against the whole process of bubblewrap, interleaved in one run.

usage: oneshot.py [COUNT]"""

import json
import subprocess
import sys
import time

from common import running_server, summary, table, verdict

BWRAP = [
    "bwrap",
    "--unshare-all",
    "--die-with-parent",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/bin",
    "/bin",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
    "bash",
    "-c",
    "echo hi",
]
BATCH = 20  # so many of one kind, then of the other: both see the same machine


def time_exec(client):
    start = time.perf_counter()
    reply = client.request(
        "POST", "/exec", body=b'{"lang":"bash","code":"echo hi"}', headers={"Content-Type": "application/json"}
    )
    took = time.perf_counter() - start
    run = json.loads(reply.body)
    assert reply.status == 200 and run["stdout"] == "hi\n" and run["outcome"] == "ok", reply
    return took * 1000, run["usage"]


def time_bwrap():
    start = time.perf_counter()
    done = subprocess.run(BWRAP, stdout=subprocess.PIPE, check=True)
    took = time.perf_counter() - start
    assert done.stdout == b"hi\n"
    return took * 1000


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    ours, theirs, prepare, wall = [], [], [], []
    with running_server() as server, server.client() as client:
        for _ in range(50):
            time_exec(client)
            time_bwrap()
        for _ in range(0, count, BATCH):
            for _ in range(BATCH):
                took, usage = time_exec(client)
                ours.append(took)
                prepare.append(usage["prepare_ms"])
                wall.append(usage["wall_ms"])
            theirs += [time_bwrap() for _ in range(BATCH)]
    ratio = summary(ours)["p50"] / summary(theirs)["p50"]
    table(
        "milliseconds",
        [
            ("POST /exec echo hi", summary(ours)),
            ("  of it prepare", summary(prepare)),
            ("  of it program", summary(wall)),
            ("bwrap echo hi", summary(theirs)),
        ],
    )
    print(f"\nratio of p50: {ratio:.3f}")
    return verdict(
        [("p50 of POST /exec at most 1.0 x bubblewrap's whole process", ratio <= 1.0)],
        {
            "exec_ms": summary(ours),
            "bwrap_ms": summary(theirs),
            "prepare_ms": summary(prepare),
            "program_ms": summary(wall),
            "ratio_p50": round(ratio, 3),
        },
    )


if __name__ == "__main__":
    sys.exit(main())
