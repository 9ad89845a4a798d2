/* SPDX-License-Identifier: Apache-2.0 */
/* One request, one answer. The names of the rows quote http-api.md. */
#include <string.h>

#include "http_subject.h"

struct exchange {
    const char *rule, *request;
    int status;
    const char *text; /* of an error; or the body of a 200; NULL = any */
};

static const struct exchange exchanges[] = {
    { "4.1 open path", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello" },
    { "1.6 alias", "GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello" },
    { "1.6 no alias", "GET /v1/raw HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.6 alias once", "GET /v1/v1/health HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "4.1 sub-path is not open", "GET /health/detailed HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "4.1 everything under a prefix", "GET /page HTTP/1.1\r\nHost: x\r\n\r\n", 200, "" },
    { "4.1 everything under a prefix, deep", "GET /page/a/b.js HTTP/1.1\r\nHost: x\r\n\r\n", 200, "a/b.js" },
    { "4.1 everything under a prefix, without a row", "GET /panel/b.js HTTP/1.1\r\nHost: x\r\n\r\n", 404, "Not Found" },
    { "4.1 not what only begins like it", "GET /panels HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "1.7 trailing slash", "GET /health/ HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello" },
    { "1.7 two trailing slashes", "GET /health// HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.7 decoded once", "GET /%68ealth HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello" },
    { "1.7 not twice", "GET /%2568ealth HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.7 NUL", "GET /health%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "NUL byte in the request target" },
    { "1.7 NUL in query", "GET /health?a=%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "NUL byte in the request target" },
    { "1.7 dot segments", "GET /page/../health/detailed HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.7 encoded dot segments", "GET /page/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.7 encoded slashes", "GET /items/..%2f../x HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.7 dot segments need a key", "GET /page/.. HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "2 root", "GET / HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "2 root without key", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "2 empty parameter", "GET /items//x HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "3 unknown path without key", "GET /state/x HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "3 unknown path with wrong key", "DELETE /state/x HTTP/1.1\r\n" H("wrong") "\r\n", 401, "Invalid API key" },
    { "3 unknown path with key", "DELETE /state/x HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "3 415 before authentication",
      "POST /sessions HTTP/1.1\r\n" H("bad") "Content-Type: application/xml\r\nContent-Length: 4\r\n\r\n<a/>", 415,
      "Unsupported content type: application/xml" },
    { "1.8 method", "POST /health HTTP/1.1\r\nHost: x\r\n\r\n", 405, "Method Not Allowed" },
    { "1.8 method needs the key first", "PUT /echo HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "1.8 odd method", "BREW-WITH-A-VERY-LONG-NAME /echo HTTP/1.1\r\n" GOOD "\r\n", 405, "Method Not Allowed" },
    { "4.2 header name in any case", "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nX-aPi-KEY: " KEY "\r\n\r\n", 200, NULL },
    { "4.2 bearer", "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nAuthorization: bEARER " KEY "\r\n\r\n", 200, NULL },
    { "4.2 basic user",
      "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic c2stdGVzdC1rZXktMDEyMzQ1Njc4OTo=\r\n\r\n", 200,
      NULL },
    { "4.2 empty header counts as absent",
      "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nX-API-Key: \r\nAuthorization: Bearer " KEY "\r\n\r\n", 200, NULL },
    { "4.2 empty header counts as absent, another follows",
      "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nX-API-Key:\r\nX-API-Key: " KEY "\r\n\r\n", 200, NULL },
    { "4.2 the first with a value decides", "GET /items/1/2 HTTP/1.1\r\n" H("bad") "X-API-Key: " KEY "\r\n\r\n", 401,
      "Invalid API key" },
    { "4.2 x-api-key decides alone", "GET /items/1/2 HTTP/1.1\r\n" H("bad") "Authorization: Bearer " KEY "\r\n\r\n",
      401, "Invalid API key" },
    { "4.2 good x-api-key wins", "GET /items/1/2 HTTP/1.1\r\n" GOOD "Authorization: Bearer bad\r\n\r\n", 200, NULL },
    { "4.2 other scheme", "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nAuthorization: ApiKey " KEY "\r\n\r\n", 401,
      "API key is required" },
    { "4.3 master opens only its own", "GET /items/1/2 HTTP/1.1\r\n" H(MASTER) "\r\n", 401, "Invalid API key" },
    { "4.3 master", "GET /admin/keys HTTP/1.1\r\n" H(MASTER) "\r\n", 200, "hello" },
    { "4.3 normal key at master's", "GET /admin/keys HTTP/1.1\r\n" GOOD "\r\n", 403, "Invalid Master API Key" },
    { "4.3 unknown key at master's", "GET /admin/keys HTTP/1.1\r\n" H("bad") "\r\n", 401, "Invalid API key" },
    { "4.3 unknown path of master's", "GET /admin/nosuch HTTP/1.1\r\n" GOOD "\r\n", 403, "Invalid Master API Key" },
    { "4.3 unknown path of master's", "GET /admin/nosuch HTTP/1.1\r\n" H(MASTER) "\r\n", 404, "Not Found" },
    { "7.1 no type, no body", "POST /drop HTTP/1.1\r\n" GOOD "\r\n", 200, "hello" },
    { "7.1 type in any case",
      "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: APPLICATION/JSON; charset=x\r\nContent-Length: 2\r\n\r\n{}", 200,
      "{}" },
    { "7.1 uploads are exempt",
      "POST /upload HTTP/1.1\r\n" GOOD "Content-Type: application/xml\r\nContent-Length: 2\r\n\r\n{}", 400,
      "Invalid content type. Must be multipart/form-data." },
    { "7.1 raw bodies are exempt",
      "POST /raw HTTP/1.1\r\n" GOOD "Content-Type: image/png\r\nContent-Length: 3\r\n\r\nabc", 200, "3" },
    { "7.1 hostile type", "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: \xff\x01\r\nContent-Length: 2\r\n\r\n{}", 415,
      "Unsupported content type: \xef\xbf\xbd\x01" },
    { "7.2 text/plain", "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 200,
      "{}" },
    { "7.2 vendor json",
      "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: application/x.y+json\r\nContent-Length: 2\r\n\r\n{}", 200, "{}" },
    { "7.2 form",
      "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b",
      422, "Request validation failed" },
    { "7.2 empty", "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: application/json\r\n\r\n", 422,
      "Request validation failed" },
    { "7.3 no body at all", "POST /upload HTTP/1.1\r\n" GOOD "\r\n", 422, "Request validation failed" },
    { "7.4 declared length", "POST /echo HTTP/1.1\r\n" GOOD JSON(2097153), 413,
      "Request body too large. Maximum size is 2MB" },
    { "7.4 declared length, expecting", "POST /echo HTTP/1.1\r\n" GOOD "Expect: 100-continue\r\n" JSON(2097153), 413,
      "Request body too large. Maximum size is 2MB" },
    { "7.4 the largest length", "POST /echo HTTP/1.1\r\n" GOOD JSON(18446744073709551615), 413,
      "Request body too large. Maximum size is 2MB" },
    { "7.4 declared length of uploads",
      "POST /upload HTTP/1.1\r\n" GOOD
      "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 8388609\r\n\r\n",
      413, "Request body too large. Maximum size is 8MB" },
    { "1.2 chunked",
      "POST /echo HTTP/1.1\r\n" GOOD
      "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
      200, "{\"a\":1}" },
    { "C12 CL.TE",
      "POST /echo HTTP/1.1\r\n" GOOD
      "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
      400, "Ambiguous length of the body" },
    { "C12 two lengths", "POST /echo HTTP/1.1\r\n" GOOD "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400,
      "Ambiguous length of the body" },
    { "C12 two encodings",
      "POST /echo HTTP/1.1\r\n" GOOD "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400,
      "Ambiguous length of the body" },
    { "C12 other encoding", "POST /echo HTTP/1.1\r\n" GOOD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400,
      "Unsupported transfer encoding" },
    { "C12 space before the colon", "POST /echo HTTP/1.1\r\n" GOOD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400,
      "Malformed header name" },
    { "C12 no host", "GET /health HTTP/1.1\r\n\r\n", 400, "A request needs one Host header" },
    { "C12 two hosts", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "A request needs one Host header" },
    { "C12 HTTP/1.0", "GET /health HTTP/1.0\r\n\r\n", 200, "hello" },
    { "C12 HTTP/1.0 chunked", "POST /echo HTTP/1.0\r\n" GOOD "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
      "Unsupported transfer encoding" },
    { "C12 absolute target", "GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello" },
    { "C12 space in target", "GET /health /x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Malformed request target" },
    { "C12 relative target", "GET health HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Malformed request target" },
    { "C12 negative length", "POST /echo HTTP/1.1\r\n" GOOD "Content-Length: -1\r\n\r\n{}", 400, "Malformed request" },
    { "C12 list of lengths", "POST /echo HTTP/1.1\r\n" GOOD "Content-Length: 2, 2\r\n\r\n{}", 400,
      "Malformed request" },
    { "C12 huge length", "POST /echo HTTP/1.1\r\n" GOOD "Content-Length: 99999999999999999999\r\n\r\n{}", 413,
      "Request body too large" },
    { "C12 no colon", "GET /health HTTP/1.1\r\nHost\r\n\r\n", 400, "Malformed request" },
    { "C12 bad chunk", "POST /echo HTTP/1.1\r\n" GOOD "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
      "Malformed request" },
    { "C12 HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP version not supported" },
    { "8.5 silent handler", "GET /nothing HTTP/1.1\r\n" GOOD "\r\n", 500, "An unexpected error occurred" },
    { "11.4 other profile", "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile: stateful\r\n\r\n", 409,
      "execution_profile_mismatch" },
    { "11.4 unknown profile", "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile: \xff\r\n\r\n", 400,
      "invalid_execution_profile" },
    { "11.4 twice", "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile: default\r\nX-Expected-Profile: default\r\n\r\n",
      400, "invalid_execution_profile" },
    { "11.4 same",
      "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile: default\r\n"
      "Content-Length: 2\r\n\r\n{}",
      200, "{}" },
    { "11.4 empty",
      "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile:\r\n"
      "Content-Length: 2\r\n\r\n{}",
      200, "{}" },
    { "11.4 empty and another",
      "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile:\r\nX-Expected-Profile: stateful\r\n\r\n", 409,
      "execution_profile_mismatch" },
    { "11.4 elsewhere", "GET /items/1/2 HTTP/1.1\r\n" GOOD "X-Expected-Profile: stateful\r\n\r\n", 200, NULL },
};

static void test_exchanges(void **context)
{
    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(exchanges); i++) {
        const struct exchange *e = &exchanges[i];
        struct reply reply = ask(state.server, e->request);

        if (!reply.complete || reply.status != e->status)
            fail_msg("%s: status %d, wanted %d: %s", e->rule, reply.status, e->status,
                     reply.body ? reply.body : "nothing");
        check_security_headers(&reply);
        if (e->status != 200)
            check_error(&reply, e->text);
        else if (e->text &&
                 (reply.body_length != strlen(e->text) || memcmp(reply.body, e->text, reply.body_length) != 0))
            fail_msg("%s: body '%s'", e->rule, reply.body);
        reply_deinit(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchanges),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
