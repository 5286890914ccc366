#!/bin/bash
# make install puts the program, its manual and completions where Debian looks for them, and each works from there; make uninstall
# takes all of it away again.
# timeout: 60
. "$(dirname "$0")/lib.sh"
cd "$TOP" || exit 1
here=$WORK/root
share=$here/usr/share

# What was built is installed as it is, whatever it was compiled with.
make --no-print-directory -o all BUILD="$BUILD" DESTDIR="$here" PREFIX=/usr install >"$WORK/install.log" 2>&1 || cat "$WORK/install.log"
for file in bin/rounds share/man/man1/rounds.1 share/bash-completion/completions/rounds share/zsh/site-functions/_rounds \
        share/fish/vendor_completions.d/rounds.fish share/doc/rounds/README.md share/doc/rounds/LICENSE share/doc/rounds/schedules/rounds.yaml; do
        check "usr/$file is installed" [ -s "$here/usr/$file" ]
done
check "the installed program is the one that was built" cmp "$here/usr/bin/rounds" "$ROUNDS"

if command -v man >/dev/null; then
        LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l "$share/man/man1/rounds.1" >"$WORK/manual.txt" 2>"$WORK/manual.err"
        check "man finds nothing to complain of" bash -c "[ ! -s '$WORK/manual.err' ] || { head -n 5 '$WORK/manual.err'; false; }"
        check "the manual has its options" grep -q -- '--fail-on' "$WORK/manual.txt"
        check "the manual is whole" grep -q 'ROUNDS_CONFIG, NO_COLOR' "$WORK/manual.txt"
fi

completes() {
        # shellcheck disable=SC2016
        [ "$(bash -c '. "$1"; COMP_WORDS=(rounds "$2" "$3"); COMP_CWORD=2; _rounds; echo "${COMPREPLY[*]}"' - \
                "$share/bash-completion/completions/rounds" "$1" "$2")" = "$3" ]
}
check "bash can read its completion" bash -n "$share/bash-completion/completions/rounds"
check "bash completes an option" completes run --fa --fail-on
for shell in zsh fish; do
        command -v $shell >/dev/null || continue
        check "$shell can read its completion" $shell -n "$share"/$shell/*/*rounds*
done

make --no-print-directory BUILD="$BUILD" DESTDIR="$here" PREFIX=/usr uninstall >"$WORK/uninstall.log" 2>&1 || cat "$WORK/uninstall.log"
check "nothing is left after make uninstall" [ -z "$(find "$here" -type f)" ]
finish
