# SPDX-License-Identifier: Apache-2.0
for number in range(1, 65):
    attempt(signal.signal, number, signal.SIG_IGN)
while True:
    time.sleep(100)
