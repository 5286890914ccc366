/* What an audit may read in a cluster, in one line that people and programs read alike.
 *
 * `needs` of an audit of a Kubernetes target is
 *      RBAC: list pods, nodes, deployments.apps; get configmaps:kube-system/cluster-autoscaler-status; get pods/log
 * that is, after "RBAC:", rules separated by semicolons: a verb (get or list), then resources separated by commas, each
 * `resource[/subresource][.group][:namespace/name]`.  The core group has no ".group", as with kubectl.  A name narrows
 * the rule to that object (resourceNames).  The ClusterRole of schedules/kubernetes is generated from these lines. */
#ifndef ROUNDS_KUBERNETES_RIGHTS_H
#define ROUNDS_KUBERNETES_RIGHTS_H

#include <stdbool.h>

#include "rights.h"
#include "session.h"

struct kubernetes_right {
        char verb[8];
        char group[64];      /* "" for the core group */
        char resource[64];   /* "pods", "pods/log" */
        char namespace_[64]; /* of a named object; "" otherwise */
        char name[128];
};

/* Calls `visit` for each right of the line, in its order; stops and returns what it returns when that is not 0.  -1 for
 * a line that is not of this form. */
int kubernetes_rights_each(const char *needs, int (*visit)(void *context, const struct kubernetes_right *right),
                           void *context);

/* For `check` of an audit: asks for one object of each kind and says what is refused.  Definitions that are not
 * installed need no right. */
int kubernetes_rights_check(struct session *session, const char *needs, struct rights *rights, struct error *err);

#endif
