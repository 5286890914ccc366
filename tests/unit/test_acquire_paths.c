/* Where code takes a connection, and whether every path gives it back: a table of code. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "acquire_paths.h"
#include "json.h"
#include "scope.h"

/* Verdicts of the calls in order, "verdict" or "verdict@line of the leak"; each line of code counts. */
static const struct {
        const char *about, *file, *code, *verdicts;
} cases[] = {
        {"finally", "a.ts",
         "async function f() {\n const client = await pool.connect();\n try { return await client.query(q); }\n "
         "finally { client.release(); }\n}",
         "finally"},
        {"never given back", "a.js",
         "async function f() {\n const client = await pool.connect();\n return (await client.query(q)).rows;\n}",
         "never"},
        {"a query between throws", "a.js",
         "async function f() {\n const client = await pool.connect();\n const r = await client.query(q);\n "
         "client.release();\n return r;\n}",
         "path@3"},
        {"an early return", "a.ts",
         "async function f(x?: string) {\n const client = await pool.connect();\n if (!x) {\n  return null;\n }\n "
         "client.release();\n}",
         "path@4"},
        {"a throw", "a.ts",
         "async function f(x: number) {\n const client = await pool.connect();\n if (x) throw 1;\n "
         "client.release();\n}",
         "path@3"},
        {"something fails before the try", "a.ts",
         "async function f() {\n const client = await this.pool.connect();\n await client.query('BEGIN');\n try { "
         "await g(client); }\n finally { client.release(); }\n}",
         "path@3"},
        {"taken inside the try", "a.ts",
         "async function f() {\n let client;\n try {\n  client = await pool.connect();\n  await client.query(q);\n } "
         "finally {\n  if (client) client.release();\n }\n}",
         "finally"},
        {"optional chaining", "a.ts",
         "async function f() {\n let client: PoolClient | undefined;\n try { client = await pool.connect(); await "
         "g(client); }\n finally { client?.release(); }\n}",
         "finally"},
        {"a finally that asks something else", "a.ts",
         "async function f(done) {\n const client = await pool.connect();\n try { await g(client); } finally { if "
         "(done) client.release(); }\n}",
         "path@3"},
        {"in the catch clause and after", "a.js",
         "async function f() {\n const client = await pool.connect();\n try { await g(client); } catch (e) { "
         "client.release(); throw e; }\n client.release();\n}",
         "handler"},
        {"returned", "a.js", "async function f() {\n const client = await pool.connect();\n return client;\n}",
         "transferred"},
        {"returned at once", "a.js", "const f = async () => await pool.connect();", "transferred"},
        {"kept in an object", "a.ts", "class A { async open() {\n this.client = await pool.connect();\n} }",
         "transferred"},
        {"returned in an object", "a.ts",
         "async function f() {\n const client = await pool.connect();\n return { client, at: 1 };\n}", "transferred"},
        {"released by a closure", "a.ts",
         "async function f() {\n const client = await pool.connect();\n return () => client.release();\n}",
         "transferred"},
        {"not kept", "a.js", "async function f() {\n await pool.connect();\n}", "dropped"},
        {"used at once", "a.js", "async function f() {\n return (await pool.connect()).query(q);\n}", "never"},
        {"a chain with finally", "a.js",
         "function f() {\n return pool.connect().then(c => c.query(q).finally(() => c.release()));\n}", "finally"},
        {"a chain with finally at its end", "a.js",
         "function f() {\n let c;\n return pool.connect().then(x => { c = x; return c.query(q); }).finally(() => "
         "c.release());\n}",
         "finally"},
        {"a chain, then alone", "a.js",
         "function f() {\n return pool.connect().then(c => { return c.query(q).then(r => { c.release(); return r; }); "
         "});\n}",
         "path@2"},
        {"callbacks, done", "a.js",
         "function f() {\n pool.connect((err, client, done) => {\n  client.query(q, () => { done(); });\n });\n}",
         "transferred"},
        {"callbacks, nothing", "a.js",
         "function f() {\n pool.connect((err, client, done) => {\n  client.query(q);\n });\n}", "never"},
        {"module scope lives as long as the process", "a.ts",
         "const prisma = new PrismaClient();\nexport default prisma;", ""},
        {"a client per call", "a.ts",
         "export async function f() {\n const prisma = new PrismaClient();\n return prisma.user.findMany();\n}",
         "never"},
        {"a client per call, disconnected", "a.ts",
         "async function f() {\n const prisma = new PrismaClient();\n try { await g(prisma); } finally { await "
         "prisma.$disconnect(); }\n}",
         "finally"},
        {"interactive transaction", "a.ts",
         "async function f() {\n await prisma.$transaction(async (tx) => {\n  await tx.user.create({});\n });\n}",
         "scoped"},
        {"the outer client inside it", "a.ts",
         "async function f() {\n await prisma.$transaction(async (tx) => {\n  await tx.a.create({});\n  await "
         "prisma.b.create({});\n });\n}",
         "outside@4"},
        {"an array of operations is no callback", "a.ts", "async function f() { await prisma.$transaction([a, b]); }",
         ""},
        {"given back by the owner", "a.js",
         "async function f() {\n const c = await myPool.acquire();\n try { await g(c); } finally { await "
         "myPool.release(c); }\n}",
         "finally"},
        {"the owner gives another one back", "a.js",
         "async function f(d) {\n const c = await myPool.acquire();\n try { await g(c); } finally { await "
         "myPool.release(d); }\n}",
         "never"},
        {"unmanaged transaction", "a.ts",
         "async function f() {\n const t = await sequelize.transaction();\n try { await g(t); await t.commit(); } "
         "catch (e) { await t.rollback(); }\n}",
         "handler"},
        {"managed transaction is not taken", "a.ts",
         "async function f() { await sequelize.transaction(async (t) => g(t)); }", ""},
        {"query runner", "a.ts",
         "async function f() {\n const r = dataSource.createQueryRunner();\n await r.connect();\n try { await g(r); } "
         "finally { await r.release(); }\n}",
         "path@3"},
        {"redis duplicate", "a.ts",
         "async function f() {\n const sub = redis.duplicate();\n await sub.subscribe('x');\n}", "never"},
        {"another Client", "a.ts",
         "import { Client } from 'discord.js';\nfunction f() { const c = new Client(); c.login(); }", ""},
        {"pg's Client", "a.ts",
         "import { Client } from 'pg';\nasync function f() {\n const c = new Client();\n await c.connect();\n await "
         "c.end();\n}",
         "path@4"},
        {"using", "a.ts", "async function f() {\n using client = await pool.connect();\n await client.query(q);\n}",
         "scoped"},
        {"destructured", "a.js",
         "async function f() {\n const { client, release } = await pool.connect();\n try { await g(client); } finally "
         "{ release(); }\n}",
         "finally"},
        {"console between is harmless", "a.js",
         "async function f() {\n const c = await pool.connect();\n console.log('taken');\n try { await g(c); } finally "
         "{ c.release(); }\n}",
         "finally"},
        {"two in one function", "a.js",
         "async function f() {\n const a = await pool.connect();\n try {\n  const b = await pool.connect();\n  await "
         "b.query(q);\n } finally { a.release(); }\n}",
         "finally never"},
        {"a pair of one's own", "a.js",
         "async function f() {\n const s = await gate.enter();\n await g();\n s.leave();\n}", "path@3"},
        {"tsx", "a.tsx",
         "const A = () => <b onClick={async () => { const c = await pool.connect(); await c.query(q); }}/>;", "never"},
        {"nothing", "a.js", "", ""},
        {"no JavaScript at all", "a.js", "%%%% {{{{ ((((", ""},
};

