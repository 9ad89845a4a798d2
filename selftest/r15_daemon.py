# SPDX-License-Identifier: Apache-2.0
# A daemon as the book has it.
if os.fork() == 0:
    os.setsid()
    for number in range(1, 65):
        attempt(signal.signal, number, signal.SIG_IGN)
    if os.fork() == 0:
        os.closerange(0, 3)
        while True:
            time.sleep(100)
    os._exit(0)
os.wait()
print("done")
