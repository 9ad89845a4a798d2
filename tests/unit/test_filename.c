/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include "base/cleanup.h"
#include "domain/filename.h"

#define SEED    "@seed"
#define BLOCKED "*.exe,*.dll,*.so,*.dylib,*.bin"

static struct filename_rules rules_of(const char *allowed, const char *blocked, bool strict)
{
    struct filename_rules rules;
    char error[256] = "";

    assert_int_equal(filename_rules_init(&rules, allowed, blocked, error, sizeof(error)), 0);
    assert_string_equal(error, "");
    assert_true(rules.strict);
    assert_int_equal(rules.max_segment_characters, 255);
    rules.strict = strict;
    return rules;
}

/* Expects the stored name, or with reason its refusal for that reason. */
static void assert_accept(bool strict, const char *received, size_t length, const char *stored, const char *reason)
{
    struct filename_rules rules = rules_of(SEED, BLOCKED, strict);
    char original[FILENAME_SIZE] = "untouched", name[FILENAME_SIZE] = "untouched", why[64] = "";
    int r = filename_accept(&rules, received, length, original, name, why, sizeof(why));

    if (reason) {
        assert_string_equal(why, reason);
        assert_int_equal(r, FILENAME_E_INVALID);
    } else {
        assert_int_equal(r, 0);
        assert_string_equal(name, stored);
        assert_true(filename_is_safe_relative(name));
        assert_true(original[0]);
    }
    filename_rules_deinit(&rules);
}

/* files.md F7.1, every reason, in the order of the checks. */
static const struct {
    const char *received;
    size_t length; /* 0 = up to the NUL */
    const char *reason;
} refused[] = {
    { "a\0b", 3, "null byte" },
    { "../\0:", 5, "null byte" },
    { "\0", 1, "null byte" },
    { "../x", 0, "path traversal" },
    { "a/../b", 0, "path traversal" },
    { "..", 0, "path traversal" },
    { "a/..", 0, "path traversal" },
    { "/..", 0, "path traversal" },
    { "a\\b", 0, "path traversal" },
    { "\\", 0, "path traversal" },
    { "..\\..\\windows", 0, "path traversal" },
    { "C:\\x", 0, "path traversal" },
    { "a<b", 0, "suspicious characters" },
    { "a>b", 0, "suspicious characters" },
    { "a:b", 0, "suspicious characters" },
    { "a\"b", 0, "suspicious characters" },
    { "a|b", 0, "suspicious characters" },
    { "a?b", 0, "suspicious characters" },
    { "a*b", 0, "suspicious characters" },
    { "a\nb", 0, "suspicious characters" },
    { "a\rb", 0, "suspicious characters" },
    { "\x01", 0, "suspicious characters" },
    { "a\x1f", 0, "suspicious characters" },
    { "a\x7f", 0, "suspicious characters" },
    { "dir:/x", 0, "suspicious characters" },
    { "", 0, "empty" },
    { "/", 0, "empty" },
    { "///", 0, "empty" },
    { ".", 0, "empty" },
    { "./.", 0, "empty" },
};

static void bad_names_are_refused_with_their_reason(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        size_t length = refused[i].length ? refused[i].length : strlen(refused[i].received);

        assert_accept(true, refused[i].received, length, NULL, refused[i].reason);
    }
}

