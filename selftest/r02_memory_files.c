/* SPDX-License-Identifier: Apache-2.0 */
/* A file in memory is limited in size too, so many of them. */
int main(void)
{
    char *megabyte = calloc(1, 1 << 20);

    for (int f = 0; f < 200; f++) {
        int fd = memfd_create("x", 0);

        if (fd < 0)
            return 3;
        for (int i = 0; i < 64; i++)
            if (write(fd, megabyte, 1 << 20) < 0)
                break;
    }
    return 0;
}
