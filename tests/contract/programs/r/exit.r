cat("before\n")
quit(status = 3)
