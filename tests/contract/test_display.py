# SPDX-License-Identifier: Apache-2.0
"""extensions.md X6: rich results."""

import base64
import json

import pytest

from support.events import Events

PNG = b"\x89PNG\r\n\x1a\n"


def shown(client, code, lang="py", **fields):
    return client.exec(code, lang, display=True, **fields)


def kinds(run):
    return [entry["type"] for entry in run["results"]]


def data_of(entry):
    return base64.b64decode(entry["data"], validate=True)


@pytest.fixture(autouse=True)
def needs_python(need_language):
    need_language("py")


def test_without_display_nothing_is_added(client):
    """X6: additive; show() saves files then."""
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n3"
    run = client.exec(code)
    assert "results" not in run and run.names() == ["plot_1.png"] and run.stdout == ""
    assert client.exec("display(1)").outcome == "error"


def test_nothing_shown(client):
    """X6: an empty list, whatever the language."""
    assert shown(client, "x = 1")["results"] == []
    assert shown(client, "x = None\nx")["results"] == []
    assert shown(client, "echo x", "bash")["results"] == []


def test_the_value_of_the_last_expression(client):
    """X6: the value of a last bare expression, as text; stdout stays as without display."""
    run = shown(client, "x = 6\nprint('out')\nx * 7")
    assert run["results"] == [{"type": "text/plain", "text": "42"}] and run.stdout == "out\n"
    run = shown(client, "6 * 7")
    assert run["results"] == [{"type": "text/plain", "text": "42"}] and run.stdout == "42\n"
    assert shown(client, "def f():\n    return 1\nf();")["results"] == [{"type": "text/plain", "text": "1"}]
    assert shown(client, "for i in range(3):\n    i")["results"] == []


def test_display_in_order(client):
    """X6: every display(x), in order of appearance."""
    run = shown(client, "display('a', 2)\nprint('between')\ndisplay([3])\n'世界'")
    assert [entry["text"] for entry in run["results"]] == ["'a'", "2", "[3]", "'世界'"]


def test_the_richest_form_and_the_text(client):
    """X6: the richest of an object's forms, then its text."""
    run = shown(client, "import pandas as pd\npd.DataFrame({'a': [1, 2]})")
    assert kinds(run) == ["text/html", "text/plain"]
    assert "<table" in run["results"][0]["text"] and "a" in run["results"][1]["text"]
    code = """
class Thing:
    def __init__(self, **forms): self.__dict__.update(forms)
    def __repr__(self): return 'thing'
class Html(Thing):
    def _repr_html_(self): return '<b>x</b>'
    def _repr_png_(self): return b'never'
class Svg(Thing):
    def _repr_svg_(self): return '<svg/>'
class Json(Thing):
    def _repr_json_(self): return {'a': [1]}
class Broken(Thing):
    def _repr_html_(self): raise ValueError
for each in (Html(), Svg(), Json(), Broken(), Html):
    display(each)
"""
    run = shown(client, code)
    assert kinds(run) == [
        *("text/html", "text/plain", "image/svg+xml", "text/plain", "application/json", "text/plain"),
        *("text/plain", "text/plain"),
    ]
    assert run["results"][0]["text"] == "<b>x</b>" and data_of(run["results"][2]) == b"<svg/>"
    assert json.loads(run["results"][4]["text"]) == {"a": [1]}


def test_figures(client):
    """X6: every figure that is shown, or still open at the end, once."""
    code = """
import matplotlib.pyplot as plt
plt.plot([1, 2]); plt.show()
plt.figure(); plt.plot([2, 1])
kept = plt.figure()
display(kept)
print('end')
"""
    run = shown(client, code)
    assert kinds(run) == ["image/png"] * 3 and run.stdout == "end\n" and run.files == [], run
    assert all(data_of(entry).startswith(PNG) and entry["name"] for entry in run["results"])
    assert len({entry["name"] for entry in run["results"]}) == 3


def test_pictures(client):
    """X6: what draws itself as PNG."""
    run = shown(client, "from PIL import Image\nImage.new('RGB', (4, 4))")
    assert kinds(run) == ["image/png", "text/plain"] and data_of(run["results"][0]).startswith(PNG)


def test_what_was_shown_before_the_end(client):
    """X6: kept however the program ends."""
    run = shown(client, "display(1)\nimport time\ntime.sleep(60)", timeout=5000)
    assert run.outcome == "timeout" and [entry["text"] for entry in run["results"]] == ["1"]
    run = shown(client, "import matplotlib.pyplot as plt\nplt.plot([1])\nraise SystemExit(3)")
    assert run.code == 3 and kinds(run) == ["image/png"]
    run = shown(client, "display('x')\n1/0")
    assert run.outcome == "error" and "ZeroDivisionError" in run.stderr and 'line 2, in <module>' in run.stderr
    assert kinds(run) == ["text/plain"]