static const struct acquire_rule own[] = {
        {.name = "gate.enter", .object = "gate", .method = "enter", .release = {"leave"}}, {.name = NULL}};

static void
verdicts_text(const char *file, const char *code, char *text, size_t size)
{
        struct javascript source;
        struct error err = {0};
        struct deadline deadline = deadline_in(5000, NULL);
        scoped_json rows = json_array();
        size_t i, used = 0;
        json_t *row;

        text[0] = '\0';
        if (javascript_parse(file, code, strlen(code), &deadline, &source, &err) != 0) {
                assert_int_equal(err.reason, REASON_TOO_LITTLE_DATA);
                return;
        }
        assert_int_equal(acquire_paths(&source, own, rows), 0);
        javascript_free(&source);
        text[0] = '\0';
        json_array_foreach(rows, i, row)
        {
                used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? " " : "",
                                         json_text(row, "verdict", "?"));
                if (json_whole(row, "leak_line", 0) > 0 && used < size)
                        used += (size_t)snprintf(text + used, size - used, "@%d", (int)json_whole(row, "leak_line", 0));
        }
}

static void
test_table(void **state)
{
        size_t wrong = 0;

        (void)state;
        if (!javascript_available())
                skip();
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char text[500];
                verdicts_text(cases[i].file, cases[i].code, text, sizeof text);
                if (strcmp(text, cases[i].verdicts) == 0)
                        continue;
                print_error("%s: \"%s\", wanted \"%s\"\n", cases[i].about, text, cases[i].verdicts);
                wrong++;
        }
        assert_int_equal(wrong, 0);
}

/* Code that nests without end, and every beginning of a piece of code. */
static void
test_hostile(void **state)
{
        static const char *const nests[] = {
                "(", "{", "a=", "x=>", "`${", "if(", "async()=>{if(await pool.connect(", "<a b={", "class A{f(){"};
        static char deep[59001]; /* fewer tokens than are refused */
        char text[200];

        (void)state;
        if (!javascript_available())
                skip();
        for (size_t n = 0; n < sizeof nests / sizeof nests[0]; n++) {
                size_t length = strlen(nests[n]), i = 0;
                for (; i + length < sizeof deep; i += length)
                        memcpy(deep + i, nests[n], length);
                deep[i] = '\0';
                verdicts_text("a.js", deep, text, sizeof text);
                verdicts_text("a.tsx", deep, text, sizeof text);
        }
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char code[1000];
                size_t length = strlen(cases[i].code);
                assert_true(length < sizeof code);
                for (size_t cut = 0; cut < length; cut++) {
                        memcpy(code, cases[i].code, cut);
                        code[cut] = '\0';
                        verdicts_text(cases[i].file, code, text, sizeof text);
                }
        }
}

/* What a call is given may hold anything: it is never in the facts. */
static void
test_no_literals(void **state)
{
        const char *code = "async function f() {\n const c = await pool.connect('postgres://u:geheim@db');\n await "
                           "c.query('geheim');\n"
                           " c.release();\n}";
        struct javascript source;
        struct error err = {0};
        struct deadline deadline = deadline_in(5000, NULL);
        scoped_json rows = json_array();

        (void)state;
        if (!javascript_available())
                skip();
        assert_int_equal(javascript_parse("a.js", code, strlen(code), &deadline, &source, &err), 0);
        assert_int_equal(acquire_paths(&source, NULL, rows), 0);
        javascript_free(&source);
        scoped_string text = json_dumps(rows, 0);
        assert_non_null(strstr(text, "pool.connect"));
        assert_non_null(strstr(text, "when c.query throws"));
        assert_null(strstr(text, "geheim"));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_no_literals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
