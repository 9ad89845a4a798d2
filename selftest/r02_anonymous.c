/* SPDX-License-Identifier: Apache-2.0 */
int main(void)
{
    puts("before");
    fflush(stdout);
    for (;;) {
        char *p = malloc(1 << 20);

        if (!p)
            return 3;
        memset(p, 1, 1 << 20);
    }
}
