# SPDX-License-Identifier: Apache-2.0
# Is there for the host to look at.
time.sleep(1)
