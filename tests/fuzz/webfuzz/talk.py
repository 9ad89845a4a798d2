# SPDX-License-Identifier: Apache-2.0
"""One process of the fuzzer: it holds conversations with the server, one after the other, and notes what came back."""

import collections
import os
import random
import socket
import struct
import time

from . import judge, requests, values

ANSWER_WITHIN_S = 60  # of a sound request, on a machine that does other things too
CLOSE_WITHIN_S = 20  # after the client's end of the stream; the server looks for such connections once a second
GLANCE_S = 0.05  # for what may have no answer
TO_THE_END = 0.2  # of what may have no answer is waited for until the server closes
LARGE_BYTES = 128 << 10

# Ids that an answer names, for later requests: key of the answer, kind.
TAUGHT = {
    "session_id": "session",
    "continuation_token": "token",
    "execution_id": "execution",
    "fileId": "file",
    "id": "file",
    "key_hash": "key",
}


class Talker:
    """Holds conversations until its share of requests is sent. counts: {(route, status or what happened): n}."""

    def __init__(self, address, seed, keys, directory):
        self.address, self.directory = address, directory
        self.rng = random.Random(seed)
        self.known = values.Known(self.rng)
        self.requests = requests.Requests(self.rng, values.Values(self.rng, self.known), self.known, keys)
        self.counts, self.kinds = collections.Counter(), collections.Counter()
        self.sent, self.findings = 0, []
        self.ways = {
            self.in_turn: 60,
            self.pipelined: 10,
            self.in_pieces: 6,
            self.slowly: 1,
            self.cut_off: 6,
            self.broken: 11,
            self.smuggled: 6,
        }

    # ---- connections ----

    def connect(self):
        sock = socket.create_connection(self.address, timeout=ANSWER_WITHIN_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    @staticmethod
    def send(sock, data):
        """True if all of it was taken; the server may close before a body's end."""
        sock.settimeout(CLOSE_WITHIN_S)
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        except TimeoutError:
            raise judge.Wrong("the server stopped reading and did not close") from None
        return True

    def teach(self, answer):
        if answer.status != 200 or not answer.body.lstrip().startswith((b"{", b"[")) or len(answer.body) > 1 << 16:
            return
        try:
            self.teach_from(answer.json(), 3)
        except ValueError:
            pass

    def teach_from(self, value, depth):
        if isinstance(value, list) and depth:
            for each in value[:4]:
                self.teach_from(each, depth - 1)
        elif isinstance(value, dict) and depth:
            for name, each in value.items():
                if name in TAUGHT:
                    self.known.learn(TAUGHT[name], each)
                elif isinstance(each, (dict, list)):
                    self.teach_from(each, depth - 1)

    def note(self, label, answer):
        self.counts[label, answer.status] += 1
        self.teach(answer)

    # ---- ways to talk; each returns the bytes that it sent, for a report ----

    def exchange(self, request, reader, sock, pieces=None, pause_s=0):
        """One request and its answer. Returns False if the connection is to be left."""
        sent = True
        for piece in pieces or [request.wire()]:
            sent = sent and self.send(sock, piece)
            if pause_s:
                time.sleep(pause_s)
        self.sent += 1
        if not request.sound:
            self.doubtful(request, reader, sock, 1)
            return False
        try:
            answer = judge.read_answer(reader, request.method, ANSWER_WITHIN_S)
        except judge.Closed:
            if sent and len(request.body) < LARGE_BYTES:
                raise judge.Wrong("closed without an answer") from None
            self.counts[request.label, "closed"] += 1
            return False
        self.note(request.label, answer)
        if not answer.closes:
            return True
        if not reader.at_end(time.monotonic() + CLOSE_WITHIN_S):
            raise judge.Wrong("more after an answer that closes")
        return False

    def doubtful(self, request, reader, sock, most):
        """After what is no sound request: any number of right answers up to `most`, or none."""
        if self.rng.random() < TO_THE_END:
            self.to_the_end(request, reader, sock, most)
            return
        try:
            for _ in range(most + 1):
                self.note(request.label, judge.read_answer(reader, request.method, GLANCE_S))
        except judge.Stuck:
            self.counts[request.label, "left"] += 1
        except judge.Closed:
            self.counts[request.label, "closed"] += 1
        else:
            raise judge.Wrong(f"more than {most} answers")

    def to_the_end(self, request, reader, sock, most):
        """The same, and then the end, which comes because the client has ended its half."""
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            for _ in range(most + 1):
                self.note(request.label, judge.read_answer(reader, request.method, CLOSE_WITHIN_S))
        except judge.Closed:
            self.counts[request.label, "closed"] += 1
        else:
            raise judge.Wrong(f"more than {most} answers")

    def in_turn(self, log):
        with self.connect() as sock:
            reader = judge.Reader(sock)
            for _ in range(self.rng.choice([1, 3, 10, 20])):
                request = self.requests.one()
                log.append(request.wire())
                if not self.exchange(request, reader, sock):
                    return
            self.leave(sock)

    def leave(self, sock):
        """Some clients do not say good-bye."""
        if self.rng.random() < 0.1:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def pipelined(self, log):
        """Several at once: answers in their order, until one of them closes."""
        batch = [each for each in (self.requests.one() for _ in range(self.rng.choice([2, 4, 8]))) if each.sound]
        with self.connect() as sock:
            reader = judge.Reader(sock)
            data = b"".join(each.wire() for each in batch)
            log.append(data)
            if len(data) >= LARGE_BYTES:
                return
            self.send(sock, data)
            self.sent += len(batch)
            for number, request in enumerate(batch):
                try:
                    answer = judge.read_answer(reader, request.method, ANSWER_WITHIN_S)
                except judge.Closed:
                    if number == 0:
                        raise judge.Wrong("closed without an answer") from None
                    raise judge.Wrong(f"closed after {number} of {len(batch)}") from None
                self.note(request.label, answer)
                if answer.closes:
                    for rest in batch[number + 1 :]:
                        self.counts[rest.label, "closed"] += 1
                    return

    def pieces(self, data, most):
        cuts = sorted(self.rng.randrange(len(data)) for _ in range(self.rng.randrange(1, most)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)]) if a < b]

    def in_pieces(self, log):
        with self.connect() as sock:
            request = self.requests.one()
            log.append(request.wire())
            self.exchange(request, judge.Reader(sock), sock, self.pieces(request.wire(), 12))

    def slowly(self, log):
        with self.connect() as sock:
            request = self.requests.one()
            log.append(request.wire())
            self.exchange(
                request, judge.Reader(sock), sock, self.pieces(request.wire(), 30), self.rng.choice([0.002, 0.01])
            )

    def cut_off(self, log):
        """A beginning, and then nothing: the client ends its half, or is gone, or resets."""
        request = self.requests.one()
        data = request.wire()
        data = data[: self.rng.randrange(len(data))]
        log.append(data)
        self.sent += 1
        with self.connect() as sock:
            self.send(sock, data)
            roll = self.rng.random()
            if roll < 0.5:
                self.doubtful(request, judge.Reader(sock), sock, 1)
                return
            if roll < 0.75:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.counts[request.label, "left"] += 1

    def foul(self, log, made):
        """Whatever the server makes of these bytes, each answer is a right one, and then the connection ends."""
        request, data = made
        log.append(data)
        self.sent += 1
        with self.connect() as sock:
            self.send(sock, data)
            if request.method == "HEAD" or b"HEAD" in data:  # where such an answer ends cannot be known
                self.counts[request.label, "not judged"] += 1
                return
            self.doubtful(request, judge.Reader(sock), sock, 2 + data.count(b"HTTP/"))

    def broken(self, log):
        self.foul(log, self.requests.broken())

    def smuggled(self, log):
        self.foul(log, self.requests.smuggling())

    # ---- all of them ----

    def keep(self, way, log, reason):
        """Writes down what was sent when something was wrong."""
        self.findings.append(f"{way}: {reason}")
        if len(self.findings) <= 20:
            name = f"{os.getpid()}-{len(self.findings)}"
            with open(os.path.join(self.directory, name), "wb") as out:
                out.write(f"{way}: {reason}\n".encode() + b"\n----\n".join(log))

    def step(self):
        (way,) = self.rng.choices(list(self.ways), list(self.ways.values()))
        log = []
        self.kinds[way.__name__] += 1
        try:
            way(log)
        except judge.Wrong as wrong:
            self.keep(way.__name__, log, str(wrong))
        except Exception as error:  # noqa: BLE001 -- a fault of the fuzzer is a finding too
            self.keep(way.__name__, log, f"{type(error).__name__}: {error}")

    def run(self, count, rate, end, tell):
        """Sends `count` requests, at most `rate` a second (0: as answers come), until the time `end`. tell(n) after each
        conversation."""
        began, told = time.monotonic(), 0
        while self.sent < count and len(self.findings) < 200 and time.monotonic() < end:
            self.step()
            tell(self.sent - told)
            told = self.sent
            ahead = self.sent / rate - (time.monotonic() - began) if rate else 0
            if ahead > 0.05:
                time.sleep(ahead)
