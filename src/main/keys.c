/* SPDX-License-Identifier: Apache-2.0 */
/* keys.c -- `codecell keys`: managed keys from the command line, without a master key: whoever may write to DATA_DIR
 * may do this.
 *
 * It works on the store itself, whether or not a server runs. The store takes turns between processes, and a running
 * server sees every change at its next request (domain/key.h). Each change leaves an event in the audit log, and none
 * is made if that cannot be opened. The directory belongs to the unprivileged api, so root becomes its owner before
 * opening anything in it: what the api could have put there is opened with no more rights than it has itself. */
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/key_body.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "domain/key.h"
#include "domain/key_event.h"
#include "main/command.h"
#include "main/config/config.h"
#include "main/keys_audit.h"
#include "main/option.h"
#include "main/output.h"
#include "main/place/data_dir.h"

#define PREFIX_MIN 8 /* digits of a hash that are enough to name a key */

struct keys {
    const char *name, *tenant, *expires, *network, *hash; /* from the command line; NULL = not given */
    int limits[RATE_PERIODS];                             /* KEY_LIMIT_STAYS = not given, 0 = none */
    bool json;
    struct kv *kv;
    struct keys_audit audit;
    struct key_store *store;
};

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *format, ...)
{
    va_list args;

    fputs("codecell keys: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return 1;
}

static int fail_error(int r)
{
    return fail("%s", r == -EBUSY ? "another process holds the keys; try again" : strerror(-r));
}

/* ---- the store ---- */

static int become(uid_t uid, gid_t gid)
{
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return error_from_errno();
    return 0;
}

/* Opens the directory as the user to whom it belongs. Returns the exit status; 0 with *ret_fd. */
static int enter_data_dir(const char *path, int *ret_fd)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return fail("%s: %s; is DATA_DIR the server's, and was the server started once?", path, strerror(errno));
    if (st.st_uid == 0)
        return fail("%s belongs to root: start the server once, which gives it to its own user", path);
    if (geteuid() == 0) {
        r = become(st.st_uid, st.st_gid);
        if (r < 0)
            return fail("cannot become user %u: %s", st.st_uid, strerror(-r));
    }
    if (geteuid() != st.st_uid)
        return fail("%s belongs to user %u: run this as root or as that user", path, st.st_uid);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int open_audit(struct keys *keys, const struct config *config, uid_t uid)
{
    int r = keys_audit_open(&keys->audit, config, uid);

    if (keys->audit.file.note[0])
        fail("%s; `codecell audit verify` tells more", keys->audit.file.note);
    return r < 0 ? fail("the audit log cannot be opened, so nothing is changed: %s", strerror(-r)) : 0;
}

/* changes: with the audit log. Returns the exit status. */
static int open_store(struct keys *keys, bool changes)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    CLEANUP(config_deinit) struct config config = { 0 };
    CLEANUP_CLOSE int fd = -1;
    char path[PATH_MAX], error[512] = "";
    int r = config_load(&config, environ, ".env", &problems), status;
    uid_t uid = getuid(); /* before it becomes another */

    if (r < 0)
        return fail_error(r);
    if (config.file_unread)
        return fail("%.*s", (int)strcspn(problems.data, "\n"), problems.data); /* DATA_DIR may stand there */
    status = enter_data_dir(config.data_dir, &fd); /* of the configuration this matters, and the audit log */
    if (status != 0)
        return status;
    umask(077);
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", config.data_dir, DATA_DIR_DATABASE) >= sizeof(path))
        return fail_error(-ENAMETOOLONG);
    r = kv_open_sqlite(path, &keys->kv, error, sizeof(error));
    if (r == 0)
        r = key_store_open(keys->kv, fd, &keys->store);
    if (r < 0)
        return *error ? fail("%s", error) : fail_error(r);
    return changes ? open_audit(keys, &config, uid) : 0;
}

/* ---- what was asked for ---- */

static void cleanup_body(struct key_body *body)
{
    key_body_deinit(body);
}

/* A value that JSON cannot hold must not be as none: the key would have more rights than were asked for. Returns the
 * exit status. */
static int set_texts(const struct keys *keys, json_t *json)
{
    const struct {
        const char *field, *text;
    } rows[] = {
        { "name", keys->name },
        { "tenant", keys->tenant },
        { "expires_at", keys->expires },
        { "network", keys->network },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].text && json_object_set_new(json, rows[i].field, json_string(rows[i].text)) < 0) {
            fail("%s: Input should be text in UTF-8", rows[i].field);
            return EXIT_USAGE;
        }
    return 0;
}