/* files.md F7.3 and what F7.1 lets pass. */
static const struct {
    const char *received, *stored;
} stored[] = {
    { "file with spaces.txt", "file_with_spaces.txt" },
    { "manufacturing_analysis (v2).xlsx", "manufacturing_analysis__v2_.xlsx" },
    { "special@chars#here!.pdf", "special_chars_here_.pdf" },
    { "日本語 レポート.xlsx", "日本語_レポート.xlsx" },
    { "r\xc3\xa9sum\xc3\xa9.docx", "r\xc3\xa9sum\xc3\xa9.docx" },
    { "re\xcc\x81sume\xcc\x81.docx", "r\xc3\xa9sum\xc3\xa9.docx" },
    { "chart\xf0\x9f\x93\x8a.csv", "chart\xf0\x9f\x93\x8a.csv" },
    { ".hidden", "_.hidden" },
    { "my charts/foo bar.png", "my_charts/foo_bar.png" },
    { "charts//foo.png", "charts/foo.png" },
    { "/charts/foo.png", "charts/foo.png" },
    { "./charts/./foo.png", "charts/foo.png" },
    { "charts/foo.png/", "charts/foo.png" },
    { "a[1]&b;c$d.txt", "a_1__b_c_d.txt" },
    { "My Report (2024).csv", "My_Report__2024_.csv" },
    { "skills/weather_lookup/SKILL.md", "skills/weather_lookup/SKILL.md" },
    { ".a/.b/c", "_.a/_.b/c" },
    { "...", "_..." },
    { "..a", "_..a" },
    { "a..b", "a..b" },
    { "-rf", "-rf" },
    { "~", "_" },
    { "a\xc2\x80"
      "b\xc2\x9f"
      "c\xc2\xa0.txt",
      "a_b_c\xc2\xa0.txt" },
    { "bad\xff\xfe.txt", "bad\xef\xbf\xbd\xef\xbf\xbd.txt" },
    { "\xe2\x84\xaa.txt", "K.txt" }, /* KELVIN SIGN composes to K */
    { "\xcd\xbe", "_" },             /* GREEK QUESTION MARK composes to ; */
    { "%2e%2e%2fx", "_2e_2e_2fx" },
    { "'quoted'`x`", "_quoted__x_" },
};

static void good_names_are_stored_clean(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(stored); i++) {
        assert_accept(true, stored[i].received, strlen(stored[i].received), stored[i].stored, NULL);
        assert_accept(false, stored[i].received, strlen(stored[i].received), stored[i].stored, NULL);
    }
}

static const struct {
    const char *received;
    size_t length;
    const char *stored;
} loose[] = {
    { "a/../b/c.txt", 12, "a/b/c.txt" },
    { "../../etc/passwd", 16, "etc/passwd" },
    { "a\\b\\..\\c", 8, "a/b/c" },
    { "C:\\dir\\x.txt", 12, "C_/dir/x.txt" },
    { "a\0b", 3, "a_b" },
    { "a<b>|?*\":\n\x7f", 11, "a_b________" },
    { "", 0, "_" },
    { "..", 2, "_" },
    { "/./", 3, "_" },
};

static void loose_names_are_mended(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(loose); i++)
        assert_accept(false, loose[i].received, loose[i].length, loose[i].stored, NULL);
}

static void the_original_name_is_kept(void **state)
{
    struct filename_rules rules = rules_of(SEED, BLOCKED, false);
    char original[FILENAME_SIZE], name[FILENAME_SIZE], why[64];

    (void)state;
    assert_int_equal(filename_accept(&rules, "/My Report (1).csv", 18, original, name, why, sizeof(why)), 0);
    assert_string_equal(original, "/My Report (1).csv");
    assert_int_equal(filename_accept(&rules, "a\0b", 3, original, name, why, sizeof(why)), 0);
    assert_string_equal(original, "a_b");
    assert_int_equal(filename_accept(&rules, NULL, 0, original, name, why, sizeof(why)), 0);
    assert_string_equal(original, "_");
    filename_rules_deinit(&rules);
}

static char *repeat(const char *text, size_t n, const char *tail)
{
    size_t length = strlen(text), size = length * n + strlen(tail) + 1;
    char *all = malloc(size);

    for (size_t i = 0; i < n * length; i++)
        all[i] = text[i % length];
    snprintf(all + n * length, size - n * length, "%s", tail);
    return all;
}

