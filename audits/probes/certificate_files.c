/* Certificates in files, on OpenSSL's readers. */

#include "certificate_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "x509_read.h"

enum {
        FILES_MOST = 10000,
        CERTIFICATES_MOST = 1000, /* of one file */
        DEPTH_MOST = 6,
        BUNDLE_LEAST = 10, /* that many authorities and nothing else: what is trusted, not what is served */
};
static const off_t FILE_LARGEST = 4 * 1024 * 1024;

struct reading {
        struct certificate_files *files;
        const struct deadline *deadline;
        size_t seen;
        bool stopped; /* FILES_MOST was met and said */
};

json_t *
certificate_error(const struct error *err)
{
        json_t *out = json_object();

        json_put_text(out, "reason", reason_name(err->reason));
        json_put_text(out, "text", err->text);
        json_put_text(out, "remedy", err->remedy);
        return out;
}

static void
row_failed(struct reading *reading, const char *path, const struct error *err)
{
        json_t *row = json_push(reading->files->rows, json_object());

        json_put_text(row, "path", path);
        json_put(row, "error", certificate_error(err));
}

static void
unreadable(struct reading *reading, const char *path, int number)
{
        struct error err;

        error_set(&err, number == EACCES || number == EPERM ? REASON_DENIED : REASON_CONFIGURATION, "%s: %s", path,
                  strerror(number));
        if (err.reason == REASON_DENIED)
                error_remedy(&err, "let the user that runs rounds read it: setfacl -m u:rounds:r %s", path);
        row_failed(reading, path, &err);
}

/* --- one file ----------------------------------------------------------------------------------------------------- */

struct content {
        struct reading *reading;
        json_t *ids;
        size_t keys;
        bool leaf;   /* one at least is no authority */
        bool failed; /* memory */
        bool too_many;
};

static void
content_add(struct content *content, X509 *certificate)
{
        char id[X509_SHA256_TEXT];

        if (json_array_size(content->ids) >= CERTIFICATES_MOST) {
                content->too_many = true;
                return;
        }
        x509_sha256(certificate, id);
        json_t *all = content->reading->files->certificates;
        if (json_object_get(all, id) == NULL && json_put(all, id, x509_facts(certificate)) != 0)
                content->failed = true;
        content->leaf = content->leaf || !json_flag(json_object_get(all, id), "authority", false);
        json_push(content->ids, json_string(id));
}

static void
content_visit(void *context, X509 *certificate)
{
        content_add(context, certificate);
}

/* Every certificate of a PEM text.  Returns how many blocks could not be understood. */
static size_t
read_pem(struct content *content, const char *bytes, size_t length)
{
        struct x509_pem pem = {.visit = content_visit, .context = content};

        x509_read_pem(bytes, length, &pem);
        content->keys += pem.keys;
        return pem.broken;
}

static bool
read_der(struct content *content, const char *bytes, size_t length)
{
        const unsigned char *at = (const unsigned char *)bytes;
        X509 *certificate = d2i_X509(NULL, &at, (long)length);

        ERR_clear_error();
        if (certificate == NULL)
                return false;
        content_add(content, certificate);
        X509_free(certificate);
        return true;
}

