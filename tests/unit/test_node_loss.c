/* The loss of a node, simulated: what the scheduler's filters let through. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node_loss.h"
#include "scope.h"

/* Two nodes a (zone x) and b (zone y) with 1000 m, 1000 bytes and 10 pods of room each, b tainted or labelled as the
 * case says; pods of 400 m in namespace n with labels app=web. */
struct loss_case {
        const char *name;
        const char *placement; /* of the pods, JSON without its braces */
        const char *b_labels, *b_taints;
        int pods;
        double cpu_m;
        size_t placed, no_room, not_allowed;
};

#define NO               ""
#define RULE(type, more) "\"rules\":[{\"type\":\"" type "\",\"namespaces\":[\"n\"]," more "}]"
#define WEB              "\"selector\":{\"matchLabels\":{\"app\":\"web\"}}"

static const struct loss_case cases[] = {
        {"room for all", NO, NO, NO, 4, 400, 4, 0, 0},
        {"room for two each", NO, NO, NO, 5, 400, 4, 1, 0},
        {"no pod is cut in two", NO, NO, NO, 2, 1001, 0, 2, 0},
        {"nothing asked for is limited by the number of pods", NO, NO, NO, 25, 0, 20, 5, 0},
        {"a taint keeps them away", NO, NO, "{\"key\":\"ml\",\"value\":\"yes\",\"effect\":\"NoSchedule\"}", 4, 400, 2,
         2, 0},
        {"a preference does not", NO, NO, "{\"key\":\"ml\",\"effect\":\"PreferNoSchedule\"}", 4, 400, 4, 0, 0},
        {"a toleration lets them in",
         "\"tolerations\":[{\"key\":\"ml\",\"operator\":\"Equal\",\"value\":\"yes\",\"effect\":\"NoSchedule\"}]", NO,
         "{\"key\":\"ml\",\"value\":\"yes\",\"effect\":\"NoSchedule\"}", 4, 400, 4, 0, 0},
        {"of another value not", "\"tolerations\":[{\"key\":\"ml\",\"value\":\"no\"}]", NO,
         "{\"key\":\"ml\",\"value\":\"yes\",\"effect\":\"NoSchedule\"}", 4, 400, 2, 2, 0},
        {"of everything does", "\"tolerations\":[{\"operator\":\"Exists\"}]", NO,
         "{\"key\":\"ml\",\"effect\":\"NoExecute\"}", 4, 400, 4, 0, 0},
        {"a selector for b alone", "\"nodeSelector\":{\"tier\":\"api\"}", "\"tier\":\"api\",", NO, 3, 400, 2, 1, 0},
        {"a selector for nobody", "\"nodeSelector\":{\"tier\":\"none\"}", "\"tier\":\"api\",", NO, 3, 400, 0, 0, 3},
        {"affinity to b, or to c",
         "\"nodeAffinity\":[{\"matchExpressions\":[{\"key\":\"tier\",\"operator\":\"In\",\"values\":[\"api\"]}]},"
         "{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"c\"]}]}]",
         "\"tier\":\"api\",", NO, 3, 400, 2, 1, 0},
        {"away from b", "\"nodeAffinity\":[{\"matchExpressions\":[{\"key\":\"tier\",\"operator\":\"DoesNotExist\"}]}]",
         "\"tier\":\"api\",", NO, 3, 400, 2, 1, 0},
        {"greater than a number",
         "\"nodeAffinity\":[{\"matchExpressions\":[{\"key\":\"cores\",\"operator\":\"Gt\","
         "\"values\":[\"8\"]}]}]",
         "\"cores\":\"16\",", NO, 2, 400, 2, 0, 0},
        {"an empty term selects nothing", "\"nodeAffinity\":[{}]", NO, NO, 2, 400, 0, 0, 2},
        {"one on each host", RULE("apart", "\"topology\":\"kubernetes.io/hostname\"," WEB ",\"occupied\":{}"), NO, NO,
         3, 100, 2, 0, 1},
        {"host a has one already",
         RULE("apart", "\"topology\":\"kubernetes.io/hostname\"," WEB ",\"occupied\":{\"a\":1}"), NO, NO, 2, 100, 1, 0,
         1},
        {"apart from others, not from each other",
         RULE("apart", "\"topology\":\"zone\",\"selector\":{\"matchLabels\":{\"app\":\"db\"}},\"occupied\":{\"x\":1}"),
         NO, NO, 3, 400, 2, 1, 0},
        {"together with what is in zone y",
         RULE("together",
              "\"topology\":\"zone\",\"selector\":{\"matchLabels\":{\"app\":\"db\"}},\"occupied\":{\"y\":2}"),
         NO, NO, 3, 400, 2, 1, 0},
        {"company that is nowhere",
         RULE("together", "\"topology\":\"zone\",\"selector\":{\"matchLabels\":{\"app\":\"db\"}},\"occupied\":{}"), NO,
         NO, 2, 400, 0, 0, 2},
        {"the first of its kind may begin", RULE("together", "\"topology\":\"zone\"," WEB ",\"occupied\":{}"), NO, NO,
         3, 400, 2, 1, 0},
        {"spread over zones: a skew of one",
         RULE("spread", "\"topology\":\"zone\",\"max_skew\":1," WEB ",\"occupied\":{\"x\":2}"), NO, NO, 3, 100, 3, 0,
         0},
        {"spread with zone y full",
         RULE("spread", "\"topology\":\"zone\",\"max_skew\":1," WEB ",\"occupied\":{\"x\":1}"), NO, NO, 4, 600, 2, 2,
         0},
        {"spread over a label that no node has",
         RULE("spread", "\"topology\":\"rack\",\"max_skew\":1," WEB ",\"occupied\":{}"), NO, NO, 2, 100, 0, 0, 2},
};

