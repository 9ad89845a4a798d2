source ./helper.sh
source "$(dirname "$0")/package/part.sh"
echo "imported $((VALUE + MORE))"
