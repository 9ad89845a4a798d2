program code
  use iso_fortran_env, only: iostat_end
  integer :: status
  character(10) :: text
  read (*, "(a)", iostat=status) text
  if (status == iostat_end) then
    print "(a)", "eof"
  else
    print "(a)", "data"
  end if
end program
