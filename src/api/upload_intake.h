/* SPDX-License-Identifier: Apache-2.0 */
/* upload_intake.h -- the receiving half of both upload routes (files.md F1, F2).
 *
 * Takes the parts of a form while they arrive: text parts into bounded memory, files into unfinished blobs. What is
 * wrong is noted, not answered: that is the routes' business, as is making the blobs durable, which waits for a disk.
 * Whatever no record came to name is deleted with the intake. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "domain/file.h"

#define INTAKE_TEXT_SIZE (FILE_RESOURCE_ID_SIZE + 1) /* one more than any text part may have */

#define INTAKE_REASON_SIZE 64

/* What is wrong with a file, the first to be reported first (F1). */
enum intake_fault {
    INTAKE_FINE,
    INTAKE_TOO_LARGE,
    INTAKE_TOO_MANY,
    INTAKE_BAD_NAME,
    INTAKE_BAD_TYPE,
    INTAKE_STORAGE,
};

struct intake_file {
    char *received; /* the name as it came; may hold NULs */
    size_t received_length;
    char reason[INTAKE_REASON_SIZE]; /* of INTAKE_BAD_NAME */
    enum intake_fault fault;
    struct blob_writer *writer; /* NULL before the first byte and once finished */
    bool writer_read_only;      /* the mode the blob was begun with */
    bool secondary;             /* came under the other accepted name */
    bool named;                 /* received is what the client wrote */
    struct file_record record;  /* names, type and size; after intake_finish_file() the blob too */
};

enum intake_text {
    INTAKE_ENTITY_ID,
    INTAKE_KIND,
    INTAKE_ID,
    INTAKE_VERSION,
    INTAKE_READ_ONLY,
    INTAKE_TEXT_COUNT,
};

/* How the two routes differ while a form arrives. */
struct intake_rules {
    bool either_name;    /* "files" and "files[]" name files too, unless there is one called "file" */
    bool all_or_none;    /* after a fault nothing more is stored, and the rest only counted */
    const char *unnamed; /* what a file without name is called; NULL = it must have one */
    bool type_deferred;  /* the extension is judged at the end, when it is known if they are agent files */
};

/* What the text parts say about all files of the form. Strings are borrowed from the intake, "" = none. */
struct intake_marks {
    const char *entity_id, *resource_id, *kind;
    bool has_version;
    int64_t version;
    bool agent, read_only, infrastructure;
};

struct intake {
    struct api *api;
    const struct intake_rules *rules;
    char scope[ID_SIZE]; /* of the blobs; the session has no id before all is well */
    struct {
        char text[INTAKE_TEXT_SIZE];
        size_t length; /* INTAKE_TEXT_SIZE or more: it was too long and is cut */
    } texts[INTAKE_TEXT_COUNT];
    struct intake_file **files;
    size_t n_files;
    bool too_many; /* one more file than allowed was seen */
    bool spoiled;  /* all_or_none, and there was a fault */

    /* the part that is arriving: a text, a file, or neither */
    int text; /* enum intake_text or -1 */
    struct intake_file *file;
    bool file_admitted; /* it is among files */

    struct intake_marks marks; /* once intake_marks_settle() said they are fine */
};

/* For struct http_upload: open with the route's rules; the rest are the receiver's functions. */
int intake_open(struct http_request *request, const struct intake_rules *rules, void **ret_context);
int intake_part_begin(void *context, const struct http_part *part);
int intake_part_data(void *context, const void *data, size_t length);
int intake_part_end(void *context);
void intake_close(void *context);

/* Reads the marks of the complete form. Returns false after having answered 422. */
bool intake_marks_settle(struct http_request *request, struct intake *intake);

/* True if the file's extension and name may be uploaded (F7.2). */
bool intake_type_allowed(const struct intake *intake, const struct intake_file *file);

/* Makes a file's blob durable with the mode that the marks ask for and completes its record. Blocks. Returns 0, a
 * positive blob_outcome or a negative errno. */
int intake_finish_file(struct intake *intake, struct intake_file *file);

/* Stores the records of all files that have no fault in a new session; on success *ret_session is it and the records
 * have their ids. Blocks. Returns 0 or a negative errno; then nothing is stored. */
int intake_store(struct intake *intake, const char *tenant, struct session *ret_session);

/* How large one file may be, in MiB, for texts. */
unsigned intake_max_file_mb(const struct intake *intake);
