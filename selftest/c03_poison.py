# SPDX-License-Identifier: Apache-2.0
# Everything that the interpreter could hand on to the next program.
import atexit, builtins, gc, json

json.dumps = lambda *a, **k: "poisoned"
builtins.len = lambda x: 666
builtins.open = lambda *a, **k: None
sys.settrace(lambda *a: None)
gc.callbacks.append(lambda *a: None)
sys.meta_path.insert(0, type("F", (), {"find_spec": lambda *a: None})())
sys.path.insert(0, "/mnt/data/poisoned")
os.environ["POISONED"] = "1"
socket.gethostname = lambda: "poisoned"
sys.modules["poisoned"] = sys
atexit.register(print, "poisoned")
