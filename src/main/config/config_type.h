/* SPDX-License-Identifier: Apache-2.0 */
/* config_type.h -- the types of configuration values: text to C value, and the words for what is allowed.
 *
 * Private to config*.c. */
#pragma once

#include "main/config/config.h"

#define CONFIG_KEY_MIN_LENGTH 16

/* Parses text into the typed field of param. Returns true, or false with the field unchanged and, where the range of
 * the row does not tell enough, *ret_reason set to words that complete "NAME ... must ...". The field may point into
 * text. */
bool config_type_parse(const struct config_param *param, struct config *config, const char *text,
                       const char **ret_reason);

/* Writes a choice, in whatever case it came, as the table has it. Other types stay as they are. */
void config_type_canonicalise(const struct config_param *param, char *text);

/* True for lists, where an empty value is a value. */
bool config_type_takes_empty(enum config_type type);
