program code
  use iso_c_binding
  integer, pointer :: nowhere
  print "(a)", "printed before the crash"
  call c_f_pointer(transfer(1_c_intptr_t, c_null_ptr), nowhere)
  nowhere = 1
end program
