package helper

func Value() int {
	return 42
}
