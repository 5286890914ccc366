#!/bin/bash
# The command line: what is refused, with which words and which exit status; where values may stand; what is asked for help.
# timeout: 30
. "$(dirname "$0")/lib.sh"

cd "$WORK" || exit 1
# takes STATUS WORDS ARGUMENT...: `rounds ARGUMENT...` ends with the status and says the words (an extended expression).
takes() {
        local wanted=$1 words=$2 status
        shift 2
        "$ROUNDS" "$@" >"$WORK/out.txt" 2>&1
        status=$?
        [ "$status" -eq "$wanted" ] && grep -qE -- "$words" "$WORK/out.txt" || { echo "status $status: $(head -c 400 "$WORK/out.txt")"; return 1; }
}
case_of() { # case_of STATUS WORDS ARGUMENT...
        check "rounds ${*:3}" takes "$@"
}
case_of 3 '^usage: rounds COMMAND'
case_of 0 '^usage: rounds COMMAND' --help
case_of 0 '^usage: rounds COMMAND' -h
case_of 0 '^rounds [0-9.]+$' --version
case_of 0 '^usage: rounds run' run --help
case_of 0 '^usage: rounds run' help run
case_of 3 'no command "nope" \(rounds --help\)$' nope
case_of 3 'no command "": ?|no command ""' ''
case_of 3 'no command "rn": did you mean "run"\?' rn
case_of 3 'no command "hlp": did you mean "help"\?' hlp
case_of 3 'no command "--color"' --color version
case_of 3 'run: an argument is missing: JOB' run
case_of 3 'run: too many arguments; it takes JOB \(' run a b
case_of 3 'version: too many arguments; it takes none' version extra
case_of 3 'too many arguments' list audits -- --help
case_of 3 'run: unknown option --hlep: did you mean --help\?$' run --hlep
case_of 3 'list: unknown option --colour: did you mean --color\?$' list audits --colour=never
case_of 3 'run: unknown option -Z' run nightly -Z
case_of 3 'run: --config wants a value: FILE' run nightly -c
case_of 3 'run: --config wants a value: FILE' run nightly --config
case_of 3 'version: --quiet takes no value' version --quiet=x
case_of 3 'version: --verbose takes no value' version -vx
case_of 3 'version: --verbose takes no value' version --verbose=3
case_of 0 '^libpq' version -vv
case_of 0 '^libpq' version --verbose
case_of 3 '--color is auto, always or never, not "sometimes"' version --color=sometimes
case_of 3 'there is no configuration: /nowhere/x' run nightly -c/nowhere/x
case_of 3 'there is no configuration: /nowhere/x' run nightly -c /nowhere/x
case_of 3 'there is no configuration: /nowhere/x' run --config=/nowhere/x nightly
case_of 3 'there is no configuration: -x' run nightly -c -x
case_of 3 'there is no configuration: rounds.yaml' run nightly
case_of 3 ':1:1: the file is empty' check -c /dev/null
case_of 3 'is a folder|directory' check -c "$WORK"
case_of 3 'there is no list of "nope"' list nope
case_of 0 '^RED-1 ' list controls
long=$(head -c 100000 /dev/zero | tr '\0' a)
case_of 3 'unknown option --aaa' run "--$long"
check "a long word comes back short" [ "$(wc -c <"$WORK/out.txt")" -lt 1000 ]
case_of 3 'no command' "$long"
for shell in bash zsh fish; do case_of 0 'rounds' help --completion $shell; done
case_of 3 '--completion is for bash, zsh or fish' help --completion tcsh
case_of 3 '--completion is for bash, zsh or fish' help --completion
case_of 0 '^\.TH ROUNDS 1' help --man
# Every command that the manual lists explains itself, and refuses what it does not know.
for command in init check run report diff rejudge import list explain attest status version; do
        case_of 0 "^usage: rounds $command" $command --help
        case_of 3 "$command: unknown option --no-such" $command --no-such
done
finish
