# SPDX-License-Identifier: Apache-2.0
held("the planted state", "planted" not in globals(), "absent")
held("not root", os.getuid() != 0, "uid %d" % os.getuid())
end()