static void lengths_are_counted_in_characters_and_in_all(void **state)
{
    static const struct {
        const char *unit;
        size_t n;
        const char *tail, *reason;
    } cases[] = {
        { "a", 255, "", NULL },
        { "a", 256, "", "too long" },
        { "表", 255, "", NULL }, /* 765 bytes, cut */
        { "表", 256, "", "too long" },
        { "aaaaaaaaaaaaaaa/", 64, "", NULL }, /* 1024 bytes */
        { "aaaaaaaaaaaaaaa/", 64, "a", "too long" },
        { "a/", 1000, "", "too long" },
        { ".a/", 341, "", "too long" }, /* stored it would be longer still */
        { "b/", 10, "..", "path traversal" },
        { "a", 300, ":", "too long" },
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *name = repeat(cases[i].unit, cases[i].n, cases[i].tail);
        struct filename_rules rules = rules_of(SEED, BLOCKED, true);
        char original[FILENAME_SIZE], clean[FILENAME_SIZE], why[64] = "";
        int r = filename_accept(&rules, name, strlen(name), original, clean, why, sizeof(why));

        assert_int_equal(r, cases[i].reason ? FILENAME_E_INVALID : 0);
        assert_string_equal(why, cases[i].reason ? cases[i].reason : "");
        filename_rules_deinit(&rules);
    }
}

static void the_configured_length_counts(void **state)
{
    struct filename_rules rules = rules_of(SEED, BLOCKED, true);
    char original[FILENAME_SIZE], clean[FILENAME_SIZE], why[64] = "";

    (void)state;
    rules.max_segment_characters = 8;
    assert_int_equal(
        filename_accept(&rules, "日本語/abcd.txt", strlen("日本語/abcd.txt"), original, clean, why, sizeof(why)), 0);
    assert_int_equal(filename_accept(&rules, "abcde.txt", 9, original, clean, why, sizeof(why)), FILENAME_E_INVALID);
    assert_string_equal(why, "too long");
    rules.strict = false;
    assert_int_equal(filename_accept(&rules, "abcde.txt", 9, original, clean, why, sizeof(why)), 0);
    filename_rules_deinit(&rules);
}

static void long_segments_are_cut_on_a_character(void **state)
{
    static const struct {
        const char *unit;
        size_t n;
        const char *tail, *extension;
        size_t length; /* of the stored name */
    } cases[] = {
        { "a", 300, ".tar.gz", ".gz", 255 },
        { "表", 100, ".pdf", ".pdf", 254 }, /* 244 bytes of start hold 81 characters of three */
        { "\xf0\x9f\x93\x8a", 70, "", "", 255 },
        { "a", 251, ".txt", ".txt", 255 }, /* exactly fits */
        { "a", 252, ".txt", ".txt", 255 },
        { ".", 260, "", "", 255 },
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *name = repeat(cases[i].unit, cases[i].n, cases[i].tail);
        char clean[FILENAME_SIZE], again[FILENAME_SIZE];

        assert_int_equal(filename_sanitise(name, strlen(name), true, clean), 0);
        assert_in_range(strlen(clean), cases[i].length - 3, cases[i].length);
        assert_string_equal(clean + strlen(clean) - strlen(cases[i].extension), cases[i].extension);
        assert_true(filename_is_safe_relative(clean));
        /* Valid UTF-8, and clean already. */
        assert_int_equal(filename_sanitise(clean, strlen(clean), true, again), 0);
        assert_string_equal(again, clean);
    }
}

static void long_names_that_begin_alike_stay_apart(void **state)
{
    CLEANUP_FREE char *one = repeat("a", 300, "1.txt"), *two = repeat("a", 300, "2.txt");
    char first[FILENAME_SIZE], second[FILENAME_SIZE];

    (void)state;
    assert_int_equal(filename_sanitise(one, strlen(one), true, first), 0);
    assert_int_equal(filename_sanitise(two, strlen(two), true, second), 0);
    assert_string_not_equal(first, second);
    assert_memory_equal(first, second, 200);
    assert_int_equal(first[strlen(first) - 4 - 7], '-');
}

