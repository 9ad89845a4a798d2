package main

import "os"

func main() {
	bytes := make([]byte, 256)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	if err := os.MkdirAll("out/deep", 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile("out/deep/bytes.bin", bytes, 0o644); err != nil {
		panic(err)
	}
}
