//go:build stack

package auth

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination/etcd"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/config"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// closedEtcd is a real etcd that serves nobody without a certificate of the authority.
func closedEtcd(t *testing.T, k *keys) (endpoint string) {
	t.Helper()
	k.certificate("etcd")
	endpoint = harness.Address(harness.FreePort(t))
	peer := "http://" + harness.Address(harness.FreePort(t))
	p := harness.NewProcess(t, "etcd", harness.Tool(t, "etcd"), nil, "--name", "one", "--data-dir", t.TempDir(), "--log-level", "error",
		"--listen-client-urls", "https://"+endpoint, "--advertise-client-urls", "https://"+endpoint,
		"--client-cert-auth", "--trusted-ca-file", k.path("ca.pem"), "--cert-file", k.path("etcd.pem"), "--key-file", k.path("etcd.key"),
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one="+peer,
		"--heartbeat-interval", "10", "--election-timeout", "100")
	p.Start()
	settings, err := auth.Etcd([]string{endpoint}, &config.EtcdAccess{EtcdCA: k.path("ca.pem"), EtcdCert: k.path("etcd.pem"), EtcdKey: k.path("etcd.key")})
	if err != nil {
		t.Fatal(err)
	}
	kv, err := etcd.Dial(settings)
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	harness.Await(t, time.Minute, "etcd answers", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := kv.Get(ctx, "any")
		return err
	})
	return endpoint
}

func TestEtcd_ThatAsksForCertificatesServesWhoHasTheRightOneAndTellsOthersWhy(t *testing.T) {
	k, other := newKeys(t), newKeys(t)
	endpoint := closedEtcd(t, k)
	k.certificate("broker")
	other.certificate("broker")
	with := func(ca, own *keys) []string {
		return []string{"--etcd-ca", ca.path("ca.pem"), "--etcd-cert", own.path("broker.pem"), "--etcd-key", own.path("broker.key")}
	}
	broker := func(name string, args ...string) *harness.Broker {
		b := harness.NewBroker(t, name, nil, append([]string{"broker", "--cluster", "c", "--store", "file://" + t.TempDir(), "--etcd", endpoint}, args...)...)
		b.Start()
		return b
	}
	wrong := []struct {
		*harness.Broker
		why string
	}{
		{broker("stranger", with(k, other)...), "tls: unknown certificate authority"},
		{broker("nobody", "--etcd-ca", k.path("ca.pem")), "tls: certificate required"},
		{broker("deceived", with(other, k)...), "certificate signed by unknown authority"},
		{broker("plain"), "does it want TLS? --etcd-ca"},
	}
	right := broker("right", with(k, k)...)
	right.AwaitReady()
	access := append(with(k, k), "--cluster", "c", "--etcd", endpoint)
	if code, out := harness.Tools(t, nil, append([]string{"user", "add", "alice"}, access...)...); code != 0 {
		t.Errorf("firnlog user add: %d %s", code, out)
	}
	if code, out := harness.Tools(t, nil, append([]string{"user", "list", "--cluster", "c", "--etcd", endpoint}, with(k, other)...)...); code == 0 || !strings.Contains(out, "tls: unknown certificate authority") || strings.Contains(out, "alice") {
		t.Errorf("firnlog user list with a wrong certificate: %d %s", code, out)
	}
	for _, b := range wrong {
		b.Said(b.why)
		if b.Ended() || b.Serves() == nil || strings.Contains(b.Output(), "PRIVATE KEY") {
			t.Errorf("%s has ended, or serves, or tells a key", b.Name)
		}
	}
	// A certificate is read with each connection: the right one in its place is enough.
	k.certificate("broker")
	for _, file := range []string{"broker.key", "broker.pem"} {
		text, err := os.ReadFile(k.path(file))
		if err != nil {
			t.Fatal(err)
		}
		other.write(file, text)
	}
	wrong[0].AwaitReady()
}