static void a_long_extension_does_not_survive_the_cut(void **state)
{
    CLEANUP_FREE char *name = repeat("a", 300, "");
    char clean[FILENAME_SIZE];

    (void)state;
    name[1] = '.';
    assert_int_equal(filename_sanitise(name, strlen(name), true, clean), 0);
    assert_int_equal(strlen(clean), 255);
}

static void a_backslash_in_an_output_is_no_separator(void **state)
{
    char clean[FILENAME_SIZE];

    (void)state;
    assert_int_equal(filename_sanitise("a\\b/c", 5, false, clean), 0);
    assert_string_equal(clean, "a_b/c");
    assert_int_equal(filename_sanitise("a\\b/c", 5, true, clean), 0);
    assert_string_equal(clean, "a/b/c");
}

static void output_paths_that_do_not_fit_are_told(void **state)
{
    CLEANUP_FREE char *name = repeat("0123456789/", 94, "");
    char clean[FILENAME_SIZE];

    (void)state;
    assert_int_equal(filename_sanitise(name, strlen(name), false, clean), FILENAME_E_TOO_LONG);
    assert_int_equal(filename_sanitise(name, 1023, false, clean), 0); /* the last slash falls away */
    assert_int_equal(strlen(clean), 1022);
}

static void only_safe_relative_paths_become_links(void **state)
{
    static const char *const safe[] = { "a", "a b", "a/b", ".hidden", "..a", "...", "日本語 x/y", "-" };
    static const char *const unsafe[] = {
        "", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/../b", "../a", "a\\b"
    };
    CLEANUP_FREE char *segment = repeat("a", 256, ""), *path = repeat("abc/", 256, "a");

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(safe); i++)
        assert_true(filename_is_safe_relative(safe[i]));
    for (unsigned i = 0; i < ARRAY_SIZE(unsafe); i++)
        assert_false(filename_is_safe_relative(unsafe[i]));
    assert_false(filename_is_safe_relative(segment));
    assert_true(filename_is_safe_relative(segment + 1));
    assert_false(filename_is_safe_relative(path));
    assert_true(filename_is_safe_relative(path + 4));
}

static void the_extension_is_the_last_one(void **state)
{
    static const struct {
        const char *name, *extension;
    } cases[] = {
        { "a.txt", ".txt" }, { "a.tar.gz", ".gz" }, { ".env", "" },  { "Makefile", "" }, { "x.y/Makefile", "" },
        { "a/.env", "" },    { "a.", "." },         { "..a", ".a" }, { "", "" },         { "a/", "" },
        { ".", "" },         { "a.b.C", ".C" },
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(filename_extension(cases[i].name), cases[i].extension);
    assert_string_equal(filename_base("a/b/c"), "c");
    assert_string_equal(filename_base("c"), "c");
    assert_string_equal(filename_base("a/"), "");
}

/* files.md F7.2. */
static const struct {
    const char *name;
    bool seed, extended, any;
} types[] = {
    { "a.txt", true, true, true },          { "a.TXT", true, true, true },
    { "script.test.py", true, true, true }, { "x.f90", true, true, true },
    { "x.xlsx", true, true, true },         { "Makefile", true, true, true },
    { ".env", true, true, true },           { "dir/.env", true, true, true },
    { "a.b/c", true, true, true },          { "archive.tar.gz", false, false, true },
    { "a.zip", false, true, true },         { "a.Sh", false, true, true },
    { "a.", false, false, true },           { "a.txt ", false, false, true },
    { "a.exe", false, false, false },       { "A.EXE", false, false, false },
    { "dir/a.so", false, false, false },    { "dir/a.so/", false, false, false },
    { "dir/a.so/.", false, false, false },  { "dir\\a.dll", false, false, false },
    { "a.txt.bin", false, false, false },   { ".exe", false, false, false }, /* no extension, but a blocked pattern */
};

static void types_are_allowed_by_extension_and_pattern(void **state)
{
    static const char *const lists[] = { "@seed", "@extended", "*" };

    (void)state;
    for (unsigned list = 0; list < 3; list++) {
        struct filename_rules rules = rules_of(lists[list], BLOCKED, true);

        for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
            const bool expected[] = { types[i].seed, types[i].extended, types[i].any };

            if (filename_type_allowed(&rules, types[i].name) != expected[list])
                fail_msg("%s under %s", types[i].name, lists[list]);
        }
        filename_rules_deinit(&rules);
    }
}

