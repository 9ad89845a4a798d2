#include <stdio.h>
#include "helper.h"
#include "package/part.h"

int main(void)
{
    printf("imported %d\n", VALUE + MORE);
}
