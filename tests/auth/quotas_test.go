//go:build stack

package auth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/tests/apachekafka"
)

// configs runs kafka-configs as root.
func (g *guarded) configs(t *testing.T, root string, args ...string) string {
	t.Helper()
	return apachekafka.Run(t, nil, apachekafka.Configs, append([]string{"--bootstrap-server", g.sasl, "--command-config", root}, args...)...).Must(t)
}

func TestQuotas_KafkasToolSetsShowsAndRemovesThem(t *testing.T) {
	g := start(t)
	root := g.java(t, "SCRAM-SHA-512", scramLogin("root", rootPassword))
	for _, entity := range []struct {
		of   []string
		add  string
		gone string
	}{
		{[]string{"--entity-type", "users", "--entity-name", "alice"}, "producer_byte_rate=1024,consumer_byte_rate=2048", "producer_byte_rate,consumer_byte_rate"},
		{[]string{"--entity-type", "users", "--entity-default", "--entity-type", "clients", "--entity-name", "app"}, "request_percentage=12.5", "request_percentage"},
		{[]string{"--entity-type", "clients", "--entity-default"}, "controller_mutation_rate=3.0", "controller_mutation_rate"},
		{[]string{"--entity-type", "ips", "--entity-name", "10.0.0.1"}, "connection_creation_rate=7", "connection_creation_rate"},
	} {
		g.configs(t, root, append([]string{"--alter", "--add-config", entity.add}, entity.of...)...)
		shown := g.configs(t, root, append([]string{"--describe"}, entity.of...)...)
		for want := range strings.SplitSeq(entity.add, ",") {
			if !strings.Contains(shown, want) {
				t.Errorf("%q is not in %s", want, shown)
			}
		}
		g.configs(t, root, append([]string{"--alter", "--delete-config", entity.gone}, entity.of...)...)
		if shown := g.configs(t, root, append([]string{"--describe"}, entity.of...)...); strings.Contains(shown, strings.Split(entity.gone, ",")[0]) {
			t.Errorf("left: %s", shown)
		}
	}
	if r := apachekafka.Run(t, nil, apachekafka.Configs, "--bootstrap-server", g.sasl, "--command-config", root, "--alter", "--add-config", "producer_byte_rate=0", "--entity-type", "users", "--entity-name", "bob"); !strings.Contains(fmt.Sprint(r), "above 0") {
		t.Errorf("a rate of nothing: %v", r)
	}
}

// A client that sends as fast as it is let is held to its quota; one beside it, without, sends much more.
func TestQuotas_FranzGoIsHeldToItsQuota(t *testing.T) {
	g := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	admin := kadm.NewClient(g.franz(t, "root", rootPassword))
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	const rate = 500_000
	limited := "limited"
	if _, err := admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: &limited}}, Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: rate}},
	}}); err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 10_000)
	for i := range value {
		value[i] = byte(rand.Uint32())
	}
	produce := func(id string, d time.Duration) (perSecond float64) {
		c := g.franz(t, "root", rootPassword, kgo.ClientID(id), kgo.DefaultProduceTopic("orders"), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(100_000), kgo.RecordDeliveryTimeout(time.Minute))
		began, sent := time.Now(), 0
		for time.Since(began) < d {
			if err := c.ProduceSync(ctx, &kgo.Record{Value: value}, &kgo.Record{Value: value}, &kgo.Record{Value: value}, &kgo.Record{Value: value}).FirstErr(); err != nil {
				t.Error(err)
				return 0
			}
			sent += 4 * len(value)
		}
		return float64(sent) / time.Since(began).Seconds()
	}
	free := make(chan float64)
	go func() { free <- produce("free", 5*time.Second) }()
	held := produce(limited, 20*time.Second)
	beside := <-free
	t.Logf("with a quota of %d bytes a second: %.0f; without, beside it: %.0f", rate, held, beside)
	if held < 0.8*rate || held > 1.2*rate {
		t.Errorf("%.0f bytes a second, want %d within 20 %%", held, rate)
	}
	if beside < 1.5*rate {
		t.Errorf("who has no quota gets %.0f bytes a second", beside)
	}
}
