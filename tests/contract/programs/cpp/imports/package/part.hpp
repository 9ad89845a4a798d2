constexpr int MORE = 2;
