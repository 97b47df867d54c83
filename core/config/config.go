// Package config holds the settings of the programs as data.
//
// Each field is a flag and an environment variable FIRNLOG_…, with its default
// and help beside it; docs/CONFIGURATION.md is written from these structs.
// The environment is read by the parser that cmd/firnlog runs, nowhere else.
//
// Owns: names, defaults, and what makes settings wrong. Does not own: what the
// settings do.
package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Serving is what dev and broker have in common.
type Serving struct {
	Security
	Kafka     []string `name:"kafka" env:"FIRNLOG_KAFKA" placeholder:"[NAME=]HOST:PORT" help:"Where to listen for Kafka clients without authentication; repeat with a NAME for more listeners. Port 0 picks a free one. Default: 127.0.0.1:9092, unless there is a --listen."`
	Advertise []string `name:"advertise" env:"FIRNLOG_ADVERTISE" placeholder:"[NAME=]HOST:PORT" help:"The address that clients of a listener are told (a load balancer, a public name). Default: where it listens."`
	HTTP      string   `name:"http" env:"FIRNLOG_HTTP" default:"127.0.0.1:8082" placeholder:"HOST:PORT" help:"Where to listen for HTTP: clients of the REST conventions (GET /openapi.yaml describes them), /healthz, /readyz, /metrics. Port 0 picks a free one."`
	Console   bool     `name:"console" env:"FIRNLOG_CONSOLE" default:"true" negatable:"" help:"Serve the web console below /console/ of the HTTP address. It reads only, and asks for the same rights as Kafka and REST do."`
	Cluster   string   `name:"cluster" env:"FIRNLOG_CLUSTER" default:"default" help:"Name of the cluster: a prefix in etcd, so that several share one."`
	Zone      string   `name:"zone" env:"FIRNLOG_ZONE" help:"Availability zone of this instance. Clients that name theirs (zone= in client.id, or client.rack) are sent here first."`
	NodeID    int32    `name:"node-id" env:"FIRNLOG_NODE_ID" default:"-1" help:"Broker id that clients see. -1: the lowest free one, kept per advertised address."`

	AutoCreate               bool  `name:"auto-create" env:"FIRNLOG_AUTO_CREATE" default:"true" negatable:"" help:"Create topics that clients ask for and allow to be made."`
	Partitions               int32 `name:"partitions" env:"FIRNLOG_PARTITIONS" default:"1" help:"Partitions of a topic whose creator leaves it open."`
	StrictReplication        bool  `name:"strict-replication" env:"FIRNLOG_STRICT_REPLICATION" help:"Refuse a replication factor above the number of live instances, as Kafka does. Durability is the object store's either way."`
	ConnectionsMax           int   `name:"connections-max" env:"FIRNLOG_CONNECTIONS_MAX" default:"0" help:"Kafka connections at a time; 0: no limit."`
	ConnectionsPerAddressMax int   `name:"connections-per-address-max" env:"FIRNLOG_CONNECTIONS_PER_ADDRESS_MAX" default:"0" help:"Kafka connections of one address at a time, like Kafka's max.connections.per.ip; 0: no limit. Of those that have not authenticated there are 200 at most, in any case."`

	GroupSessionMin        time.Duration `name:"group-session-min" env:"FIRNLOG_GROUP_SESSION_MIN" default:"6s" help:"Shortest session timeout that a member of a classic consumer group may ask for."`
	GroupSessionMax        time.Duration `name:"group-session-max" env:"FIRNLOG_GROUP_SESSION_MAX" default:"30m" help:"Longest session timeout that a member of a classic consumer group may ask for."`
	GroupConsumerSession   time.Duration `name:"group-consumer-session" env:"FIRNLOG_GROUP_CONSUMER_SESSION" default:"45s" help:"How long a member of a KIP-848 consumer group may be silent before its partitions go to others."`
	GroupConsumerHeartbeat time.Duration `name:"group-consumer-heartbeat" env:"FIRNLOG_GROUP_CONSUMER_HEARTBEAT" default:"5s" help:"How often members of a KIP-848 consumer group are told to heartbeat."`
	GroupSizeMax           int           `name:"group-size-max" env:"FIRNLOG_GROUP_SIZE_MAX" default:"0" help:"Members of one consumer group; 0: no limit."`
	OffsetsRetention       time.Duration `name:"offsets-retention" env:"FIRNLOG_OFFSETS_RETENTION" default:"168h" help:"How long committed offsets are kept after their group has lost its last member."`

	JournalEvery  time.Duration `name:"journal-every" env:"FIRNLOG_JOURNAL_EVERY" default:"10s" help:"How often the order of commits is written to the object store while there is news: what a lost etcd can be restored to without any offset changed. 0: never."`
	BackupEvery   time.Duration `name:"backup-every" env:"FIRNLOG_BACKUP_EVERY" default:"1h" help:"How often all of etcd's metadata is written to the object store. 0: only where the journal needs it to begin."`
	BackupKeep    int           `name:"backup-keep" env:"FIRNLOG_BACKUP_KEEP" default:"3" help:"This many of the newest backups are kept, whatever their age."`
	BackupKeepFor time.Duration `name:"backup-keep-for" env:"FIRNLOG_BACKUP_KEEP_FOR" default:"24h" help:"How long backups are kept. Objects that they refer to are not deleted meanwhile."`
	Drain         time.Duration `name:"drain" env:"FIRNLOG_DRAIN" default:"5s" help:"How long to serve on after SIGTERM while clients are told of other instances, before those that are left are sent away. Less than 5s may hold up clients of franz-go in a rolling restart. It lengthens a stop; without another instance, or with 0, a stop begins at once."`
	BeginAnew     bool          `name:"begin-anew" env:"FIRNLOG_BEGIN_ANEW" help:"Begin an empty cluster in an etcd that has none, although the object store holds one's objects. They are neither read nor deleted."`

	SegmentBytes Bytes `name:"segment-bytes" env:"FIRNLOG_SEGMENT_BYTES" default:"8MiB" help:"Write a segment when it has this size."`
	IngestMemory Bytes `name:"ingest-memory" env:"FIRNLOG_INGEST_MEMORY" default:"128MiB" help:"Bytes of batches on their way to the object store; producers wait when it is full."`
	HotCache     Bytes `name:"hot-cache" env:"FIRNLOG_HOT_CACHE" default:"128MiB" help:"Memory for segments that were just written or are read at the tail."`
	ColdCache    Bytes `name:"cold-cache" env:"FIRNLOG_COLD_CACHE" default:"64MiB" help:"Memory for segments that are read from the past."`
	MemoryLimit  Bytes `name:"memory-limit" env:"FIRNLOG_MEMORY_LIMIT" default:"0" help:"Memory near which garbage is collected more often; no hard limit. 0: --ingest-memory, --hot-cache, --cold-cache and 128MiB together. GOMEMLIMIT goes before it."`
	SettleBytes  Bytes `name:"settle-bytes" env:"FIRNLOG_SETTLE_BYTES" default:"96MiB" help:"What maintenance settles at a time, and the size of settled objects, about. It takes some twice that of memory; smaller objects cost more requests."`
	CompactKeys  Bytes `name:"compact-keys" env:"FIRNLOG_COMPACT_KEYS" default:"64MiB" help:"Memory for the keys that one pass of log compaction knows, 24 bytes each. More keys than fit take more passes."`
	Uploads      int   `name:"uploads" env:"FIRNLOG_UPLOADS" default:"4" help:"Segments written at a time."`

	SettleAge  time.Duration `name:"settle-age" env:"FIRNLOG_SETTLE_AGE" default:"1h" help:"Settle what was written this long ago, even if it is less than --settle-bytes. 0: settle nothing."`
	SettleJobs int           `name:"settle-jobs" env:"FIRNLOG_SETTLE_JOBS" default:"1" help:"Settling jobs at a time, each with memory of its own."`

	ColdStore string `name:"cold-store" env:"FIRNLOG_COLD_STORE" placeholder:"URL" help:"Another object store for objects of topics with firnlog.cold.after.ms, as in --store. Once it is set it must stay. Default: the same store."`

	HedgeGets bool `name:"hedge-gets" env:"FIRNLOG_HEDGE_GETS" default:"true" negatable:"" help:"A GET that a consumer waits for and that takes much longer than usual is sent a second time, and the first answer counts: at most 5% more of these GETs, none while many fail. Not where all stores are file: or memory:."`

	ScrubRate Bytes `name:"scrub-rate" env:"FIRNLOG_SCRUB_RATE" default:"1MiB" help:"Bytes a second at which one instance of the cluster reads everything that is stored, round and round, and checks it. A GET counts as 1MiB at least. 0: never."`

	MetricsSeries int `name:"metrics-series" env:"FIRNLOG_METRICS_SERIES" default:"1000" help:"Series that a metric with names of topics or groups shows at most: the largest; the rest is summed up. 0: none."`

	LogLevel string `name:"log-level" env:"FIRNLOG_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"Least level of log lines on standard error."`
}

