/* SPDX-License-Identifier: Apache-2.0 */
/* health.h -- what the health routes remember between requests: the probes and the cached report (admin.md A1). */
#pragma once

struct api;
struct health;

/* Returns 0 or -ENOMEM. The api outlives the health. */
int health_new(struct api *api, struct health **ret_health);
struct health *health_free(struct health *health); /* waits a moment for running probes; returns NULL; accepts NULL */
