/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of other architectures, and numbers that no architecture has. Each in a child: some are killed for it.
 */
static void try(const char *name, long (*fn)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        long r = fn();
        _exit(r >= 0 ? 0 : r < -254 ? 255 : (int)-r);
    }
    int status;
    waitpid(pid, &status, 0);
    char seen[32];
    int good;
    if (WIFSIGNALED(status)) {
        good = WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV;
        snprintf(seen, sizeof(seen), "%s", WTERMSIG(status) == SIGSYS ? "SIGSYS" : "SIGSEGV");
    } else {
        good = WEXITSTATUS(status) == ENOSYS || WEXITSTATUS(status) == EPERM;
        snprintf(seen, sizeof(seen), "%s",
                 WEXITSTATUS(status) == ENOSYS  ? "ENOSYS"
                 : WEXITSTATUS(status) == EPERM ? "EPERM"
                                                : "it worked");
    }
    held(name, good, seen);
}
static long raw(long nr)
{
#ifdef __x86_64__
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(0), "S"(0), "d"(0) : "rcx", "r11", "memory");
    return r;
#else
    long r = syscall(nr, 0, 0, 0);
    return r == -1 ? -errno : r;
#endif
}
#ifdef __x86_64__
static long int80(long nr)
{
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(0), "c"(0), "d"(0) : "memory");
    return (int)r;
}
static long i386_getpid(void)
{
    return int80(20);
}
static long i386_getuid(void)
{
    return int80(24);
}
static long i386_unshare(void)
{
    return int80(310);
}
static long x32_getpid(void)
{
    return raw(0x40000000 | 39);
}
static long x32_getuid(void)
{
    return raw(0x40000000 | 102);
}
static long x32_ptrace(void)
{
    return raw(0x40000000 | 521);
}
#endif
static long unknown_1000(void)
{
    return raw(1000);
}
static long unknown_5000(void)
{
    return raw(5000);
}
static long unknown_max(void)
{
    return raw(0x3fffffff);
}
static long unknown_minus(void)
{
    return raw(-1);
}
static long unknown_min(void)
{
    return raw(-2147483647L - 1);
}
int main(void)
{
#ifdef __x86_64__
    try("i386_getpid", i386_getpid);
    try("i386_getuid", i386_getuid);
    try("i386_unshare", i386_unshare);
    try("x32_getpid", x32_getpid);
    try("x32_getuid", x32_getuid);
    try("x32_ptrace", x32_ptrace);
#endif
    try("unknown_1000", unknown_1000);
    try("unknown_5000", unknown_5000);
    try("unknown_max", unknown_max);
    try("unknown_minus", unknown_minus);
    try("unknown_min", unknown_min);
    puts("END");
}
