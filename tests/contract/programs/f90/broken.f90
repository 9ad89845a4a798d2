program code
  implicit none
  x = 1
end program
