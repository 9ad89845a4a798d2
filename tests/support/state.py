# SPDX-License-Identifier: Apache-2.0
"""Programs that find what earlier ones of their session left (exec.md 10.7)."""


class Session:
    """Runs one program after the other in one session; each must succeed without a word on stderr. stored: none finds the
    interpreter of an earlier one, which may live on."""

    def __init__(self, client, stored=False, **fields):
        self.client, self.stored, self.fields = client, stored, fields

    def any(self, code, lang="py", **fields):
        if self.stored and "session_id" in self.fields:
            self.client.cool(self.id)
        run = self.client.exec(code, lang, **self.fields, **fields)
        self.fields = {"session_id": run.session}
        return run

    def __call__(self, code, lang="py", **fields):
        run = self.any(code, lang, **fields)
        assert (run.outcome, run.code, run.stderr) == ("ok", 0, ""), dict(run)
        return run.stdout

    @property
    def id(self):
        return self.fields["session_id"]
