# SPDX-License-Identifier: Apache-2.0
"""Load that remembers what the server has answered, and the look whether it is still there after a fault."""

import http.client
import threading


class Answered:
    """Uploads and runs in a thread until stopped; keeps everything the server has answered with 200."""

    def __init__(self, server, number):
        self.server, self.number = server, number
        self.files, self.errors = [], 0
        self.stop_event = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        count = 0
        while not self.stop_event.is_set():
            count += 1
            data = f"{self.number}-{count}-".encode() * (200 if count % 2 else 20000)
            try:
                with self.server.client(timeout=10) as client:
                    if count % 3:
                        up = client.upload((f"f{count}.txt", data))
                        self.files.append((up.session, up.id, data))
                    else:
                        run = client.exec(f"printf '%s' {self.number}-{count} > out.txt", "bash")
                        self.files.append((run.session, run.files[0]["id"], f"{self.number}-{count}".encode()))
            except (OSError, http.client.HTTPException, AssertionError):
                self.errors += 1
                self.stop_event.wait(0.01)

    def stop(self):
        self.stop_event.set()
        self.thread.join()


def check_all(server, answered):
    """Everything answered is there, byte for byte."""
    with server.client() as client:
        for load in answered:
            for session, file_id, data in load.files:
                reply = client.download_reply(session, file_id)
                assert reply.status == 200 and reply.body == data, (
                    session,
                    file_id,
                    reply.status,
                    len(reply.body),
                    len(data),
                )
