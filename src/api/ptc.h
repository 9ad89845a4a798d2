/* SPDX-License-Identifier: Apache-2.0 */
/* ptc.h -- what programs that call tools share, for the life of the api (ptc.c). */
#pragma once

#include "api/api.h"

/* Returns 0 or a negative errno; ptc_deinit() follows in both cases. */
int ptc_init(struct api *api);

/* Ends every program that waits and lets no more wait. */
void ptc_stop(struct api *api);
void ptc_deinit(struct api *api);
