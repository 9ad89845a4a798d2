#include <fstream>
#include <iostream>
#include <string>

int main()
{
    for (const char *path : { "x", "/mnt/data/x" }) {
        std::ifstream file(path);
        std::string text;
        std::getline(file, text);
        std::cout << text << "\n";
    }
}
