#!/bin/bash
# The source scan on a small application: leaks of every kind, sound code, folders left out, a file that does not parse, one's own pairs.
# timeout: 60
. "$(dirname "$0")/lib.sh"
need jq
S=$WORK/app/src
mkdir -p "$S/routes" "$S/node_modules/x" "$WORK/app/scripts"
cat >"$S/db.ts" <<'T'
import { Pool } from 'pg';
export const pool = new Pool();
export async function all<T>(text: string): Promise<T[]> {
        const client = await pool.connect();
        try {
                return (await client.query(text)).rows as T[];
        } finally {
                client.release();
        }
}
T
cat >"$S/routes/<b>|offers.ts" <<'T'
import { pool } from '../db';
export async function offers(req: Request) {
        const client = await pool.connect();
        const rows = await client.query("SELECT 'geheimnis'");
        client.release();
        return rows;
}
T
cat >"$S/routes/audit.tsx" <<'T'
export const Audit = async ({ id }: { id: string }) => {
        await prisma.$transaction(async (tx) => {
                await tx.decision.update({ where: { id } });
                await prisma.auditEvent.create({ data: { id } });
        });
        return <b>{id}</b>;
};
T
echo 'async function f() { const c = await pool.connect(); }' >"$S/node_modules/x/index.js"
echo 'async function seed() { const g = await gate.enter(); await fill(); g.leave(); }' >"$WORK/app/scripts/seed.mjs"
echo '%% this is not (( JavaScript' >"$S/broken.js"
ln -s /etc "$S/link"
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: app, kind: source, owner: web, paths: [app], pairs: [{acquire: gate.enter, release: leave}]}
  - {name: empty, kind: source, paths: [app/src/node_modules], exclude: ["*"]}
  - {name: gone, kind: source, paths: [nowhere]}
jobs: {weekly: {audits: [source_scan], report: {formats: [json, md, html], to: $WORK/reports}}}
Y
"$ROUNDS" run weekly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
status=$?
json=$(ls "$WORK"/reports/weekly-*Z.json)
if jq -e '[.findings[] | select(.target=="app" and .status=="skip")] | length > 0' "$json" >/dev/null; then
        echo "SKIPPED: the grammars of JavaScript and TypeScript are not built in (make deps installs them, then make)"
        exit 77
fi
check "not fully assessed: status 2" [ "$status" -eq 2 ]
check "the query that throws is told with its line" has_one '.status=="fail" and .resource.namespace=="src/routes/<b>|offers.ts" and (.observed|test(":3 pool.connect.*line 4: when client.query throws, line 5 is not reached"))'
check "the outer client in a transaction is told" has_one '.status=="fail" and (.observed|test("audit.tsx:2 prisma.*line 4 calls prisma.auditEvent.create"))'
check "a pair of one's own is known" has_one '.status=="fail" and (.observed|test("scripts/seed.mjs:1 gate.enter"))'
check "sound code is no finding" sh -c "! jq -e '.findings[] | select(.resource.namespace==\"src/db.ts\")' '$json' >/dev/null"
check "node_modules is left out" sh -c "! grep -q node_modules/x '$json'"
check "what is no JavaScript is told" has_one '.target=="app" and .status=="error" and .reason=="protocol" and (.message|test("broken.js"))'
check "nothing found is not a pass" has_one '.target=="empty" and .status=="error" and .reason=="too-little-data"'
check "a folder that is not there is told" has_one '.target=="gone" and .status=="error" and (.message|test("nowhere: No such file"))'
check "no literal of the source is anywhere" sh -c "! grep -rq geheimnis '$WORK/reports' && ! grep -aq geheimnis '$WORK/rounds.db'"
finish
