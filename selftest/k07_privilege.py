# SPDX-License-Identifier: Apache-2.0
# What the kernel says of this process, of its child, and of the init of the cell.
FIELDS = ("Seccomp", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Uid", "Gid", "Groups")


def look(who, text):
    state = {line.split(":")[0]: line.split(":")[1].split() for line in text.splitlines() if ":" in line}
    held(who + " Seccomp", state["Seccomp"] == ["2"], "Seccomp " + state["Seccomp"][0])
    held(who + " NoNewPrivs", state["NoNewPrivs"] == ["1"], "NoNewPrivs " + state["NoNewPrivs"][0])
    for field in FIELDS[2:7]:
        held(who + " " + field, int(state[field][0], 16) == 0, field + " " + state[field][0])
    held(who + " ids", "0" not in state["Uid"] + state["Gid"] + state["Groups"], "uid " + state["Uid"][0])


look("program", open("/proc/self/status").read())
look("child", subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout)
look("init", open("/proc/1/status").read())
fails("no_new_privs off", sc("prctl", 38, 0, 0, 0, 0))
fails("another filter that asks nobody", sc("seccomp", 1, 8, ctypes.create_string_buffer(64)), DENIED)
bits = sc("prctl", 27, 0, 0, 0, 0)
held("secure bits", bits.startswith("ok:") and int(bits[3:]) & 0xEF == 0xEF, bits)
end()
