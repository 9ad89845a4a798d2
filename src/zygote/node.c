/* SPDX-License-Identifier: Apache-2.0 */
/* node.c -- the library as an addon of Node's: its functions are those of guest/node/warm.cjs.
 *
 * Of the interface of addons (Node-API, stable between versions) a handful of calls is used. They are the executable's;
 * any other interpreter that loads the library has none of them. */
#include "zygote/copy.h"
#include "zygote/library.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cell/runtime.h"
#include "zygote/mapping.h"

struct napi_env__;
struct napi_value__;
struct napi_callback_info__;

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env env, napi_callback_info info);

#define AUTO_LENGTH ((size_t)-1)
#define FLAG_SIZE   64
#define FROM_NODE   __attribute__((weak))

extern FROM_NODE int napi_create_function(napi_env env, const char *name, size_t length, napi_callback function,
                                          void *data, napi_value *ret_function);
extern FROM_NODE int napi_create_array(napi_env env, napi_value *ret_array);
extern FROM_NODE int napi_create_string_utf8(napi_env env, const char *text, size_t length, napi_value *ret_text);
extern FROM_NODE int napi_set_element(napi_env env, napi_value array, unsigned index, napi_value element);
extern FROM_NODE int napi_set_named_property(napi_env env, napi_value object, const char *name, napi_value value);
extern FROM_NODE int napi_get_cb_info(napi_env env, napi_callback_info info, size_t *count, napi_value *arguments,
                                      napi_value *ret_this, void **ret_data);
extern FROM_NODE int napi_get_value_string_utf8(napi_env env, napi_value value, char *text, size_t size,
                                                size_t *ret_length);

/* v8::V8::SetFlagsFromString(const char *), what require('v8') has at its bottom. */
extern FROM_NODE void v8_set_flags(const char *text) __asm__("_ZN2v82V818SetFlagsFromStringEPKc");

static napi_value strings(napi_env env, char *const *texts)
{
    napi_value array = NULL, text;

    napi_create_array(env, &array);
    for (unsigned i = 0; array && texts[i]; i++)
        if (napi_create_string_utf8(env, texts[i], AUTO_LENGTH, &text) == 0)
            napi_set_element(env, array, i, text);
    return array;
}

/* A file's pages as the file has them. What the linker has relocated is read-only too, and lies before what stays
 * writable. */
static bool is_files_own(const struct mapping *m, const struct mapping *next)
{
    if (m->inode == 0)
        return false;
    return mapping_is_private(m, "r-x") ||
           (mapping_is_private(m, "r--") && !(next && next->inode == m->inode && mapping_is_private(next, "rw-")));
}

/* shed(): gives back the pages of files, three quarters of this process, of which a start has used most only once: the
 * fewer there are, the sooner it ends. What is used again comes back by itself. */
static napi_value shed(napi_env env, napi_callback_info info)
{
    struct mapping *mappings;
    int n = mappings_read(&mappings);

    (void)env;
    (void)info;
    for (int i = 0; i < n; i++)
        if (is_files_own(&mappings[i], i + 1 < n ? &mappings[i + 1] : NULL))
            (void)madvise((void *)mappings[i].from, mappings[i].to - mappings[i].from, MADV_DONTNEED);
    if (n >= 0)
        free(mappings);
    return NULL;
}

/* setFlag(TEXT): sets a flag of V8's. */
static napi_value set_flag(napi_env env, napi_callback_info info)
{
    napi_value argument = NULL;
    size_t count = 1;
    char text[FLAG_SIZE];

    if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) == 0 && count == 1 && v8_set_flags &&
        napi_get_value_string_utf8(env, argument, text, sizeof(text), NULL) == 0)
        v8_set_flags(text);
    return NULL;
}

/* await(): waits to be told what to run. Returns the arguments of the step. */
static napi_value await_program(napi_env env, napi_callback_info info)
{
    (void)info;
    zygote_await_started(RUNTIME_SOCKET_FD);
    return strings(env, zygote_arguments());
}

/* leave(): ends the process, with success. */
static napi_value leave(napi_env env, napi_callback_info info)
{
    (void)env;
    (void)info;
    fflush(NULL);
    _exit(0);
}

static void export_function(napi_env env, napi_value exports, const char *name, napi_callback callback)
{
    napi_value function;

    if (napi_create_function(env, name, AUTO_LENGTH, callback, NULL, &function) == 0)
        napi_set_named_property(env, exports, name, function);
}

/* Called by Node when it has loaded the library. */
napi_value napi_register_module_v1(napi_env env, napi_value exports);
napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
    export_function(env, exports, "await", await_program);
    export_function(env, exports, "leave", leave);
    export_function(env, exports, "setFlag", set_flag);
    export_function(env, exports, "shed", shed);
    return exports;
}
