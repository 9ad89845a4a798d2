# SPDX-License-Identifier: Apache-2.0
"""K10: code smuggled in through any other field (arguments, environment, file names, start-up files of a runtime) either does
not run or runs behind every wall, never before the filter."""

import json

import pytest

WATCH = ("Seccomp", "NoNewPrivs", "CapEff", "CapBnd", "Uid")

# Writes what the kernel says of the process that runs it.
PY_SPY = (
    "import os\nopen('/mnt/data/spy.' + str(os.getpid()), 'a').write(open('/proc/self/status').read() + 'END\\n')\n"
)
SH_SPY = "(cat /proc/self/status; echo END) >> /mnt/data/spy.sh.$$\n"
JS_SPY = "const fs=require('fs');fs.appendFileSync('/mnt/data/spy.'+process.pid, fs.readFileSync('/proc/self/status','utf8')+'END\\n');\n"
R_SPY = (
    "cat(readLines('/proc/self/status'), 'END', sep='\\n', file=paste0('/mnt/data/spy.', Sys.getpid()), append=TRUE)\n"
)
PHP_SPY = "<?php file_put_contents('/mnt/data/spy.'.getmypid(), file_get_contents('/proc/self/status').\"END\\n\", FILE_APPEND);"

PLANTED = {
    "py": (
        {
            f"{name}.py": PY_SPY
            for name in (
                "sitecustomize",
                "usercustomize",
                "site",
                "encodings",
                "os",
                "io",
                "code",
                "__main__",
                "runpy",
                "json",
            )
        },
        "import sys; sys.path.insert(0, '/mnt/data')\ntry:\n    import sitecustomize\nexcept Exception as e: pass\nprint('ran')",
    ),
    "js": (
        {
            "package.json": json.dumps({"main": "x.js"}),
            "index.js": JS_SPY,
            "fs.js": JS_SPY,
            "code.js": JS_SPY,
            "main.js": JS_SPY,
        },
        "console.log('ran')",
    ),
    "ts": (
        {
            "tsconfig.json": json.dumps({"compilerOptions": {"plugins": [{"name": "./x.js"}]}}),
            "x.js": JS_SPY,
            "typescript.js": JS_SPY,
        },
        "console.log('ran')",
    ),
    "bash": ({"profile.sh": SH_SPY, "BASH_ENV": SH_SPY, "code.sh": SH_SPY}, "echo ran"),
    "r": ({"Rprofile.r": R_SPY, "code.r": R_SPY, "Renviron": "R_PROFILE_USER=/mnt/data/Rprofile.r\n"}, "cat('ran\\n')"),
    "php": ({"php.ini": "auto_prepend_file=/mnt/data/spy.php\n", "spy.php": PHP_SPY}, '<?php echo "ran\\n";'),
}


def _check_spies(client, run):
    for entry in run.files:
        if not entry["name"].startswith("spy."):
            continue
        for status in client.fetch(entry).decode().split("END\n"):
            fields = {line.split(":")[0]: line.split(":")[1].split() for line in status.splitlines() if ":" in line}
            if not fields:
                continue
            assert fields["Seccomp"] == ["2"] and fields["NoNewPrivs"] == ["1"], (entry["name"], fields)
            assert int(fields["CapEff"][0], 16) == 0 and int(fields["CapBnd"][0], 16) == 0, (entry["name"], fields)
            assert "0" not in fields["Uid"], (entry["name"], fields)


@pytest.mark.parametrize("language", sorted(PLANTED))
def test_k10_start_up_files(attack, need_language, language):
    need_language(language)
    planted, program = PLANTED[language]
    # Written by an earlier run of the session, so that hidden and odd names are possible too.
    lines = "".join(f"open({('/mnt/data/' + name)!r}, 'w').write({text!r})\n" for name, text in planted.items())
    hidden = "".join(
        f"open('/mnt/data/{name}', 'w').write({SH_SPY!r})\n"
        for name in (".bashrc", ".profile", ".bash_profile", ".Rprofile", ".npmrc")
    )
    first = attack.exec(lines + hidden, "py")
    assert first.outcome == "ok", dict(first)
    run = attack.exec(program, language, session_id=first.session, timeout=60000)
    _check_spies(attack, run)
    assert run.outcome == "ok" and "ran" in run.stdout, dict(run)


INJECTIONS = [
    "-c",
    "import os; os.system('id > /mnt/data/pwned')",
    "--eval=process.exit(9)",
    "-e",
    "$(touch /mnt/data/pwned)",
    "`touch /mnt/data/pwned`",
    "; touch /mnt/data/pwned",
    "| touch /mnt/data/pwned",
    "--require=/mnt/data/x.js",
    "--inspect",
    "-",
    "--",
    "--rcfile",
    "/mnt/data/x",
]


@pytest.mark.parametrize(
    "language,code",
    [
        ("py", "import sys; print(len(sys.argv) - 1)"),
        ("js", "console.log(process.argv.length - 2)"),
        ("bash", "echo $#"),
        ("php", '<?php echo $argc - 1, "\\n";'),
        ("r", "cat(length(commandArgs(trailingOnly = TRUE)), '\\n', sep = '')"),
    ],
)
def test_k10_arguments_are_only_arguments(attack, need_language, language, code):
    need_language(language)
    run = attack.exec(code, language, args=INJECTIONS)
    assert run.outcome == "ok" and run.stdout == f"{len(INJECTIONS)}\n", dict(run)
    assert "pwned" not in run.names(), dict(run)


def test_k10_unknown_fields_do_nothing(attack):
    spy = "touch /mnt/data/pwned"
    run = attack.exec(
        "ls -A /mnt/data; env | sort",
        "bash",
        env={"BASH_ENV": "/mnt/data/x", "EVIL": "1"},
        environment={"EVIL": "1"},
        preload=spy,
        prelude=spy,
        setup=spy,
        packages=["; " + spy],
        command=spy,
        language="py",
        compile_command=spy,
        run_command=spy,
        cwd="/etc",
        uid=0,
        user="root",
        entrypoint=[spy],
        filename="; " + spy,
        source="; " + spy,
        stdin_file="/etc/passwd",
    )
    assert run.outcome == "ok", dict(run)
    assert "pwned" not in run.stdout and "EVIL" not in run.stdout and "BASH_ENV" not in run.stdout, dict(run)


def test_k10_identifiers_and_names_are_only_text(attack):
    nasty = "$(touch /mnt/data/pwned)'\"; touch /mnt/data/pwned #"
    run = attack.exec(
        "ls -A /mnt/data",
        "bash",
        user_id=nasty,
        session_id=nasty,
        files=[{"id": nasty, "storage_session_id": nasty, "name": nasty, "kind": nasty, "resource_id": nasty}],
        runtime_session_hint=nasty,
    )
    assert run.outcome == "ok" and run.stdout == "", dict(run)
