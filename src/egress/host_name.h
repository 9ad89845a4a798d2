/* SPDX-License-Identifier: Apache-2.0 */
/* host_name.h -- names of hosts in one spelling, so that what is compared is what is looked up. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_NAME_SIZE 254

/* Accepts dot-separated labels of letters, digits and inner hyphens, in any case, and writes them in lower case.
 * Refused are addresses, a dot at the end, and every other byte: what two parsers could read in two ways is no name. */
bool host_name_parse(const char *text, size_t length, char ret_name[static HOST_NAME_SIZE]);

/* A port: one to five digits, 1 to 65535. */
bool host_port_parse(const char *text, size_t length, uint16_t *ret_port);
