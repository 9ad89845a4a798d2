#include <filesystem>
#include <fstream>

int main()
{
    std::filesystem::create_directories("out/deep");
    std::ofstream file("out/deep/bytes.bin", std::ios::binary);
    for (int i = 0; i < 256; i++)
        file.put(static_cast<char>(i));
}
