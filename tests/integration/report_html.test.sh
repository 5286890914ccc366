#!/bin/bash
# The accepted HTML reports in a real browser: nothing is loaded, nothing complains, nothing runs, and no page is wider
# than a phone (390 px) or a desk, hostile names and all; on paper they are whole, on A4.
set -u
cd "$(dirname "$0")/../.." || exit 1
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
        echo "SKIPPED: no chromium here (apt-get install chromium): the HTML report was not looked at in a browser"
        exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
problem() { echo "FAIL: $*"; failed=1; }

browse() { # arguments of the browser; stdout is the page's, stderr its log
        timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
                --disable-background-networking --disable-component-update --disable-sync --disable-default-apps \
                --disable-dev-shm-usage --enable-logging=stderr --v=0 --user-data-dir="$work/profile" "$@"
}

# Whatever could load something, said in markup: the policy in the page forbids it, and nothing may try.
for page in nightly hostile; do
        file=tests/fixtures/golden/$page.html
        cp "$file" "$work/$page.html"
        if grep -nEi '<(script|iframe|object|embed|link|img|video|audio|base|form)\b|<[^>]*(srcset=| on[a-z]+=)|@import|url\(' "$file" |
                head -3 | cut -c1-200 | grep .; then
                problem "$page: the lines above can load or run something"
        fi
done

# Measured from outside, in frames of two widths, with everything unfolded.
for page in nightly hostile; do
        for width in 390 1200; do
                cat >"$work/frame.html" <<HTML
<!DOCTYPE html><title>waiting</title><body style="margin:0">
<iframe id="f" src="$page.html" style="width:${width}px;height:800px;border:0"></iframe>
<script>
document.getElementById("f").onload = function () {
  var d = this.contentDocument, e = d.documentElement;
  d.querySelectorAll("details").forEach(function (x) { x.open = true; });
  var wide = [].filter.call(d.body.querySelectorAll("*"), function (x) {
    return x.getBoundingClientRect().right > e.clientWidth + 1 && !x.closest(".scroll, .contents, pre, svg, .hidden, thead");
  }).map(function (x) { return x.tagName + "." + x.className; });
  var headers = [].every.call(d.querySelectorAll("table"), function (t) { return t.querySelector("th[scope]") && t.caption; });
  var ids = [].map.call(d.querySelectorAll("[id]"), function (x) { return x.id; });
  var lost = [].filter.call(d.querySelectorAll('a[href^="#"]'), function (a) { return ids.indexOf(a.getAttribute("href").slice(1)) < 0; });
  document.body.textContent = "MEASURED " + JSON.stringify({overflow: e.scrollWidth - e.clientWidth, wide: wide.slice(0, 5),
    lang: e.lang, main: d.querySelectorAll("main").length, h1: d.querySelectorAll("h1").length, headers: headers,
    scripts: d.scripts.length, images: d.images.length, twice: ids.length - new Set(ids).size,
    lost: lost.map(function (a) { return a.getAttribute("href"); }).slice(0, 5),
    loaded: this.contentWindow.performance.getEntriesByType("resource").length});
};
</script>
HTML
                browse --allow-file-access-from-files --window-size=1300,900 --virtual-time-budget=5000 --dump-dom \
                        "file://$work/frame.html" >"$work/dom" 2>"$work/log"
                measured=$(grep -o 'MEASURED {.*}' "$work/dom")
                expected='MEASURED {"overflow":0,"wide":[],"lang":"en","main":1,"h1":1,"headers":true,"scripts":0,"images":0,"twice":0,"lost":[],"loaded":0}'
                [ "$measured" = "$expected" ] || problem "$page at $width px: got $measured, expected $expected"
                if grep CONSOLE "$work/log"; then
                        problem "$page at $width px: the browser complained"
                fi
        done
done

# On paper: every folded part is there, on A4.
browse --no-pdf-header-footer --print-to-pdf="$work/nightly.pdf" "file://$work/nightly.html" >/dev/null 2>"$work/log"
if [ ! -s "$work/nightly.pdf" ]; then
        problem "no PDF was made: $(tail -1 "$work/log")"
elif command -v pdftotext >/dev/null; then
        pdfinfo "$work/nightly.pdf" | grep -q 'A4' || problem "the PDF is not A4: $(pdfinfo "$work/nightly.pdf" | grep 'Page size')"
        pdftotext "$work/nightly.pdf" "$work/nightly.txt"
        grep -q 'Find who serves it' "$work/nightly.txt" || problem "the folded section is not on paper"
fi
[ $failed = 0 ] || { echo "FAIL: the HTML report in a browser"; exit 1; }
echo "ok: both HTML reports in $("$browser" --version 2>/dev/null | cut -d' ' -f1,2): nothing loaded, no complaint, no scrolling sideways, whole on paper"
