package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if text, err := io.ReadAll(os.Stdin); err == nil && len(text) == 0 {
		fmt.Println("eof")
	}
}