static void all_35_seed_extensions_are_there(void **state)
{
    static const char *const extensions[] = { "txt",  "csv",  "json", "xml", "yaml", "yml",  "py",  "js",  "ts",
                                              "go",   "java", "c",    "cpp", "h",    "hpp",  "rs",  "php", "rb",
                                              "r",    "f90",  "d",    "md",  "rst",  "html", "css", "png", "jpg",
                                              "jpeg", "gif",  "svg",  "pdf", "doc",  "docx", "xls", "xlsx" };
    struct filename_rules rules = rules_of(SEED, "", true);

    (void)state;
    assert_int_equal(ARRAY_SIZE(extensions), 35);
    assert_int_equal(rules.n_extensions, 35);
    for (unsigned i = 0; i < 35; i++) {
        char name[32];

        snprintf(name, sizeof(name), "x.%s", extensions[i]);
        assert_true(filename_type_allowed(&rules, name));
    }
    filename_rules_deinit(&rules);
}

static void lists_are_read_with_care(void **state)
{
    static const char *const bad[] = { "@sead", ".tar.gz", "txt,a/b", "*.txt", ".", "a b", "txt,.,csv" };
    struct filename_rules rules = rules_of(" txt , .CSV,,@seed ,", " SECRET* , ?.md ", true);

    (void)state;
    assert_true(filename_type_allowed(&rules, "a.csv"));
    assert_false(filename_type_allowed(&rules, "secret.txt"));
    assert_false(filename_type_allowed(&rules, "dir/Secret.txt")); /* a directory in front does not protect it */
    assert_false(filename_type_allowed(&rules, "a.md"));
    assert_true(filename_type_allowed(&rules, "ab.md"));
    filename_rules_deinit(&rules);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        char error[256] = "";

        assert_int_equal(filename_rules_init(&rules, bad[i], "", error, sizeof(error)), FILENAME_E_BAD_RULE);
        assert_string_not_equal(error, "");
        filename_rules_deinit(&rules);
    }
}

static void a_sign_that_composes_to_a_letter_hides_nothing(void **state)
{
    struct filename_rules rules = rules_of("*", "*.bak", true);

    (void)state;
    assert_false(filename_type_allowed(&rules, "a.ba\xe2\x84\xaa"));
    assert_true(filename_type_allowed(&rules, "a.ba\xc3\xa9"));
    filename_rules_deinit(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_names_are_refused_with_their_reason),
        cmocka_unit_test(good_names_are_stored_clean),
        cmocka_unit_test(loose_names_are_mended),
        cmocka_unit_test(the_original_name_is_kept),
        cmocka_unit_test(lengths_are_counted_in_characters_and_in_all),
        cmocka_unit_test(the_configured_length_counts),
        cmocka_unit_test(long_segments_are_cut_on_a_character),
        cmocka_unit_test(long_names_that_begin_alike_stay_apart),
        cmocka_unit_test(a_long_extension_does_not_survive_the_cut),
        cmocka_unit_test(a_backslash_in_an_output_is_no_separator),
        cmocka_unit_test(output_paths_that_do_not_fit_are_told),
        cmocka_unit_test(only_safe_relative_paths_become_links),
        cmocka_unit_test(the_extension_is_the_last_one),
        cmocka_unit_test(types_are_allowed_by_extension_and_pattern),
        cmocka_unit_test(all_35_seed_extensions_are_there),
        cmocka_unit_test(lists_are_read_with_care),
        cmocka_unit_test(a_sign_that_composes_to_a_letter_hides_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
