no_such_command_here
exit $?
