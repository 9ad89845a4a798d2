more <- 2
