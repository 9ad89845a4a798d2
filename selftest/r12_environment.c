/* SPDX-License-Identifier: Apache-2.0 */
/* What a command is started with; an interpreter that was started ahead is told by other means. */
static const char *const known[] = { "HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "USER" };

static int is_known(const char *variable)
{
    for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strncmp(variable, known[i], strlen(known[i])) == 0 && variable[strlen(known[i])] == '=')
            return 1;
    return 0;
}

int main(void)
{
    int others = 0;

    for (char **variable = environ; *variable; variable++)
        if (!is_known(*variable)) {
            char name[32];

            snprintf(name, sizeof(name), "%.*s", (int)strcspn(*variable, "="), *variable);
            held(name, 0, "a variable that no command has");
            others++;
        }
    held("others", others == 0, "none");
    puts("END");
}
