package main

import (
	"fmt"

	"./helper"
)

func main() {
	fmt.Println("imported", helper.Value())
}
