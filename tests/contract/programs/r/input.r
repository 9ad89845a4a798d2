for (path in c("x", "/mnt/data/x")) cat(readLines(path, warn = FALSE), "\n", sep = "")
