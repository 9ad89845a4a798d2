/* SPDX-License-Identifier: Apache-2.0 */
/* warden.h -- the privileged process: starts the api, keeps a keeper in every slot, and gives executions to slots.
 *
 * One single-threaded loop over descriptors: the main channel to the api, a socket to each keeper, and signals. It owns
 * no file of a cell and parses nothing but the messages of wire/message.h. When it dies everything dies with it; when
 * the api dies it is started again and every running execution ends, because their channels close. */
#pragma once

#include "warden/options.h"

/* Runs until SIGTERM or SIGINT (drain: the api is told, and when it is gone everything ends) or until the api cannot be
 * started. Returns the exit status of the program. */
int warden_run(const struct warden_options *options);
