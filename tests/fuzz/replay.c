/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over every file of a directory, once each, where no fuzzer is linked. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *data;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return 0;
    }
    data = malloc((size_t)st.st_size + 1);
    n = data ? read(fd, data, (size_t)st.st_size) : -1;
    close(fd);
    if (n == st.st_size) {
        /* A copy of the exact size, so that a read behind the end is seen. */
        uint8_t *exact = realloc(data, n ? (size_t)n : 1);

        data = exact ? exact : data;
        LLVMFuzzerTestOneInput(data, (size_t)n);
    }
    free(data);
    return n == st.st_size ? 1 : -1;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;
    int done = 0;

    if (!dir) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(dir))) {
        int n = replay(dirfd(dir), entry->d_name);

        if (n < 0)
            fprintf(stderr, "cannot read %s\n", entry->d_name);
        if (n < 0)
            return 1;
        done += n;
    }
    closedir(dir);
    printf("%d inputs\n", done);
    return done > 0 ? 0 : 1;
}
