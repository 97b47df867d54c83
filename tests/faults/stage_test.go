//go:build stack

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination/etcd"
	"github.com/firnlog/firnlog/objectstore/storetest/servers"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

const (
	brokers = 3
	members = 3 // of etcd
	// etcdBytesMax is some times what the workload leaves there, and is filled in seconds.
	etcdBytesMax = 64 << 20
)

// stage is all processes.
type stage struct {
	t       testing.TB
	minio   *servers.Server
	busy    *busy // a MinIO that has no time for most of its requests
	etcd    [members]*member
	brokers [brokers]*node
	clocks  bool       // of brokers, that can be set
	clients []*foreign // programs, once they run
}

// member is one of etcd's.
type member struct {
	*harness.Process
	client string // HOST:PORT
	peers  *link  // through which the other members connect to this one
}

// node is a broker with its links.
type node struct {
	*harness.Broker
	toMinIO *link
	toEtcd  [members]*link
	clock   *clock // nil: that of the machine
}

// newStage starts everything; with clocks, each broker has one that can be set.
func newStage(t testing.TB, clocks bool) *stage {
	t.Helper()
	s := &stage{t: t, minio: servers.StartMinIO(t), clocks: clocks}
	if clocks {
		t.Setenv("FIRNLOG_BINARY", buildWithClocks(t))
	}
	s.busy = newBusy(t, s.minio.Endpoint)
	s.startEtcd()
	for i := range s.brokers {
		s.brokers[i] = s.node(i)
		s.brokers[i].Start()
	}
	for _, b := range s.brokers {
		b.AwaitReady()
	}
	if clocks {
		s.brokers[0].moves(t)
	}
	return s
}

func (s *stage) startEtcd() {
	s.t.Helper()
	var cluster []string
	var peers [members]string
	for i := range peers {
		peers[i] = harness.Address(harness.FreePort(s.t))
		s.etcd[i] = &member{peers: newLink(s.t, peers[i])}
		cluster = append(cluster, fmt.Sprintf("m%d=http://%s", i, s.etcd[i].peers.address))
	}
	for i := range s.etcd {
		client := harness.Address(harness.FreePort(s.t))
		s.etcd[i].client = client
		s.etcd[i].Process = harness.NewProcess(s.t, fmt.Sprint("etcd-", i), harness.Tool(s.t, "etcd"), nil,
			"--name", fmt.Sprint("m", i), "--data-dir", s.t.TempDir(), "--log-level", "warn",
			"--listen-client-urls", "http://"+client, "--advertise-client-urls", "http://"+client,
			"--listen-peer-urls", "http://"+peers[i], "--initial-advertise-peer-urls", "http://"+s.etcd[i].peers.address, "--initial-cluster", strings.Join(cluster, ","),
			"--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1m", "--quota-backend-bytes", fmt.Sprint(etcdBytesMax))
		s.etcd[i].Start()
	}
	harness.Await(s.t, time.Minute, "etcd answers", s.quorum)
}

func (s *stage) endpoints() (out []string) {
	for _, m := range s.etcd {
		out = append(out, m.client)
	}
	return out
}

// quorum asks etcd for something that needs a leader.
func (s *stage) quorum() error {
	kv, err := etcd.Dial(etcd.Settings{Endpoints: s.endpoints()})
	if err != nil {
		return fmt.Errorf("dial etcd: %w", err)
	}
	defer kv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err = kv.Get(ctx, "any")
	return err
}

// leader finds the member that leads.
func (s *stage) leader() *member {
	s.t.Helper()
	var found *member
	harness.Await(s.t, 30*time.Second, "etcd has a leader", func() error {
		for _, m := range s.etcd {
			if m.leads() {
				found = m
				return nil
			}
		}
		return errors.New("no member leads")
	})
	return found
}

func (m *member) leads() bool {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + m.client + "/metrics")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return err == nil && strings.Contains(string(body), "\netcd_server_is_leader 1\n")
}

// node prepares a broker. Every second one reaches MinIO with the other driver.
func (s *stage) node(i int) *node {
	n := &node{toMinIO: newLink(s.t, s.minio.Endpoint)}
	var etcd []string
	for k, m := range s.etcd {
		n.toEtcd[k] = newLink(s.t, m.client)
		etcd = append(etcd, n.toEtcd[k].address)
	}
	store := "minio://" + n.toMinIO.address + "/firnlog/faults?tls=false&create=true"
	if i%2 == 1 {
		store = "s3://firnlog/faults?create=true&endpoint=http://" + n.toMinIO.address
	}
	env := s.minio.Environ()
	if s.clocks {
		n.clock = newClock(s.t)
		env = append(slices.Clone(env), n.clock.environ()...)
	}
	n.Broker = harness.NewBroker(s.t, fmt.Sprint("broker-", i), env,
		"broker", "--store", store, "--etcd", strings.Join(etcd, ","), "--linger", "10ms")
	return n
}

// links of a broker to etcd, or to MinIO.
func (n *node) links(etcd bool) []*link {
	if etcd {
		return n.toEtcd[:]
	}
	return []*link{n.toMinIO}
}

func (s *stage) seeds() (out []string) {
	for _, b := range s.brokers {
		out = append(out, b.Kafka)
	}
	return out
}

// serves says whether all brokers do.
func (s *stage) serves() error {
	for _, b := range s.brokers {
		if err := b.Serves(); err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	return nil
}
