/* SPDX-License-Identifier: Apache-2.0 */
#include "main/config/config_type.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define ENTRY_MAX_BYTES 512
#define PATH_TEXT_MAX   3072 /* of PATH_MAX, with what is made below it */

/* Parts of keys that stand in examples and manuals: whoever kept one has no key. */
static const char *const known_parts[] = {
    "your-api-key", "your_api_key", "your-secure-api-key", "your-secret",     "your_secret", "change-me",
    "changeme",     "change_me",    "change-this",         "change_this",     "replace-me",  "replace_me",
    "replace-this", "default-key",  "default_api_key",     "default-api-key", "example-api", "api-key-here",
};

/* Whole keys that everybody tries. */
static const char *const known_keys[] = {
    "1234567890123456",           "12345678901234567890", "0123456789abcdef", "abcdefghijklmnop",
    "abcdefghijklmnopqrstuvwxyz", "passwordpassword",     "testtesttesttest", "qwertyuiopasdfgh",
};

static bool parse_bool(const char *text, bool *ret_value)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {
        { "true", true }, { "1", true }, { "yes", true }, { "false", false }, { "0", false }, { "no", false }
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcasecmp(text, words[i].word) == 0) {
            *ret_value = words[i].value;
            return true;
        }
    return false;
}

static bool parse_whole(const char *text, int64_t *ret_value)
{
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    *ret_value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* Digits and one point only: no sign, exponent, infinity or hexadecimal. */
static bool parse_decimal(const char *text, double *ret_value)
{
    size_t digits = strspn(text, "0123456789");
    double value = 0, place = 1;

    if (digits == 0 || digits > 15)
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (text[i] - '0');
    if (text[digits] == '.') {
        for (text += digits + 1, digits = 0; digits < 15 && isdigit((unsigned char)text[digits]); digits++) {
            place /= 10;
            value += place * (text[digits] - '0');
        }
        if (digits == 0)
            return false;
    }
    if (text[digits] != '\0')
        return false;
    *ret_value = value;
    return true;
}

/* Index of text among choices, -1 if it is none; *ret_word is where that choice begins. */
static int choice_index(const char *choices, const char *text, const char **ret_word)
{
    size_t length = strlen(text);

    for (int i = 0; choices; i++) {
        size_t word = strcspn(choices, "|");

        *ret_word = choices;
        if (word == length && strncasecmp(choices, text, length) == 0)
            return i;
        choices = choices[word] ? choices + word + 1 : NULL;
    }
    return -1;
}

static bool is_address(const char *text)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool is_ipv4(const char *text)
{
    struct in_addr address;

    return inet_pton(AF_INET, text, &address) == 1;
}

/* An IPv4 address in the form of an IPv6 one is one: http/address.c makes no difference either. */
static bool is_mapped(const char *text)
{
    struct in6_addr address;

    return inet_pton(AF_INET6, text, &address) == 1 && IN6_IS_ADDR_V4MAPPED(&address);
}

/* An address, optionally with /prefix length. */
static bool is_cidr(const char *text)
{
    char address[ENTRY_MAX_BYTES];
    const char *slash = strchr(text, '/');
    int64_t bits = 0;

    if (!slash)
        return is_address(text);
    if ((size_t)(slash - text) >= sizeof(address) || !parse_whole(slash + 1, &bits))
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    return is_address(address) && bits <= (is_ipv4(address) || is_mapped(address) ? 32 : 128);
}

static bool is_hostname(const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || length > 63 || text[0] == '-' || text[0] == '.')
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '-' && *text != '.')
            return false;
    return true;
}

static bool is_hostport(const char *text)
{
    const char *colon = strrchr(text, ':');
    int64_t port = 0;

    if (strstr(text, "://") || strchr(text, '/'))
        return false;
    return colon && colon != text && parse_whole(colon + 1, &port) && port >= 1 && port <= 65535;
}

static bool is_known(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(known_parts); i++)
        if (strcasestr(key, known_parts[i]))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(known_keys); i++)
        if (strcasecmp(key, known_keys[i]) == 0)
            return true;
    return false;
}

static unsigned distinct_characters(const char *text)
{
    bool seen[256] = { false };
    unsigned n = 0;

    for (; *text; text++)
        if (!seen[(unsigned char)*text]) {
            seen[(unsigned char)*text] = true;
            n++;
        }
    return n;
}