// Broker are the settings of firnlog broker.
type Broker struct {
	Serving
	Linger time.Duration `name:"linger" env:"FIRNLOG_LINGER" default:"250ms" help:"How long a batch may wait for others before its segment is written. Each segment is a PUT, so shorter is dearer; a topic's flush.ms may lower it."`
	Store  string        `name:"store" env:"FIRNLOG_STORE" required:"" placeholder:"URL" help:"Object store: file:///dir, memory:, s3://bucket/prefix?region=…&endpoint=…, minio://host:port/bucket/prefix?tls=false. Credentials come from the usual AWS environment variables and files."`
	Etcd   []string      `name:"etcd" env:"FIRNLOG_ETCD" required:"" placeholder:"HOST:PORT" help:"Members of etcd."`
	EtcdAccess
	GroupInitialRebalanceDelay time.Duration `name:"group-initial-rebalance-delay" env:"FIRNLOG_GROUP_INITIAL_REBALANCE_DELAY" default:"3s" help:"How long an empty classic consumer group waits for more members before its first assignment."`
}

// Dev are the settings of firnlog dev.
type Dev struct {
	Serving
	Linger                     time.Duration `name:"linger" env:"FIRNLOG_LINGER" default:"10ms" help:"How long a batch may wait for others before its segment is written."`
	Data                       string        `name:"data" env:"FIRNLOG_DATA" default:"./.firnlog" placeholder:"DIR" help:"Folder of the embedded etcd and the object store; kept between runs."`
	GroupInitialRebalanceDelay time.Duration `name:"group-initial-rebalance-delay" env:"FIRNLOG_GROUP_INITIAL_REBALANCE_DELAY" default:"0s" help:"How long an empty classic consumer group waits for more members before its first assignment."`
}

