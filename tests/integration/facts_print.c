/* Prints the facts that a store keeps of every run, one JSON document a line, for tests: facts_print STORE. */

#include <inttypes.h>
#include <stdio.h>

#include "store.h"

static int
print(void *context, const char *target, const char *kind, const char *owner, const char *audit, int64_t at_ms,
      const json_t *facts)
{
        (void)context;
        (void)kind;
        (void)owner;
        (void)at_ms;
        printf("{\"target\":\"%s\",\"audit\":\"%s\",\"facts\":", target, audit);
        if (json_dumpf(facts, stdout, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) != 0)
                return -1;
        puts("}");
        return 0;
}

int
main(int argc, char **argv)
{
        struct store *store = NULL;
        struct error err = {0};

        if (argc != 2 || store_open(argv[1], true, &store, &err) != 0) {
                fprintf(stderr, "facts_print: %s\n", err.text);
                return 3;
        }
        int result = 0;
        for (int64_t run = 1; run < 100 && result == 0; run++)
                result = store_facts_each(store, run, print, NULL, &err);
        store_close(store);
        if (result != 0)
                fprintf(stderr, "facts_print: %s\n", err.text);
        return result == 0 ? 0 : 1;
}
