/* Certificates in files: PEM (many in one file, keys beside them), DER, PKCS#12; folders and globs of them.
 *
 * Private keys are counted, never parsed.  Bounded: files, bytes per file, folder depth, certificates per file. */
#ifndef ROUNDS_CERTIFICATE_FILES_H
#define ROUNDS_CERTIFICATE_FILES_H

#include <jansson.h>

#include "deadline.h"
#include "error.h"

struct certificate_files {
        const json_t *names;  /* array of paths, folders and globs */
        const char *password; /* for PKCS#12; NULL: none */
        json_t *certificates; /* object: id -> x509_facts(); filled */
        json_t *rows;         /* array: {path, format, certificates [ids], keys, bundle} or {path, error {reason, text,
                                 remedy}}; sorted by path; filled */
        size_t empty;         /* files that hold no certificate at all (a README, a key): not listed; filled */
};

/* 0, or -1 when memory ran out or the deadline passed; a name or file that cannot be read is a row with an error. */
int certificate_files_read(struct certificate_files *files, const struct deadline *deadline, struct error *err)
        __attribute__((warn_unused_result));

/* {reason, text, remedy}, new: how an error stands in rows. */
json_t *certificate_error(const struct error *err);

#endif
