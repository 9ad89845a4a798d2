mkdir -p out/deep
for i in {0..255}; do printf "\\x$(printf %02x "$i")"; done >out/deep/bytes.bin
