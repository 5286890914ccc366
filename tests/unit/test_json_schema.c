/* JSON Schema: which values fit, which do not and where, and which schemas are refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "json_schema.h"
#include "scope.h"

struct value_case {
        const char *schema, *value;
        const char *where; /* NULL: it fits */
};

static const struct value_case values[] = {
        {"true", "[1]", NULL},
        {"false", "1", ""},
        {"{}", "null", NULL},
        {"{'type':'integer'}", "1", NULL},
        {"{'type':'integer'}", "1.0", NULL},
        {"{'type':'integer'}", "1.5", ""},
        {"{'type':['string','null']}", "null", NULL},
        {"{'type':['string','null']}", "1", ""},
        {"{'enum':[1,'a',{'b':2}]}", "{'b':2}", NULL},
        {"{'enum':[1,'a']}", "'b'", ""},
        {"{'const':1}", "1.0", NULL},
        {"{'minimum':1,'exclusiveMaximum':3}", "3", ""},
        {"{'minimum':1,'exclusiveMaximum':3}", "2.9", NULL},
        {"{'multipleOf':0.1}", "0.3", NULL},
        {"{'multipleOf':2}", "3", ""},
        {"{'minLength':2}", "'\xC3\xA9'", ""},
        {"{'maxLength':1}", "'\xC3\xA9'", NULL},
        {"{'pattern':'^[a-z]+-\\\\d{2}$'}", "'ab-12'", NULL},
        {"{'pattern':'^[a-z]+-\\\\d{2}$'}", "'ab-1'", ""},
        {"{'pattern':'(a+)+$'}", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'", ""},
        {"{'format':'date-time'}", "'2026-11-24T03:00:00Z'", NULL},
        {"{'format':'date-time'}", "'2026-11-24'", ""},
        {"{'format':'uuid'}", "'123e4567-e89b-12d3-a456-426614174000'", NULL},
        {"{'format':'uuid'}", "'123e4567'", ""},
        {"{'format':'ipv6'}", "'::1'", NULL},
        {"{'required':['a']}", "{}", ""},
        {"{'required':['a']}", "[]", NULL},
        {"{'properties':{'a':{'properties':{'b':{'type':'string'}}}}}", "{'a':{'b':1}}", "/a/b"},
        {"{'additionalProperties':false,'properties':{'a':true}}", "{'a':1,'c':2}", "/c"},
        {"{'additionalProperties':false,'patternProperties':{'^x-':{'type':'integer'}}}", "{'x-a':1}", NULL},
        {"{'patternProperties':{'^x-':{'type':'integer'}}}", "{'x-a':'1'}", "/x-a"},
        {"{'propertyNames':{'maxLength':2}}", "{'abc':1}", "/abc"},
        {"{'minProperties':1}", "{}", ""},
        {"{'dependentRequired':{'a':['b']}}", "{'a':1}", ""},
        {"{'dependentRequired':{'a':['b']}}", "{'c':1}", NULL},
        {"{'dependencies':{'a':{'required':['b']}}}", "{'a':1}", ""},
        {"{'items':{'type':'integer'}}", "[1,2,'3']", "/2"},
        {"{'items':[{'type':'integer'}],'additionalItems':{'type':'string'}}", "[1,2]", "/1"},
        {"{'prefixItems':[{'type':'integer'}],'items':false}", "[1,2]", "/1"},
        {"{'contains':{'const':7},'minContains':2}", "[7,1,7]", NULL},
        {"{'contains':{'const':7},'minContains':2}", "[7,1]", ""},
        {"{'uniqueItems':true}", "[1,{'a':1},{'a':1}]", ""},
        {"{'allOf':[{'minimum':1},{'maximum':3}]}", "4", ""},
        {"{'anyOf':[{'type':'string'},{'minimum':3}]}", "4", NULL},
        {"{'oneOf':[{'minimum':1},{'minimum':3}]}", "4", ""},
        {"{'oneOf':[{'minimum':1},{'minimum':3}]}", "2", NULL},
        {"{'not':{'type':'string'}}", "'x'", ""},
        {"{'if':{'properties':{'k':{'const':1}}},'then':{'required':['a']},'else':{'required':['b']}}", "{'k':1}", ""},
        {"{'if':{'properties':{'k':{'const':1}}},'then':{'required':['a']},'else':{'required':['b']}}", "{'k':2,'b':1}",
         NULL},
        {"{'$defs':{'n':{'type':'integer'}},'properties':{'a':{'$ref':'#/$defs/n'}}}", "{'a':'x'}", "/a"},
        {"{'$defs':{'a/b':{'$anchor':'here','type':'integer'}},'$ref':'#here'}", "1", NULL},
        {"{'$defs':{'a/b':{'type':'integer'}},'$ref':'#/$defs/a~1b'}", "'1'", ""},
        {"{'$defs':{'a/b':{'type':'integer'}},'$ref':'#/%24defs/a%7E1b'}", "'1'", ""},
        {"{'$id':'https://example.org/s','properties':{'next':{'$ref':'https://example.org/s#'}},'required':['v']}",
         "{'v':1,'next':{'v':2,'next':{}}}", "/next/next"},
        {"{'$ref':'#'}", "1", ""},
};

struct schema_case {
        const char *schema;
        enum reason reason;
        const char *text;
};

static const struct schema_case refused[] = {
        {"{'unevaluatedProperties':false}", REASON_UNSUPPORTED, "#/unevaluatedProperties"},
        {"{'properties':{'a':{'$dynamicRef':'#x'}}}", REASON_UNSUPPORTED, "#/properties/a/$dynamicRef"},
        {"{'$ref':'https://elsewhere.example/x'}", REASON_UNSUPPORTED, "#/$ref"},
        {"{'$ref':'#/$defs%a','$defs':{}}", REASON_UNSUPPORTED, "leads nowhere"},
        {"{'$ref':'#/prefixItems/first','prefixItems':[true]}", REASON_UNSUPPORTED, "leads nowhere"},
        {"{'$ref':'#/nowhere'}", REASON_UNSUPPORTED, "leads nowhere"},
        {"{'format':'iri'}", REASON_UNSUPPORTED, "format"},
        {"{'pattern':'('}", REASON_CONFIGURATION, "pattern"},
        {"{'properties':[]}", REASON_CONFIGURATION, "#/properties"},
        {"{'minimum':'1'}", REASON_CONFIGURATION, "#/minimum"},
        {"[1]", REASON_CONFIGURATION, "a schema is"},
};

/* Cases are written with ' for ", which no case needs inside a string. */
static json_t *
parsed(const char *text)
{
        char copy[1024];

        snprintf(copy, sizeof copy, "%s", text);
        for (char *c = copy; *c != '\0'; c++) {
                if (*c == '\'')
                        *c = '"';
        }
        json_t *value = json_loads(copy, JSON_DECODE_ANY, NULL);
        if (value == NULL)
                fail_msg("the case is no JSON: %s", text);
        return value;
}

static void
values_fit(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
                const struct value_case *c = &values[i];
                scoped_json document = parsed(c->schema);
                scoped_json value = parsed(c->value);
                struct json_schema *schema = NULL;
                struct error err = {0};
                char where[128], why[128];
                if (json_schema_open(document, &schema, &err) != 0)
                        fail_msg("%s: %s", c->schema, err.text);
                bool fits = json_schema_fits(schema, value, where, sizeof where, why, sizeof why);
                if (fits != (c->where == NULL) || (!fits && (strcmp(where, c->where) != 0 || *why == '\0')))
                        fail_msg("%s against %s: %s at \"%s\" %s", c->value, c->schema, fits ? "fits" : "misfit", where,
                                 why);
                json_schema_close(schema);
        }
}

static void
schemas_refused(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
                scoped_json document = parsed(refused[i].schema);
                struct json_schema *schema = NULL;
                struct error err = {0};
                assert_int_equal(-1, json_schema_open(document, &schema, &err));
                if (err.reason != refused[i].reason || strstr(err.text, refused[i].text) == NULL)
                        fail_msg("%s: %s: %s", refused[i].schema, reason_name(err.reason), err.text);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(values_fit), cmocka_unit_test(schemas_refused)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
