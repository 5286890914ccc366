#!/bin/bash
# 100,000 findings to all four formats: under 5 s and 300 MB.  There is no peer to put beside it.
set -eu
cd "$(dirname "$0")/../.."
exec "${BUILD:-build}/tests/bench/bench_report" "${FINDINGS:-100000}"
