// Package clients runs Kafka's clients, tools and applications, unmodified and from their
// registries, against a cluster of firnlog (or against Apache Kafka, to see that a script is right), and
// writes what came of it into docs/SUPPORTED.md. make test-clients runs all of it.
//
// A client is one short script in a folder of its language. It has four verbs, so that the same
// runner drives all of them:
//
//	write BOOTSTRAP TOPIC          create the topic with 6 partitions; produce 200 records with each codec
//	member BOOTSTRAP TOPIC GROUP   join, print "got VALUE" for each record, then commit, until killed
//	read BOOTSTRAP TOPIC GROUP     consume; resume; seek; delete
//	transact BOOTSTRAP TOPIC GROUP transactions, where the client has them; the runner makes TOPIC and TOPIC-in
//
// Record n of the data has the key key-n, the value value-n, the partition n % 6, a timestamp of n
// seconds after a fixed moment, and two headers: codec, and empty with an empty value.
//
// A script prints "version V" and one line a step: "ok STEP", "FAIL STEP: why" (and ends), or
// "skip STEP: why" where the client has no such function. The steps are:
//
//	create         the topic, with a config
//	produce CODEC  waits until every record is acknowledged
//	consume        as the only member of a group: all records, their keys, headers, times, partitions
//	group          (by the runner) three members while records come in, one killed: every record is seen
//	KIP-848        the same with the new group protocol, where member takes "consumer" as its last word
//	resume         read a third, commit, leave; a new member gets exactly the rest
//	seek           all partitions by timestamp to the middle, and read to the end
//	delete         the topic, which is then no longer listed
//
// Those of transact; each transaction writes 60 records, prefix-n to partition n % 6, and after each the client reads, read
// committed, exactly what was committed so far. In the end the runner reads everything again, and looks at the offsets.
//
//	commit         commit-n
//	abort          abort-n is aborted, after-n committed
//	fenced         zombie-n is open when a second producer with the same id commits second-n; the first may not commit
//	timeout        late-n, with a time-out of 2 s, is open while past-n is committed elsewhere, which can be read once the first has timed
//	               out; then it may not commit
//	offsets        120 records of TOPIC-in, among which are aborted ones, are read as a group and written as out-VALUE in some transactions with
//	               the offsets; the second is aborted, and made anew from what the group has committed
//
// "ok STEP: error" names the error of the producer that may not commit.
//
// Owns: the scripts, the programs they need, the table. Does not own: the cluster (tests/stack/harness)
// and Apache Kafka (tests/apachekafka).
package clients
