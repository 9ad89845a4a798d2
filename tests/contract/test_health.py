# SPDX-License-Identifier: Apache-2.0
"""admin.md A1 and extensions.md X2: the health routes."""

import threading
import time

import pytest
from support import host


GOOD = ("healthy", "degraded")  # a busy machine may be slow


@pytest.mark.parametrize("path", ["/health", "/v1/health", "/health/", "/v1/health/"])
def test_health_is_open(client, path):
    """A1.1, 4.1, 1.6, 1.7: open, bare and under /v1, a trailing slash is ignored."""
    reply = client.get(path, key=None)
    assert reply.status == 200
    assert reply.json == {"status": "healthy", "version": "1.2.0", "service": "code-interpreter-api"}


def test_health_ignores_keys(client):
    """4.1: an open path answers 200 whatever key is presented."""
    assert client.get("/health", key="wrong-wrong-wrong-wrong").status == 200


def test_health_under_load(server, client):
    """A1.1: under 1 s even under load."""

    def load():
        with server.client() as other:
            other.exec("for i in 1 2 3; do sleep 0.3; done; yes | head -c 1000000 | wc -c", "bash")

    threads = [threading.Thread(target=load) for _ in range(16)]
    for thread in threads:
        thread.start()
    worst = 0
    for _ in range(20):
        start = time.monotonic()
        assert client.get("/health", key=None).status == 200
        worst = max(worst, time.monotonic() - start)
    for thread in threads:
        thread.join()
    assert worst < 1


def test_health_subpaths_need_a_key(client):
    """4.1: /health/* is not open (pinned)."""
    for path in ("/health/detailed", "/v1/health/detailed", "/health/redis", "/health/s3", "/health/nsjail"):
        reply = client.get(path, key=None)
        assert reply.status == 401 and "API key" in reply.error, (path, reply)


def test_health_detailed(client):
    """A1.2: every part of the server, within 5 s; no secret in it."""
    start = time.monotonic()
    reply = client.get("/health/detailed?use_cache=false")
    assert time.monotonic() - start < 5
    worst = reply.json["status"]
    assert reply.status == 200 and worst in GOOD, reply
    assert reply.header("x-health-status") == (worst if worst == "degraded" else None), reply
    services = reply.json["services"]
    assert {"redis", "s3", "nsjail"} <= set(services) <= {"redis", "s3", "nsjail", "sandbox_pool"}, reply
    for name, service in services.items():
        assert service["service"] == name and service["status"] in GOOD and service["response_time_ms"] >= 0, service
        assert service["details"] and "error" not in service, service
    states = [service["status"] for service in services.values()]
    counts = {f"{state}_services": states.count(state) for state in (*GOOD, "unhealthy")}
    assert reply.json["summary"] == {"total_services": len(states), **counts}, reply
    assert client.key not in reply.text


def test_health_of_the_pool(client, server_with):
    """A1.2: how many wait for programs of which language; without a pool there is no such service."""

    def pool():
        return client.get("/health/detailed?use_cache=false").json["services"]["sandbox_pool"]["details"]

    assert pool()["enabled"] is True and pool()["architecture"], pool()
    assert host.until(lambda: pool()["languages"]["py"] > 0 and pool()["total_available"] > 0, 60), pool()
    assert "c" not in pool()["languages"], pool()
    with server_with().client() as other:
        reply = other.get("/health/detailed")
        assert reply.status == 200 and set(reply.json["services"]) == {"redis", "s3", "nsjail"}, reply
        assert reply.json["summary"]["total_services"] == 3, reply


def test_health_is_cached(client):
    """A1.2: for half a minute, unless the caller wants to know."""
    first = client.get("/health/detailed?use_cache=0").json
    for query in ("", "?use_cache=true", "?use_cache=TRUE", "?use_cache=1", "?use_cache"):
        assert client.get(f"/health/detailed{query}").json == first, query
    assert client.get("/health/detailed?use_cache=false").json["timestamp"] > first["timestamp"]
    assert client.get("/health/detailed?use_cache=perhaps").status == 422


@pytest.mark.parametrize("name", ["redis", "s3", "nsjail"])
def test_health_of_one_part(client, name):
    """A1.3, 1.6: the object of A1.2, bare and under /v1; there is none for all of them."""
    for prefix in ("", "/v1"):
        reply = client.get(f"{prefix}/health/{name}")
        assert reply.status == 200 and reply.json["service"] == name and reply.json["status"] in GOOD, reply
        assert {"service", "status", "timestamp", "response_time_ms", "details"} == set(reply.json), reply
        assert client.get(f"{prefix}/health/services").status == 404


def test_ready(server, client):
    """X2: /ready is open and true after a real execution."""
    for path in ("/ready", "/v1/ready"):
        reply = client.get(path, key=None)
        assert reply.status == 200 and reply.json["ready"] is True, reply


def test_head_and_other_methods(client):
    """1.8: HEAD as GET without body (or 405); any other method on a known path is 405 with Allow."""
    head = client.request("HEAD", "/health", key=None)
    assert head.status in (200, 405) and head.body == b""
    for method, path in (
        ("DELETE", "/health"),
        ("PUT", "/exec"),
        ("GET", "/exec"),
        ("DELETE", "/upload"),
        ("POST", "/files/abc"),
        ("PATCH", "/download/a/b"),
    ):
        reply = client.request(method, path)
        assert reply.status == 405, (method, path, reply)
        assert reply.header("allow"), (method, path)
        assert reply.json["detail"] == "Method Not Allowed" == reply.error, reply
