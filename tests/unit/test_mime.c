/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include "base/cleanup.h"
#include "domain/filename.h"
#include "domain/mime.h"

#define OFFICE "application/vnd.openxmlformats-officedocument."

/* files.md F8, every row. */
static const struct {
    const char *extensions, *type;
} rows[] = {
    { "txt log", "text/plain" },
    { "csv", "text/csv" },
    { "tsv", "text/tab-separated-values" },
    { "md", "text/markdown" },
    { "html htm", "text/html" },
    { "css", "text/css" },
    { "js mjs", "text/javascript" },
    { "json", "application/json" },
    { "xml", "application/xml" },
    { "yaml yml", "application/yaml" },
    { "py", "text/x-python" },
    { "ts", "text/typescript" },
    { "c h", "text/x-c" },
    { "sh", "application/x-sh" },
    { "sql", "application/sql" },
    { "rtf", "application/rtf" },
    { "doc", "application/msword" },
    { "ppt", "application/vnd.ms-powerpoint" },
    { "docx", OFFICE "wordprocessingml.document" },
    { "xlsx", OFFICE "spreadsheetml.sheet" },
    { "pptx", OFFICE "presentationml.presentation" },
    { "png", "image/png" },
    { "jpg jpeg", "image/jpeg" },
    { "gif", "image/gif" },
    { "svg", "image/svg+xml" },
    { "webp", "image/webp" },
    { "bmp", "image/bmp" },
    { "ico", "image/vnd.microsoft.icon" },
    { "tif tiff", "image/tiff" },
    { "pdf", "application/pdf" },
    { "zip", "application/zip" },
    { "gz", "application/gzip" },
    { "tar", "application/x-tar" },
    { "mp3", "audio/mpeg" },
    { "wav", "audio/wav" },
    { "mp4", "video/mp4" },
    { "parquet", "application/vnd.apache.parquet" },
    { "xls", "application/vnd.ms-excel" },
    { "odt", "application/vnd.oasis.opendocument.text" },
    { "ods", "application/vnd.oasis.opendocument.spreadsheet" },
    { "odp", "application/vnd.oasis.opendocument.presentation" },
    { "ipynb", "application/x-ipynb+json" },
};

static void types_are_guessed_from_the_last_extension(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        char list[32], name[48], *rest = NULL;

        snprintf(list, sizeof(list), "%s", rows[i].extensions);
        for (char *extension = strtok_r(list, " ", &rest); extension; extension = strtok_r(NULL, " ", &rest)) {
            snprintf(name, sizeof(name), "dir.png/a.csv.%s", extension);
            assert_string_equal(mime_guess(name), rows[i].type);
            for (char *at = name; *at; at++)
                *at = *at >= 'a' && *at <= 'z' ? (char)(*at - 32) : *at;
            assert_string_equal(mime_guess(name), rows[i].type);
        }
    }
}

static void the_rest_is_an_octet_stream(void **state)
{
    static const char *const names[] = { "", "Makefile", ".png", "a.unknown", "a.", "a.png/x", "a.csvx", "a. csv" };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        assert_string_equal(mime_guess(names[i]), "application/octet-stream");
}

/* files.md F5. */
static const struct {
    const char *name, *plain, *extended;
} dispositions[] = {
    { "My_Report__2024_.csv", "My_Report__2024_.csv", "My_Report__2024_.csv" },
    { "charts/r\xc3\xa9sum\xc3\xa9_\xe8\xa1\xa8.pdf", "resume__.pdf", "r%C3%A9sum%C3%A9_%E8%A1%A8.pdf" },
    { "a b.txt", "a_b.txt", "a%20b.txt" },
    { "", "download", "download" },
    { "dir/", "download", "download" },
    { "\xe8\xa1\xa8", "_", "%E8%A1%A8" },
    { "e\xcc\x81.x", "e.x", "e%CC%81.x" },                           /* a mark without its own form */
    { "\xe1\xba\xad\xc7\x96.txt", "au.txt", "%E1%BA%AD%C7%96.txt" }, /* two marks each */
    { "\xea\xb0\x81\xe3\x81\x8c", "__", "%EA%B0%81%E3%81%8C" },      /* one '_' a character */
    { "\xcc\x81x", "_x", "%CC%81x" },                                /* a mark on nothing */
    { "\xc3\xb8\xc3\x9f", "__", "%C3%B8%C3%9F" },                    /* letters of their own */
    { "chart\xf0\x9f\x93\x8a~.csv", "chart__.csv", "chart%F0%9F%93%8A~.csv" },
    { "\"; x=\"\r\nSet-Cookie: a", "___x____Set-Cookie__a", "%22%3B%20x%3D%22%0D%0ASet-Cookie%3A%20a" },
    { "a\\b", "a_b", "a%5Cb" },
    { "bad\xff", "bad_", "bad%FF" },
    { "\xe2\x80\xae"
      "fdp.exe",
      "_fdp.exe", "%E2%80%AEfdp.exe" }, /* right-to-left override */
};

static void dispositions_are_plain_ascii(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(dispositions); i++) {
        CLEANUP_FREE char *value = mime_content_disposition(dispositions[i].name);
        char expected[256];

        snprintf(expected, sizeof(expected), "attachment; filename=\"%s\"; filename*=UTF-8''%s", dispositions[i].plain,
                 dispositions[i].extended);
        assert_non_null(value);
        assert_string_equal(value, expected);
    }
}

static void the_longest_name_fits(void **state)
{
    char name[FILENAME_SIZE];
    CLEANUP_FREE char *value = NULL;

    (void)state;
    memset(name, 0x80, sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    value = mime_content_disposition(name);
    assert_non_null(value);
    for (const char *at = value; *at; at++)
        assert_in_range(*at, 0x20, 0x7e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_guessed_from_the_last_extension),
        cmocka_unit_test(the_rest_is_an_octet_stream),
        cmocka_unit_test(dispositions_are_plain_ascii),
        cmocka_unit_test(the_longest_name_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
