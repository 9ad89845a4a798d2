package main

import "fmt"

func main() {
	var list []int
	fmt.Println("printed before the crash")
	fmt.Println(list[5])
}
