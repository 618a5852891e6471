#!/bin/sh
# tests/autograd/explain/page.sh EXAMPLE: opens the pages that examples/09_explain writes in Chromium, and uses
# them as page.js here says, in light and in dark; the last one also as grow.js enlarges it. Exit status 77 where there is no Chromium.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
browser=
for name in chromium chromium-browser google-chrome; do
  if [ -z "$browser" ] && command -v $name >/dev/null 2>&1; then browser=$name; fi
done
if [ -z "$browser" ]; then
  echo "skipped: there is no Chromium here (Debian: chromium)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" "$work" >/dev/null

failed=0
for page in expression attention steps; do
  {
    echo '<script>const problems = []; addEventListener("error", (e) => problems.push(e.message));</script>'
    if [ $page = steps ]; then
      echo '<script>'
      cat "$here/grow.js"
      echo '</script>'
      cat "$work/attention.html"
    else
      cat "$work/$page.html"
    fi
    printf '<script>'
    cat "$here/page.js"
    printf '</script>'
  } >"$work/tested.html"
  for scheme in dark light; do
    # Chromium counts dark as 0 and light as 1.
    number=$([ $scheme = dark ] && echo 0 || echo 1)
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --window-size=1280,800 \
      --user-data-dir="$work/profile" --blink-settings=preferredColorScheme="$number" \
      --virtual-time-budget=20000 --dump-dom "file://$work/tested.html#$page-$scheme" >"$work/dom" 2>"$work/log" || true
    if ! grep -q 'id="verdict">passed<' "$work/dom"; then
      failed=1
      echo "$page, $scheme:"
      sed -n '/id="verdict">/,/<\/pre>/p' "$work/dom"
      grep -q 'id="verdict"' "$work/dom" || tail -5 "$work/log"
    fi
  done
done
exit $failed
