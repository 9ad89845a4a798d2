read -r line && echo data || echo eof
