false
echo "after a failing command"
cat nothing_here
python3 - <<'PYTHON'
print("python3 from a heredoc")
PYTHON
echo '{"a": [1, 2]}' | jq -c .a
printf 'b\na\n' | sort | tr '\n' ' ' | sed 's/ $//' | awk '{ print $1 "-" $2 }'
[[ "${BASH_SOURCE[0]}" == "$0" ]] && echo "run, not sourced"
