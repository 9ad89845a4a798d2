// SPDX-License-Identifier: Apache-2.0
// Compiled with every D program: stdout is line-buffered although it is a pipe, so that what was printed before a crash,
// a time limit or a memory limit is delivered.
module codecell_line_buffered;

import core.stdc.stdio : _IOLBF, setvbuf, stdout;

pragma(crt_constructor) extern (C) void codecell_line_buffered()
{
    setvbuf(stdout, null, _IOLBF, 0);
}
