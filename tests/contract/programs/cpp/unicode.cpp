#include <iostream>

int main()
{
    std::cout << "世界\n";
}
