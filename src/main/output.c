/* SPDX-License-Identifier: Apache-2.0 */
#include "main/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int output_end(const char *command)
{
    int error = fflush(stdout) != 0 ? errno : ferror(stdout) ? EIO : 0;

    if (error == 0)
        return 0;
    fprintf(stderr, "codecell %s: the output could not be written: %s\n", command, strerror(error));
    return 1;
}