/* 0 read, 1 no PKCS#12 at all, -1 with `err`. */
static int
read_pkcs12(struct content *content, const char *bytes, size_t length, struct error *err)
{
        const unsigned char *at = (const unsigned char *)bytes;
        PKCS12 *store = d2i_PKCS12(NULL, &at, (long)length);
        const char *password = content->reading->files->password;
        EVP_PKEY *key = NULL;
        X509 *leaf = NULL;
        STACK_OF(X509) *others = NULL;

        if (store == NULL) {
                ERR_clear_error();
                return 1;
        }
        int read = PKCS12_parse(store, password, &key, &leaf, &others);
        if (read != 1 && password == NULL)
                read = PKCS12_parse(store, "", &key, &leaf, &others);
        PKCS12_free(store);
        if (read != 1) {
                bool secret = ERR_GET_REASON(ERR_peek_last_error()) == PKCS12_R_MAC_VERIFY_FAILURE;
                error_set(err, secret ? REASON_DENIED : REASON_UNSUPPORTED, "%s",
                          secret ? "the PKCS#12 password is wrong or missing"
                                 : "this PKCS#12 file uses a cipher that OpenSSL 3 has retired");
                error_remedy(err, "%s",
                             secret ? "put the password into a file and name it in the target's password_file"
                                    : "write it anew: openssl pkcs12 -legacy -in old.p12 | openssl pkcs12 -export");
                ERR_clear_error();
                return -1;
        }
        content->keys += key != NULL;
        if (leaf != NULL)
                content_add(content, leaf);
        for (int i = 0; i < sk_X509_num(others); i++)
                content_add(content, sk_X509_value(others, i));
        EVP_PKEY_free(key); /* never looked at */
        X509_free(leaf);
        sk_X509_pop_free(others, X509_free);
        ERR_clear_error();
        return 0;
}

static bool
named_like_a_certificate(const char *path)
{
        static const char *const ends[] = {".pem", ".crt", ".cer", ".der", ".p12", ".pfx", ".cert"};
        const char *dot = strrchr(path, '.');

        for (size_t i = 0; dot != NULL && i < sizeof ends / sizeof ends[0]; i++) {
                if (strcasecmp(dot, ends[i]) == 0)
                        return true;
        }
        return false;
}

/* What a file's bytes hold; -1 with `err` when it should hold a certificate and none can be read. */
static int
read_bytes(struct content *content, const char *path, const char *bytes, size_t length, const char **format,
           struct error *err)
{
        *format = "PEM";
        if (memmem(bytes, length, "-----BEGIN ", 11) != NULL) {
                size_t broken = read_pem(content, bytes, length);
                if (broken > 0 && (json_array_size(content->ids) > 0 || content->keys == 0))
                        return error_set(err, REASON_PROTOCOL, "%zu of its PEM blocks cannot be read", broken);
                return 0;
        }
        *format = "DER";
        if (length > 0 && bytes[0] == 0x30) {
                if (read_der(content, bytes, length))
                        return 0;
                *format = "PKCS#12";
                int result = read_pkcs12(content, bytes, length, err);
                if (result <= 0)
                        return result;
        }
        if (!named_like_a_certificate(path))
                return 0;
        error_set(err, REASON_PROTOCOL, "%s", length == 0 ? "the file is empty" : "neither PEM, DER nor PKCS#12");
        return error_remedy(err, "mend the file, or leave it out of the target's files");
}

static int
file_bytes(int fd, size_t size, char **out)
{
        char *bytes = malloc(size + 1);
        size_t length = 0;

        while (bytes != NULL && length < size) {
                ssize_t got = read(fd, bytes + length, size - length);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        break;
                length += (size_t)got;
        }
        *out = bytes;
        return bytes != NULL ? (int)length : -1;
}

