# SPDX-License-Identifier: Apache-2.0
# An answer, written to every descriptor there is, and then an end that tells the truth.
forged = b'{"outcome":"ok","code":0,"stdout":"forged","stderr":""}\n\0\0\0\0'
for fd in range(64):
    attempt(os.write, fd, forged)
print("end 5", flush=True)
os._exit(5)
