/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Restarting after lines were taken away must not mend the chain. */
static void a_restart_hides_nothing(void **state)
{
    struct audit_verdict verdict;
    size_t length;
    char *text;

    (void)state;
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    cut_at_line(text, 10, &length);
    write_log(AUDIT_FILE_NAME, text, length);
    free(text);
    write_events(10, 3);
    verdict = verify_log();
    assert_false(verdict.sound);
    assert_string_equal(verdict.problem, "line 11: events 11 to 11 are missing");
}

/* A crash of the machine in the middle of a write. */
static void a_torn_line_is_cut_off(void **state)
{
    size_t length;
    char *text;

    (void)state;
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    memcpy(text + length, "{\"event_type\":\"od", 17);
    write_log(AUDIT_FILE_NAME, text, length + 17);
    free(text);
    write_events(10, 3);
    assert_string_equal(verify_log().problem, "");
}

/* However much of it there is; and where no line is whole, a log begins anew. */
static void all_that_is_torn_is_cut_off(void **state)
{
    size_t length;
    char *text, path[128];

    (void)state;
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    memset(text + length, 'x', 50000);
    write_log(AUDIT_FILE_NAME, text, length + 50000);
    write_events(10, 3);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 14);
    path_of(AUDIT_FILE_HEAD, path);
    assert_int_equal(unlink(path), 0);
    write_log(AUDIT_FILE_NAME, text + length, 50000);
    free(text);
    write_events(0, 3);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 4);
}

static void rotation_loses_no_line(void **state)
{
    static const char *const all[] = { "audit.log.4", "audit.log.3", "audit.log.2", "audit.log.1", "audit.log", NULL };
    static const char *const gap[] = { "audit.log.3", "audit.log.1", "audit.log", NULL };
    static const char *const end[] = { "audit.log.1", "audit.log", NULL };
    const struct audit_file_options options = { .directory = place, .max_bytes = 1000, .max_rotated = 4 };
    struct audit_verdict verdict;
    struct audit_file file;

    (void)state;
    assert_int_equal(audit_file_open(&file, &options), 0);
    for (int i = 0; i < 5; i++)
        write_batch(&file); /* a batch is more than 1000 bytes */
    audit_file_close(&file);
    verdict = verify(all);
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.first_seq, 1);
    assert_int_equal(verdict.last_seq, 55); /* with five openings */
    verdict = verify(end);
    assert_string_equal(verdict.problem, "");
    assert_true(verdict.first_seq > 1);
    verdict = verify(gap);
    assert_false(verdict.sound);
    if (!strstr(verdict.problem, "begins with event"))
        print_error("%s\n", verdict.problem);
    assert_non_null(strstr(verdict.problem, "begins with event"));
}

static void a_moved_file_is_opened_again(void **state)
{
    static const char *const both[] = { "moved", "audit.log", NULL };
    struct audit *audit;
    char from[128], to[128];

    (void)state;
    write_events(0, 5);
    audit = start();
    path_of(AUDIT_FILE_NAME, from);
    path_of("moved", to);
    assert_int_equal(rename(from, to), 0);
    post(audit, 5);
    audit_free(audit);
    assert_string_equal(verify(both).problem, "");
}

/* Whether all that there is, is whole, though none was named. */
static struct audit_verdict verify_all(const char *const *names, enum audit_extent extent)
{
    struct audit_verdict verdict = verify(names);

    audit_verify_beginning(extent, &verdict);
    return verdict;
}

static const char *const all_of_two[] = { "audit.log.2", "audit.log.1", "audit.log", NULL };

/* What rotation let go is not missed, however many files should be kept; what somebody else took is, and stays missed
 * until it would have been let go. */