static bool is_key(const char *key, const char **ret_reason)
{
    for (const char *p = key; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == ',') {
            *ret_reason = "must be made of visible ASCII characters without spaces and commas";
            return false;
        }
    if (strlen(key) < CONFIG_KEY_MIN_LENGTH)
        *ret_reason = "must have at least 16 characters; `openssl rand -hex 24` makes one";
    else if (is_known(key) || distinct_characters(key) < 6)
        *ret_reason = "must not be a well-known or guessable key; `openssl rand -hex 24` makes a good one";
    else
        return true;
    return false;
}

/* Applies test to every entry of a comma list. */
static bool each_entry(const char *list, bool (*test)(const char *entry))
{
    const char *start;
    size_t length;

    while (config_list_next(&list, &start, &length)) {
        char entry[ENTRY_MAX_BYTES];

        if (length >= sizeof(entry))
            return false;
        memcpy(entry, start, length);
        entry[length] = '\0';
        if (!test(entry))
            return false;
    }
    return true;
}

static bool is_strong_key(const char *key)
{
    const char *reason;

    return is_key(key, &reason);
}

static bool set_address(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    (void)param, (void)ret_reason;
    if (!is_address(text) && strcasecmp(text, "localhost") != 0)
        return false;
    *(const char **)field = text;
    return true;
}

static bool set_bool(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    (void)param, (void)ret_reason;
    return parse_bool(text, field);
}

static bool set_tristate(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    bool value = false;

    (void)param, (void)ret_reason;
    if (*text && !parse_bool(text, &value))
        return false;
    *(enum config_tristate *)field = *text == '\0' ? CONFIG_UNSET : value ? CONFIG_YES : CONFIG_NO;
    return true;
}

static bool set_choice(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    const char *word;
    int index = choice_index(param->choices, text, &word);

    (void)ret_reason;
    if (index < 0)
        return false;
    *(int *)field = index;
    return true;
}

static bool set_int(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    int64_t value = 0;

    (void)ret_reason;
    if (!parse_whole(text, &value) || (double)value < param->min || (double)value > param->max)
        return false;
    *(int64_t *)field = value;
    return true;
}

static bool set_real(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    double value = 0;

    (void)ret_reason;
    if (!parse_decimal(text, &value) || value < param->min || value > param->max)
        return false;
    *(double *)field = value;
    return true;
}

static bool set_rate(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    struct config_rate rate = { 0 };
    char count[24];
    size_t slash = strcspn(text, "/");

    (void)param, (void)ret_reason;
    if (*text == '\0' || strcmp(text, "0") == 0) {
        *(struct config_rate *)field = rate;
        return true;
    }
    if (text[slash] != '/' || slash >= sizeof(count))
        return false;
    memcpy(count, text, slash);
    count[slash] = '\0';
    if (!parse_whole(count, &rate.count) || !parse_whole(text + slash + 1, &rate.seconds))
        return false;
    if (rate.count > 1000000 || rate.seconds < 1 || rate.seconds > 86400)
        return false;
    *(struct config_rate *)field = rate;
    return true;
}

static bool set_text(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    (void)param;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            *ret_reason = "must not hold control characters";
            return false;
        }
    *(const char **)field = text;
    return true;
}

static bool set_key(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    return (*text == '\0' || is_key(text, ret_reason)) && set_text(param, field, text, ret_reason);
}

static bool set_key_list(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    if (!each_entry(text, is_strong_key)) {
        *ret_reason =
            "must be a comma list of keys of at least 16 visible ASCII characters, none well-known or guessable";
        return false;
    }
    return set_text(param, field, text, ret_reason);
}

static bool set_cidr_list(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    return each_entry(text, is_cidr) && set_text(param, field, text, ret_reason);
}

static bool set_ipv4_list(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    return each_entry(text, is_ipv4) && set_text(param, field, text, ret_reason);
}

static bool set_hostname(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    return is_hostname(text) && set_text(param, field, text, ret_reason);
}

static bool set_hostport(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    return is_hostport(text) && set_text(param, field, text, ret_reason);
}

