for path in x /mnt/data/x; do
    cat "$path"
    echo
done
