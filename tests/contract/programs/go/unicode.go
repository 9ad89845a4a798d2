package main

import "fmt"

func main() {
	fmt.Println("世界")
}
