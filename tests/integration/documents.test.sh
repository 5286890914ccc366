#!/bin/bash
# The documents as a newcomer reads them: every block of YAML is loaded, SQL and IAM are tried, and commands, options, kinds, audits and controls
# that are named are those of the program, both ways.  (The ACL of the README is tried by redis_scan, word for word.)
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postgres.sh"
need jq psql
cd "$TOP" || exit 1
README=README.md
DOCUMENTS="README.md audits/README.md schedules/README.md templates/README.md tests/README.md tests/fixtures/README.md"
for what in audits controls kinds settings; do "$ROUNDS" list $what --json >"$WORK/$what.json"; done
quiet() { "$@" >/dev/null; }
loads() { "$ROUNDS" list targets -c "$1" >"$WORK/out.txt" 2>&1 || { cat "$WORK/out.txt" "$1"; return 1; }; }
none() { # none WHAT WORDS: nothing may be left of the words
        check "$1: ${2:-nothing to mend}" [ -z "$2" ]
}
for document in $DOCUMENTS; do check "$document is there" [ -s "$document" ]; done

# --- every block of YAML, in a file of its own: NN.yaml; what begins with "# waivers.yaml" is that file
# shellcheck disable=SC2086
awk -v work="$WORK" '/^```yaml$/ { n++; file = sprintf("%s/block%02d.yaml", work, n); next } /^```/ { file = "" } file { print > file }' $DOCUMENTS
first=$WORK/block01.yaml
blocks=0
for block in "$WORK"/block*.yaml; do
        if grep -q '^# waivers.yaml' "$block"; then cp "$block" "$WORK/waivers.yaml"; fi
done
for block in "$WORK"/block*.yaml; do
        grep -q '^# waivers.yaml' "$block" && continue
        blocks=$((blocks + 1))
        whole=$WORK/whole$blocks.yaml
        # A fragment stands beside what the first block has; one with targets of its own needs no others.
        if grep -q '^version:' "$block"; then
                cp "$block" "$whole"
        elif grep -q '^targets:' "$block"; then
                { echo "version: 1" && cat "$block"; } >"$whole"
        else
                cat "$first" "$block" >"$whole"
        fi
        check "block $blocks ($(grep -m1 -E '^[a-z]+:' "$block")) loads" loads "$whole"
done
check "there are blocks to load" [ "$blocks" -ge 4 ]
cat "$first" - >"$WORK/waived.yaml" <<<"waivers: waivers.yaml"
check "the waivers of the README are listed" bash -c "'$ROUNDS' list waivers -c '$WORK/waived.yaml' | grep -q W-7"
sed "s|sqlite:.*|sqlite:$WORK/rounds.db|" "$first" >"$WORK/first.yaml"
for job in nightly weekly; do check "$job of the README has a plan" quiet "$ROUNDS" run $job --dry-run -c "$WORK/first.yaml"; done
sed -n '/^```csv$/,/^```$/p' $README | grep -v '^```' >"$WORK/earlier.csv"
check "the samples of the README are taken in" quiet "$ROUNDS" import -c "$WORK/first.yaml" "$WORK/earlier.csv"

# --- attest, word for word
(cd "$WORK" && openssl genpkey -algorithm ed25519 -out jane.pem 2>/dev/null)
(cd "$WORK" && eval "$(sed -n 's/^    rounds \(attest [^#]*\)#.*/\1/p' "$TOP/$README" | sed "s|^|'$ROUNDS' |")" >attested.txt 2>&1)
check "attest does what the README says" grep -q 'signature:' "$WORK/attested.txt"

# --- commands and options
"$ROUNDS" --help >"$WORK/help.txt"
sed -n '/^  init /,/^$/p' "$WORK/help.txt" | awk 'NF { print $1 }' | sort >"$WORK/commands.txt"
sed -n '/^| command | does |/,/^$/p' $README | grep -oE '^\| `[a-z]+' | tr -d '|` ' | sort >"$WORK/told.txt"
check "every command is in the README, and no other" diff "$WORK/commands.txt" "$WORK/told.txt"
# shellcheck disable=SC2086
none "commands that are named exist" "$(grep -ohE '(^|[`(])(    )?rounds [a-z]+( |`|$)' $DOCUMENTS | grep -oE 'rounds [a-z]+' | awk '{ print $2 }' | sort -u |
        grep -vxE 'help|makes' | grep -vxF -f "$WORK/commands.txt" | tr '\n' ' ')"
while read -r command; do "$ROUNDS" "$command" --help; done <"$WORK/commands.txt" | grep -oE -- '--[a-z-]+' | sort -u >"$WORK/options.txt"
printf -- '--man\n--completion\n' >>"$WORK/options.txt"
# shellcheck disable=SC2086
none "options that are named exist" "$(cat $DOCUMENTS | grep -v kubectl | grep -oE '(rounds [a-z]+[^`]*|`)--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u | grep -vxF -f "$WORK/options.txt" | tr '\n' ' ')"
for status in 0 1 2 3 4; do
        check "exit status $status is told" grep -qE "^\| $status \|" $README
done

