#!/bin/bash
# Log files: JSON with ids, plain text, a large one cut at a line, an empty one, one that is no file; no line is kept.
# timeout: 30
. "$(dirname "$0")/lib.sh"
need jq
L=$WORK/logs
mkdir -p "$L/good" "$L/folder.log"
for i in $(seq 300); do echo "{\"level\":\"error\",\"msg\":\"geheimnis $i\",\"request_id\":\"r$i\"}"; done >"$L/good/app.log"
for i in $(seq 60000); do echo "{\"level\":\"error\",\"msg\":\"geheimnis $i\",\"context\":{\"traceId\":\"t$i\"}}"; done >"$L/good/large.log"
for i in $(seq 300); do echo "2026-11-25 geheimnis failed for <b>|user $i"; done >"$L/plain.log"
: >"$L/empty.log"
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: good, kind: files, logs: ["logs/good/*.log"]}
  - {name: plain, kind: files, logs: [logs/plain.log, logs/empty.log, logs/folder.log, "logs/none*.log"]}
jobs: {weekly: {audits: [log_files], report: {formats: [json, md], to: $WORK/reports}}}
Y
"$ROUNDS" run weekly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/weekly-*Z.json)
check "JSON with ids passes, of a large file its end" has_one '.target=="good" and .status=="pass" and (.observed|test("^2 files, [0-9]+ lines"))'
check "plain text fails" has_one '.target=="plain" and .status=="fail" and (.resource.name|endswith("plain.log")) and (.observed|test("^0 of 300 lines are JSON"))'
check "an empty file is an error" has_one '.status=="error" and (.resource.name|endswith("empty.log"))'
check "a folder is no file" has_one '.status=="error" and (.message|test("folder.log: not a regular file"))'
check "a glob that names nothing is told" has_one '.status=="error" and (.message|test("none.*no such file"))'
check "no line is kept" sh -c "! grep -rq geheimnis '$WORK/reports' '$WORK/out.txt' && ! grep -aq geheimnis '$WORK/rounds.db'"
finish
