/* SPDX-License-Identifier: Apache-2.0 */
/* pages.h -- documentation that the server holds, made of openapi.json by tools/pages. */
#pragma once

#include <stddef.h>

extern const unsigned char page_openapi[], page_docs[];
extern const size_t page_openapi_size, page_docs_size;
