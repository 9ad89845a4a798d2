# SPDX-License-Identifier: Apache-2.0
HOSTILE = ["-o", "/mnt/data/out", "@/etc/passwd", "-wrapper", "sh,-c,touch /mnt/data/pwned", "--config=/mnt/data/x", "--", "-c", "$(id)",
           "`id`", "; id", "| id", "> /mnt/data/pwned", "a\nb", "'", '"', "\\", "*", "{source}", "%s"]
held("arguments", sys.argv[1:] == HOSTILE, "%d arguments as they were sent" % (len(sys.argv) - 1))
held("no file made", os.listdir("/mnt/data") == [], "no file made")
end()
