# SPDX-License-Identifier: Apache-2.0
"""F7: inodes are limited in every writable place, and nothing a run leaves behind is there for the next."""

import pytest

PLACES = (
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/run/lock",
    "/run",
    "/var/lock",
    "/dev/mqueue",
    "/mnt/data",
    "/home",
    "/run/user/1001",
)

FILL = r"""
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char name[256];
    long made = 0;
    for (; made < 1000000; made++) {
        snprintf(name, sizeof name, "%s/i%ld", argv[1], made);
        int fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0644);
        if (fd < 0) break;
        close(fd);
    }
    printf("%ld %d\n", made, errno);
    fflush(stdout);
    return made == 1000000 ? 9 : 0;
}
"""
ENOSPC, EDQUOT = 28, 122


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm", "/var/tmp", "/mnt/data"])
def test_f07_inode_exhaustion(attack, place):
    run = attack.exec(FILL, "c", args=[place], timeout=20000)
    if run.outcome == "out_of_memory":
        return  # inodes are charged to the cell's memory: bounded too
    made, number = map(int, run.stdout.split())
    assert run.outcome == "ok", dict(run)
    assert made == 0 or number in (ENOSPC, EDQUOT), dict(run)
    assert made < 1000000, dict(run)


def test_f07_residue_is_gone(attack):
    mark = "f07-residue"
    first = attack.exec(
        "\n".join(
            f"mkdir -p {place} 2>/dev/null; echo {mark} > {place}/{mark} 2>/dev/null; echo {mark} > {place}/.{mark} 2>/dev/null"
            for place in PLACES
        )
        + f"\nexport {mark.replace('-', '_')}=1; echo {mark} > ~/.bashrc; umask 000; (sleep 30 &)",
        "bash",
    )
    assert first.outcome == "ok", dict(first)
    look = f"grep -rsl {mark} / --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr 2>/dev/null; find / -xdev -name '*{mark}*' 2>/dev/null; ls -A {' '.join(PLACES[:4])}; umask; ps ax 2>/dev/null | grep -c '[s]leep 30'"
    for fields in ({}, {"session_id": first.session}):
        for _ in range(4):  # whichever slot comes next
            second = attack.exec(look, "bash", **fields)
            text = (
                second.stdout.replace(f"/mnt/data/{mark}", "").replace(f"\n{mark}\n", "\n") if fields else second.stdout
            )
            assert mark not in text, dict(second)
            assert "sleep" not in second.stdout
            if not fields:
                assert second.lines()[-1] == "0", dict(second)


def test_f07_quota_is_per_cell(attack):
    """One cell's full /tmp is not another's."""
    full = attack.exec(
        "for i in 1 2 3; do head -c 60M /dev/zero > /tmp/f$i; done; df --output=avail /tmp | tail -1",
        "bash",
        timeout=20000,
    )
    assert "No space left" in full.stderr or full.outcome in ("disk_limit", "out_of_memory"), dict(full)
    empty = attack.exec("df --output=avail -k /tmp | tail -1; df --output=iavail /tmp | tail -1", "bash")
    assert int(empty.lines()[0]) > 50000, dict(empty)
