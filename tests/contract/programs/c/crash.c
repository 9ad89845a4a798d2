#include <stdio.h>

int main(void)
{
    volatile int *nowhere = NULL;

    printf("printed before the crash\n");
    *nowhere = 1;
}
