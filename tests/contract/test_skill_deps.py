# SPDX-License-Identifier: Apache-2.0
"""SKILL_DEPS_PATH: packages that the operator installs for all programs, which no program can change."""

import os
import pathlib
import shutil
import tempfile

import pytest

from support import host
from support.server import refused_start

SEEN = "/opt/skill-deps"
PYTHON = "import greeting; print(greeting.hello())"
NODE = "console.log(require('greeting')())"


@pytest.fixture(scope="module")
def packages():
    made = pathlib.Path(tempfile.mkdtemp(prefix="codecell-test-"))
    os.chmod(made, 0o755)
    (made / "python").mkdir()
    (made / "python/greeting.py").write_text("def hello():\n    return 'hello from python'\n")
    (made / "node/node_modules/greeting").mkdir(parents=True)
    (made / "node/node_modules/greeting/index.js").write_text("module.exports = () => 'hello from node';\n")
    shutil.copy("/usr/bin/id", made / "id")
    os.chmod(made / "id", 0o4755)
    yield made
    shutil.rmtree(made)


def test_programs_find_them(server_with, packages, need_language):
    """13.4: as programs import what the system has; and nobody writes there."""
    need_language("js")
    with server_with(SKILL_DEPS_PATH=str(packages)).client() as client:
        assert client.exec(PYTHON, "py").stdout == "hello from python\n"
        assert client.exec(NODE, "js").stdout == "hello from node\n"
        (packages / "python/later.py").write_text("word = 'installed while the server runs'\n")
        assert client.exec("import later; print(later.word)", "py").stdout == "installed while the server runs\n"
        (packages / "python/later.py").unlink()
        run = client.exec(
            f"cd {SEEN} && touch new; mkdir new; echo x >> python/greeting.py; rm -f id; ln -s / link; chmod 777 .; mv id python/id; ls",
            "bash",
        )
        assert run.lines() == ["id", "node", "python"] and run.stderr.count("Read-only file system") >= 6, dict(run)
        told = client.exec(f"{SEEN}/id -u; id -u; grep ' {SEEN} ' /proc/self/mountinfo", "bash").lines()
    assert told[0] == told[1] != "0" and len(told) == 3, told
    assert {"ro", "nosuid", "nodev"} <= set(told[2].split(" ")[5].split(",")), told[2]
    assert str(packages) not in told[2] and sorted(path.name for path in packages.iterdir()) == ["id", "node", "python"]


def test_copies_find_them(server_with, packages):
    """13.4: what looks for packages was there before the program."""

    def is_copy():
        run = client.exec(PYTHON, "py")
        assert run.stdout == "hello from python\n", dict(run)
        return run.usage["warm"] in ("armed", "forked")

    with server_with(SKILL_DEPS_PATH=str(packages), SANDBOX_POOL_ENABLED="true").client() as client:
        assert host.until(is_copy, 60)


def test_there_are_none_by_default(client):
    """13.4: what is not there at the start is not seen."""
    if os.path.exists(SEEN):
        pytest.skip("this host has packages")
    run = client.exec(f"import os, sys; print(os.path.exists('{SEEN}'), any('skill' in path for path in sys.path))", "py")
    assert run.stdout == "False False\n"


def others_may_write(place):
    os.chmod(place / "packages", 0o775)


def somebody_elses(place):
    os.chown(place / "packages", 12345, 12345)


def below_what_others_may_write(place):
    os.chmod(place, 0o777)


def a_link(place):
    os.rename(place / "packages", place / "real")
    (place / "packages").symlink_to(place / "real")


def a_file(place):
    (place / "packages").rmdir()
    (place / "packages").write_text("")


@pytest.mark.parametrize(
    "spoil,path,said",
    [
        (others_may_write, "packages", "written to by others"),
        (somebody_elses, "packages", "written to by others"),
        (below_what_others_may_write, "packages", "written to by others"),
        (a_link, "packages", "no directory"),
        (a_file, "packages", "no directory"),
        (None, ".", "the server's own"),
        (None, "data/packages", "the server's own"),
        (None, "log", "the server's own"),
    ],
)
def test_what_stops_the_start(program, spoil, path, said):
    """13.4: whoever can write there has code in every program that imports it, and every program can read it."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="codecell-test-"))
    os.chmod(place, 0o755)
    for name in ("packages", "data/packages", "log"):
        (place / name).mkdir(parents=True)
    try:
        if spoil:
            spoil(place)
        given = {
            "API_KEY": "good-key-7d1f0c2b9a",
            "DATA_DIR": str(place / "data"),
            "LOG_FILE": str(place / "log/codecell.log"),
            "SKILL_DEPS_PATH": str(place / path),
        }
        told = refused_start([program, "serve"], place, **given)
    finally:
        shutil.rmtree(place)
    assert "SKILL_DEPS_PATH" in told and said in told, told
