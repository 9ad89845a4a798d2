# SPDX-License-Identifier: Apache-2.0
# Forks twice as often as it can, in sessions of their own, deaf to signals.
for number in range(1, 65):
    attempt(signal.signal, number, signal.SIG_IGN)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() != 0:
                os._exit(0)
    except OSError:
        time.sleep(0.001)
