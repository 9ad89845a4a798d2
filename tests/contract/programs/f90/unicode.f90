program code
  print "(a)", "世界"
end program
