/* SQLite under the store: one connection, statements prepared once, result codes turned into errors with a remedy. */

#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "buffer.h"
#include "moment.h"
#include "scope.h"

#define BUSY_TIMEOUT_MS 30000
#define PARAMETERS      24

struct statement {
        struct database *database;
        const char *sql; /* compared by address */
        sqlite3_stmt *handle;
        int index[PARAMETERS + 1]; /* SQLite numbers $n by first appearance: index[n] is its own number */
        int kept_result;           /* first failure of a bind or a column, told by the next step */
        bool taken;
        bool passing; /* prepared beside a taken one of the same text: finalised when done */
};

struct database {
        sqlite3 *handle;
        char *path;
        struct statement **statements;
        size_t count;
};

/* --- errors ------------------------------------------------------------------------------------------------- */

static int
failed(const struct database *database, int code, const char *what, struct error *err)
{
        const char *path = database->path;
        int primary = code & 0xff;
        struct statvfs disk;

        error_set(err, REASON_INTERNAL, "store %s: %s: %s", path, what,
                  database->handle != NULL && sqlite3_errcode(database->handle) != SQLITE_OK
                          ? sqlite3_errmsg(database->handle)
                          : sqlite3_errstr(code));
        if (primary == SQLITE_FULL) {
                if (statvfs(path, &disk) == 0)
                        return error_remedy(err, "free space for %s (%llu MiB are free on its file system)", path,
                                            (unsigned long long)disk.f_bavail * disk.f_frsize >> 20);
                return error_remedy(err, "free space for %s", path);
        }
        if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
                return error_remedy(err,
                                    "move %s aside together with its -wal file and restore a backup, or save what can "
                                    "be read with: sqlite3 %s .recover",
                                    path, path);
        if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
                return error_remedy(err, "another process kept %s locked for %d s: see who with: fuser %s", path,
                                    BUSY_TIMEOUT_MS / 1000, path);
        if (primary == SQLITE_READONLY || primary == SQLITE_PERM || primary == SQLITE_CANTOPEN)
                return error_remedy(err, "let this user write %s and its folder", path);
        /* SQLite says "full" for ENOSPC alone; a quota and a file-size limit (ulimit -f) come as a failed write. */
        if (code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_TRUNCATE)
                return error_remedy(err, "free space, or lift the quota or file-size limit that stops %s from growing",
                                    path);
        if (primary == SQLITE_IOERR)
                return error_remedy(err, "look for disk errors under %s", path);
        return -1;
}

/* --- opening ------------------------------------------------------------------------------------------------ */

/* A new file belongs to its owner and group: findings tell an attacker where to look. */
static void
create_private(const char *path)
{
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

        if (fd >= 0)
                close(fd);
}

