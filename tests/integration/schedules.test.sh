#!/bin/bash
# What ships in schedules/: the example configuration against the settings of the code, systemd units, Kubernetes manifests, and the
# crontab under a real cron daemon.
# timeout: 200
. "$(dirname "$0")/lib.sh"
need jq systemd-analyze kubectl busybox
S=$TOP/schedules
quiet() { "$@" >/dev/null; }

# --- the example configuration
check "the example loads as it stands" quiet "$ROUNDS" list targets -c "$S/rounds.yaml" --quiet
sed -E 's/^( *)#([^ ].*|  .*)/\1\2/' "$S/rounds.yaml" >"$WORK/everything.yaml"
check "and with every setting switched on" quiet "$ROUNDS" list targets -c "$WORK/everything.yaml"
"$ROUNDS" list settings --json >"$WORK/settings.json"
missing=$(jq -r '.[] | select(.where != "policy, every control") | .setting | gsub("\\[\\]"; "") | split(".")[-1] | split(" ")[0] | sub("_file$"; "")' "$WORK/settings.json" |
        sort -u | while read -r name; do grep -qE "(^|[ {#,-])$name(_file|_env)?:" "$S/rounds.yaml" || echo "$name"; done)
check "no setting is missing in it: ${missing:-none}" [ -z "$missing" ]
missing=$(jq -r '.[] | select(.where | startswith("policy ")) | select(.setting != "pairs" and .default != "" and .default != "(required)") | "\(.setting): \(.default)"' "$WORK/settings.json" |
        sort -u | while read -r line; do grep -qF -- "$line" "$S/rounds.yaml" || grep -qF -- "${line/: /: \"}\"" "$S/rounds.yaml" || echo "$line"; done)
check "policy defaults are the code's: ${missing:-all}" [ -z "$missing" ]

# --- systemd
mkdir -p "$WORK/units"
cp "$S"/systemd/* "$WORK/units"
sed -i "s|/usr/local/bin/rounds|$ROUNDS|" "$WORK/units/rounds@.service"
for job in nightly weekly monthly; do
        calendar=$(sed -n 's/^OnCalendar=//p' "$S/systemd/rounds-$job.timer")
        check "$job: systemd understands $calendar" quiet systemd-analyze calendar "$calendar"
        cp "$WORK/units/rounds@.service" "$WORK/units/rounds@$job.service"
        systemd-analyze verify --man=no --recursive-errors=no "$WORK/units/rounds-$job.timer" "$WORK/units/rounds@$job.service" >"$WORK/verify.txt" 2>&1
        check "$job: systemd finds nothing wrong" bash -c "! grep -E '$WORK/units|rounds' '$WORK/verify.txt'"
done
exposure=$(systemd-analyze security --offline=yes "$WORK/units/rounds@nightly.service" 2>/dev/null | sed -n 's/.*Overall exposure level[^:]*: \([0-9.]*\).*/\1/p')
check "the service is locked down (exposure ${exposure:-unknown}, at most 3)" awk -v x="${exposure:-9}" 'BEGIN { exit !(x <= 3) }'

# --- Kubernetes
built=overlays/example
# Debian 12's kubectl is of 2020: it takes no folder as a resource and no inline patch.  It builds the base.
if ! kubectl version --client --output=json 2>/dev/null | jq -e '.kustomizeVersion' >"$WORK/kustomize.version"; then
        built=base
        echo "  SKIPPED: this kubectl is too old for the overlay; its base is built instead"
fi
kubectl kustomize "$S/kubernetes/$built" >"$WORK/manifests.yaml" 2>"$WORK/kustomize.txt"
check "kustomize builds the $built without a warning" bash -c "[ -s '$WORK/manifests.yaml' ] && ! [ -s '$WORK/kustomize.txt' ] || { cat '$WORK/kustomize.txt'; false; }"
check "three CronJobs" [ "$(grep -c '^kind: CronJob' "$WORK/manifests.yaml")" -eq 3 ]
for line in 'runAsNonRoot: true' 'readOnlyRootFilesystem: true' 'allowPrivilegeEscalation: false' 'concurrencyPolicy: Forbid' 'timeZone: ' 'activeDeadlineSeconds: '; do
        check "each has $line" [ "$(grep -c -- "$line" "$WORK/manifests.yaml")" -eq 3 ]
