/* SPDX-License-Identifier: Apache-2.0 */
/* nft.h -- hands rules to nft(8), the packet filter's own program: all of a text, or nothing. */
#pragma once

#include <stddef.h>

#define NFT_REASON_SIZE 256

/* Loads text into the packet filter of the calling process's network namespace, in one transaction. Returns 0 or a
 * negative errno, then reason says why in one line: -ENOENT if there is no nft. */
int nft_load(const char *text, char reason[static NFT_REASON_SIZE]);
