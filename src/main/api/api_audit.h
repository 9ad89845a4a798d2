/* SPDX-License-Identifier: Apache-2.0 */
/* api_audit.h -- from configuration to the audit log, and what its first events say about the configuration. */
#pragma once

#include "domain/audit.h"
#include "main/config/config.h"

/* Returns 0 or a negative errno. */
int api_audit_start(const struct config *config, struct audit **ret_audit);
