# SPDX-License-Identifier: Apache-2.0
"""R12: no variable of a request or of the server's own environment reaches a program or a helper of the server."""

import pytest

HOSTILE = {
    "LD_PRELOAD": "/mnt/data/evil.so",
    "LD_LIBRARY_PATH": "/mnt/data",
    "LD_AUDIT": "/mnt/data/evil.so",
    "GLIBC_TUNABLES": "glibc.malloc.check=3",
    "NODE_OPTIONS": "--require=/mnt/data/evil.js",
    "PYTHONSTARTUP": "/mnt/data/evil.py",
    "PYTHONPATH": "/evil",
    "PYTHONHOME": "/evil",
    "BASH_ENV": "/mnt/data/evil.sh",
    "ENV": "/mnt/data/evil.sh",
    "PERL5OPT": "-Mevil",
    "RUBYOPT": "-revil",
    "JAVA_TOOL_OPTIONS": "-javaagent:/evil.jar",
    "GCC_EXEC_PREFIX": "/evil",
    "IFS": "x",
    "SHELLOPTS": "xtrace",
    "R_PROFILE": "/evil",
    "RUSTFLAGS": "-evil",
    "GOFLAGS": "-evil",
    "PHPRC": "/evil",
    "EVIL": "evil-value",
}
EXPECTED = {
    "HOME",
    "TMPDIR",
    "PATH",
    "LC_ALL",
    "LANG",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
    "TERM",
    "TZ",
    "XDG_CACHE_HOME",
    "MPLBACKEND",
    "MPLCONFIGDIR",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PYTHONHASHSEED",
    "HOSTNAME",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "PYTHONIOENCODING",
    "PYTHONUTF8",
    "LC_CTYPE",
    "MAKEFLAGS",
}


@pytest.mark.parametrize(
    "language,code",
    [("py", "import os\nfor k, v in sorted(os.environ.items()): print(k + '=' + v)"), ("bash", "env | sort")],
)
def test_r12_only_known_variables(attack, language, code):
    run = attack.exec(code, language, env=HOSTILE, environment=HOSTILE, envs=[f"{k}={v}" for k, v in HOSTILE.items()])
    assert run.outcome == "ok" and "evil" not in run.stdout.lower(), dict(run)
    seen = {line.split("=")[0]: line.split("=", 1)[1] for line in run.lines() if "=" in line}
    assert set(seen) <= EXPECTED, set(seen) - EXPECTED
    assert seen["HOME"] == "/tmp" and seen["TMPDIR"] == "/tmp" and seen["LC_ALL"] == "C.UTF-8", seen
    if language == "py":
        assert (
            seen["PYTHONUNBUFFERED"] == "1" and seen["PYTHONDONTWRITEBYTECODE"] == "1" and seen["MPLBACKEND"] == "Agg"
        ), seen


def test_r12_headers_make_no_variables(attack):
    run = attack.exec(
        "env",
        "bash",
        headers={"X-Env": "EVIL=1", "Proxy": "http://evil", "X-Forwarded-Host": "evil\tname", "User-Agent": "evil"},
    )
    assert "evil" not in run.stdout.lower(), dict(run)


def test_r12_the_servers_own_environment(server_with):
    """An operator's odd environment is not handed on, and the sandbox's own helpers do not obey it."""
    hostile = {
        name: value
        for name, value in HOSTILE.items()
        if not name.startswith("LD_") and name not in ("GLIBC_TUNABLES", "GCC_EXEC_PREFIX")
    }
    server = server_with(
        **hostile, AWS_SECRET_ACCESS_KEY="aws-secret-r12", REDIS_URL="redis://:redis-secret-r12@localhost"
    )
    with server.client() as client:
        for language, code in (
            ("bash", "env; cat /proc/[0-9]*/environ 2>/dev/null; true"),
            ("py", "import os; print(os.environ)"),
            ("js", "console.log(process.env)"),
        ):
            run = client.exec(code, language)
            assert run.outcome == "ok" and "evil" not in run.stdout.lower() and "r12" not in run.stdout, dict(run)


def test_r12_variables_set_inside_stay_inside(attack):
    first = attack.exec(
        "export LD_PRELOAD=/mnt/data/evil.so EVIL=1; echo 'export EVIL=1' > ~/.bashrc; echo export EVIL=1 > /mnt/data/.profile; bash -c 'echo child'",
        "bash",
    )
    assert first.outcome == "ok" and first.stdout == "child\n", dict(first)
    second = attack.exec("env", "bash", session_id=first.session)
    assert "EVIL" not in second.stdout and "LD_PRELOAD" not in second.stdout, dict(second)
