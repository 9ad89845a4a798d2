/* SPDX-License-Identifier: Apache-2.0 */
/* api_house.h -- what the api does on its own: sweeps expired sessions, archives Python states, asks runtimes for their
 * versions once, and, when no execution proved it lately, runs a tiny program so that readiness is known. One thread,
 * which sleeps. */
#pragma once

#include "api/api.h"
#include "main/api/api_versions.h"
#include "main/config/config.h"

struct api_house;

/* Starts the thread. Everything is borrowed until api_house_free(). Returns 0 or a negative errno. */
int api_house_new(struct api *api, const struct config *config, struct api_versions *versions,
                  struct api_house **ret_house);

/* Lets the thread end and joins it; a running sweep is finished first. Returns NULL; accepts NULL. */
struct api_house *api_house_free(struct api_house *house);
