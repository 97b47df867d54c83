//go:build stack

package compare

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/firnlog/firnlog/bench"
	"github.com/firnlog/firnlog/objectstore/minio"
	"github.com/firnlog/firnlog/objectstore/storetest/servers"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// tansu starts Tansu on a bucket of its own, if it was built (make tansu).
func tansu(t *testing.T, server *servers.Server) (c *Contender, why string) {
	t.Helper()
	program := filepath.Join(harness.Cache(t), "tansu", "bin", "tansu")
	if _, err := os.Stat(program); err != nil {
		return nil, onTansu + ": not built (make tansu)"
	}
	for _, pair := range server.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	store, err := minio.Open(minio.Options{Endpoint: server.Endpoint, Bucket: "tansu"})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	kafka := harness.Address(harness.FreePort(t))
	env := append(server.Environ(), "AWS_ENDPOINT=http://"+server.Endpoint, "AWS_ALLOW_HTTP=true")
	p := harness.NewProcess(t, "tansu", program, env, "broker", "--listener-url", "tcp://"+kafka, "--advertised-listener-url", "tcp://"+kafka, "--storage-engine", "s3://tansu/")
	p.Start()
	harness.Await(t, time.Minute, "Tansu listens", func() error {
		if p.Ended() {
			return fmt.Errorf("it ended:\n%s", p.Output())
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", kafka)
		if err == nil {
			conn.Close()
		}
		return err
	})
	return &Contender{
		Name: onTansu, Kafka: kafka, Watched: bench.Watched{PIDs: []int{p.Pid()}},
		Note:     "version 0.6.0 with its dynostore engine, on a bucket of the same MinIO; clients ask it for ApiVersions of version 4 at most",
		Versions: tansuVersions(),
	}, ""
}

// tansuVersions are the client's own but for ApiVersions: on version 5, which has two more fields, Tansu 0.6.0 ends the connection
// ("failed to fill whole buffer") instead of answering with the versions it knows.
func tansuVersions() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(kmsg.ApiVersions.Int16(), 4)
	return v
}
