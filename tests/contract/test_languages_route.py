# SPDX-License-Identifier: Apache-2.0
"""extensions.md X3: GET /languages."""

import os

import pytest
from support import host

CODES = ["bash", "c", "cpp", "d", "f90", "go", "java", "js", "php", "py", "r", "rs", "ts"]


@pytest.mark.parametrize("path", ["/languages", "/v1/languages"])
def test_list(client, path):
    """X3: thirteen entries with their fields."""
    reply = client.get(path)
    assert reply.status == 200 and sorted(entry["code"] for entry in reply.json) == CODES
    for entry in reply.json:
        assert {"code", "name", "aliases", "available", "warm"} <= set(entry) <= {"code", "name", "aliases", "version", "available", "warm", "reason"}, entry
        assert isinstance(entry["available"], bool) and isinstance(entry["aliases"], list) and isinstance(entry["warm"], bool), entry
        assert ("reason" in entry and bool(entry["reason"])) != entry["available"], entry


def warm_codes(client):
    return {entry["code"] for entry in client.get("/languages").json if entry["warm"]}


def test_warm(server, server_with):
    """X3: a language is warm while an interpreter or compiler of it waits for a program."""
    with server.client() as client:
        assert host.until(lambda: "py" in warm_codes(client), 60)
        assert not warm_codes(client) & {"c", "go", "rs"}
    with server_with().client() as client:  # without a pool
        assert warm_codes(client) == set()
    with server_with(SANDBOX_POOL_ENABLED="true").client() as client:  # trial executions, which are of bash, keep none waiting
        assert host.until(lambda: "py" in warm_codes(client), 60)
        assert "bash" not in warm_codes(client)


def test_needs_a_key(client):
    """X: needs a key."""
    assert client.get("/languages", key=None).status == 401


def test_versions(languages):
    """X3: a version with digits for what is available, once it was asked."""
    known = [entry for entry in languages.values() if entry["available"] and entry.get("version")]
    for entry in known:
        assert any(letter.isdigit() for letter in entry["version"]), entry


def test_names_do_not_repeat(languages):
    """X3: codes and aliases are all different."""
    every = [name for entry in languages.values() for name in [entry["code"], *entry["aliases"]]]
    assert len(every) == len(set(every))


def test_missing_runtime(server_with, tmp_path_factory):
    """X3: a language whose runtime is missing is listed so and answers 400, naming the package."""
    root = tmp_path_factory.mktemp("rootfs")
    os.chmod(root, 0o755)
    for name in ("usr", "bin", "lib", "lib64", "sbin"):
        os.symlink(f"/{name}", root / name) if os.path.islink(f"/{name}") else None
    os.makedirs(root / "usr", exist_ok=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        if not os.path.lexists(root / name):
            os.makedirs(root / name)
    server = server_with(SANDBOX_ROOTFS=str(root), wait=False)
    try:
        status = server.wait_exit(4)
    except AssertionError:
        status = None
    if status is not None:
        # No runtime at all: refusing to start is right if it says what is missing.
        assert status != 0 and ("SANDBOX_ROOTFS" in server.log() or "bash" in server.log()), server.log()
        return
    with server.client() as client:
        entries = {entry["code"]: entry for entry in client.get("/languages").json}
        assert not entries["go"]["available"] and entries["go"]["reason"]
        reply = client.exec_reply("package main\nfunc main() {}", "go")
        assert reply.status == 400 and reply.error == "Language 'go' is not installed on this server", reply
        assert reply.json["details"][0]["code"] == "language_unavailable", reply
