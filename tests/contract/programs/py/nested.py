import os

os.makedirs("out/deep")
with open("out/deep/bytes.bin", "wb") as file:
    file.write(bytes(range(256)))
