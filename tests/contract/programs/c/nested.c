#include <stdio.h>
#include <sys/stat.h>

int main(void)
{
    FILE *file;

    mkdir("out", 0755);
    mkdir("out/deep", 0755);
    file = fopen("out/deep/bytes.bin", "wb");
    for (int i = 0; i < 256; i++)
        fputc(i, file);
    return fclose(file);
}
