import sys

print("eof" if sys.stdin.read() == "" else "data")
