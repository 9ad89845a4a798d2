# SPDX-License-Identifier: Apache-2.0
import builtins, gc, json

held("json", json.dumps([1]) == "[1]", json.dumps([1]))
held("len", len("abc") == 3, str(len("abc")))
held("open", builtins.open("/etc/hostname").read() == "sandbox\n", "works")
held("trace", sys.gettrace() is None, "none")
held("path", "/mnt/data/poisoned" not in sys.path, "clean")
held("environment", "POISONED" not in os.environ, "clean")
held("modules", "poisoned" not in sys.modules, "clean")
held("host name", socket.gethostname() == "sandbox", socket.gethostname())
end()