/* Those given; 0 stands for none, which is how a key begins. */
static json_t *limits_wanted(const struct keys *keys)
{
    json_t *limits = json_object();

    for (int i = 0; i < RATE_PERIODS; i++)
        if (keys->limits[i] > 0)
            json_object_set_new(limits, rate_period_name((enum rate_period)i), json_integer(keys->limits[i]));
    return limits;
}

/* The rules of the HTTP interface are the rules here. Returns the exit status. */
static int take_wishes(const struct keys *keys, bool creation, struct key_body *body)
{
    CLEANUP_JSON json_t *json = json_object();
    const json_t *detail;
    size_t index;
    int status = set_texts(keys, json), r;

    if (status != 0)
        return status;
    json_object_set_new(json, "rate_limits", limits_wanted(keys));
    r = key_body_parse(json, creation, body);
    if (r < 0)
        return fail_error(r);
    json_array_foreach(body->details, index, detail)
    {
        const char *field = json_string_value(json_object_get(detail, "field"));

        fail("%s: %s", field + strlen("body -> "), json_string_value(json_object_get(detail, "message")));
    }
    return r == 0 ? 0 : EXIT_USAGE;
}

/* Completes the beginning of a hash to the only key that has it. Returns the exit status. */
static int find_key(struct keys *keys, struct key *ret_key)
{
    struct key *list;
    size_t n, found = 0, at = 0;
    int r = key_list(keys->store, &list, &n);

    if (r < 0)
        return fail_error(r);
    for (size_t i = 0; i < n; i++)
        if (strncmp(list[i].hash, keys->hash, strlen(keys->hash)) == 0) {
            found++;
            at = i;
        }
    if (found == 1) {
        *ret_key = list[at];
        json_incref(ret_key->metadata);
    }
    key_list_free(list, n);
    if (found == 0)
        return fail("no managed key begins with %s; see codecell keys list", keys->hash);
    return found == 1 ? 0 : fail("%zu keys begin with %s: give more digits", found, keys->hash);
}

/* ---- the verbs ---- */

/* After a change was tried: r is what came of it. Returns the exit status. */
static int conclude(struct keys *keys, const char *operation, const struct key *key, const struct key_change *change,
                    int r)
{
    int told = keys_audit_tell(&keys->audit, operation, key->hash[0] ? key->hash : NULL, key->name, change, r == 0);

    if (r != 0)
        return r == KEY_E_NOT_FOUND  ? fail("the key is gone")
               : r == KEY_E_TOO_MANY ? fail("there are too many keys; revoke some first")
                                     : fail_error(r);
    return told < 0 ? fail("the change could not be noted in the audit log: %s", strerror(-told)) : 0;
}

/* "5/minute 1000/day", or "-" for none. */
static void format_limits(const struct key *key, char *ret_text, size_t size)
{
    static const char *const units[RATE_PERIODS] = {
        [RATE_PER_SECOND] = "second", [RATE_PER_MINUTE] = "minute", [RATE_HOURLY] = "hour",
        [RATE_DAILY] = "day",         [RATE_MONTHLY] = "month",
    };
    size_t length = 0;

    snprintf(ret_text, size, "-");
    for (int i = 0; i < RATE_PERIODS && length < size; i++)
        if (key->limits[i] > 0)
            length += (size_t)snprintf(ret_text + length, size - length, "%s%lld/%s", length ? " " : "",
                                       (long long)key->limits[i], units[i]);
}

static void print_row(const struct key *key, const struct key_use *use)
{
    const char *state = !key->enabled                                           ? "disabled"
                        : key->expires_ms && key->expires_ms <= clock_wall_ms() ? "expired"
                                                                                : "enabled";
    const char *name = key_name_is_plain(key->name, strlen(key->name)) ? key->name : "(holds control characters)";
    char created[CLOCK_ISO_SIZE], expires[CLOCK_ISO_SIZE] = "never", limits[RATE_PERIODS * 32];

    clock_format_iso(key->created_ms, created);
    if (key->expires_ms)
        clock_format_iso(key->expires_ms, expires);
    format_limits(key, limits, sizeof(limits));
    printf("%.16s  %s  %-8s  %10lld  %.19sZ  %-19.19s%s  %-9s  %-20s  %-20s  %s\n", key->hash, key->prefix, state,
           (long long)use->count, created, expires, key->expires_ms ? "Z" : " ", key_network_name(key->network), limits,
           tenant_name(key->tenant), name);
}

