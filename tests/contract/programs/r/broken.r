f <- function() stop("broken on purpose")
f()
