#include <iostream>

int main()
{
    std::cout << (std::cin.get() == EOF ? "eof" : "data") << "\n";
}
