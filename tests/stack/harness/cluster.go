package harness

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/objectstore/storetest/servers"
)

// Cluster is brokers on a MinIO and an etcd of their own.
type Cluster struct {
	MinIO   *servers.Server
	Etcd    *Etcd
	Brokers []*Broker
}

// Options of a cluster.
type Options struct {
	Brokers int
	// Arguments of the broker with this number, beside those that make it part of the cluster; may be nil.
	Arguments func(i int) []string
}

// StartCluster starts all of it and waits until it serves. Every second broker reaches MinIO with
// the other driver, so that both are known to see the same objects.
func StartCluster(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := NewCluster(t, o)
	c.Etcd.Up()
	for _, b := range c.Brokers {
		b.Start()
	}
	for _, b := range c.Brokers {
		b.AwaitReady()
	}
	return c
}

// NewCluster starts MinIO alone, and prepares the rest.
func NewCluster(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := &Cluster{MinIO: servers.StartMinIO(t), Etcd: NewEtcd(t)}
	for i := range o.Brokers {
		store := "minio://" + c.MinIO.Endpoint + "/firnlog/stack?tls=false&create=true"
		if i%2 == 1 {
			store = "s3://firnlog/stack?create=true&endpoint=http://" + c.MinIO.Endpoint
		}
		args := []string{"broker", "--store", store, "--etcd", c.Etcd.Endpoint, "--linger", "10ms"}
		if o.Arguments != nil {
			args = append(args, o.Arguments(i)...)
		}
		c.Brokers = append(c.Brokers, NewBroker(t, fmt.Sprint("broker-", i), c.MinIO.Environ(), args...))
	}
	return c
}

// Seeds are the addresses of all brokers.
func (c *Cluster) Seeds() (seeds []string) {
	for _, b := range c.Brokers {
		seeds = append(seeds, b.Kafka)
	}
	return seeds
}

// Bootstrap is the same in the form that most clients take.
func (c *Cluster) Bootstrap() string { return strings.Join(c.Seeds(), ",") }

// AwaitServing waits until every broker says that it can serve.
func (c *Cluster) AwaitServing(t testing.TB, limit time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	for _, b := range c.Brokers {
		Await(t, limit, b.Name+" serves", b.Serves)
	}
	return time.Since(start)
}
