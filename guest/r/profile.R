# SPDX-License-Identifier: Apache-2.0
# Site profile of R inside cells: graphics without X11. In an R that is started before its program is known
# (src/cell/runtime.h) it also waits for that, and leaves R as it would be if it had been started for that program.
options(bitmapType = "cairo", device = "pdf", browser = "false")
if (nzchar(Sys.getenv("CODECELL_WAITS"))) local({
    Sys.unsetenv("CODECELL_WAITS")
    .First.sys() # loads the usual packages, which is most of a start; doing it again costs nothing
    library <- "/opt/codecell/zygote.so"
    dyn.load(library)
    own <- commandArgs()
    invisible(.C("zygote_await_r", own, length(own)))
    dyn.unload(library)
    Sys.setenv(PWD = getwd()) # as the shell that starts R has it
})