# --- kinds: one row each, in order
jq -r '.[].kind' "$WORK/kinds.json" >"$WORK/kinds.txt"
sed -n '/^| kind | is | rights |/,/^$/p' $README | sed -n '3,$p' | awk -F'|' 'NF > 1 { gsub(/ /, "", $2); print $2 }' >"$WORK/rows.txt"
check "every kind has one row, in order" diff "$WORK/kinds.txt" "$WORK/rows.txt"

# --- audits: one row each with what the program says of it
jq -r '.[] | "| `\(.audit)` | \(.["looks at"] | if . == "(other audits)" then "what other audits saw" else . end) | \(.controls | if . == "" then "your own" else . end) | \(.summary) |"' \
        "$WORK/audits.json" >"$WORK/wanted.txt"
grep -E '^\| `[a-z_0-9]+` \|' audits/README.md >"$WORK/rows.txt"
check "audits/README.md lists the audits as the program does" diff "$WORK/wanted.txt" "$WORK/rows.txt"
none "every audit is a file of its name" "$(jq -r '.[].audit' "$WORK/audits.json" | while read -r audit; do [ -f "audits/$audit.c" ] || echo "$audit"; done)"

# --- playbooks: how many controls, and the kinds of target that answer for them
jq -r --slurpfile audits "$WORK/audits.json" '
        def playbook: split("-")[0];
        [.[].id] as $ids | reduce ($ids[] | playbook) as $p ([]; if index($p) then . else . + [$p] end) | .[] as $p |
        ([$ids[] | select(playbook == $p)] | length) as $n |
        ([$audits[0][] | select(.["looks at"] != "(other audits)") | select([.controls | split(", ")[] | playbook] | index($p)) | .["looks at"] | split(", ")[]] | unique | join(", ")) as $kinds |
        "\($p)-1 to \($p)-\($n): \($kinds)"' "$WORK/controls.json" >"$WORK/wanted.txt"
grep -E '^\| [A-Z]{3}-1 to ' $README | awk -F' *\\| *' '{ print $2 ": " $5 }' >"$WORK/rows.txt"
check "the README's playbooks are the program's, with their kinds of target" diff "$WORK/wanted.txt" "$WORK/rows.txt"

# --- controls: a page each, with its sections; those that are named exist
none "every control has a page" "$(jq -r '.[].id' "$WORK/controls.json" | while read -r id; do
        for section in 'Why it matters' 'Look by hand' 'Mend' 'How rounds judges'; do grep -qx "## $section" "templates/controls/$id.md" 2>/dev/null || echo "$id ($section)"; done
done)"
# shellcheck disable=SC2086
none "controls that are named exist" "$(grep -ohE '\b(LAT|WRK|DBC|RED|API|DLQ|CRT|NOD|DSK|ATH|ALR)-[0-9]+\b' $DOCUMENTS | sort -u | grep -vxF -f <(jq -r '.[].id' "$WORK/controls.json"))"

# --- files, folders and make's goals that are named
# shellcheck disable=SC2086
none "paths that are named exist" "$(grep -ohE '`(audits|templates|tests|schedules|report|include)/[A-Za-z0-9_./-]*`' $DOCUMENTS | tr -d '`' | sort -u |
        grep -vE '/NAME|/ID' | while read -r path; do [ -e "$path" ] || echo "$path"; done)"
# shellcheck disable=SC2086
none "make's goals that are named exist" "$(grep -ohE '(^    |`)make [a-z -]+' $DOCUMENTS | sed 's/.*make //' | tr ' ' '\n' | grep -E '^[a-z][a-z-]+$' | sort -u |
        while read -r goal; do grep -qE "^([a-z-]+ )*$goal:|^$goal:" Makefile || echo "$goal"; done)"

# --- rights: the README's SQL on a real server, and then every right that is asked for but those that only somebody else can give
postgres_start main || exit 1
sed -n '/^```sql$/,/^```$/p' $README | grep -v '^```' >"$WORK/grants.sql"
check "the README's SQL is accepted" "$(program psql)" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$PG_PORT" -U postgres -d postgres -f "$WORK/grants.sql"
"$(program psql)" -X -q -h 127.0.0.1 -p "$PG_PORT" -U postgres -d postgres -c 'CREATE TABLE orders (id serial PRIMARY KEY, at timestamptz)' >/dev/null
cat >"$WORK/rights.yaml" <<Y
version: 1
store: sqlite:$WORK/rights.db
targets: [{name: db, kind: postgres, dsn: "host=127.0.0.1 port=$PG_PORT dbname=postgres user=rounds sslmode=disable", retention: [{table: orders, column: at, keep: 30d}]}]
Y
"$ROUNDS" check --json -c "$WORK/rights.yaml" >"$WORK/check.json"
none "with it rounds check misses no grant" "$(jq -r '.. | objects | select(.held == false) | .remedy // .what' "$WORK/check.json" | grep GRANT)"
check "and rights were asked for at all" quiet jq -e '[.. | objects | select(.held == true)] | length >= 3' "$WORK/check.json"
check "the IAM policy is JSON and names what the archive's audit needs" bash -c "sed -n '/^\`\`\`json\$/,/^\`\`\`\$/p' $README | grep -v '^\`\`\`' | jq -r '.Statement[0].Action | join(\", \")' |
        diff - <(jq -r '.[] | select(.audit == \"archive\") | .needs' '$WORK/audits.json')"
finish
