# SPDX-License-Identifier: Apache-2.0
"""Managed keys of a server under test, over HTTP with its master key (admin.md A3)."""

import json

ADMIN = "/api/v1/admin/keys"
MASTER = "mk-T8wVq2Zr5LxN7cKd4Jf9"
JSON = {"Content-Type": "application/json"}


class Keys:
    """A server started with MASTER_API_KEY=MASTER, and short verbs for its keys."""

    def __init__(self, server):
        self.server = server
        self.http = server.client(key=MASTER)

    def make(self, name="team", **fields):
        """Returns the key and its record."""
        reply = self.http.post(ADMIN, {"name": name, **fields})
        assert reply.status == 200, reply
        return reply.json["api_key"], reply.json["record"]

    def client(self, **fields):
        """A client with a key of its own."""
        return self.server.client(key=self.make(**fields)[0])

    def change(self, record, **fields):
        body = json.dumps(fields).encode()
        return self.http.request("PATCH", f"{ADMIN}/{record['key_hash']}", body=body, headers=JSON)

    def revoke(self, record):
        return self.http.delete(f"{ADMIN}/{record['key_hash']}")

    def list(self):
        reply = self.http.get(ADMIN)
        assert reply.status == 200, reply
        return reply.json

    def find(self, record):
        found = [entry for entry in self.list() if entry["key_hash"] == record["key_hash"]]
        return found[0] if found else None
