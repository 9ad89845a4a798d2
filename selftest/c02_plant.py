# SPDX-License-Identifier: Apache-2.0
# In the place of the state: bytes that run code when they are unpacked, behind a link, and far too many of them.
import pickle

x = 1


class Run:
    def __reduce__(self):
        return exec, ("import os; os.write(2, b'UNPACKED BY %d' % os.getuid())",)


attempt(lambda: open("/run/build/real", "wb").write(b"\1" + pickle.dumps(None) + pickle.dumps(({"planted": Run()}, {}, []))))
attempt(os.unlink, "/run/build/.state")
attempt(os.symlink, "/run/build/real", "/run/build/.state")
os._exit(0)
