/* SPDX-License-Identifier: Apache-2.0 */
int main(void)
{
    int status;

    for (int i = 0; i < 100; i++)
        if (fork() == 0) {
            char *p = malloc(16 << 20);

            memset(p, 1, 16 << 20);
            pause();
        }
    while (wait(&status) > 0)
        if (WIFSIGNALED(status))
            return 3;
    return 0;
}