static void only_rotation_lets_go(void **state)
{
    const struct audit_file_options options = { .directory = place, .max_bytes = 1000, .max_rotated = 2 };
    struct audit_file file;
    char path[128];

    (void)state;
    assert_int_equal(audit_file_open(&file, &options), 0);
    for (int i = 0; i < 6; i++)
        write_batch(&file); /* a batch is more than 1000 bytes */
    audit_file_close(&file);
    assert_int_equal(verify(all_of_two).first_seq, 34);
    assert_int_equal(verify(all_of_two).kept_seq, 34);
    assert_string_equal(verify_all(all_of_two, AUDIT_EXTENT_ALL).problem, "");
    path_of("audit.log.2", path);
    assert_int_equal(unlink(path), 0);
    assert_string_equal(verify_all(all_of_two + 1, AUDIT_EXTENT_ALL).problem,
                        "events 1 to 44 are not here: rotated files are missing");
    assert_int_equal(audit_file_open(&file, &options), 0);
    write_batch(&file);
    assert_string_equal(verify_all(all_of_two, AUDIT_EXTENT_ALL).problem,
                        "events 1 to 44 are not here: rotated files are missing");
    write_batch(&file);
    audit_file_close(&file);
    assert_int_equal(verify(all_of_two).first_seq, 56);
    assert_string_equal(verify_all(all_of_two, AUDIT_EXTENT_ALL).problem, "");
}

/* By a name that a rotation would give, too. */
static void what_is_moved_over_a_rotated_file_is_missed(void **state)
{
    static const char *const both[] = { "audit.log.1", "audit.log", NULL };
    const struct audit_file_options options = { .directory = place, .max_bytes = 1000, .max_rotated = 1 };
    struct audit_file file;
    char from[128], to[128];

    (void)state;
    assert_int_equal(audit_file_open(&file, &options), 0);
    for (int i = 0; i < 3; i++)
        write_batch(&file);
    assert_string_equal(verify_all(both, AUDIT_EXTENT_FULL).problem, "");
    path_of(AUDIT_FILE_NAME, from);
    path_of("audit.log.1", to);
    assert_int_equal(rename(from, to), 0);
    write_batch(&file);
    audit_file_close(&file);
    assert_string_equal(verify_all(both, AUDIT_EXTENT_FULL).problem,
                        "events 1 to 22 are not here: rotated files are missing");
}

/* A process that was ended when it had moved the files and not yet begun the new one. */
static void a_rotation_that_was_cut_short_goes_on(void **state)
{
    static const char *const both[] = { "audit.log.1", "audit.log", NULL };
    struct audit_file file;
    char from[128], to[128], *text;
    size_t length;

    (void)state;
    write_events(0, 10);
    path_of(AUDIT_FILE_NAME, from);
    path_of("audit.log.1", to);
    assert_int_equal(rename(from, to), 0);
    file = open_another();
    assert_string_equal(file.note, "");
    assert_true(audit_file_follow(&file));
    write_batch(&file);
    audit_file_close(&file);
    text = read_log(AUDIT_FILE_NAME, &length);
    assert_non_null(strstr(text, "\"reason\":\"rotated\",\"first_kept\":1,"));
    assert_null(strstr(text, "log_damaged"));
    free(text);
    assert_string_equal(verify_all(both, AUDIT_EXTENT_ALL).problem, "");
}

/* Three files, of which the next line lets the oldest go. */
static struct audit_file open_before_rotation(void)
{
    const struct audit_file_options options = { .directory = place, .max_bytes = 1000, .max_rotated = 2 };
    struct audit_file file;

    assert_int_equal(audit_file_open(&file, &options), 0);
    for (int i = 0; i < 3; i++)
        write_batch(&file);
    return file;
}

/* Nothing was let go, and once there is what it takes the next line goes on. */
static void check_waits(struct audit_file *file, int r, void (*give)(void))
{
    assert_true(r < 0);
    give();
    assert_string_equal(verify_all(all_of_two, AUDIT_EXTENT_ALL).problem, "");
    assert_int_equal(verify(all_of_two).first_seq, 1);
    write_batch(file);
    audit_file_close(file);
    assert_string_equal(verify_all(all_of_two, AUDIT_EXTENT_ALL).problem, "");
    assert_int_equal(verify(all_of_two).first_seq, 12);
}