static int print_json(const json_t *json)
{
    if (json_dumpf(json, stdout, JSON_INDENT(2)) < 0)
        return fail("the output could not be written");
    putchar('\n');
    return output_end("keys");
}

static int print_list(struct keys *keys, const struct key *list, size_t n)
{
    CLEANUP_JSON json_t *json = json_array();

    if (!keys->json)
        puts("hash              prefix       state           used  created               expires               network "
             "   "
             "limits                tenant                name");
    for (size_t i = 0; i < n; i++) {
        struct key_use use;
        int r = key_use_load(keys->store, list[i].hash, &use);

        if (r < 0)
            return fail_error(r);
        if (keys->json)
            json_array_append_new(json, key_body_record(&list[i], &use, false));
        else
            print_row(&list[i], &use);
    }
    return keys->json ? print_json(json) : output_end("keys");
}

static int run_list(struct keys *keys)
{
    struct key *list;
    size_t n;
    int r = key_list(keys->store, &list, &n), status;

    if (r < 0)
        return fail_error(r);
    status = print_list(keys, list, n);
    key_list_free(list, n);
    return status;
}

/* The key itself is all that goes to stdout, so that a script can take it. Returns the exit status. */
static int print_created(const struct keys *keys, const struct key *key, const char *text)
{
    CLEANUP_JSON json_t *json = NULL;
    const struct key_use unused = { 0 };
    int status;

    if (keys->json) {
        json = json_pack("{s:s, s:o}", "api_key", text, "record", key_body_record(key, &unused, false));
        return print_json(json);
    }
    puts(text);
    status = output_end("keys");
    if (status == 0)
        fprintf(stderr, "codecell keys: this is the only time that the key is shown; its hash is %s\n", key->hash);
    return status;
}

/* A key that works and that nobody knows of. */
static void take_back(struct keys *keys, const struct key *key)
{
    int r = key_revoke(keys->store, key->hash);

    fail(r == 0 ? "so the key, which nobody has seen, was taken back" : "and the key could not be taken back");
    (void)conclude(keys, "revoke", key, NULL, r);
}

static int run_create(struct keys *keys)
{
    CLEANUP(cleanup_body) struct key_body body = KEY_BODY_INIT;
    char text[KEY_TEXT_SIZE];
    int status = take_wishes(keys, true, &body), r;

    if (status != 0)
        return status;
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone must not end this with a key that nobody has seen */
    r = key_create(keys->store, &body.key, text);
    status = conclude(keys, "create", &body.key, NULL, r);
    if (status == 0)
        status = print_created(keys, &body.key, text);
    if (status != 0 && r == 0)
        take_back(keys, &body.key);
    explicit_bzero(text, sizeof(text));
    return status;
}

static int change(struct keys *keys, const struct key *key, const struct key_change *wanted)
{
    int r = key_change(keys->store, key->hash, wanted);

    return conclude(keys, key_event_operation(wanted), key, wanted, r);
}

/* Returns whether any limit is to change. */
static bool take_limits(const struct keys *keys, int64_t ret_limits[RATE_PERIODS])
{
    bool any = false;

    for (int i = 0; i < RATE_PERIODS; i++) {
        ret_limits[i] = keys->limits[i];
        any |= keys->limits[i] != KEY_LIMIT_STAYS;
    }
    return any;
}

static int run_change(struct keys *keys)
{
    CLEANUP(cleanup_body) struct key_body body = KEY_BODY_INIT;
    CLEANUP(key_deinit) struct key key = KEY_INIT;
    int64_t limits[RATE_PERIODS];
    bool has_limits = take_limits(keys, limits);
    int status;

    if (!keys->name && !keys->expires && !keys->network && !has_limits) {
        fail("nothing to change; see codecell keys --help");
        return EXIT_USAGE;
    }
    status = find_key(keys, &key);
    if (status == 0)
        status = take_wishes(keys, false, &body);
    if (status != 0)
        return status;
    return change(keys, &key,
                  &(struct key_change){ .name = body.has_name ? body.key.name : NULL,
                                        .limits = has_limits ? limits : NULL,
                                        .expires_ms = body.has_expiry ? &body.key.expires_ms : NULL,
                                        .network = body.has_network ? &body.key.network : NULL });
}

