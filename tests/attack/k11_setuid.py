# SPDX-License-Identifier: Apache-2.0
"""K11: set-uid programs and file capabilities give nothing: no_new_privs is set, every mount is nosuid, nothing gets root."""


def test_k11_setuid_programs(attack):
    told = attack.evidence(
        """
search = ["find", "/", "-path", "/proc", "-prune", "-o", "-type", "f", "-perm", "/6000", "-print"]
found = [(path, bool(os.statvfs(path).f_flag & os.ST_NOSUID)) for path in subprocess.run(search, capture_output=True, text=True).stdout.splitlines()]
ran = {}
for path, _ in found[:8]:
    if os.access(path, os.X_OK):
        try:
            done = subprocess.run([path, "-c", "id -u"], capture_output=True, text=True, timeout=0.5, stdin=subprocess.DEVNULL)
            ran[path] = done.stdout[:50]
        except Exception as error:
            ran[path] = type(error).__name__
tell(dict(found=found, ran=ran, flags={p: bool(os.statvfs(p).f_flag & os.ST_NOSUID) for p in ("/", "/usr", "/tmp", "/mnt/data", "/dev", "/etc")
                                       if os.path.exists(p)},
          no_new_privs=sc("prctl", 39, 0, 0, 0, 0)))
""",
        timeout=60000,
    )
    assert told["no_new_privs"] == "ok:1", told
    assert all(nosuid for _, nosuid in told["found"]), told["found"]
    assert all(told["flags"].values()), told["flags"]
    assert not any(output.strip() == "0" for output in told["ran"].values()), told["ran"]


def test_k11_own_setuid_and_capability_files(attack):
    run = attack.exec(
        r"""
for d in /tmp /mnt/data; do
    cp /bin/bash $d/sh && chmod 6755 $d/sh
    $d/sh -p -c 'grep -E "^(Uid|Gid|CapEff|NoNewPrivs):" /proc/self/status'
    setcap cap_sys_admin+ep $d/sh 2>/dev/null && echo SETCAP
    python3 -c "import os; os.setxattr('$d/sh', 'security.capability', bytes.fromhex('0100000200002000000000000000000000000000'))" 2>&1 | tail -1
    rm -f $d/sh
done
""",
        "bash",
    )
    assert "SETCAP" not in run.stdout, dict(run)
    states = [
        line.split()
        for line in run.lines()
        if ":" in line and line.split()[0] in ("Uid:", "Gid:", "CapEff:", "NoNewPrivs:")
    ]
    assert len(states) >= 4, dict(run)
    for field in states:
        if field[0] in ("Uid:", "Gid:"):
            assert "0" not in field[1:], dict(run)
        if field[0] == "CapEff:":
            assert int(field[1], 16) == 0, dict(run)
        if field[0] == "NoNewPrivs:":
            assert field[1] == "1", dict(run)


def test_k11_identity_cannot_change(attack):
    told = attack.evidence(
        """
tell(dict(ids=os.getresuid() + os.getresgid(), setuid=attempt(os.setuid, 0), seteuid=attempt(os.seteuid, 0), setgid=attempt(os.setgid, 0),
          setgroups=attempt(os.setgroups, [0]), other=attempt(os.setuid, 1000), setresuid=attempt(os.setresuid, 0, 0, 0),
          chown=attempt(lambda: (open("/tmp/f", "w").close(), os.chown("/tmp/f", 0, 0))), groups=os.getgroups()))
"""
    )
    assert told["ids"][:3] == [1001, 1001, 1001] and 0 not in told["ids"] and 0 not in told["groups"], told
    for call in ("setuid", "seteuid", "setgid", "setgroups", "other", "setresuid", "chown"):
        assert told[call] in ("EPERM", "EINVAL", "ENOSYS"), (call, told)
