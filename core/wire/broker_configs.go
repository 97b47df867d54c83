package wire

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/topic"
)

// The configs of a broker are what Kafka's tools look for there, told as they are here: what the operator has set, what
// is fixed, and the defaults of topics under their broker-wide names. All are read-only: settings are flags.

// shownConfigs gathers configs.
type shownConfigs []kmsg.DescribeConfigsResponseResourceConfig

func (all *shownConfigs) add(name, value string, kind kmsg.ConfigType, source kmsg.ConfigSource, doc string) {
	one := describedConfig(name, value, kind, source, doc)
	one.ReadOnly = true
	one.ConfigSynonyms = append(one.ConfigSynonyms, synonym(name, value, source))
	*all = append(*all, one)
}

// set is a whole number that the operator has chosen.
func (all *shownConfigs) set(name string, value int64, doc string) {
	all.add(name, strconv.FormatInt(value, 10), kmsg.ConfigTypeInt, kmsg.ConfigSourceStaticBrokerConfig, doc)
}

// millis is a time that the operator has chosen.
func (all *shownConfigs) millis(name string, d time.Duration, doc string) {
	all.set(name, d.Milliseconds(), doc)
}

// fixed is a value that cannot be chosen.
func (all *shownConfigs) fixed(name, value string, kind kmsg.ConfigType, doc string) {
	all.add(name, value, kind, kmsg.ConfigSourceDefaultConfig, doc)
}