static int set_enabled(struct keys *keys, bool enabled)
{
    CLEANUP(key_deinit) struct key key = KEY_INIT;
    int status = find_key(keys, &key);

    return status != 0 ? status : change(keys, &key, &(struct key_change){ .enabled = &enabled });
}

static int run_enable(struct keys *keys)
{
    return set_enabled(keys, true);
}

static int run_disable(struct keys *keys)
{
    return set_enabled(keys, false);
}

static int run_revoke(struct keys *keys)
{
    CLEANUP(key_deinit) struct key key = KEY_INIT;
    int status = find_key(keys, &key);

    return status != 0 ? status : conclude(keys, "revoke", &key, NULL, key_revoke(keys->store, key.hash));
}

/* ---- the command line ---- */

static const struct verb {
    const char *name;
    int (*run)(struct keys *keys);
    bool of_one;    /* names a key */
    bool describes; /* takes what a key can be */
    bool changes;
} verbs[] = {
    { "list", run_list, false, false, false },   { "create", run_create, false, true, true },
    { "change", run_change, true, true, true },  { "disable", run_disable, true, false, true },
    { "enable", run_enable, true, false, true }, { "revoke", run_revoke, true, false, true },
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static bool is_hash_prefix(const char *text)
{
    size_t length = strlen(text);

    return length >= PREFIX_MIN && strspn(text, "0123456789abcdef") == length;
}

/* Reads "VERB [HASH] [OPTIONS]". Returns true to go on. */
static bool parse(int argc, char **argv, struct keys *keys, const struct verb **ret_verb, int *ret_status)
{
    const struct option_row plain[] = { { "--json", .flag = &keys->json }, { 0 } };
    const struct option_row all[] = {
        { "--tenant", .value = "text", .text = &keys->tenant }, /* first: not for what has one */
        { "--json", .flag = &keys->json },
        { "--name", .value = "text", .text = &keys->name },
        { "--expires", .value = "time", .text = &keys->expires },
        { "--network", .value = "mode", .text = &keys->network },
        { "--per-second", .value = "number", .number = &keys->limits[RATE_PER_SECOND] },
        { "--per-minute", .value = "number", .number = &keys->limits[RATE_PER_MINUTE] },
        { "--hourly", .value = "number", .number = &keys->limits[RATE_HOURLY] },
        { "--daily", .value = "number", .number = &keys->limits[RATE_DAILY] },
        { "--monthly", .value = "number", .number = &keys->limits[RATE_MONTHLY] },
        { 0 },
    };
    const struct verb *verb = argc > 1 ? find_verb(argv[1]) : NULL;
    int taken = 1;

    if (!verb) {
        *ret_status = argc > 1 && option_asks_for_help(argv[1])
                          ? command_help_of("keys")
                          : (fail("needs one of list, create, change, disable, enable, revoke"), EXIT_USAGE);
        return false;
    }
    if (verb->of_one && argc > 2 && option_asks_for_help(argv[2])) {
        *ret_status = command_help_of("keys");
        return false;
    }
    if (verb->of_one) {
        if (argc < 3 || !is_hash_prefix(argv[2])) {
            fail("%s needs the hash of a key, or its first %d digits or more", verb->name, PREFIX_MIN);
            *ret_status = EXIT_USAGE;
            return false;
        }
        keys->hash = argv[2];
        taken = 2;
    }
    *ret_verb = verb;
    return option_parse("keys",
                        !verb->describes ? plain
                        : verb->of_one   ? all + 1
                                         : all,
                        argc - taken, argv + taken, ret_status);
}

int command_keys(int argc, char **argv)
{
    struct keys keys = { .audit = KEYS_AUDIT_INIT };
    const struct verb *verb;
    int status;

    for (int i = 0; i < RATE_PERIODS; i++)
        keys.limits[i] = KEY_LIMIT_STAYS;
    if (!parse(argc, argv, &keys, &verb, &status))
        return status;
    status = open_store(&keys, verb->changes);
    if (status == 0)
        status = verb->run(&keys);
    keys_audit_close(&keys.audit);
    key_store_free(keys.store);
    kv_free(keys.kv);
    return status;
}
