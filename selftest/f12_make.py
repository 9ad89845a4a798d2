# SPDX-License-Identifier: Apache-2.0
open("in.txt", "w").write("original")
