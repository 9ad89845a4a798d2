# SPDX-License-Identifier: Apache-2.0
# Files that are larger than everything.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def make(size):
    fd = os.open("big.txt", os.O_CREAT | os.O_WRONLY, 0o644)
    try:
        os.ftruncate(fd, size)
    finally:
        os.close(fd)


for exponent in (62, 50, 40, 37):
    fails("a hole of 2^%d bytes" % exponent, attempt(make, 1 << exponent), {"EFBIG", "ENOSPC", "EINVAL"})
fails("fallocate 100 GB", attempt(lambda: os.posix_fallocate(os.open("big.txt", os.O_CREAT | os.O_WRONLY), 0, 100 << 30)))
fails("a byte at 2^40", attempt(lambda: os.pwrite(os.open("big.txt", os.O_CREAT | os.O_WRONLY), b"x", 1 << 40)))
works("a hole of 1 MiB", attempt(make, 1 << 20))
os.unlink("big.txt")
end()
