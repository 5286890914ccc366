/* libpq's asynchronous half under our deadlines. */

#include "libpq_client.h"

#include <string.h>

PQconninfoOption *
libpq_options(const char *dsn, struct error *err)
{
        char *complaint = NULL;
        PQconninfoOption *options = PQconninfoParse(dsn != NULL ? dsn : "", &complaint);

        if (options == NULL)
                error_set(err, REASON_CONFIGURATION, "dsn: %.*s",
                          (int)strcspn(complaint != NULL ? complaint : "", "\n"), complaint != NULL ? complaint : "");
        PQfreemem(complaint);
        return options;
}

void
libpq_options_free(PQconninfoOption **options)
{
        PQconninfoFree(*options);
}

const char *
libpq_option(const PQconninfoOption *options, const char *name)
{
        for (; options->keyword != NULL; options++) {
                if (strcmp(options->keyword, name) == 0)
                        return options->val;
        }
        return NULL;
}

void
libpq_parameter(struct libpq_parameters *parameters, const char *name, const char *value)
{
        if (value == NULL || parameters->count >= LIBPQ_OPTIONS_MOST)
                return;
        for (size_t i = 0; i < parameters->count; i++) {
                if (strcmp(parameters->names[i], name) == 0) {
                        parameters->values[i] = value;
                        return;
                }
        }
        parameters->names[parameters->count] = name;
        parameters->values[parameters->count++] = value;
}

void
libpq_parameters_add(struct libpq_parameters *parameters, const PQconninfoOption *options)
{
        for (; options->keyword != NULL; options++)
                libpq_parameter(parameters, options->keyword, options->val);
}

static void
swallow_notice(void *context, const PGresult *result)
{
        (void)context;
        (void)result;
}

int
libpq_connect_wait(PGconn *connection, const struct deadline *deadline, libpq_failed failed, const char *silence,
                   struct error *err)
{
        if (PQstatus(connection) == CONNECTION_BAD)
                return failed(connection, err);
        PQsetNoticeReceiver(connection, swallow_notice, NULL);
        for (PostgresPollingStatusType state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
                struct pollfd fd = {.fd = PQsocket(connection),
                                    .events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT};
                if (deadline_poll(deadline, &fd, 1, err) < 0) {
                        error_wrap(err, "no connection");
                        return silence != NULL ? error_remedy(err, "%s", silence) : -1;
                }
                state = PQconnectPoll(connection);
                if (state == PGRES_POLLING_FAILED)
                        return failed(connection, err);
        }
        return PQsetnonblocking(connection, 1) != 0 ? failed(connection, err) : 0;
}

int
libpq_flush(PGconn *connection, const struct deadline *deadline, libpq_failed failed, struct error *err)
{
        for (int left; (left = PQflush(connection)) != 0;) {
                struct pollfd fd = {.fd = PQsocket(connection), .events = POLLIN | POLLOUT};
                if (left < 0)
                        return failed(connection, err);
                if (deadline_poll(deadline, &fd, 1, err) < 0)
                        return -1;
                if ((fd.revents & POLLIN) != 0 && PQconsumeInput(connection) != 1)
                        return failed(connection, err);
        }
        return 0;
}

int
libpq_next(PGconn *connection, const struct deadline *deadline, libpq_failed failed, PGresult **result,
           struct error *err)
{
        while (PQisBusy(connection)) {
                struct pollfd fd = {.fd = PQsocket(connection), .events = POLLIN};
                if (deadline_poll(deadline, &fd, 1, err) < 0)
                        return -1;
                if (PQconsumeInput(connection) != 1)
                        return failed(connection, err);
        }
        *result = PQgetResult(connection);
        return 0;
}

void
libpq_result_free(PGresult **result)
{
        PQclear(*result);
}
