# SPDX-License-Identifier: Apache-2.0
# The kernel's cryptography has holes that only want a socket of it.
AF_ALG = 38
works("a local socket", attempt(lambda: socket.socket(socket.AF_UNIX).close()))
fails("socket(AF_ALG)", sc("socket", AF_ALG, 5, 0), NO_SOCKET)
fails("with a type that none has", sc("socket", AF_ALG, BAD_TYPE, 0), NO_SOCKET)
fails("with flags", sc("socket", AF_ALG, 5 | 0o2000000 | 0o4000, 0), NO_SOCKET)
fails("with high bits", sc("socket", ctypes.c_uint64(AF_ALG | 1 << 32), BAD_TYPE, 0), NO_SOCKET)

said = []
thread = threading.Thread(target=lambda: said.append(sc("socket", AF_ALG, BAD_TYPE, 0)))
thread.start()
thread.join()
fails("in a thread", said[0], NO_SOCKET)

child = "import socket\ntry:\n    socket.socket(38, 5, 0); print('ok:open')\nexcept OSError as error: print(error.errno)"
done = subprocess.run(["bash", "-c", 'exec python3 -c "$0"', child], capture_output=True, text=True)
held("in a program of a shell's", done.stdout.strip() in ("1", "97"), "errno " + done.stdout.strip())
end()
