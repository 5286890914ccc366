#!/bin/bash
# Does our PromQL parser accept and refuse what Prometheus does?  Every expression of the corpus, and thousands of
# mutations of them, are put before promtool as recording rules; verdicts must agree, but for what only 3.x reads.
. "$(dirname "$0")/lib.sh"
cd "$TOP" || exit 1
judge=$BUILD/tests/unit/test_promql
seeds=${SEEDS:-"1 2 3"}

need promtool
promtool=$(program promtool)
[ -x "$judge" ] || make "$judge" >/dev/null 2>&1
[ -x "$judge" ] || { echo "FAIL: $judge cannot be built"; exit 1; }

dir=$WORK/promql
mkdir -p "$dir" || exit 1

# Writes each line of $1 as a recording rule; in single quotes YAML knows one escape alone.
rules() {
        echo "groups:"
        echo "- name: corpus"
        echo "  rules:"
        awk -v quote="'" '{ gsub(quote, quote quote); printf "  - record: r%d\n    expr: %s%s%s\n", NR, quote, $0, quote }' "$1"
}

# The numbers of the rules that promtool refuses, in $2: it names each as 'rule N, "rN"'.
refused() {
        rules "$1" >"$dir/rules.yml"
        "$promtool" check rules "$dir/rules.yml" >"$dir/said" 2>&1
        grep -q 'rules found\|rule [0-9]*, "r' "$dir/said" || { echo "FAIL: promtool says neither yes nor no:"; head -5 "$dir/said"; exit 1; }
        grep -o 'rule [0-9]*, "r[0-9]*"' "$dir/said" | sed 's/.*"r\([0-9]*\)"/\1/' | sort -u >"$2"
}

# $1: a file of expressions, $2: what it is.
compare() {
        refused "$1" "$dir/refused"
        "$judge" --verdicts "$1" >"$dir/verdicts" || { echo "FAIL: $2: no verdicts"; exit 1; }
        paste -d '\t' "$dir/verdicts" "$1" | awk -F '\t' -v refused="$dir/refused" -v what="$2" '
                BEGIN { while ((getline n <refused) > 0) no[n] = 1 }
                $1 == "ok3" && NR in no { newer++; next } # accepted by 2.42 after all: the mark is wrong, and differs
                ($1 == "ok") == (NR in no) { differ++; printf "%s: promtool %s, we say %s %s: %s\n", what, NR in no ? "refuses" : "accepts", $1, $2, $3 }
                $1 == "ok" { ok++ }
                END {
                        printf "%s: %d expressions, %d accepted by both, %d only since 3.0, %d differ\n", what, NR, ok, newer, differ
                        exit differ > 0
                }' || { failed=1; }
}

failed=0
for file in tests/fixtures/promql/*.txt; do
        grep -v '^#' "$file" >"$dir/expressions"
        compare "$dir/expressions" "$(basename "$file" .txt)"
done
for seed in $seeds; do
        "$judge" --mutations "$seed" 4000 | grep -v '^[[:space:]]*$' | sort -u >"$dir/expressions"
        compare "$dir/expressions" "mutations of seed $seed"
done
[ $failed = 0 ] && echo "ok: verdicts agree with $("$promtool" --version 2>&1 | head -n 1 | cut -d ' ' -f 1-3)" || { echo "FAIL: verdicts differ"; exit 1; }
