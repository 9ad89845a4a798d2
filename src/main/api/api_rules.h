/* SPDX-License-Identifier: Apache-2.0 */
/* api_rules.h -- from configuration to the limits and rules by which engine and handlers work. Nothing here opens or
 * starts anything. */
#pragma once

#include "api/api.h"
#include "domain/filename.h"
#include "domain/state.h"
#include "engine/execution.h"
#include "engine/hot.h"
#include "main/config/config.h"

/* Each fills what comes from the configuration, and leaves the rest of the struct as it is. */
void api_rules_state(const struct config *config, struct state_rules *rules);
void api_rules_engine(const struct config *config, struct engine *engine);
void api_rules_handlers(const struct config *config, struct api *api);

/* Returns 0, -EINVAL with words in error if a list is none, or another negative errno. The caller deinits. */
int api_rules_names(const struct config *config, struct filename_rules *rules, char *error, size_t error_size);

/* How many executions there may be that somebody asks for by id. */
unsigned api_rules_runs(const struct config *config);

/* False if no cell can be parked; else what limits hold. */
bool api_rules_hot(const struct config *config, struct hot_limits *ret_limits);
