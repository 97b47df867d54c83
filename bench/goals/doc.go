// Package goals measures what firnlog promises to need, and says of each promise whether it is kept on this machine (make figures-goals):
// work of the whole machine beside bare PUTs, latency on models of S3, memory, many partitions beside few, and dollars of requests.
//
// Owns: the table of goals, and the count of the machine's work. Does not own: the load (bench), the brokers (tests/stack/harness), and
// comparisons with other brokers (bench/compare).
package goals
