#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""64 clients of which five are hostile: an endless loop, a memory hog, a fork bomb, an output flood and a disk filler.

The others' answers must be right and their p99 under five times their p50 without the five; each hostile one must get its
typed outcome within its limit and one second. The limit is the run's: what a client of a full server waits in the queue
comes on top, and is shown beside it.

Well-behaved clients ask again at once; with a PAUSE they wait so many seconds in between, as people do, and the machine has
room without the five.

usage: hostile.py [SECONDS [PAUSE]]"""

import sys
import threading
import time

from common import running_server, summary, table, verdict

CLIENTS = 64
SHORT_S, LONG_S = 5, 30  # time limits: of those that only time can end, and of those that meet another limit first

FORKS = "import os, signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
HOSTILE = {
    "loops for ever": ("bash", "while :; do :; done", {"timeout"}, SHORT_S),
    "eats memory": ("py", "x = []\nwhile True: x.append(bytearray(b'1' * (1 << 20)))", {"out_of_memory"}, LONG_S),
    "forks without end": ("py", FORKS, {"timeout", "process_limit"}, SHORT_S),
    "prints without end": ("bash", "yes", {"output_limit"}, LONG_S),
    "fills the disk": (
        "bash",
        "i=0; while head -c 32M /dev/zero > f$i; do i=$((i+1)); done; exit 1",
        {"disk_limit", "out_of_memory"},
        LONG_S,
    ),
}


class Crowd:
    """Well-behaved clients that run one small program after another."""

    def __init__(self, server, count, seconds, pause_s):
        self.server, self.times, self.wrong = server, [], []
        self.end = time.monotonic() + seconds
        self.pause_s = pause_s
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._client, args=(number,)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join()

    def _client(self, number):
        with self.server.client(timeout=60) as client:
            time.sleep(self.pause_s * number / len(self.threads))
            while time.monotonic() < self.end:
                start = time.perf_counter()
                reply = client.exec_reply(f"echo {number}; echo {number} > f.txt", "bash")
                took = (time.perf_counter() - start) * 1000
                right = (
                    reply.status == 200
                    and reply.json["outcome"] == "ok"
                    and reply.json["stdout"] == f"{number}\n"
                    and len(reply.json["files"]) == 1
                )
                with self.lock:
                    self.times.append(took)
                    if not right:
                        self.wrong.append(repr(reply))
                time.sleep(self.pause_s)


class Attacker(threading.Thread):
    """Repeats one hostile program until the time is over; keeps outcomes and times."""

    def __init__(self, server, name, seconds):
        super().__init__()
        self.server, self.name_of, self.seconds = server, name, seconds
        self.language, self.code, self.expected, self.limit_s = HOSTILE[name]
        self.runs = []  # (outcome, seconds without the queue, seconds in it)
        self.start()

    def run(self):
        end = time.monotonic() + self.seconds
        with self.server.client(timeout=60) as client:
            while time.monotonic() < end:
                start = time.monotonic()
                reply = client.exec_reply(self.code, self.language, timeout=self.limit_s * 1000)
                body = reply.json
                waited = body.get("usage", {}).get("queue_ms", 0) / 1000
                self.runs.append((body.get("outcome", reply.status), time.monotonic() - start - waited, waited))


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    pause_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0
    with running_server() as server:
        warm = Crowd(server, CLIENTS - len(HOSTILE), 2, 0.5)
        warm.join()
        alone = Crowd(server, CLIENTS - len(HOSTILE), seconds, pause_s)
        alone.join()
        attackers = [Attacker(server, name, seconds - SHORT_S) for name in HOSTILE]
        crowd = Crowd(server, CLIENTS - len(HOSTILE), seconds, pause_s)
        crowd.join()
        for attacker in attackers:
            attacker.join()
    quiet, loud = summary(alone.times), summary(crowd.times)
    table("milliseconds of the well-behaved", [("without the five", quiet), ("with the five", loud)])
    print()
    checks = []
    outcomes = {}
    for attacker in attackers:
        seen = sorted({str(outcome) for outcome, _, _ in attacker.runs})
        slowest, waited = max((took, waited) for _, took, waited in attacker.runs)
        outcomes[attacker.name_of] = {"outcomes": seen, "runs": len(attacker.runs), "slowest_s": round(slowest, 2)}
        print(f"{attacker.name_of:20} {len(attacker.runs):4} runs, slowest {slowest:5.2f} s and {waited:5.2f} s in the queue: {', '.join(seen)}")
        checks.append((f"{attacker.name_of}: typed outcome ({', '.join(seen)})", set(seen) <= attacker.expected))
        checks.append(
            (f"{attacker.name_of}: within its limit and a second ({slowest:.2f} s)", slowest <= attacker.limit_s + 1)
        )
    for wrong in (alone.wrong + crowd.wrong)[:5]:
        print("wrong answer:", wrong[:300])
    checks.append(
        (f"all other answers right ({len(alone.wrong) + len(crowd.wrong)} wrong)", not alone.wrong and not crowd.wrong)
    )
    checks.append(
        (
            f"p99 with the five ({loud['p99']} ms) under 5 x p50 without ({quiet['p50']} ms)",
            loud["p99"] < 5 * quiet["p50"],
        )
    )
    return verdict(checks, {"quiet_ms": quiet, "loud_ms": loud, "hostile": outcomes})


if __name__ == "__main__":
    sys.exit(main())
