#include <iostream>
#include <numeric>
#include <vector>

int main()
{
    std::vector<int> numbers(10);
    std::iota(numbers.begin(), numbers.end(), 1);
    std::cout << std::accumulate(numbers.begin(), numbers.end(), 0) << std::endl;
}
