/* SPDX-License-Identifier: Apache-2.0 */
/* One byte every 2 MiB: nearly all the cost is page tables. */
int main(void)
{
    volatile char sum = 0;

    for (;;) {
        size_t n = 1UL << 36;
        char *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p == MAP_FAILED)
            return 3;
        madvise(p, n, MADV_NOHUGEPAGE);
        for (size_t i = 0; i < n; i += 2 << 20)
            sum += p[i];
    }
}
