# SPDX-License-Identifier: Apache-2.0
"""F14: the cache of builds. A program cannot change what a later run of its source starts, nor see what is kept; and an entry
that was changed on disk is not run."""

import os
import uuid

from support import host

KEPT_WITHIN_S = 20

# Each replaces what it was started from, wherever it may, by what prints "poisoned".
REWRITE_C = r"""
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static void replace(const char *path)
{
    unlink(path);
    FILE *f = fopen(path, "w");
    if (f) { fputs("#!/bin/sh\necho poisoned\n", f); fclose(f); chmod(path, 0755); }
}
int main(void)
{
    char self[4096] = "";
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) return 1;
    replace(self);
    replace("/run/build/code");
    replace("/run/build/code.c");
    /* once more, later, from a process that outlives the program */
    if (fork() == 0) { usleep(20000); replace("/run/build/code"); for (;;) pause(); }
    puts("honest");
    return 0;
}
"""
REWRITE_JAVA = """
import java.nio.file.*;
public class Main {
    public static void main(String[] args) throws Exception {
        Path classes = Path.of("/run/build/classes");
        for (String name : new String[] {"Main.class", "Other.class", "p/Main.class"}) {
            Files.createDirectories(classes.resolve(name).getParent());
            Files.write(classes.resolve(name), new byte[] {1, 2, 3});
        }
        System.out.println("honest");
    }
}
"""
REWRITE_GO = """
package main
import ("fmt"; "os")
func main() {
    self, _ := os.Executable()
    os.Remove(self)
    os.WriteFile(self, []byte("#!/bin/sh\\necho poisoned\\n"), 0755)
    fmt.Println("honest")
}
"""
REWRITE_TS = """
import * as fs from "fs";
for (const path of ["/run/build/code.js", "/run/build/code.ts"]) fs.writeFileSync(path, 'console.log("poisoned")');
console.log("honest");
"""
HONEST_C = '#include <stdio.h>\nint main(void) { puts("honest"); return 0; }'
OTHER_C = '#include <stdio.h>\nint main(void) { puts("another"); return 0; }'


def fresh(source):
    return f"{source}\n// {uuid.uuid4().hex}\n"


def is_cached(run):
    return run.usage.get("warm") == "cached"


def until_cached(client, source, lang, expected="honest\n"):
    """Runs the source until a run used what was kept; each run must say what is expected."""
    runs = []

    def try_again():
        runs.append(client.exec(source, lang))
        assert (runs[-1].stdout, runs[-1].code) == (expected, 0), dict(runs[-1])
        return is_cached(runs[-1])

    assert host.until(try_again, KEPT_WITHIN_S, 0.1), dict(runs[-1])


def test_f14_a_program_cannot_rewrite_its_build(attack):
    for lang, source in (("c", REWRITE_C), ("java", REWRITE_JAVA), ("go", REWRITE_GO), ("ts", REWRITE_TS)):
        source = fresh(source)
        until_cached(attack, source, lang)
        for _ in range(3):
            run = attack.exec(source, lang)
            assert is_cached(run) and run.stdout == "honest\n", dict(run)


def test_f14_the_cache_is_nowhere_in_a_cell(attack):
    until_cached(attack, fresh(HONEST_C), "c")
    builds = os.path.join(attack.server.data_dir, "builds")
    names = os.listdir(builds)
    assert names
    told = attack.evidence(f"""
names, data = set({names!r}), {attack.server.data_dir!r}
found = []
for root, dirs, files in os.walk("/"):
    dirs[:] = [d for d in dirs if os.path.join(root, d) not in ("/proc", "/sys", "/usr")]
    found += [os.path.join(root, f) for f in files if f in names]
tell({{"found": found, "data": os.path.exists(data), "mounts": data in open("/proc/self/mountinfo").read()}})
""")
    assert told == {"found": [], "data": False, "mounts": False}, told


def _entry_of(server, client, source, expected):
    """Path of the entry that this source leaves."""
    builds = os.path.join(server.data_dir, "builds")
    before = set(os.listdir(builds))
    until_cached(client, source, "c", expected)
    (name,) = set(os.listdir(builds)) - before
    return os.path.join(builds, name)


def test_f14_a_changed_entry_is_not_run(attack, server_with):
    server = server_with()
    source = fresh(HONEST_C)
    with server.client() as client:
        entry = _entry_of(server, client, source, "honest\n")
        with open(entry, "r+b") as file:
            content = file.read()
            at = content.index(b"honest")
            file.seek(at)
            file.write(b"poison")
        run = client.exec(source, "c")
        assert run.stdout == "honest\n" and not is_cached(run), dict(run)
        assert "damaged" in server.log()
        until_cached(client, source, "c")


def test_f14_an_entry_is_not_run_in_anothers_place(attack, server_with):
    server = server_with()
    one, other = fresh(HONEST_C), fresh(OTHER_C)
    with server.client() as client:
        entry = _entry_of(server, client, one, "honest\n")
        foreign = _entry_of(server, client, other, "another\n")
        os.replace(foreign, entry)
        assert client.exec(one, "c").stdout == "honest\n"
        assert client.exec(other, "c").stdout == "another\n"


def test_f14_entries_belong_to_the_api_alone(attack):
    until_cached(attack, fresh(HONEST_C), "c")
    builds = os.path.join(attack.server.data_dir, "builds")
    owner = os.stat(attack.server.data_dir).st_uid
    for path in [builds] + [os.path.join(builds, name) for name in os.listdir(builds)]:
        st = os.stat(path)
        assert st.st_uid == owner != 0 and st.st_mode & 0o077 == 0, (path, oct(st.st_mode), st.st_uid)


def test_f14_a_huge_build_is_run_but_not_kept(attack):
    """40 MB of data in the program: more than is ever kept."""
    source = fresh("static const char data[40 << 20] = {1};\nint main(int n, char **a) { (void)a; return data[n] - data[1]; }")
    for _ in range(2):
        run = attack.exec(source, "c")
        assert run.code == 0 and not is_cached(run), dict(run)
