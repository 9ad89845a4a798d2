# SPDX-License-Identifier: Apache-2.0
# What looks like a secret, wherever a program may look.
import re

PATTERN = re.compile(rb"(API_KEY|MASTER_KEY|SECRET|TOKEN|PASSWORD|REDIS_URL|AWS_|DATABASE_URL|PRIVATE KEY)[A-Z_]*=", re.I)
for variable in os.environ:
    held("variable " + variable, not PATTERN.search(variable.encode() + b"="), "none that names a secret")
for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
    for what in ("environ", "cmdline"):
        text = b""
        try:
            text = open("/proc/%s/%s" % (pid, what), "rb").read()
        except OSError:
            pass
        held("/proc/%s/%s" % (pid, what), not PATTERN.search(text), "none")
for place in ("/", "/etc", "/opt/codecell", "/run", "/run/build", "/tmp", "/mnt/data"):
    for entry in os.listdir(place) if os.path.isdir(place) else []:
        held(place + "/" + entry, not entry.endswith((".env", ".pem", ".key", ".db")), "no file of the server's")
fails("memory of the init", attempt(lambda: open("/proc/1/mem", "rb").read(1)))
end()