static int try_to_write(struct audit_file *file)
{
    CLEANUP(buffer_deinit) struct buffer lines = BUFFER_INIT(1 << 16);

    return audit_file_write(file, &(struct buffer){ 0 }, &lines);
}

static void allow_descriptors(void)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void rotation_waits_for_a_descriptor(void **state)
{
    struct audit_file file = open_before_rotation();
    struct rlimit limit;
    int r;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    r = try_to_write(&file);
    check_waits(&file, r, allow_descriptors);
}

static void make_room(void)
{
    char path[128];

    path_of("ballast", path);
    assert_int_equal(unlink(path), 0);
}

static void rotation_waits_for_room(void **state)
{
    struct audit_file file;
    char path[128];
    int fd, r;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("audit-test", place, "tmpfs", 0, "size=256k"), 0);
    file = open_before_rotation();
    path_of("ballast", path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (off_t at = 0; posix_fallocate(fd, at, 4096) == 0;)
        at += 4096;
    close(fd);
    r = try_to_write(&file);
    check_waits(&file, r, make_room);
    assert_int_equal(umount2(place, MNT_DETACH), 0);
}

/* ---- what somebody does to the files ---- */

static void do_empty(char *text, size_t length)
{
    (void)length;
    write_log(AUDIT_FILE_NAME, text, 0);
}

static void do_remove(char *text, size_t length)
{
    char path[128];

    (void)text;
    (void)length;
    path_of(AUDIT_FILE_NAME, path);
    assert_int_equal(unlink(path), 0);
}

static void do_cut(char *text, size_t length)
{
    cut_at_line(text, 10, &length);
    write_log(AUDIT_FILE_NAME, text, length);
}

static void do_append(char *text, size_t length)
{
    text[length] = '\n';
    write_log(AUDIT_FILE_NAME, text, length + 1);
}

static void do_replace(char *text, size_t length)
{
    do_remove(text, length);
    do_cut(text, length);
}

/* The last event is another one, and its hash is right. */
static void do_forge(char *text, size_t length)
{
    static const char event[] = "{\"event_type\":\"even\",\"severity\":\"info\",\"number\":77}";
    CLEANUP(buffer_deinit) struct buffer forged = BUFFER_INIT(AUDIT_LINE_MAX_BYTES);
    struct audit_chain chain;
    size_t n;
    char *line = line_of(text, 9, &n);

    assert_int_equal(audit_chain_read(line, n - 1, &chain), 0);
    assert_int_equal(audit_chain_append(&chain, event, sizeof(event) - 1, &forged), 0);
    cut_at_line(text, 10, &length);
    memcpy(text + length, forged.data, forged.length);
    write_log(AUDIT_FILE_NAME, text, length + forged.length);
}

static const struct {
    const char *name;
    void (*tamper)(char *text, size_t length);
    const char *found_at_work, *found_at_start; /* NULL = it is not; those come last */
} deeds[] = {
    { "empty", do_empty, "was emptied", "is gone" },
    { "remove", do_remove, "was removed", "is gone" },
    { "cut", do_cut, "was cut", "does not end where it should" },
    { "append", do_append, "has an end that is none of its lines", "does not end where it should" },
    { "replace", do_replace, "was replaced", "does not end where it should" },
    { "forge", do_forge, NULL, "does not end where it should" },
};

static void tamper(size_t deed)
{
    size_t length;
    char *text = read_log(AUDIT_FILE_NAME, &length);

    deeds[deed].tamper(text, length);
    free(text);
}

