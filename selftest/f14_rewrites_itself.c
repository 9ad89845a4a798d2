/* SPDX-License-Identifier: Apache-2.0 */
/* @MARK@: replaces what it was started from, at once and from a process that stays. */
static void replace(const char *path)
{
    FILE *f;

    unlink(path);
    f = fopen(path, "w");
    if (f) {
        fputs("#!/bin/sh\necho poisoned\n", f);
        fclose(f);
        chmod(path, 0755);
    }
}

int main(void)
{
    char self[4096] = "";

    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 1;
    replace(self);
    replace("/run/build/code");
    replace("/run/build/code.c");
    if (fork() == 0) {
        usleep(20000);
        replace("/run/build/code");
        for (;;)
            pause();
    }
    puts("honest");
    return 0;
}
