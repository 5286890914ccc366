/* Running a program without a shell, under a deadline: what kubeconfig's exec plugins need. */
#ifndef ROUNDS_COMMAND_RUN_H
#define ROUNDS_COMMAND_RUN_H

#include "buffer.h"
#include "deadline.h"
#include "error.h"

/* Runs argv[0] (found on PATH) with `extra` ("NAME=value", NULL-terminated; may be NULL) added to the environment,
 * nothing on its standard input, and its standard error thrown away.  Its standard output goes to `out` (which has its
 * own cap).  A program that outlives the deadline is killed.  -1 unless it ended with status 0. */
int command_run(const char *const *argv, const char *const *extra, const struct deadline *deadline, struct buffer *out,
                struct error *err) __attribute__((warn_unused_result));

#endif
