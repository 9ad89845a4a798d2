/* SPDX-License-Identifier: Apache-2.0 */
/* entity_id.h -- the one rule that a client's identifier can break (exec.md 10.1; files.md F1). */
#pragma once

/* Why text cannot be an entity id: the code of http-api.md 8.4, with the message in *ret_message; NULL if it can. */
const char *entity_id_check(const char *text, const char **ret_message);
