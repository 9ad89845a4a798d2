#include <iostream>
#include "helper.hpp"
#include "package/part.hpp"

int main()
{
    std::cout << "imported " << value() + MORE << "\n";
}
