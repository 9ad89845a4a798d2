program code
  integer :: i
  call execute_command_line("mkdir -p out/deep")
  open (10, file="out/deep/bytes.bin", access="stream", form="unformatted")
  do i = 0, 255
    write (10) char(i)
  end do
  close (10)
end program
