#!/bin/bash
# kcat. Verbs and steps: ../doc.go. kcat sets no timestamps and makes no topics (a broker makes the one
# that is produced to), so the topic has one partition, and the time to seek is that between two codecs.
set -uo pipefail
verb=$1 servers=$2 topic=$3 group=${4-}
codecs=(none gzip snappy lz4 zstd)
per_codec=200
total=$((per_codec * ${#codecs[@]}))
half_time=/tmp/kcat-half-time-$topic

# step NAME COMMAND...: the first that fails ends the script.
step() {
	local name=$1 why
	shift
	if why=$("$@" 2>&1); then
		echo "ok $name"
	else
		echo "FAIL $name: $(tail -n 3 <<<"$why" | tr '\n' ' ')"
		exit 1
	fi
}

# records FIRST COUNT: as kcat takes them and as it prints them.
records() { seq "$1" $(($1 + $2 - 1)) | sed 's/.*/key-&\tvalue-&/'; }

produce() {
	records $(($2 * per_codec)) $per_codec | timeout 40 kcat -P -b "$servers" -t "$topic" -z "$1" -K '\t' -H "codec=$1" -H empty= -X enable.idempotence=true
}

# expect FIRST COUNT: what comes in is these records with their headers, in order.
expect() {
	diff <(for ((i = 0; i < ${#codecs[@]}; i++)); do records $((i * per_codec)) $per_codec | sed "s/\$/\tcodec=${codecs[i]},empty=/"; done | sed -n "$(($1 + 1)),$(($1 + $2))p") -
}

# read_group GROUP COUNT: as a member of a group, which commits what was printed when it ends.
read_group() {
	timeout 40 kcat -b "$servers" -q -u -G "$1" -c "$2" -X auto.offset.reset=earliest -X session.timeout.ms=6000 -f '%k\t%s\t%h\n' "$topic" 2>/dev/null
}

consume() { read_group "$group-all" $total | expect 0 $total; }

resume() {
	read_group "$group" $((total / 3)) | expect 0 $((total / 3)) &&
		read_group "$group" $((total - total / 3)) | expect $((total / 3)) $((total - total / 3))
}

seek() {
	timeout 40 kcat -C -b "$servers" -t "$topic" -o "s@$(cat "$half_time")" -e -q -f '%k\t%s\t%h\n' | expect $((per_codec * 3)) $((total - per_codec * 3))
}

case $verb in
write)
	echo "version $(kcat -V | sed -n 's/^Version \([^ ]*\).*librdkafka \([^ ]*\).*/\1 (librdkafka \2)/p')"
	echo "skip create: kcat has no such function; the broker makes a topic that is produced to"
	for i in "${!codecs[@]}"; do
		if [ "$i" = 3 ]; then
			sleep 0.1
			date +%s%3N >"$half_time"
			sleep 0.1
		fi
		step "produce ${codecs[i]}" produce "${codecs[i]}" "$i"
	done
	;;
member)
	exec kcat -b "$servers" -q -u -G "$group" -X auto.offset.reset=earliest -X session.timeout.ms=6000 -X heartbeat.interval.ms=1000 -X auto.commit.interval.ms=100 -f 'got %s\n' "$topic" ;;
read)
	step consume consume
	step resume resume
	step seek seek
	rm -f "$half_time"
	echo "skip delete: kcat has no such function"
	;;
esac
