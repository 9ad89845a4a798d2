/* SPDX-License-Identifier: Apache-2.0 */
/* limits.h -- bounds of the domain that no parameter changes. Units are in the names. */
#pragma once

#define LIMIT_FILE_NAME_BYTES         1024        /* a whole stored or received name (files.md F7.1) */
#define LIMIT_FILE_NAME_SEGMENT_BYTES 255         /* one segment of a stored name: the file system's own limit (F7.3) */
#define LIMIT_RECORD_BYTES            (64 * 1024) /* of JSON; a longer record is damaged */
#define LIMIT_FILES_LISTED            10000       /* of one session; the newest are shown and mounted */
#define LIMIT_ENTITY_CANDIDATES       16          /* sessions of an entity looked at to find a living one */
#define LIMIT_SWEEP_FILES             64          /* of one session, deleted under one hold of the lock */
#define LIMIT_KEYS                    10000       /* managed keys */
#define LIMIT_KEY_METADATA_BYTES      8192        /* of JSON */

#define ORPHAN_AGE_MS (60 * 60 * INT64_C(1000)) /* a blob that no record names may still be on its way to one */
