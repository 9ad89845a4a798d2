# SPDX-License-Identifier: Apache-2.0
# What a shell that is started before its program is known (src/cell/runtime.h) reads first, through BASH_ENV. It waits for
# that program, and leaves the shell as it would be if it had been started for it.
enable -f /opt/codecell/zygote.so codecell_wait
codecell_wait
enable -d codecell_wait
unset BASH_ENV
: /bin/bash # what $_ is in a script's first line
