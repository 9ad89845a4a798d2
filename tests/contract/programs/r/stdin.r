cat(if (length(readLines(file("stdin"))) == 0) "eof" else "data", "\n", sep = "")
