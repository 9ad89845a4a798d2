/* SPDX-License-Identifier: Apache-2.0 */
#include "egress/host_name.h"

#include <string.h>

#define LABEL_MAX 63

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_label(const char *text, size_t length)
{
    if (length == 0 || length > LABEL_MAX || text[0] == '-' || text[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_digit(text[i]) && !(lower(text[i]) >= 'a' && lower(text[i]) <= 'z') && text[i] != '-')
            return false;
    return true;
}

/* The C library takes "1.2.3.4", "0x7f.1" and "2130706433" for addresses; no top level domain begins with a digit. */
bool host_name_parse(const char *text, size_t length, char ret_name[static HOST_NAME_SIZE])
{
    const char *label = text, *end = text + length;

    if (length == 0 || length >= HOST_NAME_SIZE)
        return false;
    for (;;) {
        const char *dot = memchr(label, '.', (size_t)(end - label));
        const char *label_end = dot ? dot : end;

        if (!is_label(label, (size_t)(label_end - label)) || (!dot && is_digit(label[0])))
            return false;
        if (!dot)
            break;
        label = dot + 1;
    }
    for (size_t i = 0; i < length; i++)
        ret_name[i] = lower(text[i]);
    ret_name[length] = '\0';
    return true;
}

bool host_port_parse(const char *text, size_t length, uint16_t *ret_port)
{
    unsigned port = 0;

    if (length == 0 || length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i]))
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}
