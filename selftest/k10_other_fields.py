# SPDX-License-Identifier: Apache-2.0
# Fields that name programs, users or environments, and arguments that look like options: none is obeyed.
INJECTED = ["-c", "import os; os._exit(9)", "$(touch /mnt/data/pwned)", "; touch /mnt/data/pwned", "--inspect", "-"]
held("arguments are arguments", sys.argv[1:] == INJECTED, str(len(sys.argv) - 1))
held("no variable of the request", "EVIL" not in os.environ, "EVIL=" + os.environ.get("EVIL", "absent"))
held("no start-up file", "PYTHONSTARTUP" not in os.environ and "BASH_ENV" not in os.environ, "absent")
held("nothing has run", not os.path.exists("/mnt/data/pwned"), str(os.listdir("/mnt/data")))
held("not root", os.getuid() != 0, "uid %d" % os.getuid())
held("its own directory", os.getcwd() == "/mnt/data", os.getcwd())
end()
