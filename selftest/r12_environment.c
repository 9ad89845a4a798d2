/* SPDX-License-Identifier: Apache-2.0 */
/* What a command is started with; an interpreter that was started ahead is told by other means. */
static const char *const known[] = {
    "HOME=/tmp", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin", "TMPDIR=/tmp", "USER=sandbox",
};

#define N_KNOWN (int)(sizeof(known) / sizeof(*known))

static int is_known(const char *variable)
{
    for (int i = 0; i < N_KNOWN; i++)
        if (strcmp(variable, known[i]) == 0)
            return 1;
    return 0;
}

int main(void)
{
    int n = 0;

    for (char **variable = environ; *variable; variable++, n++)
        if (!is_known(*variable)) {
            char name[32];

            snprintf(name, sizeof(name), "%.*s", (int)strcspn(*variable, "="), *variable);
            held(name, 0, "no command has it, or not with this value");
        }
    held("how many", n == N_KNOWN, "six variables");
    puts("END");
}
