# SPDX-License-Identifier: Apache-2.0
import resource

opened, said = [], "ok"
while said == "ok" and len(opened) < 100000:
    try:
        opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        said = name(error.errno)
limit = len(opened)
for fd in opened:
    os.close(fd)
fails("open files", said, {"EMFILE", "ENFILE"})
held("how many", limit <= 4096, "%d open files" % limit)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
fails("a higher limit", attempt(resource.setrlimit, resource.RLIMIT_NOFILE, (hard + 1, hard + 1)))
end()
