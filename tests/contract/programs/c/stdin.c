#include <stdio.h>

int main(void)
{
    puts(getchar() == EOF ? "eof" : "data");
}
