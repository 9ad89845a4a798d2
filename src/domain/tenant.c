/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/tenant.h"

#include <string.h>

#define ENVIRONMENT_NAME "environment"

int tenant_from_name(const char *name, char ret_tenant[static TENANT_SIZE])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t length = strlen(name);

    if (length == 0 || length >= TENANT_SIZE || strspn(name, alphabet) != length)
        return TENANT_E_INVALID;
    if (strcmp(name, TENANT_ENVIRONMENT) == 0 || strcmp(name, TENANT_PROBE) == 0)
        return TENANT_E_RESERVED;
    if (strcmp(name, ENVIRONMENT_NAME) == 0)
        name = TENANT_ENVIRONMENT;
    memcpy(ret_tenant, name, strlen(name) + 1);
    return 0;
}

const char *tenant_name(const char *tenant)
{
    return strcmp(tenant, TENANT_ENVIRONMENT) == 0 ? ENVIRONMENT_NAME : tenant;
}
