/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets and the header values that are taken apart: paths, keys, addresses, boundaries. The input is text;
 * each parser gets all of it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/address.h"
#include "http/auth.h"
#include "http/multipart.h"
#include "http/router.h"
#include "http/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_route routes[] = {
    { .method = "GET", .pattern = "/files/{session_id}", .also_v1 = true },
    { .method = "GET", .pattern = "/files/{session_id}/{file_id}" },
    { .method = "GET", .pattern = "/page/*" },
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* A parameter is never empty, never a dot segment and holds no slash. */
static void check_path(const char *text)
{
    static const char *const names[] = { "session_id", "file_id" };
    struct router_match match;
    struct router_path path;

    if (router_path_init(&path, text, strlen(text)) == 0) {
        router_find(routes, 3, "/v1", &path, "GET", &match);
        for (size_t i = 0; i < 2; i++) {
            const char *value = router_param(&match, &path, names[i]);

            require(!value || (value[0] && !strchr(value, '/') && strcmp(value, ".") != 0 && strcmp(value, "..") != 0));
        }
        router_param(&match, &path, "*");
    }
    router_path_deinit(&path);
}

/* Pairs of texts, whole ones. */
static void check_query(const char *text)
{
    size_t length, n_texts = 0;
    char *pairs = text_query_decode(text, &length);

    require(pairs != NULL);
    for (size_t at = 0; at < length; at += strlen(pairs + at) + 1)
        n_texts++;
    require(length == 0 || pairs[length - 1] == '\0');
    require(strstr(text, "%00") || n_texts % 2 == 0);
    free(pairs);
}

static void check_key(const char *text)
{
    struct auth_credential credential;

    require(auth_credential_init(&credential, NULL, text, true) == 0);
    require(credential.length == 0 || strlen(credential.key) == credential.length);
    auth_credential_deinit(&credential);
}

static void check_values(const char *text)
{
    struct address_block block;
    struct address address;
    char formatted[ADDRESS_TEXT_SIZE];
    const char *boundary;
    size_t length = multipart_boundary(text, &boundary);
    char *safe = text_header_value(text);

    require(length == 0 || (boundary >= text && boundary + length <= text + strlen(text)));
    if (address_parse(text, strlen(text), &address))
        address_format(&address, formatted);
    if (address_block_parse(text, &block))
        require(block.prefix_bits <= 128 && address_block_has(&block, &block.address));
    require(safe && !strpbrk(safe, "\r\n"));
    free(safe);
    text_media_type_is(text, "multipart/form-data");
    text_media_type_is_json_suffix(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    check_path(text);
    check_query(text);
    check_key(text);
    check_values(text);
    free(text);
    return 0;
}