def test_at_most_so_many(client):
    """X6: 32 entries; more sets truncated.results."""
    run = shown(client, "for i in range(32):\n    display(i)")
    assert len(run["results"]) == 32 and "truncated" not in run
    run = shown(client, "for i in range(40):\n    display(i)")
    assert [entry["text"] for entry in run["results"]] == [str(i) for i in range(32)]
    assert run["truncated"] == {"stdout": False, "stderr": False, "results": True}


def test_at_most_so_much(client):
    """X6: 8 MiB together."""
    code = "class B:\n    def __init__(self, n): self.n = n\n    def __repr__(self): return 'x' * self.n\n"
    run = shown(client, code + "display(B(5 << 20))\ndisplay(B(4 << 20))\ndisplay(B(7))")
    assert [len(entry["text"]) for entry in run["results"]] == [5 << 20, 7] and run["truncated"]["results"] is True


def test_a_forged_file_is_only_data(client):
    """X6: whatever a program writes there becomes entries of known types, or nothing."""
    code = "_ = open('/mnt/data/.codecell-display', 'wb').write(%r)"
    for content, expected in (
        (b"", []),
        (b"text/plain 3 \nabc", [{"type": "text/plain", "text": "abc"}]),
        (b"text/plain 3\n\xff\x00c", [{"type": "text/plain", "text": "\ufffdc"}]),
        (b"text/plain 4 \nabc", []),
        (b"text/plain -1 \nabc", []),
        (b"text/plain 99999999999999999999 \nabc", []),
        (b"text/javascript 1 \naimage/png 1 n\xff\nb", [{"type": "image/png", "data": "Yg==", "name": "n\ufffd"}]),
        (b"\n" * 1000, []),
        (b"x" * 100000, []),
    ):
        run = shown(client, code % content)
        assert run["results"] == expected, (content[:40], run["results"])
        assert run.files == []
    links = "import os\nos.symlink('/etc/passwd', '/mnt/data/.codecell-display')"
    assert shown(client, links)["results"] == []
    run = shown(client, "printf 'text/html 3 \\n<b>' > .codecell-display", "bash")
    assert run["results"] == [{"type": "text/html", "text": "<b>"}]


def test_state_goes_on(client):
    """X6 with 10.7: what is shown changes nothing for the next run, and leaves no names."""
    first = shown(client, "import matplotlib.pyplot as plt\na = 5\nfigure = plt.figure()\na")
    assert kinds(first) == ["text/plain", "image/png"]
    second = shown(client, "a + 1", session_id=first.session)
    assert second["results"] == [{"type": "text/plain", "text": "6"}]
    assert client.exec("print('display' in dir())", session_id=first.session).stdout == "False\n"


def test_in_a_stream(server):
    """X6 with X4: part of the result."""
    with Events.run(server, "display(7)", lang="py", display=True) as events:
        assert events.all()[-2].data["results"] == [{"type": "text/plain", "text": "7"}]


def test_bad_display(client):
    """8.4."""
    reply = client.exec_reply("1", display="yes")
    assert reply.status == 422 and reply.json["details"][0]["field"] == "body -> display"


SCRIPTS = {
    "chinese": "数据分析",
    "japanese": "ひらがなカタカナ",
    "korean": "한국어",
    "arabic": "مرحبا",
    "hindi": "नमस्ते",
    "bengali": "বাংলা",
    "tamil": "தமிழ்",
    "telugu": "తెలుగు",
    "gujarati": "ગુજરાતી",
    "punjabi": "ਪੰਜਾਬੀ",
    "kannada": "ಕನ್ನಡ",
    "malayalam": "മലയാളം",
    "odia": "ଓଡ଼ିଆ",
    "greek": "Ελληνικά",
    "russian": "Русский",
}


def test_every_script_is_drawn(client):
    """10.3: text of the world's scripts has glyphs, without asking for a font: each differs from the box of the unknown."""
    code = """
import json, warnings
warnings.filterwarnings('error', message='Glyph')
import matplotlib.pyplot as plt, numpy
def ink(text):
    figure = plt.figure(figsize=(4, 1))
    figure.text(0.1, 0.5, text)
    figure.canvas.draw()
    return numpy.asarray(figure.canvas.buffer_rgba()).copy()
scripts = json.loads(%r)
pictures = {}
for name, text in scripts.items():
    pictures[name] = ink(text)
    assert (pictures[name] < 128).any(), name
print(len({picture.tobytes() for picture in pictures.values()}))
""" % json.dumps(SCRIPTS)
    run = client.exec(code, timeout=60000)
    assert run.stderr == "" and run.stdout == f"{len(SCRIPTS)}\n", run.stderr
