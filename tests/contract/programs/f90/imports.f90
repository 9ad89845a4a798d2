program code
  implicit none
  include "helper.inc"
  include "package/part.inc"
  print "(a,i0)", "imported ", value + more
end program
