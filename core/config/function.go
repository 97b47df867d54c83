package config

import "time"

// Function are the settings of the Lambda functions. They have no command line: each is its environment variable.
type Function struct {
	Store     string   `env:"FIRNLOG_STORE" required:"" placeholder:"URL" help:"Object store, as for firnlog broker."`
	ColdStore string   `env:"FIRNLOG_COLD_STORE" placeholder:"URL" help:"The object store of cold objects, if the brokers have one."`
	Etcd      []string `env:"FIRNLOG_ETCD" required:"" placeholder:"HOST:PORT" help:"Members of etcd."`
	EtcdAccess
	Cluster   string `env:"FIRNLOG_CLUSTER" default:"default" help:"Name of the cluster."`
	BeginAnew bool   `env:"FIRNLOG_BEGIN_ANEW" help:"Begin an empty cluster in an etcd that has none, although the object store holds one's objects."`

	Access

	Topic       string        `env:"FIRNLOG_TOPIC" help:"Topic of messages from queues and streams that name none."`
	Deduplicate bool          `env:"FIRNLOG_DEDUPLICATE" default:"true" negatable:"" help:"Write a message of a queue or stream once, however often it is delivered: by its id, among the last 10,000 producers of the partition."`
	Partitions  int32         `env:"FIRNLOG_PARTITIONS" default:"1" help:"Partitions of a topic whose creator leaves it open."`
	Margin      time.Duration `env:"FIRNLOG_MARGIN" default:"1s" help:"Time kept at the end of an invocation for its answer."`
	Cache       Bytes         `env:"FIRNLOG_CACHE" default:"16MiB" help:"Memory for objects that are read."`
	EMF         string        `env:"FIRNLOG_EMF" default:"on" enum:"on,off," help:"on: each invocation prints a line from which CloudWatch makes metrics (docs/SERVERLESS.md has their names, and what they cost). off: it does not."`
	HedgeGets   bool          `env:"FIRNLOG_HEDGE_GETS" default:"true" negatable:"" help:"Send a GET that takes much longer than usual a second time, as brokers do; once an environment has sent enough of them to know."`
	LogLevel    string        `env:"FIRNLOG_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
}
