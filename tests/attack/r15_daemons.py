# SPDX-License-Identifier: Apache-2.0
"""R15: what a program of a session leaves running is ended with the program, and is not there in the session's next one."""

import time

from support import host

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv('/bin/bash', ['r15daemon', '-c', 'trap "" TERM HUP INT; while :; do echo x >> /mnt/data/alive; sleep 0.05; done'])
    os._exit(0)
while not os.path.exists('/mnt/data/alive'):
    time.sleep(0.01)
kept = 1
"""


def test_r15_daemons_end_with_the_run(attack):
    run = attack.exec(DAEMON, "py")
    assert run.outcome == "ok", dict(run)
    assert host.gone("r15daemon") == []
    time.sleep(0.2)
    later = attack.exec(
        "import os\nprint(kept, len([p for p in os.listdir('/proc') if p.isdigit()]))", "py", session_id=run.session
    )
    assert later.stdout in ("1 2\n", "1 3\n"), dict(later)


def test_r15_a_daemon_of_a_program_that_never_ends(attack):
    run = attack.exec(DAEMON + "time.sleep(60)", "py", timeout=1000)
    assert run.outcome == "timeout", dict(run)
    assert host.gone("r15daemon") == []
