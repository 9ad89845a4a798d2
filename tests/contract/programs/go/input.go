package main

import (
	"fmt"
	"os"
)

func main() {
	for _, path := range []string{"x", "/mnt/data/x"} {
		text, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(text))
	}
}
