/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote/mapping.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPINGS_MAX 16384

/* "from-to rights offset device inode path" */
static bool parse_mapping(const char *line, struct mapping *ret)
{
    char *at;

    ret->from = strtoul(line, &at, 16);
    if (*at != '-')
        return false;
    ret->to = strtoul(at + 1, &at, 16);
    if (strlen(at) < 6)
        return false;
    memcpy(ret->rights, at + 1, 4);
    ret->rights[4] = '\0';
    ret->offset = strtoul(at + 5, &at, 16);
    at = strchr(at + (*at == ' '), ' ');
    if (!at)
        return false;
    ret->inode = strtoul(at, NULL, 10);
    return true;
}

int mappings_read(struct mapping **ret_mappings)
{
    FILE *file = fopen("/proc/self/maps", "re");
    struct mapping *mappings = malloc(MAPPINGS_MAX * sizeof(*mappings));
    char line[4096];
    int n = 0;

    while (file && mappings && n < MAPPINGS_MAX && fgets(line, sizeof(line), file)) {
        struct mapping *m = &mappings[n];

        if (parse_mapping(line, m))
            n++;
    }
    if (file)
        fclose(file);
    if (!file || !mappings) {
        free(mappings);
        return -ENOMEM;
    }
    *ret_mappings = mappings;
    return n;
}

bool mapping_is_private(const struct mapping *m, const char *rights)
{
    return strncmp(m->rights, rights, 3) == 0 && m->rights[3] == 'p';
}
