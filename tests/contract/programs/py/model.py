import inspect
import os
import sys


def own_source():
    pass


print(__name__, sys.argv[0], __file__, os.getcwd(), inspect.getsource(own_source).splitlines()[0])
if os.fork() == 0:
    print("child")
    sys.exit(0)
os.wait()
try:
    input()
except EOFError:
    print("EOFError")
exit("good bye")
