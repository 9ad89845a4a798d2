source("helper.R")
source("package/part.R")
cat("imported ", value() + more, "\n", sep = "")
