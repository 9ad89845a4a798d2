# SPDX-License-Identifier: Apache-2.0
"""The second run of a source skips its compiler (docs/LANGUAGES.md), and nobody can tell but by the time it takes."""

import os
import pathlib
import uuid

import pytest

from support import host
from support.server import new_key

PROGRAMS = pathlib.Path(__file__).parent / "programs"
COMPILED = ["c", "cpp", "d", "f90", "go", "java", "rs", "ts"]
SAME = ("stdout", "stderr", "code", "outcome", "signal", "status", "message")
KEPT_WITHIN_S = 20

each_compiled = pytest.mark.parametrize("code", COMPILED)


def program(code, name):
    (found,) = (path for path in (PROGRAMS / code).glob(f"{name}.*") if path.suffix != ".json")
    return found.read_text()


def fresh(source, code):
    """The same program as nobody has compiled it yet."""
    return f"{source}\n{'!' if code == 'f90' else '//'} {uuid.uuid4().hex}\n"


def is_cached(run):
    return run.usage.get("warm") == "cached"


def second(client, *arguments, **fields):
    """Runs until what the compiler made was kept, which happens some time after an answer. Returns a run that used it."""
    runs = []

    def try_again():
        runs.append(client.exec(*arguments, **fields))
        return is_cached(runs[-1])

    assert host.until(try_again, KEPT_WITHIN_S, 0.1), dict(runs[-1])
    return runs[-1]


def same(run):
    return {name: run.get(name) for name in SAME}


@each_compiled
@pytest.mark.parametrize("name", ["sum", "exit", "args", "stdin", "unicode"])
def test_the_second_run_answers_as_the_first(client, need_language, code, name):
    need_language(code)
    source = fresh(program(code, name), code)
    first = client.exec(source, code, args=["a b", "世界"])
    assert not is_cached(first)
    assert same(second(client, source, code, args=["a b", "世界"])) == same(first)


@each_compiled
def test_other_arguments_are_no_reason_to_compile(client, need_language, code):
    need_language(code)
    source = fresh(program(code, "args"), code)
    second(client, source, code, args=["one"])
    run = client.exec(source, code, args=["two", "three"])
    assert is_cached(run) and run.lines() == ["[two]", "[three]"], dict(run)


@each_compiled
def test_results_are_collected(client, need_language, code):
    need_language(code)
    source = fresh(program(code, "nested"), code)
    first = client.exec(source, code)
    assert second(client, source, code).names() == first.names() != []


@each_compiled
def test_what_does_not_compile_is_told_again(client, need_language, code):
    need_language(code)
    source = fresh(program(code, "broken"), code)
    runs = [client.exec(source, code) for _ in range(3)]
    assert not any(is_cached(run) for run in runs)
    assert same(runs[0]) == same(runs[1]) == same(runs[2]) and runs[0].outcome == "compile_error"


HEADER = '#include <stdio.h>\n#include "value.h"\nint main(void) { printf("%d\\n", VALUE); return 0; }'


def test_a_changed_include_changes_the_result(client, need_language):
    need_language("c")
    source = fresh(HEADER, "c")

    def with_value(value):
        reference = client.upload(("value.h", b"#define VALUE %d\n" % value)).reference()
        return client.exec(source, "c", files=[reference])

    assert with_value(41).stdout == "41\n"
    assert host.until(lambda: is_cached(with_value(41)), KEPT_WITHIN_S, 0.1)
    changed = with_value(42)
    assert changed.stdout == "42\n" and not is_cached(changed)
    again = with_value(41)
    assert again.stdout == "41\n" and is_cached(again)


def test_an_include_that_is_gone_is_missed(client, need_language):
    need_language("c")
    source = fresh(HEADER, "c")
    reference = client.upload(("value.h", b"#define VALUE 1\n")).reference()
    second(client, source, "c", files=[reference])
    assert client.exec(source, "c").outcome == "compile_error"


def test_a_build_that_prints_is_not_kept(client, need_language):
    """What a compiler says without failing is said each time."""
    need_language("c")
    source = fresh('#pragma message "so it was"\nint main(void) { return 0; }', "c")
    runs = [client.exec(source, "c") for _ in range(4)]
    assert "so it was" in runs[0].stderr and not any(is_cached(run) for run in runs)
    assert all(same(run) == same(runs[0]) for run in runs)


def test_a_program_that_dies_is_not_a_build_that_failed(client, need_language):
    need_language("c")
    source = fresh("#include <stdlib.h>\nint main(void) { abort(); }", "c")
    run = second(client, source, "c")
    assert (run.outcome, run["signal"]) == ("signal", "SIGABRT"), dict(run)


def test_another_key_compiles_itself(server_with):
    other = new_key()
    server = server_with(API_KEYS=other)
    source = fresh("int main(void) { return 0; }", "c")
    with server.client() as client, server.client(key=other) as stranger:
        second(client, source, "c")
        assert not is_cached(stranger.exec(source, "c"))
        second(stranger, source, "c")


def test_builds_survive_a_restart(server_with):
    server = server_with()
    source = fresh('#include <stdio.h>\nint main(void) { puts("kept"); }', "c")
    with server.client() as client:
        second(client, source, "c")
    assert server.terminate() == 0
    server.start()
    with server.client() as client:
        run = client.exec(source, "c")
    assert is_cached(run) and run.stdout == "kept\n", dict(run)


def test_off(server_with):
    """COMPILE_CACHE_MB=0: nothing is kept, and what was kept is gone."""
    server = server_with()
    source = fresh("int main(void) { return 0; }", "c")
    with server.client() as client:
        second(client, source, "c")
    assert server.terminate() == 0
    server.given["COMPILE_CACHE_MB"] = "0"
    server.start()
    with server.client() as client:
        assert not any(is_cached(client.exec(source, "c")) for _ in range(3))
    assert os.listdir(os.path.join(server.data_dir, "builds")) == []


def test_the_bound_holds(server_with):
    """Each of these takes about a fifth of a megabyte; the oldest have to go."""
    server = server_with(COMPILE_CACHE_MB="2")
    source = "static volatile char data[200000] = {1};\nint main(void) { return data[0] - 1; }"
    builds = os.path.join(server.data_dir, "builds")
    sources = [fresh(source, "c") for _ in range(14)]
    with server.client() as client:
        for each in sources:
            second(client, each, "c")
        sizes = [os.path.getsize(os.path.join(builds, name)) for name in os.listdir(builds)]
        assert 0 < sum(sizes) <= 2 << 20, sizes
        assert is_cached(client.exec(sources[-1], "c")) and not is_cached(client.exec(sources[0], "c"))
