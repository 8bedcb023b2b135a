#!/usr/bin/env bash
# Runs the tests of many.rs, each in a process of its own, two at a time, and looks for every line that they were
# to leave: two for each of two thousand, and the start of the one that is killed.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=$PWD/target/many/results
rm -rf "$results"
mkdir -p "$results"
set +e
cargo mmf test --results "$results" -- --locked --workspace --all-features --test many --run-ignored only -j 2 \
    >"$results.log" 2>&1
ended=$?
set -e
[ "$ended" = 1 ] || { cat "$results.log"; echo "one test is killed, so cargo mmf test ends with 1, not $ended"; exit 1; }
lines=$(cat "$results"/many-*.jsonl | wc -l)
[ "$lines" = 4001 ] || { echo "$lines lines were left, 4001 expected"; exit 1; }
set +e
gate=$(cargo mmf gate --results "$results" --min-success-rate 1 --min-chaos-coverage 0 \
    --min-performance-tests 0)
ended=$?
set -e
echo "$gate"
[ "$ended" = 1 ] && grep -q '^2000 of 2001 tests passed' <<<"$gate" && grep -q '1 began and never ended' <<<"$gate" &&
    grep -q 'mend what fails: many::killed' <<<"$gate" ||
    { echo "the gates should have failed by the one that was killed alone, exit code $ended"; exit 1; }
