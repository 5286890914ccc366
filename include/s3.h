/* S3 and what speaks like it (MinIO, Ceph, R2), read only: GET with Signature Version 4.
 *
 * Sources: Amazon S3 API Reference (ListObjectsV2, GetBucketEncryption, GetPublicAccessBlock, GetBucketPolicyStatus,
 * GetBucketAcl, GetObjectLockConfiguration, GetBucketVersioning). */
#ifndef ROUNDS_S3_H
#define ROUNDS_S3_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

extern const struct target_kind kind_s3;

struct s3;

/* The session's client, opened on first use; NULL with the error of the first try. */
struct s3 *s3_session(struct session *session, struct error *err);

struct s3_object {
        const char *key; /* borrowed for the length of the call */
        int64_t size_bytes, modified_ms;
};
typedef int (*s3_visit)(void *context, const struct s3_object *object); /* non-zero ends the list */

/* Every object under `prefix` of `bucket`, in the order of keys, page by page; at most `most` objects
 * (REASON_TOO_LITTLE_DATA past it: what was visited stays visited). */
int s3_list(struct s3 *s3, const char *bucket, const char *prefix, size_t most, s3_visit visit, void *context,
            struct error *err) __attribute__((warn_unused_result));

/* How a bucket is protected; new object with a member per question, each {"known": true, ...} or {"known": false,
 * "reason", "text"}: encryption {algorithm}, public_access_block {all}, policy {public}, acl {public}, object_lock
 * {enabled, mode, days}, versioning {status}.  A store that does not know a question leaves it unknown; that is no
 * failure of the whole. */
int s3_protection(struct s3 *s3, const char *bucket, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* An object's content, at most `largest` bytes; malloc'd, NUL-terminated. */
int s3_read(struct s3 *s3, const char *bucket, const char *key, size_t largest, char **bytes, size_t *length,
            struct error *err) __attribute__((warn_unused_result));

#endif
