/* SPDX-License-Identifier: Apache-2.0 */
/* Children whose parents are gone are the init's to reap. */
#include <dirent.h>

#define ORPHANS 3000

static int count_processes(void)
{
    DIR *directory = opendir("/proc");
    int n = 0;

    for (struct dirent *entry; (entry = readdir(directory));)
        n += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
    closedir(directory);
    return n;
}

int main(void)
{
    int before = count_processes(), left = ORPHANS;
    char seen[64];

    for (int i = 0; i < ORPHANS; i += 100) {
        pid_t pid = fork();

        if (pid == 0) {
            for (int n = 0; n < 100; n++)
                if (fork() == 0)
                    _exit(0);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    for (int tries = 0; left > 0 && tries < 100; tries++) {
        left = count_processes() - before;
        usleep(20000);
    }
    snprintf(seen, sizeof(seen), "%d orphans, %d left", ORPHANS, left);
    held("orphans", left <= 0, seen);
    puts("END");
    return 0;
}