static bool set_path(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    bool fits = strlen(text) < PATH_TEXT_MAX;

    for (const char *part = text; *part && fits; part += strcspn(part, "/"), part += *part == '/')
        fits = strcspn(part, "/") <= NAME_MAX;
    if (!fits)
        *ret_reason = "is too long: the kernel knows no such path";
    return fits && set_text(param, field, text, ret_reason);
}

static bool set_url(const struct config_param *param, void *field, const char *text, const char **ret_reason)
{
    const char *scheme = param->choices;

    while (*text && scheme && strncmp(text, scheme, strcspn(scheme, "|")) != 0) {
        scheme = strchr(scheme, '|');
        scheme = scheme ? scheme + 1 : NULL;
    }
    return scheme && set_text(param, field, text, ret_reason);
}

static const struct {
    bool (*set)(const struct config_param *param, void *field, const char *text, const char **ret_reason);
    const char *allowed; /* NULL: from the row */
    bool takes_empty;
} types[] = {
    [CONFIG_ADDRESS] = { set_address, "an IPv4 or IPv6 address, or localhost" },
    [CONFIG_BOOL] = { set_bool, "true or false (also 1, 0, yes, no)" },
    [CONFIG_CHOICE] = { set_choice },
    [CONFIG_CIDR_LIST] = { set_cidr_list, "a comma list of addresses or networks (10.0.0.0/8)", .takes_empty = true },
    [CONFIG_HOSTNAME] = { set_hostname, "a host name of at most 63 letters, digits, - and ." },
    [CONFIG_HOSTPORT] = { set_hostport, "host:port without a scheme" },
    [CONFIG_INT] = { set_int },
    [CONFIG_IPV4_LIST] = { set_ipv4_list, "a comma list of IPv4 addresses", .takes_empty = true },
    [CONFIG_KEY] = { set_key, "a key of at least 16 visible ASCII characters" },
    [CONFIG_KEY_LIST] = { set_key_list, "a comma list of keys of at least 16 characters", .takes_empty = true },
    [CONFIG_LIST] = { set_text, "a comma list", .takes_empty = true },
    [CONFIG_PATH] = { set_path, "a path" },
    [CONFIG_RATE] = { set_rate, "N/seconds with N up to 1000000 and seconds from 1 to 86400, or 0" },
    [CONFIG_REAL] = { set_real },
    [CONFIG_TEXT] = { set_text, "text" },
    [CONFIG_TRISTATE] = { set_tristate, "true or false (also 1, 0, yes, no), or unset" },
    [CONFIG_URL] = { set_url },
};

bool config_type_parse(const struct config_param *param, struct config *config, const char *text,
                       const char **ret_reason)
{
    *ret_reason = NULL;
    return types[param->type].set(param, (char *)config + param->offset, text, ret_reason);
}

void config_type_canonicalise(const struct config_param *param, char *text)
{
    const char *word;

    if (param->type == CONFIG_CHOICE && choice_index(param->choices, text, &word) >= 0)
        memcpy(text, word, strlen(text));
}

bool config_type_takes_empty(enum config_type type)
{
    return types[type].takes_empty;
}

static void describe_choices(const struct config_param *param, const char *lead, char *ret_text, size_t size)
{
    size_t used = (size_t)snprintf(ret_text, size, "%s", lead);

    for (const char *p = param->choices; *p && used + 3 < size; p++) {
        if (*p == '|') {
            ret_text[used++] = ',';
            ret_text[used++] = ' ';
        } else
            ret_text[used++] = *p;
    }
    ret_text[used] = '\0';
}

void config_describe_range(const struct config_param *param, char *ret_text, size_t size)
{
    const char *space = param->unit ? " " : "", *unit = param->unit ? param->unit : "";

    if (types[param->type].allowed)
        snprintf(ret_text, size, "%s", types[param->type].allowed);
    else if (param->type == CONFIG_INT)
        snprintf(ret_text, size, "a whole number from %.0f to %.0f%s%s", param->min, param->max, space, unit);
    else if (param->type == CONFIG_REAL)
        snprintf(ret_text, size, "a number from %g to %g%s%s", param->min, param->max, space, unit);
    else if (param->type == CONFIG_URL)
        describe_choices(param, "a URL that begins with one of ", ret_text, size);
    else
        describe_choices(param, "one of ", ret_text, size);
}