// brokerConfigs are all of them, by name.
func (s *Server) brokerConfigs() []kmsg.DescribeConfigsResponseResourceConfig {
	var all shownConfigs
	s.identityConfigs(&all)
	s.limitConfigs(&all)
	s.topicDefaults(&all)
	s.groupDefaults(&all)
	s.shownOnly(&all)
	slices.SortFunc(all, func(a, b kmsg.DescribeConfigsResponseResourceConfig) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// identityConfigs say which instance this is and where it can be reached.
func (s *Server) identityConfigs(all *shownConfigs) {
	self := int64(s.backend.Cluster.Self())
	all.set("broker.id", self, "The node id of this instance.")
	all.set("node.id", self, "The node id of this instance.")
	for _, in := range s.backend.Cluster.Live() {
		if int64(in.Node) != self {
			continue
		}
		var listeners []string
		for _, e := range in.Endpoints {
			listeners = append(listeners, cmp.Or(e.Listener, "PLAINTEXT")+"://"+e.Host+":"+strconv.Itoa(int(e.Port)))
		}
		all.add("advertised.listeners", strings.Join(listeners, ","), kmsg.ConfigTypeList, kmsg.ConfigSourceStaticBrokerConfig, "The addresses that clients of each listener are told.")
		if in.Zone != "" {
			all.add("broker.rack", in.Zone, kmsg.ConfigTypeString, kmsg.ConfigSourceStaticBrokerConfig, "The availability zone of this instance.")
		}
	}
}

// limitConfigs are those of connections and requests.
func (s *Server) limitConfigs(all *shownConfigs) {
	connections := int64(s.settings.ConnectionsMax)
	if connections == 0 {
		connections = math.MaxInt32 // Kafka's way to say no limit
	}
	all.set("max.connections", connections, "Connections at a time.")
	perAddress := int64(s.settings.ConnectionsPerAddressMax)
	if perAddress == 0 {
		perAddress = math.MaxInt32
	}
	all.set("max.connections.per.ip", perAddress, "Connections of one address at a time.")
	all.add("connections.max.idle.ms", strconv.FormatInt(s.settings.IdleMax.Milliseconds(), 10), kmsg.ConfigTypeLong, kmsg.ConfigSourceStaticBrokerConfig, "A connection without a request for so long is closed.")
	all.set("socket.request.max.bytes", int64(s.settings.FrameBytesMax), "The largest request; a larger one closes its connection.")
	all.set("fetch.max.bytes", int64(s.settings.FetchBytesMax), "The largest answer to a fetch, whatever the consumer asks for.")
	all.set("max.incremental.fetch.session.cache.slots", int64(s.settings.FetchSessionsMax), "Fetch sessions at a time.")
	all.set("offset.metadata.max.bytes", int64(s.settings.OffsetMetadataMax), "Bytes of metadata that a committed offset may carry.")
}

// topicDefaults are what a topic has whose creator leaves it open.
func (s *Server) topicDefaults(all *shownConfigs) {
	admin := s.backend.Admin.Settings()
	all.add("auto.create.topics.enable", strconv.FormatBool(s.settings.AutoCreate), kmsg.ConfigTypeBoolean, kmsg.ConfigSourceStaticBrokerConfig, "Topics are made when a client asks for their metadata and allows it.")
	all.set("num.partitions", int64(admin.Partitions), "Partitions of a topic whose creator leaves it open.")
	all.set("default.replication.factor", int64(admin.ReplicationFactor), "Shown to clients; durability is the object store's.")
	all.fixed("delete.topic.enable", "true", kmsg.ConfigTypeBoolean, "Topics can be deleted.")
	for _, c := range topic.Table() {
		if c.Synonym != "" {
			all.fixed(c.Synonym, c.Default, kmsg.ConfigType(c.Kind), c.Doc)
		}
	}
}

// groupDefaults are those of consumer groups and producers.
func (s *Server) groupDefaults(all *shownConfigs) {
	shown := s.backend.Shown
	members := int64(shown.GroupLimits.MembersMax)
	if members == 0 {
		members = math.MaxInt32
	}
	all.set("group.max.size", members, "Members of one consumer group.")
	all.millis("group.min.session.timeout.ms", shown.GroupLimits.SessionMin, "Shortest session timeout that a member of a classic group may ask for.")
	all.millis("group.max.session.timeout.ms", shown.GroupLimits.SessionMax, "Longest session timeout that a member of a classic group may ask for.")
	all.millis("group.initial.rebalance.delay.ms", shown.GroupLimits.InitialDelay, "How long an empty classic group waits for more members before its first assignment.")
	all.millis("group.consumer.session.timeout.ms", shown.GroupLimits.ConsumerSession, "Without a heartbeat for so long, a member of a consumer group (KIP-848) is out.")
	all.millis("group.consumer.heartbeat.interval.ms", shown.GroupLimits.ConsumerHeartbeat, "How often members of a consumer group (KIP-848) are told to send a heartbeat.")
	all.fixed("group.coordinator.rebalance.protocols", "classic,consumer", kmsg.ConfigTypeList, "The group protocols that are served.")
	all.set("offsets.retention.minutes", int64(shown.OffsetsRetention/time.Minute), "How long committed offsets are kept after their group has lost its last member.")
	all.millis("producer.id.expiration.ms", shown.ProducerExpiry, "How long a partition remembers an idempotent producer that is silent.")
}

// shownOnly are configs that tools ask for and that have no effect here.
func (s *Server) shownOnly(all *shownConfigs) {
	replicas := strconv.Itoa(int(s.backend.Admin.Settings().ReplicationFactor))
	all.fixed("log.dirs", logDir, kmsg.ConfigTypeList, "Shown only. Records are in the object store.")
	all.fixed("log.retention.hours", "168", kmsg.ConfigTypeInt, "Shown only. log.retention.ms is what counts.")
	all.fixed("offsets.topic.replication.factor", replicas, kmsg.ConfigTypeShort, "Shown only. Committed offsets are in etcd.")
	all.fixed("transaction.state.log.replication.factor", replicas, kmsg.ConfigTypeShort, "Shown only. There is no such topic.")
	all.fixed("transaction.state.log.min.isr", "1", kmsg.ConfigTypeInt, "Shown only. There is no such topic.")
}

// loggerConfigs show the one logger that there is.
func (s *Server) loggerConfigs(ctx context.Context) []kmsg.DescribeConfigsResponseResourceConfig {
	level := "ERROR"
	for _, l := range []slog.Level{slog.LevelWarn, slog.LevelInfo, slog.LevelDebug} {
		if s.log.Enabled(ctx, l) {
			level = l.String()
		}
	}
	one := describedConfig("root", level, kmsg.ConfigTypeUnknown, kmsg.ConfigSourceDynamicBrokerLoggerConfig, "The least level of log lines: --log-level.")
	one.ReadOnly = true
	return []kmsg.DescribeConfigsResponseResourceConfig{one}
}

// groupConfigs are the same for every group.
func (s *Server) groupConfigs() []kmsg.DescribeConfigsResponseResourceConfig {
	var all shownConfigs
	s.groupDefaults(&all)
	var out []kmsg.DescribeConfigsResponseResourceConfig
	for _, one := range all {
		name, ok := strings.CutPrefix(one.Name, "group.consumer.")
		if !ok {
			continue
		}
		one.Name, one.Source, one.IsDefault = "consumer."+name, kmsg.ConfigSourceDefaultConfig, true
		out = append(out, one)
	}
	return out
}