/* The event is in the log, once, as the first behind what is left and an opening; and the log is not sound. */
static void check_told(size_t deed, const char *what)
{
    static const char *const names[] = { AUDIT_FILE_NAME, NULL };
    char said[256], *text;
    struct audit_verdict verdict = verify_all(names, AUDIT_EXTENT_ALL);
    size_t length;

    snprintf(
        said, sizeof(said),
        "{\"event_type\":\"audit\",\"severity\":\"critical\",\"operation\":\"log_damaged\",\"message\":\"the audit log "
        "%s (event 11 was the last)\"",
        what);
    text = read_log(AUDIT_FILE_NAME, &length);
    if (!strstr(text, said) || verdict.sound)
        print_error("%s: %s\n%s\n", deeds[deed].name, verdict.problem, text);
    assert_non_null(strstr(text, said));
    assert_null(strstr(strstr(text, said) + strlen(said), "log_damaged"));
    assert_false(verdict.sound);
    free(text);
}

static void what_is_done_to_a_log_at_work_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(deeds) && deeds[i].found_at_work; i++) {
        CLEANUP(buffer_deinit) struct buffer lines = BUFFER_INIT(1 << 16);
        struct audit_file file = open_another();

        write_batch(&file);
        tamper(i);
        assert_true(audit_file_follow(&file));
        assert_int_equal(audit_file_write(&file, &(struct buffer){ 0 }, &lines), 0);
        assert_non_null(strstr(file.told.data, "log_damaged"));
        assert_null(strstr(file.told.data, "log_opened"));
        assert_false(audit_file_follow(&file));
        write_batch(&file);
        audit_file_close(&file);
        check_told(i, deeds[i].found_at_work);
        sweep();
    }
}

static void what_was_done_to_a_log_is_told_at_the_start(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
        write_events(0, 10);
        tamper(i);
        write_events(10, 1);
        write_events(11, 1);
        check_told(i, deeds[i].found_at_start);
        sweep();
    }
}

/* As tools do that rotate by copying. A line that is in neither file is missed. */
static void an_emptied_file_begins_again(void **state)
{
    static const char *const both[] = { "copied", "audit.log", NULL };
    const struct audit_file_options options = { .directory = place, .max_bytes = 1 << 20, .max_rotated = 1 };
    struct audit_verdict verdict;
    struct audit_file file;
    size_t length;
    char *text;

    (void)state;
    assert_int_equal(audit_file_open(&file, &options), 0);
    write_batch(&file);
    text = read_log(AUDIT_FILE_NAME, &length);
    write_log("copied", text, length);
    write_log(AUDIT_FILE_NAME, "", 0);
    write_batch(&file);
    audit_file_close(&file);
    verdict = verify(both);
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.last_seq, 23); /* with two openings and what is said of the second */
    verdict = verify_log();
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.first_seq, 12);
    audit_verify_beginning(AUDIT_EXTENT_CHOSEN, &verdict);
    assert_string_equal(verdict.problem,
                        "events 1 to 11 are not here: the file before was emptied, removed or moved away");
    cut_at_line(text, 10, &length);
    write_log("copied", text, length);
    free(text);
    assert_string_equal(verify(both).problem, "line 1: begins with event 12 after event 10");
}

/* ---- several processes ---- */

/* Lines are taken up once, by those who did not write them. */
static void own_lines_are_nobody_elses(void **state)
{
    struct audit_file first = open_another(), second;
    size_t n = 0;

    (void)state;
    write_batch(&first);
    audit_file_follow(&first);
    assert_int_equal(first.others.length, 0);
    second = open_another();
    write_batch(&second);
    assert_int_equal(second.others.length, 0);
    audit_file_follow(&first);
    audit_file_follow(&first);
    for (const char *at = first.others.data; (at = strchr(at, '\n')); at++)
        n++;
    assert_int_equal(n, 10);
    audit_file_close(&first);
    audit_file_close(&second);
    assert_string_equal(verify_log().problem, "");
}

static void write_and_exit(int n)
{
    struct audit_file file = open_another();

    for (int i = 0; i < n; i++)
        write_batch(&file);
    audit_file_close(&file);
    _exit(0);
}

