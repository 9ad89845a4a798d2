dir.create("out/deep", recursive = TRUE)
writeBin(as.raw(0:255), "out/deep/bytes.bin")
