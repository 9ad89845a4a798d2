# SPDX-License-Identifier: Apache-2.0
"""R18: negative, huge, fractional or non-numeric limits are rejected; none means "for ever"."""

import time

import pytest

BODY = '{"lang": "bash", "code": "sleep 1000", "timeout": %s}'
ABSURD = [
    "-1",
    "0",
    "1",
    "999",
    "300001",
    "-1000",
    "1e99",
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "0x1000",
    "1000000000000000000000000",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "1500.5",
    "0.5",
    '"abc"',
    '""',
    '" "',
    '"1e3x"',
    "true",
    "false",
    "[]",
    "[5000]",
    "{}",
    '{"$gt": 0}',
    '"NaN"',
    '"-1"',
    '"Infinity"',
]


@pytest.mark.parametrize("value", ABSURD)
def test_r18_rejected(attack, value):
    start = time.monotonic()
    reply = attack.request("POST", "/exec", body=(BODY % value).encode(), headers={"Content-Type": "application/json"})
    assert reply.status == 422, (value, reply)
    detail = reply.json["details"][0]
    assert detail["field"] == "body -> timeout" or detail["code"] == "json_invalid", reply
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "field",
    ["memory_limit", "memory", "cpu", "max_output", "wall_time_limit", "cpu_time_limit", "max_processes", "disk"],
)
def test_r18_limits_that_do_not_exist_change_nothing(attack, field):
    run = attack.exec("sleep 30", "bash", timeout=1000, **{field: -1})
    assert run.outcome == "timeout" and run.usage["wall_ms"] < 2000, dict(run)


def test_r18_the_servers_maximum_wins(server_with):
    server = server_with(MAX_EXECUTION_TIME="1")
    with server.client() as client:
        for timeout in (None, 60000, 300000):
            start = time.monotonic()
            run = client.exec("sleep 30", "bash", timeout=timeout)
            assert run.outcome == "timeout" and time.monotonic() - start < 2.5, dict(run)
            assert run.stderr == "Execution timed out after 1 seconds", dict(run)


@pytest.mark.parametrize(
    "variable,value",
    [
        ("MAX_EXECUTION_TIME", "0"),
        ("MAX_EXECUTION_TIME", "-1"),
        ("MAX_EXECUTION_TIME", "301"),
        ("MAX_EXECUTION_TIME", "nan"),
        ("MAX_EXECUTION_TIME", "1e9"),
        ("MAX_MEMORY_MB", "0"),
        ("MAX_MEMORY_MB", "-512"),
        ("MAX_MEMORY_MB", "99999999999999999999"),
        ("MAX_PROCESSES", "0"),
        ("MAX_PROCESSES", "15"),
        ("MAX_CPUS", "0"),
        ("MAX_CPUS", "nan"),
        ("MAX_CPUS", "inf"),
        ("MAX_CPUS", "-1"),
        ("MAX_OUTPUT_FILES", "51"),
        ("SANDBOX_DISK_MB", "15"),
        ("SANDBOX_TMPFS_SIZE_MB", "9"),
        ("MAX_FILE_SIZE_MB", "501"),
    ],
)
def test_r18_absurd_configuration_stops_the_start(server_with, variable, value):
    server = server_with(wait=False, **{variable: value})
    assert server.wait_exit(10) not in (0, None)
    assert variable in server.log(), server.log()
