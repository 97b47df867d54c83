//go:build stack

package auth

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/firnlog/firnlog/tests/apachekafka"
)

// acls runs kafka-acls as root.
func (g *guarded) acls(t *testing.T, root string, args ...string) string {
	t.Helper()
	return apachekafka.Run(t, nil, apachekafka.ACLs, append([]string{"--bootstrap-server", g.sasl, "--command-config", root}, args...)...).Must(t)
}

// may gives users all rights to topics and groups.
func (g *guarded) may(t *testing.T, root string, users ...string) {
	t.Helper()
	for _, user := range users {
		g.acls(t, root, "--add", "--allow-principal", "User:"+user, "--operation", "All", "--topic", "*", "--group", "*", "--cluster")
	}
}

// franz is a franz-go client of a user.
func (g *guarded) franz(t *testing.T, user, password string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(g.sasl), kgo.DialTLSConfig(g.trust(t)), kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()), kgo.RecordDeliveryTimeout(15*time.Second))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestACLs_KafkasToolMakesListsAndRemovesThem(t *testing.T) {
	g := start(t)
	root := g.java(t, "SCRAM-SHA-512", scramLogin("root", rootPassword))
	for _, user := range []string{"alice", "bob"} {
		apachekafka.Run(t, nil, apachekafka.Configs, "--bootstrap-server", g.sasl, "--command-config", root, "--alter", "--entity-type", "users", "--entity-name", user, "--add-config", "SCRAM-SHA-256=[password=pw-"+user+"]").Must(t)
	}
	alice, bob := g.java(t, "SCRAM-SHA-256", scramLogin("alice", "pw-alice")), g.java(t, "SCRAM-SHA-256", scramLogin("bob", "pw-bob"))
	apachekafka.Run(t, nil, apachekafka.Topics, "--bootstrap-server", g.sasl, "--command-config", root, "--create", "--topic", "orders").Must(t)
	write := func(settings string) string {
		return fmt.Sprint(apachekafka.Run(t, []byte("hello\n"), apachekafka.ConsoleProducer, "--bootstrap-server", g.sasl, "--command-config", settings, "--topic", "orders"))
	}
	read := func(settings string) string {
		return fmt.Sprint(apachekafka.Run(t, nil, apachekafka.ConsoleConsumer, "--bootstrap-server", g.sasl, "--command-config", settings, "--topic", "orders", "--group", "billing", "--from-beginning", "--max-messages", "1", "--timeout-ms", "20000"))
	}
	if out := write(alice); !strings.Contains(out, "TopicAuthorizationException") {
		t.Errorf("alice writes without a right: %s", out)
	}
	g.acls(t, root, "--add", "--allow-principal", "User:alice", "--producer", "--topic", "orders")
	g.acls(t, root, "--add", "--allow-principal", "User:bob", "--consumer", "--topic", "ord", "--group", "bill", "--resource-pattern-type", "prefixed")
	if out := write(alice); strings.Contains(out, "Exception") {
		t.Errorf("alice may not write: %s", out)
	}
	if out := read(bob); !strings.Contains(out, "hello") {
		t.Errorf("bob may not read: %s", out)
	}
	if out := read(alice); !strings.Contains(out, "AuthorizationException") || strings.Contains(out, "hello") {
		t.Errorf("alice reads without a right: %s", out)
	}
	if out := write(bob); !strings.Contains(out, "AuthorizationException") { // of the cluster: he may not even begin as an idempotent producer
		t.Errorf("bob writes without a right: %s", out)
	}
	list := g.acls(t, root, "--list")
	for _, want := range []string{"resourceType=TOPIC, name=orders, patternType=LITERAL", "principal=User:alice, host=*, operation=WRITE, permissionType=ALLOW", "resourceType=GROUP, name=bill, patternType=PREFIXED"} {
		if !strings.Contains(list, want) {
			t.Errorf("%q is not in %s", want, list)
		}
	}
	g.acls(t, root, "--add", "--deny-principal", "User:bob", "--operation", "Read", "--topic", "orders")
	if out := read(bob); !strings.Contains(out, "TopicAuthorizationException") {
		t.Errorf("bob reads what is denied: %s", out)
	}
	g.acls(t, root, "--remove", "--force", "--deny-principal", "User:bob", "--operation", "Read", "--topic", "orders")
	g.acls(t, root, "--remove", "--force", "--topic", "orders", "--resource-pattern-type", "match")
	if left := g.acls(t, root, "--list", "--topic", "orders", "--resource-pattern-type", "match"); strings.Contains(left, "ALLOW") {
		t.Errorf("left: %s", left)
	}
	if r := apachekafka.Run(t, nil, apachekafka.ACLs, "--bootstrap-server", g.sasl, "--command-config", alice, "--list"); !strings.Contains(fmt.Sprint(r), "ClusterAuthorizationException") {
		t.Errorf("alice lists ACLs: %v", r)
	}
}

func TestACLs_FranzGoWithAndWithoutRights(t *testing.T) {
	g := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	admin := kadm.NewClient(g.franz(t, "root", rootPassword))
	if _, err := admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: "carol", Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "pw-carol"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, "private"); err != nil {
		t.Fatal(err)
	}
	carol := g.franz(t, "carol", "pw-carol", kgo.DefaultProduceTopic("private"))
	topics, err := kadm.NewClient(carol).ListTopics(ctx)
	if err != nil || len(topics) > 0 {
		t.Errorf("carol sees %v, %v", topics, err)
	}
	for _, name := range []string{"private", "no-such-topic"} {
		if got, err := kadm.NewClient(carol).ListTopics(ctx, name); !strings.Contains(fmt.Sprint(err, got[name].Err), kerr.TopicAuthorizationFailed.Message) {
			t.Errorf("carol asks for %s: %v, %v", name, got[name].Err, err)
		}
	}
	if err := carol.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err == nil {
		t.Error("carol writes without a right")
	}
	made, err := admin.CreateACLs(ctx, kadm.NewACLs().Topics("private").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpWrite).Allow("User:carol").AllowHosts())
	if err != nil || len(made) != 1 || made[0].Err != nil {
		t.Fatalf("%+v, %v", made, err)
	}
	if err := g.franz(t, "carol", "pw-carol", kgo.DefaultProduceTopic("private")).ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err != nil {
		t.Errorf("carol may not write: %v", err)
	}
}