static void
file_read(struct reading *reading, const char *path)
{
        struct content content = {.reading = reading, .ids = json_array()};
        struct error err = {0};
        struct stat status;
        const char *format = "";
        char *bytes = NULL;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), length = 0, result = 0;

        if (fd < 0 || fstat(fd, &status) != 0) {
                unreadable(reading, path, errno);
        } else if (!S_ISREG(status.st_mode)) {
                reading->files->empty++; /* a socket, a pipe, a device */
        } else if (status.st_size > FILE_LARGEST) {
                if (named_like_a_certificate(path)) {
                        error_set(&err, REASON_UNSUPPORTED, "%s: %lld bytes, more than the %lld that are read", path,
                                  (long long)status.st_size, (long long)FILE_LARGEST);
                        error_remedy(&err, "split the file, or leave it out of the target's files");
                        row_failed(reading, path, &err);
                } else {
                        reading->files->empty++;
                }
        } else if ((length = file_bytes(fd, (size_t)status.st_size, &bytes)) >= 0) {
                result = read_bytes(&content, path, bytes, (size_t)length, &format, &err);
                OPENSSL_cleanse(bytes, (size_t)length); /* it may hold a key */
        }
        if (fd >= 0)
                close(fd);
        free(bytes);
        if (content.too_many && result == 0)
                result = error_set(&err, REASON_UNSUPPORTED, "more than %d certificates, the rest is not looked at",
                                   CERTIFICATES_MOST);
        if (result != 0) {
                error_wrap(&err, "%s", path);
                row_failed(reading, path, &err);
        }
        if (json_array_size(content.ids) == 0) {
                reading->files->empty += result == 0 && length > 0;
                json_decref(content.ids);
                return;
        }
        json_t *row = json_push(reading->files->rows, json_object());
        json_put_text(row, "path", path);
        json_put_text(row, "format", format);
        json_put_whole(row, "keys", (json_int_t)content.keys);
        json_put_flag(row, "bundle", !content.leaf && json_array_size(content.ids) >= BUNDLE_LEAST);
        json_put(row, "certificates", content.ids);
}

/* --- folders and globs -------------------------------------------------------------------------------------------- */

static void path_read(struct reading *reading, const char *path, int depth);

static void
folder_read(struct reading *reading, const char *path, int depth)
{
        struct dirent **entries = NULL;
        int count = scandir(path, &entries, NULL, alphasort);

        if (count < 0) {
                unreadable(reading, path, errno);
                return;
        }
        for (int i = 0; i < count; i++) {
                char inner[4096];
                if (entries[i]->d_name[0] != '.' &&
                    (size_t)snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name) < sizeof inner)
                        path_read(reading, inner, depth + 1);
                free(entries[i]);
        }
        free(entries);
}

static void
path_read(struct reading *reading, const char *path, int depth)
{
        struct stat status;
        struct error err;

        if (deadline_left_ms(reading->deadline) == 0)
                return;
        if (stat(path, &status) != 0) {
                unreadable(reading, path, errno);
        } else if (S_ISDIR(status.st_mode)) {
                if (depth < DEPTH_MOST)
                        folder_read(reading, path, depth);
        } else if (reading->seen++ < FILES_MOST) {
                file_read(reading, path);
        } else if (!reading->stopped) {
                reading->stopped = true;
                error_set(&err, REASON_UNSUPPORTED, "%s: more than %d files, from here on they are not read", path,
                          FILES_MOST);
                error_remedy(&err, "name narrower folders in the target's files, or make several targets of them");
                row_failed(reading, path, &err);
        }
}

static void
name_read(struct reading *reading, const char *name)
{
        glob_t found = {0};
        struct error err;
        int result = glob(name, GLOB_NOMAGIC, NULL, &found);

        if (result == 0) {
                for (size_t i = 0; i < found.gl_pathc; i++)
                        path_read(reading, found.gl_pathv[i], 0);
        } else if (result == GLOB_NOMATCH) {
                error_set(&err, REASON_CONFIGURATION, "%s: no file is named so", name);
                error_remedy(&err, "check the path and that this user may search its folders");
                row_failed(reading, name, &err);
        } else {
                unreadable(reading, name, result == GLOB_ABORTED ? EACCES : ENOMEM);
        }
        globfree(&found);
}

int
certificate_files_read(struct certificate_files *files, const struct deadline *deadline, struct error *err)
{
        struct reading reading = {.files = files, .deadline = deadline};
        size_t i;
        json_t *name;

        json_array_foreach((json_t *)files->names, i, name)
        {
                if (json_is_string(name))
                        name_read(&reading, json_string_value(name));
        }
        if (deadline_left_ms(deadline) == 0)
                return error_set(err, deadline_cancelled(deadline) ? REASON_INTERRUPTED : REASON_TIMEOUT,
                                 "the certificate files were not all read in time");
        return 0;
}
