/* SPDX-License-Identifier: Apache-2.0 */
/* java.c -- the library as Java uses it: the native methods of guest/java/WaitingCompiler.java.
 *
 * Of the interface of native methods (JNI, whose table of functions only ever grows at its end) two functions are used.
 */
#include "zygote/copy.h"
#include "zygote/library.h"

#include <string.h>

#include "base/buffer.h"
#include "cell/runtime.h"

/* Places in the table that a JNIEnv points to. */
#define NEW_BYTE_ARRAY        176
#define SET_BYTE_ARRAY_REGION 208

#define ARGUMENTS_BYTES_MAX (2u << 20) /* that execve() takes */

struct java_object;

typedef void (*java_function)(void);
typedef const java_function *java_environment;
typedef struct java_object *(*new_byte_array)(const java_environment *env, int length);
typedef void (*set_byte_array_region)(const java_environment *env, struct java_object *array, int at, int length,
                                      const char *bytes);

/* Returns an array of the arguments, each with its NUL, or NULL behind an exception. */
static struct java_object *make_array(const java_environment *env, const struct buffer *bytes)
{
    struct java_object *array = ((new_byte_array)(*env)[NEW_BYTE_ARRAY])(env, (int)bytes->length);

    if (array)
        ((set_byte_array_region)(*env)[SET_BYTE_ARRAY_REGION])(env, array, 0, (int)bytes->length, bytes->data);
    return array;
}

/* Called by Java: their names are those of the methods. */
unsigned char Java_WaitingCompiler_isAwaited(const java_environment *env, struct java_object *class, int timeout_ms);
unsigned char Java_WaitingCompiler_isAwaited(const java_environment *env, struct java_object *class, int timeout_ms)
{
    (void)env;
    (void)class;
    return zygote_is_awaited(RUNTIME_SOCKET_FD, timeout_ms);
}

struct java_object *Java_WaitingCompiler_await(const java_environment *env, struct java_object *class);
struct java_object *Java_WaitingCompiler_await(const java_environment *env, struct java_object *class)
{
    struct buffer bytes = BUFFER_INIT(ARGUMENTS_BYTES_MAX);
    struct java_object *array;

    (void)class;
    zygote_await_started(RUNTIME_SOCKET_FD);
    for (char **argument = zygote_arguments(); *argument; argument++)
        (void)buffer_append(&bytes, *argument, strlen(*argument) + 1);
    array = make_array(env, &bytes);
    buffer_deinit(&bytes);
    return array;
}
