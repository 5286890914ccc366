/* A starter configuration: a commented rounds.yaml that proposes as targets what can be seen from here.
 *
 * What can be seen: libpq's and Redis' environment variables, local sockets, kubeconfig contexts, a pod's service
 * account, certificate files in the usual folders.  Nothing is connected to, and no secret is copied. */
#ifndef ROUNDS_STARTER_H
#define ROUNDS_STARTER_H

#include <stddef.h>

#include "buffer.h"

/* Adds the text of the file to `out`; `root` stands before every path that is looked at ("" outside of tests).
 * Returns how many targets were proposed from what was seen (0: the file holds an example instead). */
size_t starter_write(const char *root, struct buffer *out);

#endif