// Address is a listener's address with its name ("" for the first).
type Address struct {
	Name, Host string
	Port       int
}

// String is HOST:PORT.
func (a Address) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

// ParseAddress reads [NAME=]HOST:PORT.
func ParseAddress(s string) (Address, error) {
	var a Address
	rest := s
	if name, r, ok := strings.Cut(s, "="); ok {
		a.Name, rest = name, r
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil || strings.Contains(host, "=") {
		return a, fmt.Errorf("address %q: want HOST:PORT or NAME=HOST:PORT", s)
	}
	if a.Port, err = strconv.Atoi(port); err != nil || a.Port < 0 || a.Port > 65535 {
		return a, fmt.Errorf("address %q: the port must be a number from 0 to 65535", s)
	}
	a.Host = host
	return a, nil
}

// ParseAddresses reads a list; names must differ.
func ParseAddresses(list []string) (out []Address, err error) {
	seen := map[string]bool{}
	for _, s := range list {
		a, e := ParseAddress(s)
		if e == nil && seen[a.Name] {
			e = fmt.Errorf("address %q: there is another one by that name; give it a NAME of its own", s)
		}
		seen[a.Name] = true
		out, err = append(out, a), errors.Join(err, e)
	}
	return out, err
}

// Validate reports all that is wrong at once.
func (s *Serving) Validate() error {
	errs := []error{s.validateSecurity()}
	listeners, _ := s.Listeners()
	advertised, _ := ParseAddresses(s.Advertise)
	names := map[string]bool{}
	for _, a := range listeners {
		names[a.Name] = true
	}
	for _, a := range advertised {
		if !names[a.Name] {
			errs = append(errs, fmt.Errorf("--advertise %s=%s: there is no --kafka listener by that name", a.Name, a))
		}
		if a.Host == "" || a.Port == 0 {
			errs = append(errs, fmt.Errorf("--advertise %s: clients need a host and a port", a))
		}
	}
	if _, err := ParseAddress(s.HTTP); err != nil {
		errs = append(errs, fmt.Errorf("--http: %w", err))
	}
	if s.Cluster == "" || strings.ContainsAny(s.Cluster, "/ \t\n") {
		errs = append(errs, fmt.Errorf("--cluster %q: want a name without slashes and spaces", s.Cluster))
	}
	if s.Drain < 0 {
		errs = append(errs, fmt.Errorf("--drain %v: want 0 or more", s.Drain))
	}
	if s.Partitions < 1 {
		errs = append(errs, fmt.Errorf("--partitions %d: want at least 1", s.Partitions))
	}
	if s.SegmentBytes < 64<<10 || s.SegmentBytes > 256<<20 {
		errs = append(errs, fmt.Errorf("--segment-bytes %s: want 64KiB to 256MiB", s.SegmentBytes))
	}
	if s.IngestMemory < 2*s.SegmentBytes {
		errs = append(errs, fmt.Errorf("--ingest-memory %s: want at least two segments (%s)", s.IngestMemory, 2*s.SegmentBytes))
	}
	if s.GroupSessionMin <= 0 || s.GroupSessionMax < s.GroupSessionMin {
		errs = append(errs, fmt.Errorf("--group-session-min %v, --group-session-max %v: want a range above 0", s.GroupSessionMin, s.GroupSessionMax))
	}
	if s.GroupConsumerHeartbeat <= 0 || s.GroupConsumerSession <= s.GroupConsumerHeartbeat {
		errs = append(errs, fmt.Errorf("--group-consumer-session %v, --group-consumer-heartbeat %v: want a session of more than one heartbeat", s.GroupConsumerSession, s.GroupConsumerHeartbeat))
	}
	if s.OffsetsRetention <= 0 {
		errs = append(errs, fmt.Errorf("--offsets-retention %v: want more than 0", s.OffsetsRetention))
	}
	errs = append(errs, s.validateBackups())
	if s.SettleBytes < 1<<20 || s.SettleBytes > 512<<20 {
		errs = append(errs, fmt.Errorf("--settle-bytes %s: want 1MiB to 512MiB", s.SettleBytes))
	}
	if s.SettleAge < 0 || s.SettleJobs < 1 {
		errs = append(errs, fmt.Errorf("--settle-age %v, --settle-jobs %d: want an age of 0 or more and at least one job", s.SettleAge, s.SettleJobs))
	}
	if s.CompactKeys < 4<<10 {
		errs = append(errs, fmt.Errorf("--compact-keys %s: want at least 4KiB", s.CompactKeys))
	}
	if s.MetricsSeries < 0 {
		errs = append(errs, fmt.Errorf("--metrics-series %d: want 0 or more", s.MetricsSeries))
	}
	if s.Uploads < 1 {
		errs = append(errs, fmt.Errorf("--uploads %d: want at least 1", s.Uploads))
	}
	return errors.Join(errs...)
}

func (s *Serving) validateBackups() error {
	var errs []error
	if s.JournalEvery < 0 || s.JournalEvery > 0 && s.JournalEvery < time.Second {
		errs = append(errs, fmt.Errorf("--journal-every %v: want at least 1s, or 0 for none", s.JournalEvery))
	}
	if s.BackupEvery < 0 || s.BackupEvery > 0 && s.BackupEvery < time.Second {
		errs = append(errs, fmt.Errorf("--backup-every %v: want at least 1s, or 0", s.BackupEvery))
	}
	if s.BackupKeep < 1 || s.BackupKeepFor < 0 {
		errs = append(errs, fmt.Errorf("--backup-keep %d, --backup-keep-for %v: want at least one backup, and no negative time", s.BackupKeep, s.BackupKeepFor))
	}
	return errors.Join(errs...)
}

// Bytes is a size that is written like 8MiB.
type Bytes int64

// units from large to small; the last one is for plain numbers.
var units = []struct {
	suffix string
	size   Bytes
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// UnmarshalText reads 8MiB, 512KiB, 1GiB, or plain bytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := string(text)
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || Bytes(n) > (1<<62)/u.size {
			break
		}
		*b = Bytes(n) * u.size
		return nil
	}
	return fmt.Errorf("size %q: want a number with B, KiB, MiB or GiB", s)
}

// String is the largest unit that fits without a rest.
func (b Bytes) String() string {
	for _, u := range units {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.suffix
		}
	}
	return "0B"
}
