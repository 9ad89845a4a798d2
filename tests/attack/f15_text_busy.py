# SPDX-License-Identifier: Apache-2.0
"""F15: copying a program in and running it under load fails spuriously in no case (ETXTBSY)."""

from support.client import in_threads

C = '#include <stdio.h>\nint main(void) { puts("%d"); return 0; }'


def test_f15_compile_and_run_under_load(attack):
    def job(number):
        def run():
            with attack.server.client() as client:
                return [client.exec(C % (number * 10 + i), "c", timeout=60000) for i in range(3)]

        return run

    for number, runs in enumerate(in_threads([job(n) for n in range(12)])):
        for i, run in enumerate(runs):
            assert (run.outcome, run.stdout, run.stderr) == ("ok", f"{number * 10 + i}\n", ""), dict(run)


def test_f15_copy_then_exec_inside(attack):
    def run():
        with attack.server.client() as client:
            return client.exec(
                "for i in $(seq 60); do cp /bin/true ./t$i && chmod +x t$i && ./t$i || echo FAIL $?; rm -f t$i; done; echo done",
                "bash",
            )

    for answer in in_threads([run] * 6):
        assert (answer.outcome, answer.stdout, answer.stderr) == ("ok", "done\n", ""), dict(answer)
