# SPDX-License-Identifier: Apache-2.0
# Site profile of R inside cells: graphics without X11.
options(bitmapType = "cairo", device = "pdf", browser = "false")
