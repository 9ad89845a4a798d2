#include <stdio.h>

static void show(const char *path)
{
    char text[100] = "";
    FILE *file = fopen(path, "r");

    fgets(text, sizeof(text), file);
    puts(text);
    fclose(file);
}

int main(void)
{
    show("x");
    show("/mnt/data/x");
}
