//go:build stack

package auth

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/apachekafka"
	"github.com/firnlog/firnlog/tests/stack/harness"
)

// java is the settings of a Java client.
func (g *guarded) java(t *testing.T, mechanism, jaas string, more ...string) string {
	t.Helper()
	lines := append([]string{
		"security.protocol=SASL_SSL", "ssl.truststore.type=PEM", "ssl.truststore.location=" + g.path("ca.pem"), "sasl.mechanism=" + mechanism,
		"sasl.jaas.config=org.apache.kafka.common.security." + jaas, "request.timeout.ms=15000", "default.api.timeout.ms=20000",
	}, more...)
	return apachekafka.File(t, "client.properties", strings.Join(lines, "\n"))
}

func scramLogin(user, password string) string {
	return fmt.Sprintf(`scram.ScramLoginModule required username="%s" password="%s";`, user, password)
}

func plainLogin(user, password string) string {
	return fmt.Sprintf(`plain.PlainLoginModule required username="%s" password="%s";`, user, password)
}

// roundTrip writes and reads with Kafka's console programs.
func roundTrip(t *testing.T, server, settings, topic string) {
	t.Helper()
	apachekafka.Run(t, []byte("hello "+topic+"\n"), apachekafka.ConsoleProducer, "--bootstrap-server", server, "--command-config", settings, "--topic", topic).Must(t)
	out := apachekafka.Run(t, nil, apachekafka.ConsoleConsumer, "--bootstrap-server", server, "--command-config", settings, "--topic", topic, "--from-beginning", "--max-messages", "1", "--timeout-ms", "40000").Must(t)
	if !strings.Contains(out, "hello "+topic) {
		t.Errorf("%s: read %q", topic, out)
	}
}

// refused lists topics, which must fail and say why.
func refused(t *testing.T, server, settings, why string) {
	t.Helper()
	r := apachekafka.Run(t, nil, apachekafka.Topics, "--bootstrap-server", server, "--command-config", settings, "--list")
	if all := fmt.Sprint(r); r.Err == nil || !strings.Contains(all, why) {
		t.Errorf("want a refusal with %q, got %s", why, all)
	}
}

func TestJava_EachMechanism(t *testing.T) {
	g := start(t)
	root := g.java(t, "SCRAM-SHA-512", scramLogin("root", rootPassword))
	apachekafka.Run(t, nil, apachekafka.Configs, "--bootstrap-server", g.sasl, "--command-config", root, "--alter", "--entity-type", "users", "--entity-name", "alice",
		"--add-config", "SCRAM-SHA-256=[iterations=8192,password=pw-alice],SCRAM-SHA-512=[password=pw-alice]").Must(t)
	g.may(t, root, "alice", "CN=bob,OU=tests")
	roundTrip(t, g.sasl, g.java(t, "SCRAM-SHA-256", scramLogin("alice", "pw-alice")), "scram-256")
	roundTrip(t, g.sasl, g.java(t, "PLAIN", plainLogin("alice", "pw-alice")), "plain")
	refused(t, g.sasl, g.java(t, "SCRAM-SHA-512", scramLogin("alice", "wrong")), "SaslAuthenticationException")
	refused(t, g.sasl, g.java(t, "PLAIN", plainLogin("nobody", "pw-alice")), "SaslAuthenticationException")
	refused(t, g.mutual, g.java(t, "PLAIN", plainLogin("alice", "pw-alice")), "Exception")

	mutual := func(signed *keys) string {
		signed.certificate("bob")
		return apachekafka.File(t, "client.properties", strings.Join([]string{
			"security.protocol=SSL", "ssl.truststore.type=PEM", "ssl.truststore.location=" + g.path("ca.pem"), "ssl.keystore.type=PEM", "ssl.keystore.location=" + signed.path("bob.both"),
			"request.timeout.ms=15000", "default.api.timeout.ms=20000",
		}, "\n"))
	}
	roundTrip(t, g.mutual, mutual(g.keys), "mutual")
	refused(t, g.mutual, mutual(newKeys(t)), "SslAuthenticationException")

	apachekafka.Run(t, nil, apachekafka.Configs, "--bootstrap-server", g.sasl, "--command-config", root, "--alter", "--entity-type", "users", "--entity-name", "alice", "--delete-config", "SCRAM-SHA-256,SCRAM-SHA-512").Must(t)
	refused(t, g.sasl, g.java(t, "SCRAM-SHA-256", scramLogin("alice", "pw-alice")), "SaslAuthenticationException")
}