static void many_processes_at_once_make_one_chain(void **state)
{
    pid_t children[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            write_and_exit(20);
    }
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        int status = -1;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 1 + 4 * 20 * 10);
}

/* A process that is ended in the middle of a line, and one that finds the log moved away. */
static void what_another_leaves_behind_is_mended(void **state)
{
    static const char *const both[] = { "moved", "audit.log", NULL };
    struct audit_file first = open_another(), other;
    char from[128], to[128];

    (void)state;
    write_batch(&first);
    assert_int_equal(write(first.fd, "{\"event_type\":\"od", 17), 17);
    write_batch(&first);
    assert_string_equal(first.note, "a torn line at the end of the audit log was cut off");
    assert_true(audit_file_settle(&first) >= 0);
    assert_string_equal(verify_log().problem, "");
    other = open_another();
    path_of(AUDIT_FILE_NAME, from);
    path_of("moved", to);
    assert_int_equal(rename(from, to), 0);
    write_batch(&other);
    write_batch(&first);
    audit_file_close(&other);
    audit_file_close(&first);
    assert_string_equal(verify(both).problem, "");
    assert_int_equal(verify(both).last_seq, 1 + 20 + 1 + 20);
}

static void *begin_again(void *file)
{
    CLEANUP(buffer_deinit) struct buffer lines = BUFFER_INIT(1 << 16);

    usleep(300000);
    assert_true(audit_file_follow(file));
    assert_int_equal(audit_file_write(file, &(struct buffer){ 0 }, &lines), 0);
    return NULL;
}

/* The head lags: only who wrote knows where the chain of a log ended that was moved away. */
static void who_knows_the_end_begins_again(void **state)
{
    static const char *const both[] = { "moved", "audit.log", NULL };
    struct audit_file first = open_another(), other;
    char from[128], to[128];
    pthread_t thread;

    (void)state;
    write_batch(&first);
    assert_int_equal(audit_file_settle(&first), 0);
    write_batch(&first);
    path_of(AUDIT_FILE_NAME, from);
    path_of("moved", to);
    assert_int_equal(rename(from, to), 0);
    pthread_create(&thread, NULL, begin_again, &first);
    other = open_another();
    pthread_join(thread, NULL);
    write_batch(&other);
    audit_file_close(&other);
    audit_file_close(&first);
    assert_string_equal(verify_all(both, AUDIT_EXTENT_CHOSEN).problem, "");
    assert_int_equal(verify(both).last_seq, 1 + 20 + 1 + 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_EMPTY_PLACE(a_restart_hides_nothing),
        IN_EMPTY_PLACE(a_torn_line_is_cut_off),
        IN_EMPTY_PLACE(all_that_is_torn_is_cut_off),
        IN_EMPTY_PLACE(rotation_loses_no_line),
        IN_EMPTY_PLACE(only_rotation_lets_go),
        IN_EMPTY_PLACE(what_is_moved_over_a_rotated_file_is_missed),
        IN_EMPTY_PLACE(a_rotation_that_was_cut_short_goes_on),
        IN_EMPTY_PLACE(rotation_waits_for_a_descriptor),
        IN_EMPTY_PLACE(rotation_waits_for_room),
        IN_EMPTY_PLACE(what_is_done_to_a_log_at_work_is_told),
        IN_EMPTY_PLACE(what_was_done_to_a_log_is_told_at_the_start),
        IN_EMPTY_PLACE(a_moved_file_is_opened_again),
        IN_EMPTY_PLACE(an_emptied_file_begins_again),
        IN_EMPTY_PLACE(own_lines_are_nobody_elses),
        IN_EMPTY_PLACE(many_processes_at_once_make_one_chain),
        IN_EMPTY_PLACE(what_another_leaves_behind_is_mended),
        IN_EMPTY_PLACE(who_knows_the_end_begins_again),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
