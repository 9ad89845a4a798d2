/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h -- for tables in which nothing is lost if somebody aims at one place; peer_address.h has one for the others.
 */
#pragma once

/* Bernstein's. Any table takes it modulo its size. */
static inline unsigned hash_text(const char *text)
{
    unsigned hash = 5381;

    for (const char *p = text; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    return hash;
}
