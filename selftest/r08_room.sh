# SPDX-License-Identifier: Apache-2.0
# What the last program filled is empty again.
for place in /mnt/data /tmp; do
    if [ -e $place/full ] || [ -e $place/full.bin2 ]; then down "$place" "a file of the last program"; else held "$place" "nothing of the last program"; fi
done
head -c 8M /dev/zero > /mnt/data/room && rm /mnt/data/room && held "room" "8 MiB"
echo END
