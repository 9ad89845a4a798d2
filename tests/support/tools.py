# SPDX-License-Identifier: Apache-2.0
"""A client of POST /exec/programmatic, with tools that are Python functions."""

KEYS = {"status", "session_id", "continuation_token", "tool_calls", "stdout", "stderr", "files", "error"}

PATH = "/exec/programmatic"

SCHEMA = {
    "type": "object",
    "properties": {"unit": {"type": "string"}, "city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
WEATHER = {"name": "get_weather", "description": "Current weather", "parameters": SCHEMA}
WAITS = "await get_weather(city='Bern')"
ECHO = {"echo": lambda value: value}


class Failure(Exception):
    """Raised by a tool of a test: the client then posts is_error with this text; None sends no text."""


def declare(*names):
    return [{"name": name} for name in names]


class Answer(dict):
    """The JSON of a 200 answer."""

    status = property(lambda self: self["status"])
    token = property(lambda self: self["continuation_token"])
    calls = property(lambda self: self["tool_calls"])
    stdout = property(lambda self: self["stdout"])
    stderr = property(lambda self: self["stderr"])
    error = property(lambda self: self["error"])
    session = property(lambda self: self["session_id"])
    files = property(lambda self: self["files"])

    def names(self):
        return [entry["name"] for entry in self["files"]]


def post(client, path=PATH, headers=None, **body):
    """Posts a body; the answer must be 200 with all keys."""
    reply = client.post(path, body, headers=headers)
    assert reply.status == 200, reply
    answer = Answer(reply.json)
    assert KEYS <= set(answer), answer
    if answer.status == "tool_call_required":
        assert answer.calls and answer.token and answer["error"] is None, answer
    else:
        assert answer.calls == [] and answer.token is None, answer
        assert (answer.error is None) == (answer.status == "completed"), answer
    return answer


def result_of(call, tools):
    try:
        return {"call_id": call["id"], "result": tools[call["name"]](call["input"]), "is_error": False}
    except Failure as failure:
        message = failure.args[0] if failure.args else None
        return {"call_id": call["id"], "result": None, "is_error": True, "error_message": message}


def resume(client, answer, results, **kwargs):
    return post(client, continuation_token=answer.token, tool_results=results, **kwargs)


def resume_raw(client, answer, results):
    """resume() with results as they stand in the body. Returns the reply."""
    body = f'{{"continuation_token": "{answer.token}", "tool_results": [{results}]}}'
    reply = client.request("POST", PATH, body.encode(), {"Content-Type": "application/json"})
    assert reply.status == 200, reply
    return reply


class Run:
    """A run driven to its end: answer is the last answer, rounds the calls of each round."""

    def __init__(self, client, code, tools=None, declared=None, path=PATH, **fields):
        tools = tools or {}
        self.rounds = []
        self.answer = post(client, path, code=code, tools=declared or declare(*tools), **fields)
        while self.answer.status == "tool_call_required":
            self.rounds.append(self.answer.calls)
            results = [result_of(call, tools) for call in self.answer.calls]
            self.answer = resume(client, self.answer, results, path=path)

    calls = property(lambda self: [call for calls in self.rounds for call in calls])
    stdout = property(lambda self: self.answer.stdout)
    stderr = property(lambda self: self.answer.stderr)
    error = property(lambda self: self.answer.error)
    status = property(lambda self: self.answer.status)
