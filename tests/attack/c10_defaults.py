# SPDX-License-Identifier: Apache-2.0
"""C10: no default credential, no accidental open door: a start without a key, with a weak one or without authentication on a
reachable address is refused unless asked for in so many words."""

import pytest


@pytest.mark.parametrize(
    "env,variable",
    [
        ({"API_KEY": None}, "API_KEY"),
        ({"API_KEY": ""}, "API_KEY"),
        ({"API_KEY": "short"}, "API_KEY"),
        ({"API_KEY": "123456789012345"}, "API_KEY"),
        ({"API_KEYS": "good-key-0123456789,bad"}, "API_KEYS"),
        ({"AUTH_ENABLED": "perhaps"}, "AUTH_ENABLED"),
        ({"AUTH_ENABLED": "false", "API_HOST": "0.0.0.0"}, "AUTH_ENABLED"),
        ({"ENABLE_NETWORK_ISOLATION": "false"}, "ENABLE_NETWORK_ISOLATION"),
        ({"ENABLE_FILESYSTEM_ISOLATION": "false"}, "ENABLE_FILESYSTEM_ISOLATION"),
    ],
)
def test_c10_refuses_to_start(server_with, env, variable):
    server = server_with(wait=False, **env)
    assert server.wait_exit(10) not in (0, None)
    assert variable in server.log(), server.log()


@pytest.mark.parametrize(
    "key",
    [
        "",
        "admin",
        "password",
        "test",
        "changeme",
        "null",
        "undefined",
        "sk-example-key-0123456789",
        "your-api-key-here",
        "default",
        "codecell",
        "*",
        "%",
        "' OR 1=1 --",
    ],
)
def test_c10_guessed_keys(attack, key):
    for headers in ({"x-api-key": key}, {"Authorization": f"Bearer {key}"}, {}):
        reply = attack.request(
            "POST",
            "/exec",
            body=b'{"lang":"bash","code":"echo x"}',
            headers={"Content-Type": "application/json", **headers},
            key=None,
        )
        assert reply.status == 401 and "API key" in reply.error, reply


def test_c10_authentication_off_is_said_aloud(server_with):
    server = server_with(AUTH_ENABLED="false")
    with server.client(key=None) as client:
        assert client.exec("echo open", "bash").stdout == "open\n"
    assert "AUTH_ENABLED" in server.log() or "authentication" in server.log().lower(), server.log()
