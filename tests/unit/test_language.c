/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/language.h"

#define STEP "{\"cwd\": \"workspace\", \"argv\": [\"/bin/x\", \"{build}/{source}\", \"{args}\"]}"
#define REQUIRED                                                                                                       \
    "\"name\": \"X\", \"extensions\": [\"x\"], \"time_factor\": 1, \"memory_factor\": 1.5, \"package\": \"x-lang\","   \
    " \"requires\": [\"/bin/x\"]"

/* A scratch directory with languages/ and a root tree in root/. */
struct scratch {
    char path[64];
    char error[512];
    struct language_table table;
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void add_language(struct scratch *s, const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/languages/%s", s->path, name);
    write_file(path, text);
}

static void add_runtime(struct scratch *s, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/root/%s", s->path, name);
    write_file(path, "");
}

static int load(struct scratch *s)
{
    char languages[96], root[96];

    snprintf(languages, sizeof(languages), "%s/languages", s->path);
    snprintf(root, sizeof(root), "%s/root", s->path);
    s->error[0] = '\0';
    return language_table_load(&s->table, languages, root, s->error, sizeof(s->error));
}

static int set_up(void **state)
{
    struct scratch *s = calloc(1, sizeof(*s));
    char path[96];

    strcpy(s->path, "/tmp/test-language-XXXXXX");
    if (!mkdtemp(s->path))
        return -1;
    snprintf(path, sizeof(path), "%s/languages", s->path);
    mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/root", s->path);
    mkdir(path, 0755);
    snprintf(path, sizeof(path), "%s/root/bin", s->path);
    mkdir(path, 0755);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scratch *s = *state;
    char command[128];

    language_table_deinit(&s->table);
    snprintf(command, sizeof(command), "rm -rf '%s'", s->path);
    assert_int_equal(system(command), 0);
    free(s);
    return 0;
}

/* The shipped files, seen from the source tree that meson names. */
static void shipped_languages_load(void **state)
{
    struct scratch *s = *state;
    const char *codes[] = { "bash", "c", "cpp", "d", "f90", "go", "java", "js", "php", "py", "r", "rs", "ts" };

    assert_int_equal(language_table_load(&s->table, SOURCE_ROOT "/languages", "/", s->error, sizeof(s->error)), 0);
    assert_int_equal(s->table.n_languages, 13);
    for (size_t i = 0; i < 13; i++)
        assert_string_equal(s->table.languages[i].code, codes[i]);
    assert_ptr_equal(language_find(&s->table, "Python3"), language_find(&s->table, "PY"));
    assert_ptr_equal(language_find(&s->table, "bun-ts"), language_find(&s->table, "ts"));
    assert_string_equal(language_find(&s->table, "c++")->code, "cpp");
    assert_null(language_find(&s->table, "cobol"));
    assert_null(language_find(&s->table, ""));
}

static void every_field_is_read(void **state)
{
    struct scratch *s = *state;
    const struct language *l;

    add_runtime(s, "bin/x");
    add_language(s, "x.json",
                 "{\"code\": \"x\", \"source\": \"code.x\", \"aliases\": [\"ex\", \"x++\"], \"mirror\": true, \"env\": "
                 "{\"A\": \"1\", \"B_2\": \"two\"}, \"hidden\": [\"x.out\"], \"processes_extra\": 7, \"patterns\": "
                 "[\"eval\\\\s\"], \"steps\": [{\"compile\": true, \"cwd\": \"build\", \"argv\": [\"/bin/xc\"]}, " STEP
                 "], " REQUIRED "}");
    assert_int_equal(load(s), 0);
    assert_int_equal(s->table.n_languages, 1);
    l = &s->table.languages[0];
    assert_string_equal(l->name, "X");
    assert_string_equal(l->aliases[1], "x++");
    assert_null(l->aliases[2]);
    assert_string_equal(l->extensions[0], "x");
    assert_string_equal(l->source, "code.x");
    assert_true(l->mirror);
    assert_string_equal(l->env[0], "A=1");
    assert_string_equal(l->env[1], "B_2=two");
    assert_string_equal(l->hidden[0], "x.out");
    assert_int_equal(l->processes_extra, 7);
    assert_string_equal(l->patterns[0], "eval\\s");
    assert_int_equal(l->n_steps, 2);
    assert_true(l->steps[0].compile);
    assert_string_equal(l->steps[0].cwd, "build");
    assert_false(l->steps[1].compile);
    assert_string_equal(l->steps[1].cwd, "workspace");
    assert_string_equal(l->steps[1].argv[1], "{build}/{source}");
    assert_true(l->memory_factor == 1.5);
    assert_true(l->available);
    assert_null(l->reason);
}

static void missing_runtime_names_the_package(void **state)
{
    struct scratch *s = *state;

    add_language(s, "x.json", "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [" STEP "], " REQUIRED "}");
    assert_int_equal(load(s), 0);
    assert_false(s->table.languages[0].available);
    assert_non_null(strstr(s->table.languages[0].reason, "/bin/x"));
    assert_non_null(strstr(s->table.languages[0].reason, "x-lang"));
}

/* A link in the tree means a file of that tree, not of the host. */
static void links_resolve_inside_the_root(void **state)
{
    struct scratch *s = *state;
    char link[96];

    add_language(s, "x.json", "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [" STEP "], " REQUIRED "}");
    snprintf(link, sizeof(link), "%s/root/bin/x", s->path);
    assert_int_equal(symlink("/bin/sh", link), 0);
    assert_int_equal(load(s), 0);
    assert_false(s->table.languages[0].available);
    language_table_deinit(&s->table);
    add_runtime(s, "bin/sh");
    assert_int_equal(load(s), 0);
    assert_true(s->table.languages[0].available);
}

static void bad_files_are_refused_by_name_and_field(void **state)
{
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        { "", "x.json: line" },
        { "[1]", "must hold one object" },
        { "{\"code\": 3}", "code: must be a non-empty string" },
        { "{\"code\": \"\"}", "code: must be a non-empty string" },
        { "{\"code\": \"X\"}", "code: must be at most 15" },
        { "{\"code\": \"x\", \"code\": \"y\"}", "duplicate" },
        { "{\"cod\": \"x\"}", "cod: is no known field" },
        { "{\"code\": \"x\"}", "name: is missing" },
        { "{\"code\": \"x\", \"name\": \"a\\nb\"}", "name: contains a control character" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [" STEP "], \"mirror\": 1, " REQUIRED "}",
          "mirror: must be true or false" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [" STEP "], \"warm\": \"none\", " REQUIRED "}",
          "warm: must be the name" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [" STEP "], \"warm\": true, " REQUIRED "}",
          "warm: must be the name" },
        { "{\"code\": \"x\", \"source\": \"a/code.x\", \"steps\": [" STEP "], " REQUIRED "}",
          "source: must be a file name" },
        { "{\"code\": \"x\", \"source\": \"code\", \"steps\": [" STEP "], " REQUIRED "}",
          "source: must have an extension" },
        { "{\"code\": \"y\", \"source\": \"code.x\", \"steps\": [" STEP "], " REQUIRED "}", "code: must be the name" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"aliases\": [\"x\", \"A\"], \"steps\": [" STEP "], " REQUIRED "}",
          "aliases[1]: must be lower-case" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"env\": {\"A=B\": \"1\"}, \"steps\": [" STEP "], " REQUIRED "}",
          "env: 'A=B' is no name" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"env\": [], \"steps\": [" STEP "], " REQUIRED "}",
          "env: must be" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"processes_extra\": -1, \"steps\": [" STEP "], " REQUIRED "}",
          "processes_extra: must be an integer" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"public_class_regex\": \"a(\", \"steps\": [" STEP "], " REQUIRED
          "}",
          "public_class_regex: must be a POSIX" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"public_class_regex\": \"(a){2}\", \"steps\": [" STEP
          "], " REQUIRED "}",
          "public_class_regex: must not count repetitions" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"public_class_regex\": \"a\", \"steps\": [" STEP "], " REQUIRED
          "}",
          "public_class_regex: must have one to seven groups" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"keep\": [\"/run/build/x\"], \"steps\": [" STEP "], " REQUIRED
          "}",
          "keep: needs a step that compiles" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"keep\": [\"/mnt/data/x\"], \"steps\": [" STEP "], " REQUIRED "}",
          "keep[0]: must be a path below" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"keep\": [\"/run/build/../x/\"], \"steps\": [" STEP "], " REQUIRED
          "}",
          "keep[0]: must be a path below" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [], " REQUIRED "}", "steps: must be a list of 1 to 3" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [1], " REQUIRED "}", "steps[0]: must be an object" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [" STEP ", " STEP "], " REQUIRED "}",
          "the last step runs" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [{\"argv\": [\"/bin/x\"]}], " REQUIRED "}",
          "steps[0].cwd: is missing" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [{\"cwd\": \"/\", \"argv\": [\"/bin/x\"]}], " REQUIRED
          "}",
          "steps[0].cwd: must be" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [{\"cwd\": \"build\"}], " REQUIRED "}",
          "steps[0].argv: must begin with an absolute path" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [{\"cwd\": \"build\", \"argv\": [\"x\"]}], " REQUIRED
          "}",
          "steps[0].argv: must begin with an absolute path" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [{\"cwd\": \"build\", \"argv\": [\"/x\", "
          "\"-{foo}\"]}], " REQUIRED "}",
          "steps[0].argv[1]: unknown placeholder {foo}" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [{\"compile\": true, \"cwd\": \"build\", \"argv\": "
          "[\"/x\", "
          "\"{args}\"]}, " STEP "], " REQUIRED "}",
          "steps[0].argv[1]: a compile step takes no {args}" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [{\"cwd\": \"build\", \"shell\": true, \"argv\": "
          "[\"/x\"]}], " REQUIRED "}",
          "steps[0].shell: is no known field" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [{\"cwd\": \"build\", \"try\": 1, \"argv\": "
          "[\"/x\"]}], " REQUIRED "}",
          "steps[0].try: must be true or false" },
        { "{\"code\": \"x\", \"source\": \"code.x\", \"steps\": [{\"compile\": true, \"try\": true, \"cwd\": "
          "\"build\", "
          "\"argv\": [\"/x\"]}, " STEP "], " REQUIRED "}",
          "steps: behind a step to try there must be one that compiles" },
    };
    struct scratch *s = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        add_language(s, "x.json", cases[i].text);
        assert_int_equal(load(s), -EINVAL);
        if (!strstr(s->error, cases[i].complaint) || strncmp(s->error, "x.json: ", 8) != 0)
            fail_msg("case %zu: '%s' does not say '%s'", i, s->error, cases[i].complaint);
        language_table_deinit(&s->table);
    }
}

static void names_are_unique_across_files(void **state)
{
    struct scratch *s = *state;

    add_language(s, "x.json",
                 "{\"code\": \"x\", \"source\": \"code.x\", \"aliases\": [\"y\"], \"steps\": [" STEP "], " REQUIRED
                 "}");
    add_language(s, "y.json", "{\"code\": \"y\", \"source\": \"code.y\", \"steps\": [" STEP "], " REQUIRED "}");
    assert_int_equal(load(s), -EINVAL);
    assert_string_equal(s->error, "y.json: code: 'y' already names X");
}

static void empty_and_missing_directories_are_refused(void **state)
{
    struct scratch *s = *state;
    char missing[96];

    add_language(s, "README.md", "not a language");
    add_language(s, ".x.json", "not a language either");
    assert_int_equal(load(s), -EINVAL);
    assert_non_null(strstr(s->error, "no language is described"));
    snprintf(missing, sizeof(missing), "%s/missing", s->path);
    assert_int_equal(language_table_load(&s->table, missing, "/", s->error, sizeof(s->error)), -ENOENT);
    assert_non_null(strstr(s->error, missing));
}

static void oversized_file_is_refused(void **state)
{
    struct scratch *s = *state;
    char *text = malloc(70000);

    memset(text, ' ', 69999);
    text[69999] = '\0';
    add_language(s, "x.json", text);
    free(text);
    assert_int_equal(load(s), -EINVAL);
    assert_non_null(strstr(s->error, "larger than"));
}

static void check_source_name(const struct language *java, const char *code, const char *expected)
{
    char name[LANGUAGE_SOURCE_SIZE];

    language_source_name(java, code, strlen(code), name);
    assert_string_equal(name, expected);
}

static void public_class_names_the_source(void **state)
{
    struct scratch *s = *state;
    const struct language *java;
    char code[2048] = "public class ";

    assert_int_equal(language_table_load(&s->table, SOURCE_ROOT "/languages", "/", s->error, sizeof(s->error)), 0);
    java = language_find(&s->table, "java");
    check_source_name(java, "public class Main {}", "Main.java");
    check_source_name(java, "import java.util.*;\n\npublic final class Main<T> {\n}", "Main.java");
    check_source_name(java, "public sealed interface Shape permits A {}", "Shape.java");
    check_source_name(java, "public record P(int x) {}", "P.java");
    check_source_name(java, "public enum Größe{}", "Größe.java");
    check_source_name(java, "import java.util.*; public class Main {}", "Main.java");
    check_source_name(java, "package a.b; import java.util.List;import static java.lang.Math.*; public class Main {}",
                      "Main.java");
    check_source_name(java, "@FunctionalInterface public interface F {}", "F.java");
    check_source_name(java, "@SuppressWarnings({\"a\", \"b\"}) @java.lang.Deprecated public final class Main {}",
                      "Main.java");
    check_source_name(java, "@A1(x = 1)public class Main {}", "Main.java");
    check_source_name(java, "import java.util.*; class Main { public class Inner {} }", "Code.java");
    check_source_name(java, "// import java.util.*; public class Main {}", "Code.java");
    check_source_name(java, "import java.util.*; // public class Main {}", "Code.java");
    check_source_name(java, "@Apublic class Main {}", "Code.java");
    check_source_name(java, "class Main { }", "Code.java");
    check_source_name(java, "class Main {\n  public static class Inner {}\n}", "Code.java");
    check_source_name(java, "public static void main() {}", "Code.java");
    check_source_name(java, "public class ../../../etc/x {}", "Code.java");
    check_source_name(java, "public class a/b {}", "Code.java");
    check_source_name(java, "", "Code.java");
    memset(code + 13, 'A', 400);
    check_source_name(java, code, "Code.java");
    check_source_name(language_find(&s->table, "py"), "public class Main {}", "code.py");
    language_source_name(java, "\0\npublic class Nul {}", 22, code);
    assert_string_equal(code, "Nul.java");
}

static void check_argument(const char *element, const char *expected)
{
    const struct language_values values = {
        .source = "Main.java", .build = "/run/build", .memory_mb = 768, .state = "100+"
    };
    char *text = language_argument(element, &values);

    assert_string_equal(text, expected);
    free(text);
}

static void placeholders_are_replaced(void **state)
{
    (void)state;
    check_argument("{source}", "Main.java");
    check_argument("{stem}", "Main");
    check_argument("-o{build}/{stem}.class", "-o/run/build/Main.class");
    check_argument("-Xmx{memory_mb}m", "-Xmx768m");
    check_argument("{state}", "100+");
    check_argument("{args}", "{args}");
    check_argument("{\"a\":{}}", "{\"a\":{}}");
    check_argument("{", "{");
    check_argument("", "");
}

static void versions_are_read_from_the_first_line(void **state)
{
    struct scratch *s = *state;

    assert_int_equal(language_table_load(&s->table, SOURCE_ROOT "/languages", "/", s->error, sizeof(s->error)), 0);
    language_probe_versions(&s->table);
    for (size_t i = 0; i < s->table.n_languages; i++) {
        const struct language *l = &s->table.languages[i];

        if (!l->available) {
            assert_null(l->version);
            continue;
        }
        if (!l->version || !strchr(l->version, '.') || strspn(l->version, "0123456789.") != strlen(l->version))
            fail_msg("%s: version %s", l->code, l->version ? l->version : "unknown");
    }
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(shipped_languages_load),
        CASE(every_field_is_read),
        CASE(missing_runtime_names_the_package),
        CASE(links_resolve_inside_the_root),
        CASE(bad_files_are_refused_by_name_and_field),
        CASE(names_are_unique_across_files),
        CASE(empty_and_missing_directories_are_refused),
        CASE(oversized_file_is_refused),
        CASE(public_class_names_the_source),
        CASE(placeholders_are_replaced),
        CASE(versions_are_read_from_the_first_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