static int
connect_file(struct database *database, const char *name, int flags, struct error *err)
{
        int code = sqlite3_open_v2(name, &database->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

        if (database->handle == NULL)
                return error_memory(err, "store");
        if (code != SQLITE_OK)
                return failed(database, code, "cannot be opened", err);
        sqlite3_busy_timeout(database->handle, BUSY_TIMEOUT_MS);
        /* Statements of this program only, but a damaged or planted file must not run code through its schema. */
        sqlite3_db_config(database->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(database->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        sqlite3_limit(database->handle, SQLITE_LIMIT_ATTACHED, 0);
        return 0;
}

/* The path as a "file:" URI: everything but unreserved characters as %XX. */
static char *
uri_of(const char *path, const char *query)
{
        scoped_buffer uri = BUFFER_INIT(64 * 1024);

        buffer_text(&uri, "file:");
        for (const unsigned char *c = (const unsigned char *)path; *c != '\0'; c++) {
                if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                    strchr("/._-", *c) != NULL)
                        buffer_char(&uri, (char)*c);
                else
                        buffer_format(&uri, "%%%02X", *c);
        }
        buffer_text(&uri, query);
        return buffer_take(&uri);
}

/* Without writing: as a live store first.  Where that fails because the -shm file cannot be made (a read-only folder),
 * the file is read as it stands, which is right only while no write-ahead log holds more. */
static int
open_read_only(struct database *database, struct error *err)
{
        scoped_string wal = NULL;
        struct stat there;

        if (access(database->path, F_OK) != 0)
                return error_set(err, REASON_CONFIGURATION, "store %s: %s", database->path, strerror(errno));
        if (connect_file(database, database->path, SQLITE_OPEN_READONLY, err) == 0) {
                int code = sqlite3_exec(database->handle, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
                if (code == SQLITE_OK)
                        return 0;
                failed(database, code, "cannot be read", err);
                if ((code & 0xff) != SQLITE_CANTOPEN && (code & 0xff) != SQLITE_READONLY)
                        return -1;
        }
        if (asprintf(&wal, "%s-wal", database->path) < 0)
                return error_memory(err, "store");
        if (stat(wal, &there) == 0 && there.st_size > 0)
                return -1;
        scoped_string uri = uri_of(database->path, "?mode=ro&immutable=1");
        if (uri == NULL)
                return error_memory(err, "store");
        sqlite3_close_v2(database->handle);
        database->handle = NULL;
        return connect_file(database, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
}

static int
open_writable(struct database *database, struct error *err)
{
        /* auto_vacuum counts only before the first table is made; incremental, so that pruning chooses its moment. */
        static const char settings[] = "PRAGMA auto_vacuum = INCREMENTAL;"
                                       "PRAGMA journal_mode = WAL;"
                                       "PRAGMA journal_size_limit = 67108864;"
                                       "PRAGMA synchronous = NORMAL;"
                                       "PRAGMA foreign_keys = ON;"
                                       "PRAGMA cache_size = -65536;";

        create_private(database->path);
        if (connect_file(database, database->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err) != 0)
                return -1;
        return database_run(database, settings, err);
}

int
database_open(const char *path, bool read_only, struct database **out, struct error *err)
{
        struct database *database = calloc(1, sizeof *database);

        if (database == NULL || (database->path = strdup(path)) == NULL) {
                free(database);
                return error_memory(err, "store");
        }
        if ((read_only ? open_read_only(database, err) : open_writable(database, err)) != 0) {
                if (err != NULL)
                        err->reason = REASON_CONFIGURATION;
                database_close(database);
                return -1;
        }
        *out = database;
        return 0;
}

void
database_close(struct database *database)
{
        if (database == NULL)
                return;
        for (size_t i = 0; i < database->count; i++) {
                sqlite3_finalize(database->statements[i]->handle);
                free(database->statements[i]);
        }
        free(database->statements);
        sqlite3_close_v2(database->handle);
        free(database->path);
        free(database);
}

int
database_durable(struct database *database, bool durable, struct error *err)
{
        return database_run(database, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err);
}

int
database_shrink(struct database *database, int pages, struct error *err)
{
        char script[64];

        snprintf(script, sizeof script, "PRAGMA incremental_vacuum(%d)", pages);
        return database_run(database, script, err);
}

/* --- statements --------------------------------------------------------------------------------------------- */

int
database_run(struct database *database, const char *script, struct error *err)
{
        int code = sqlite3_exec(database->handle, script, NULL, NULL, NULL);

        return code == SQLITE_OK ? 0 : failed(database, code, "cannot be written", err);
}

int
database_begin(struct database *database, struct error *err)
{
        /* IMMEDIATE: wait for the writer's place now, where waiting is possible, and not in the middle. */
        return database_run(database, "BEGIN IMMEDIATE", err);
}

int
database_commit(struct database *database, struct error *err)
{
        if (database_run(database, "COMMIT", err) == 0)
                return 0;
        database_rollback(database);
        return -1;
}

void
database_rollback(struct database *database)
{
        if (sqlite3_get_autocommit(database->handle) == 0)
                sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
}

static struct statement *
prepare(struct database *database, const char *sql, struct error *err)
{
        struct statement *statement = calloc(1, sizeof *statement);

        if (statement == NULL) {
                error_memory(err, "store");
                return NULL;
        }
        int code = sqlite3_prepare_v3(database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->handle, NULL);
        if (code != SQLITE_OK) {
                failed(database, code, "cannot be read", err);
                free(statement);
                return NULL;
        }
        for (int n = 1; n <= PARAMETERS; n++) {
                char name[16];
                snprintf(name, sizeof name, "$%d", n);
                statement->index[n] = sqlite3_bind_parameter_index(statement->handle, name);
        }
        statement->database = database;
        statement->sql = sql;
        return statement;
}

struct statement *
database_statement(struct database *database, const char *sql, struct error *err)
{
        struct statement *known = NULL;

        for (size_t i = 0; i < database->count && known == NULL; i++) {
                if (database->statements[i]->sql == sql)
                        known = database->statements[i];
        }
        if (known == NULL || known->taken) {
                struct statement *fresh = prepare(database, sql, err);
                if (fresh == NULL)
                        return NULL;
                struct statement **grown = NULL;
                if (known == NULL)
                        grown = reallocarray(database->statements, database->count + 1, sizeof *grown);
                if (grown != NULL) {
                        database->statements = grown;
                        grown[database->count++] = fresh;
                }
                fresh->passing = grown == NULL;
                known = fresh;
        }
        known->taken = true;
        known->kept_result = SQLITE_OK;
        return known;
}

static void
bound(struct statement *statement, int code)
{
        if (statement->kept_result == SQLITE_OK)
                statement->kept_result = code;
}

void
bind_whole(struct statement *statement, int parameter, int64_t value)
{
        bound(statement, sqlite3_bind_int64(statement->handle, statement->index[parameter], value));
}

void
bind_real(struct statement *statement, int parameter, double value)
{
        bound(statement, sqlite3_bind_double(statement->handle, statement->index[parameter], value));
}

void
bind_text(struct statement *statement, int parameter, const char *text)
{
        bound(statement, sqlite3_bind_text(statement->handle, statement->index[parameter], text, -1, SQLITE_STATIC));
}

void
bind_bytes(struct statement *statement, int parameter, const void *bytes, size_t size)
{
        bound(statement,
              sqlite3_bind_blob64(statement->handle, statement->index[parameter], bytes, size, SQLITE_STATIC));
}

void
bind_null(struct statement *statement, int parameter)
{
        bound(statement, sqlite3_bind_null(statement->handle, statement->index[parameter]));
}

int
statement_step(struct statement *statement, struct error *err)
{
        if (statement->kept_result != SQLITE_OK)
                return failed(statement->database, statement->kept_result, "a value cannot be passed", err);
        int code = sqlite3_step(statement->handle);
        if (code == SQLITE_ROW)
                return 1;
        if (code == SQLITE_DONE)
                return 0;
        return failed(statement->database, code,
                      sqlite3_stmt_readonly(statement->handle) ? "cannot be read" : "cannot be written", err);
}

int64_t
column_whole(struct statement *statement, int column)
{
        return sqlite3_column_int64(statement->handle, column);
}

double
column_real(struct statement *statement, int column)
{
        return sqlite3_column_double(statement->handle, column);
}

const char *
column_text(struct statement *statement, int column)
{
        const char *text = (const char *)sqlite3_column_text(statement->handle, column);

        if (text != NULL || sqlite3_errcode(statement->database->handle) != SQLITE_NOMEM)
                return text;
        bound(statement, SQLITE_NOMEM);
        return "";
}

const void *
column_bytes(struct statement *statement, int column, size_t *size)
{
        const void *bytes = sqlite3_column_blob(statement->handle, column);

        *size = (size_t)sqlite3_column_bytes(statement->handle, column);
        return bytes;
}

bool
column_is_null(struct statement *statement, int column)
{
        return sqlite3_column_type(statement->handle, column) == SQLITE_NULL;
}

int
statement_sound(struct statement *statement, struct error *err)
{
        return statement->kept_result == SQLITE_OK
                       ? 0
                       : failed(statement->database, statement->kept_result, "cannot be read", err);
}

void
statement_done(struct statement *statement)
{
        if (statement->passing) {
                sqlite3_finalize(statement->handle);
                free(statement);
                return;
        }
        sqlite3_reset(statement->handle);
        sqlite3_clear_bindings(statement->handle);
        statement->taken = false;
}

int
statement_finish(struct statement *statement, struct error *err)
{
        if (statement == NULL)
                return -1;
        int step = statement_step(statement, err);
        statement_done(statement);
        return step < 0 ? -1 : 0;
}

int64_t
database_changes(const struct database *database)
{
        return sqlite3_changes64(database->handle);
}
