#include <cstdio>

int main()
{
    volatile int *nowhere = nullptr;

    printf("printed before the crash\n");
    *nowhere = 1;
}