static json_t *
case_facts(const struct loss_case *c)
{
        char text[4096];
        size_t used;

        snprintf(text, sizeof text,
                 "{\"placements\":[{\"namespace\":\"n\",\"labels\":{\"app\":\"web\"}%s%s}],"
                 "\"shapes\":[{\"labels\":{\"zone\":\"x\"},\"taints\":[]},{\"labels\":{%s\"zone\":\"y\"},\"taints\":[%"
                 "s]}],"
                 "\"room\":[[\"a\",0,1000,1000,10],[\"b\",1,1000,1000,10]],\"pods\":[",
                 *c->placement != '\0' ? "," : "", c->placement, c->b_labels, c->b_taints);
        for (int i = 0; i < c->pods; i++) {
                used = strlen(text);
                snprintf(text + used, sizeof text - used,
                         "%s{\"namespace\":\"n\",\"name\":\"p%02d\",\"owner\":\"Deployment/web\",\"cpu_m\":%g,"
                         "\"memory\":1,\"placement\":0}",
                         i > 0 ? "," : "", i, c->cpu_m);
        }
        used = strlen(text);
        snprintf(text + used, sizeof text - used, "]}");
        return json_loads(text, 0, NULL);
}

static void
filters(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                const struct loss_case *c = &cases[i];
                scoped_json facts = case_facts(c);
                struct node_loss loss;
                if (facts == NULL)
                        fail_msg("%s: no JSON", c->name);
                assert_int_equal(node_loss_simulate(facts, &loss), 0);
                if (loss.placed != c->placed || loss.no_room != c->no_room || loss.not_allowed != c->not_allowed)
                        fail_msg("%s: %zu placed, %zu without room, %zu not allowed", c->name, loss.placed,
                                 loss.no_room, loss.not_allowed);
                assert_int_equal(json_array_size(loss.homeless), loss.pods - loss.placed);
                json_decref(loss.homeless);
        }
}

/* The largest first: 600 and 600 take a node each, and the four small ones fill what is left. */
static void
decreasing(void **state)
{
        static const char text[] =
                "{\"room\":[[\"a\",0,1000,1000,10],[\"b\",0,1000,1000,10]],\"shapes\":[{}],\"pods\":["
                "{\"name\":\"s1\",\"cpu_m\":200},{\"name\":\"s2\",\"cpu_m\":200},"
                "{\"name\":\"s3\",\"cpu_m\":200},{\"name\":\"l1\",\"cpu_m\":600},"
                "{\"name\":\"s4\",\"cpu_m\":200},{\"name\":\"l2\",\"cpu_m\":600}]}";
        scoped_json facts = json_loads(text, 0, NULL);
        struct node_loss loss;

        (void)state;
        assert_int_equal(node_loss_simulate(facts, &loss), 0);
        assert_int_equal(loss.placed, 6);
        json_decref(loss.homeless);
        assert_int_equal(node_loss_simulate(NULL, &loss), 0);
        assert_int_equal(loss.pods, 0);
        json_decref(loss.homeless);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(filters), cmocka_unit_test(decreasing)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