func TestJava_Tokens(t *testing.T) {
	g := start(t)
	g.may(t, g.java(t, "SCRAM-SHA-512", scramLogin("root", rootPassword)), "carol")
	oauth := func(file string) string {
		t.Setenv("JAVA_TOOL_OPTIONS", "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://"+file+" -Dorg.apache.kafka.sasl.oauthbearer.allowed.files="+file)
		return g.java(t, "OAUTHBEARER", "oauthbearer.OAuthBearerLoginModule required;",
			"sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler", "sasl.oauthbearer.token.endpoint.url=file://"+file)
	}
	roundTrip(t, g.sasl, oauth(g.token("good.jwt", "firnlog", time.Hour)), "oauth")
	refused(t, g.sasl, oauth(g.token("other.jwt", "another", time.Hour)), "SaslAuthenticationException")
	refused(t, g.sasl, oauth(g.token("expired.jwt", "firnlog", -time.Minute)), "SaslAuthenticationException")
}

func TestLibrdkafka_EachMechanism(t *testing.T) {
	g := start(t)
	python := filepath.Join(harness.Cache(t), "python", "bin", "python")
	g.may(t, g.java(t, "SCRAM-SHA-512", scramLogin("root", rootPassword)), "carol", "CN=dora,OU=tests")
	run := func(topic string, settings ...string) harness.Result {
		return harness.Run(t, nil, python, append([]string{"login.py", topic, "ssl.ca.location=" + g.path("ca.pem")}, settings...)...)
	}
	sasl := []string{"bootstrap.servers=" + g.sasl, "security.protocol=SASL_SSL"}
	as := func(mechanism, user, password string) []string {
		return append(sasl[:2:2], "sasl.mechanism="+mechanism, "sasl.username="+user, "sasl.password="+password)
	}
	good := func(topic string, settings []string) {
		t.Helper()
		if out := run(topic, settings...).Must(t); !strings.Contains(out, "read=from python") {
			t.Errorf("%s: %s", topic, out)
		}
	}
	bad := func(topic string, settings []string) {
		t.Helper()
		if r := run(topic, settings...); r.Err == nil || !strings.Contains(fmt.Sprint(r), "uthenticat") {
			t.Errorf("%s: %v", topic, r)
		}
	}
	for _, m := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"} {
		good("py-"+m, as(m, "root", rootPassword))
		bad("py-bad-"+m, as(m, "root", "wrong"))
	}
	bearer := append(sasl[:2:2], "sasl.mechanism=OAUTHBEARER")
	good("py-oauth", append(bearer[:3:3], "token="+g.token("good.jwt", "firnlog", time.Hour)))
	bad("py-expired", append(bearer[:3:3], "token="+g.token("expired.jwt", "firnlog", -time.Minute)))
	g.certificate("dora")
	good("py-mutual", []string{"bootstrap.servers=" + g.mutual, "security.protocol=SSL", "ssl.certificate.location=" + g.path("dora.pem"), "ssl.key.location=" + g.path("dora.key")})

	kcat := []string{"-b", g.sasl, "-X", "security.protocol=SASL_SSL", "-X", "sasl.mechanism=SCRAM-SHA-512", "-X", "ssl.ca.location=" + g.path("ca.pem"), "-X", "sasl.username=root"}
	if out := harness.Kcat(t, nil, append(kcat, "-X", "sasl.password="+rootPassword, "-L")...).Must(t); !strings.Contains(out, "py-oauth") || !strings.Contains(out, g.sasl) {
		t.Errorf("kcat -L: %s", out)
	}
	if r := harness.Kcat(t, nil, append(kcat, "-X", "sasl.password=wrong", "-L", "-m", "10")...); r.Err == nil {
		t.Errorf("kcat with a wrong password: %v", r)
	}
}

func TestRestart_ANonLoopbackAddressNeedsAuthentication(t *testing.T) {
	code, out := harness.Tools(t, nil, "dev", "--data", t.TempDir(), "--kafka", "0.0.0.0:0")
	if code == 0 || !strings.Contains(out, "--insecure-allow-anyone") {
		t.Errorf("%d: %s", code, out)
	}
}
