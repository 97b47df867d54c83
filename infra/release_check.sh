#!/usr/bin/env bash
# Builds the release of a commit twice, in two folders and with two build caches, and compares every byte.
set -euo pipefail
version=$1 revision=$2 platforms=$3
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
build() { # folder, cache
	mkdir -p "$1"
	git archive "$revision" | tar -x -C "$1"
	GOCACHE=$2 make -s -C "$1" release VERSION="$version" REVISION="$revision" PLATFORMS="$platforms" >/dev/null
}
build "$work/one" "$(go env GOCACHE)"
build "$work/a/longer/way/two" "$work/cache"
diff "$work/one/dist/release/SHA256SUMS" "$work/a/longer/way/two/dist/release/SHA256SUMS"
(cd "$work/one/dist/release" && sha256sum --check --quiet SHA256SUMS)
cat "$work/one/dist/release/SHA256SUMS"
echo "the same bytes from two folders"
