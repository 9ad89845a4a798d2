program code
  integer :: i, length
  character(200) :: argument
  do i = 1, command_argument_count()
    call get_command_argument(i, argument, length)
    print "(3a)", "[", argument(1:length), "]"
  end do
end program
