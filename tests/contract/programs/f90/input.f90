program code
  call show("x")
  call show("/mnt/data/x")
contains
  subroutine show(path)
    character(*), intent(in) :: path
    character(100) :: text
    open (10, file=path, status="old")
    read (10, "(a)") text
    close (10)
    print "(a)", trim(text)
  end subroutine
end program
