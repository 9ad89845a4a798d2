/* SPDX-License-Identifier: Apache-2.0 */
#include "main/api/api_rules.h"

#include <errno.h>

#define RUNS_KEPT_MAX 1024 /* executions that have ended, or wait for their client */

/* A large value would hold up everybody else in the embedded store. */
#define EMBEDDED_HOT_BYTES_MAX (1 << 20)

void api_rules_state(const struct config *config, struct state_rules *rules)
{
    int64_t hot_bytes_max = config->state_max_redis_size_mb << 20;

    rules->archive = config->state_archive_enabled;
    rules->ttl_ms = config->state_ttl_seconds * 1000;
    rules->archive_after_ms = config->state_archive_after_seconds * 1000;
    rules->archive_ttl_ms = config->state_archive_ttl_days * 24 * 3600 * 1000;
    rules->bytes_max = config->state_max_size_mb << 20;
    rules->hot_bytes_max = hot_bytes_max < EMBEDDED_HOT_BYTES_MAX ? hot_bytes_max : EMBEDDED_HOT_BYTES_MAX;
}

void api_rules_engine(const struct config *config, struct engine *engine)
{
    engine->data_dir = config->data_dir;
    engine->max_execution_ms = config->max_execution_time * 1000;
    engine->max_memory_bytes = config->max_memory_mb << 20;
    engine->max_output_bytes = config->max_output_bytes;
    engine->max_file_bytes = config->max_file_size_mb << 20;
    engine->disk_bytes = config->sandbox_disk_mb << 20;
    engine->tmp_bytes = config->sandbox_tmpfs_size_mb << 20;
    engine->session_ttl_ms = config->session_ttl_hours * 3600 * 1000;
    engine->max_output_files = (unsigned)config->max_output_files;
    engine->max_processes = (unsigned)config->max_processes;
    engine->max_concurrent = (unsigned)config->max_concurrent_executions;
    engine->max_queued = (unsigned)config->max_queued_executions;
    engine->max_queue_seconds = (unsigned)config->max_queue_seconds;
    engine->max_cpus = config->max_cpus;
    engine->paused_memory.budget_bytes = config->ptc_memory_mb << 20;
    engine->state_enabled = config->state_persistence_enabled;
    engine->state_after_errors = config->state_capture_on_error;
}

void api_rules_handlers(const struct config *config, struct api *api)
{
    api->max_file_bytes = config->max_file_size_mb << 20;
    api->max_upload_files = (unsigned)config->max_files_per_session;
    api->ptc_max_paused = (unsigned)config->ptc_max_paused;
    api->ptc_max_round_trips = (unsigned)config->ptc_max_round_trips;
    api->ptc_pause_ttl_ms = config->ptc_pause_ttl_seconds * 1000;
    api->agent_bypass_extensions = config->agent_upload_bypass_extensions;
    api->show_docs = config->enable_docs;
    api->has_pool = config->sandbox_pool_enabled;
    api->debug = config->api_debug;
    api->wan_access = config->enable_wan_access;
    api->proxy_port = config->enable_sandbox_network ? (uint16_t)config->sandbox_egress_port : 0;
}

int api_rules_names(const struct config *config, struct filename_rules *rules, char *error, size_t error_size)
{
    int r =
        filename_rules_init(rules, config->allowed_file_extensions, config->blocked_file_patterns, error, error_size);

    if (r != 0)
        return r < 0 ? r : -EINVAL;
    rules->strict = config->filename_strict;
    rules->max_segment_characters = (unsigned)config->max_filename_length;
    return 0;
}

unsigned api_rules_runs(const struct config *config)
{
    return (unsigned)(config->max_concurrent_executions + config->max_queued_executions + config->ptc_max_paused) +
           RUNS_KEPT_MAX;
}

/* Without copies of the zygote none can be. */
bool api_rules_hot(const struct config *config, struct hot_limits *ret_limits)
{
    if (config->hot_sessions_max == 0 || !config->state_persistence_enabled || !config->sandbox_pool_enabled ||
        !config->repl_enabled)
        return false;
    *ret_limits = (struct hot_limits){
        .max = (unsigned)config->hot_sessions_max,
        .memory_bytes = config->hot_sessions_memory_mb << 20,
        .ttl_ms = config->state_ttl_seconds * 1000,
    };
    return true;
}
