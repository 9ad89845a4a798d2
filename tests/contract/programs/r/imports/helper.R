value <- function() 40
