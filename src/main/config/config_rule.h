/* SPDX-License-Identifier: Apache-2.0 */
/* config_rule.h -- what several values must satisfy together. Private to config*.c.
 *
 * A rule returns NULL, or a sentence that names the variables and what to set. */
#pragma once

#include "main/config/config.h"

extern const char *(*const config_rules[])(const struct config *config);
extern const size_t config_rule_count;
