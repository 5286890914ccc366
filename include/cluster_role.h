/* The ClusterRole that the audits of a cluster need, from what they declare (kubernetes_rights.h). */
#ifndef ROUNDS_CLUSTER_ROLE_H
#define ROUNDS_CLUSTER_ROLE_H

#include "buffer.h"
#include "error.h"

/* Two documents of YAML: "rounds" with everything but Secrets, and "rounds-secrets", which may be left out.  Rules come
 * sorted, resources of one group and verb together: the same audits give the same bytes. */
int cluster_role_write(struct buffer *out, struct error *err) __attribute__((warn_unused_result));

#endif
