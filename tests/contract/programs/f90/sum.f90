program code
  integer :: i
  print "(i0)", sum([(i, i = 1, 10)])
end program
