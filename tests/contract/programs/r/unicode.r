cat("世界\n")