done
[ "$built" = base ] || check "the overlay's hour counts" grep -q 'schedule: 30 3 \* \* \*' "$WORK/manifests.yaml"
check "the overlay's configuration loads" quiet "$ROUNDS" list targets -c "$S/kubernetes/overlays/example/rounds.yaml"

# --- every command line, by the program itself
for job in nightly weekly monthly; do
        for file in "$S/rounds.yaml" "$S/kubernetes/overlays/example/rounds.yaml"; do
                check "$job is a job of $(basename "$(dirname "$file")")/rounds.yaml" "$ROUNDS" run "$job" --dry-run -c "$file" >/dev/null
        done
        check "$job is in the crontab" grep -qE "rounds run $job -c /etc/rounds/rounds.yaml" "$S/crontab"
        check "$job is in Kubernetes" grep -qF "args: [run, $job, -c, /etc/rounds/rounds.yaml]" "$S/kubernetes/base/$job.yaml"
done

# --- cadence: each job calls for the audits whose controls the catalogue ships in it, and custom ones; monthly for all
"$ROUNDS" list audits --json >"$WORK/audits.json"
"$ROUNDS" list controls --json >"$WORK/controls.json"
wanted() { # wanted LETTERS: audits with a control of one of these cadences
        jq -r --arg letters "$1" --slurpfile controls "$WORK/controls.json" \
                '.[] | select(.audit == "custom" or ([.controls | split(", ")[] as $id | $controls[0][] | select(.id == $id) | .job] | any(inside($letters)))) | .audit' \
                "$WORK/audits.json" | sort
}
planned() { # planned JOB: audits of the plan, the skipped ones among them (reasons may hold commas and brackets)
        "$ROUNDS" run "$1" --dry-run -c "$S/rounds.yaml" | sed -E 's/^(after all targets|skipped): //; s/^[^:]*\): //; s/\[skipped: [^]]*\]//g' |
                sed -E 's/^([a-z_0-9]+): .*/\1/' | tr ',' '\n' | tr -d ' ' | sort -u | comm -12 - <(jq -r '.[].audit' "$WORK/audits.json" | sort)
}
for job in nightly:N weekly:NW monthly:NWM; do
        wanted "${job#*:}" >"$WORK/wanted.txt"
        planned "${job%:*}" >"$WORK/planned.txt"
        check "${job%:*} calls for $(wc -l <"$WORK/wanted.txt") audits: those that the catalogue ships in it" diff "$WORK/wanted.txt" "$WORK/planned.txt"
done
check "every audit has a job" [ "$(wanted NWM | wc -l)" -eq "$(jq length "$WORK/audits.json")" ]
check "the nightly rounds leave weekly audits out" bash -c "[ '$(wanted N | wc -l)' -lt '$(wanted NW | wc -l)' ]"

# --- a real cron daemon, the shipped line with another minute and other paths
mkdir -p "$WORK/crontabs" "$WORK/etc"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/etc/key.pem" -out "$WORK/etc/cert.pem" -days 90 -subj /CN=cron.test 2>/dev/null
cat >"$WORK/etc/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets: [{name: files, kind: tls, owner: platform, files: [$WORK/etc/cert.pem]}]
jobs: {nightly: {audits: all, report: {formats: [json], to: $WORK/reports}}}
Y
line=$(grep -E 'run nightly' "$S/crontab" | awk '{ for (i = 7; i <= NF; i++) printf "%s ", $i }')
line=${line/rounds run/$ROUNDS run}
line=${line//\/etc\/rounds\/rounds.yaml/$WORK/etc/rounds.yaml}
user=$(id -un)
echo "* * * * * $line >$WORK/cron.out 2>&1" >"$WORK/crontabs/$user"
if [ "$(id -u)" -ne 0 ]; then
        echo "  SKIPPED: only root can run a cron daemon; everything else was tested"
        finish
fi
start "$(program busybox)" crond -f -l 0 -L "$WORK/crond.log" -c "$WORK/crontabs"
for _ in $(seq 150); do
        [ -e "$WORK/reports/nightly-latest.json" ] && break
        sleep 0.5
done
check "cron made the round and the report is there" quiet jq -e '.run.job == "nightly" and .summary.pass > 0' "$WORK/reports/nightly-latest.json"
[ -e "$WORK/reports/nightly-latest.json" ] || cat "$WORK/crond.log" "$WORK/cron.out"
finish
