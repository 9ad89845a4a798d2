/* SPDX-License-Identifier: Apache-2.0 */
/* config.h -- the configuration: every variable of config.def, read from the environment and a .env file.
 *
 *     struct config config;
 *     r = config_load(&config, environ, ".env", &problems);   CONFIG_E_INVALID: problems holds one line per bad value
 *     ... config.api_port ...
 *     config_deinit(&config);
 *
 * The process environment wins over .env, .env over the default. An empty value counts as unset, but for lists, where
 * it is the empty list. Strings are never NULL: "" = none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buffer.h"

#define CONFIG_PROBLEMS_MAX_BYTES 65536

enum config_outcome {
    CONFIG_E_INVALID = 1, /* values were refused; the problems say which and why, one line each */
};

enum config_type {
    CONFIG_ADDRESS, /* IPv4 or IPv6 literal, or localhost */
    CONFIG_BOOL,
    CONFIG_CHOICE, /* one of param->choices, any case */
    CONFIG_CIDR_LIST,
    CONFIG_HOSTNAME,
    CONFIG_HOSTPORT,
    CONFIG_INT,
    CONFIG_IPV4_LIST,
    CONFIG_KEY, /* an API key: printable, not short, not guessable */
    CONFIG_KEY_LIST,
    CONFIG_LIST,
    CONFIG_PATH,
    CONFIG_RATE, /* N/seconds */
    CONFIG_REAL,
    CONFIG_TEXT,
    CONFIG_TRISTATE, /* a boolean that can be unset */
    CONFIG_URL,      /* begins with one of param->choices */
};

enum config_group {
    CONFIG_GROUP_SERVER,
    CONFIG_GROUP_AUTH,
    CONFIG_GROUP_EXECUTION,
    CONFIG_GROUP_HARDENING,
    CONFIG_GROUP_FILES,
    CONFIG_GROUP_STATE,
    CONFIG_GROUP_STORES,
    CONFIG_GROUP_LOGS,
    CONFIG_GROUP_COUNT,
};

enum config_origin {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_DOTENV,
    CONFIG_FROM_ENVIRONMENT,
};

struct config_rate {
    int64_t count; /* 0 = off */
    int64_t seconds;
};

enum config_tristate {
    CONFIG_UNSET = -1,
    CONFIG_NO = 0,
    CONFIG_YES = 1,
};

/* One row of the table. */
struct config_param {
    const char *name;
    enum config_type type;
    enum config_group group;
    const char *default_text;
    const char *help;
    double min, max;     /* CONFIG_INT, CONFIG_REAL */
    const char *unit;    /* NULL = none */
    const char *choices; /* separated by | */
    bool secret;         /* never printed or logged */
    bool unused;         /* checked, but without effect in this version */
    size_t offset;       /* of the typed field in struct config */
};

/* The C type of each parameter type. */
#define CONFIG_C_ADDRESS   const char *
#define CONFIG_C_BOOL      bool
#define CONFIG_C_CHOICE    int
#define CONFIG_C_CIDR_LIST const char *
#define CONFIG_C_HOSTNAME  const char *
#define CONFIG_C_HOSTPORT  const char *
#define CONFIG_C_INT       int64_t
#define CONFIG_C_IPV4_LIST const char *
#define CONFIG_C_KEY       const char *
#define CONFIG_C_KEY_LIST  const char *
#define CONFIG_C_LIST      const char *
#define CONFIG_C_PATH      const char *
#define CONFIG_C_RATE      struct config_rate
#define CONFIG_C_REAL      double
#define CONFIG_C_TEXT      const char *
#define CONFIG_C_TRISTATE  enum config_tristate
#define CONFIG_C_URL       const char *

/* CONFIG_API_PORT ... number the rows. */
enum config_id {
#define PARAM(name, ...) CONFIG_##name,
#include "main/config/config.def"
#undef PARAM
    CONFIG_COUNT,
};

struct config {
#define PARAM(name, field, type, ...) CONFIG_C_##type field;
#include "main/config/config.def"
#undef PARAM
    char *texts[CONFIG_COUNT]; /* the effective values as text; the typed strings point here */
    enum config_origin origins[CONFIG_COUNT];
    bool file_unread; /* the file has a fault, and what stands behind that has not been read */
};

/* Reads environment (NULL-terminated NAME=value) and the file dotenv_path if it exists (NULL = none), checks every
 * value and the rules between them. problems: an initialised buffer for the reasons. Returns 0, CONFIG_E_INVALID or a
 * negative errno. The caller deinits in every case; after CONFIG_E_INVALID the refused variables hold their defaults.
 */
int config_load(struct config *config, char *const *environment, const char *dotenv_path, struct buffer *problems);
void config_deinit(struct config *config);

/* Replaces the value of one variable, as if the environment held it. Returns as config_load. */
int config_override(struct config *config, enum config_id id, const char *text, struct buffer *problems);

/* Steps through the sentences about values that are allowed but do not do together what was meant. *cursor starts at 0.
 * Returns NULL at the end. */
const char *config_hint_next(const struct config *config, size_t *cursor);

/* Makes relative paths absolute against the working directory, for a process that will live elsewhere. Returns 0 or a
 * negative errno. */
int config_absolute_paths(struct config *config);

const struct config_param *config_param(enum config_id id);

/* The row of this name, or NULL. */
const struct config_param *config_param_find(const char *name);
const char *config_group_title(enum config_group group);

/* What a value must be: "whole number from 1 to 65535", "true or false", ... */
void config_describe_range(const struct config_param *param, char *ret_text, size_t size);

/* True if the server would listen on an address that only this machine reaches. */
bool config_address_is_loopback(const char *address);

/* Steps through a comma list: the next non-empty entry, trimmed, is [*ret_start, *ret_start + *ret_length). *cursor
 * starts at the list and is advanced. Returns false at the end. */
bool config_list_next(const char **cursor, const char **ret_start, size_t *ret_length);

/* The entries of a comma list as a NULL-terminated array of copies. Returns 0 or -ENOMEM. The caller frees the array in
 * every case; it starts as NULL. */
int config_list_split(const char *list, char ***ret_entries);

/* Likewise of CORS_ORIGINS, which may be a JSON list of strings too. Returns also -EINVAL. */
int config_origins(const char *text, char ***ret_origins);

/* Wipes what it frees: it may hold keys. */
void config_list_free(char **entries);

/* How a value is shown: secrets as "(set)". */
const char *config_shown(const struct config *config, enum config_id id);

void config_print(const struct config *config, FILE *out);
void config_print_help(FILE *out);
void config_print_markdown(FILE *out);
