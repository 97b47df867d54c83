package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/firnlog/firnlog/core/auth"
)

func ping(t *testing.T, d *door, opts ...kgo.Opt) error {
	t.Helper()
	cl := franz(t, d.bench, append(opts, kgo.RetryTimeout(2*time.Second), kgo.RequestRetries(0))...)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return cl.Ping(ctx)
}

func with(user, password string) map[string]sasl.Mechanism {
	return map[string]sasl.Mechanism{
		auth.Plain:       plain.Auth{User: user, Pass: password}.AsMechanism(),
		auth.ScramSHA256: scram.Auth{User: user, Pass: password}.AsSha256Mechanism(),
		auth.ScramSHA512: scram.Auth{User: user, Pass: password}.AsSha512Mechanism(),
	}
}

func TestGate_EachMechanismLetsInWhoHasThePasswordAndNobodyElse(t *testing.T) {
	d := newDoor(t, Gate{})
	for name, m := range with("alice", "pw-alice") {
		if err := ping(t, d, kgo.SASL(m)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, who := range [][2]string{{"alice", "wrong"}, {"nobody", "pw-alice"}, {"alice", "pw-root"}} {
		for name, m := range with(who[0], who[1]) {
			if err := ping(t, d, kgo.SASL(m)); !errors.Is(err, kerr.SaslAuthenticationFailed) {
				t.Errorf("%s as %s: %v", name, who, err)
			}
		}
	}
	if err := ping(t, d); err == nil {
		t.Error("a client that does not authenticate is served")
	}
}

func TestGate_AMechanismThatIsNotOfferedIsRefusedWithTheList(t *testing.T) {
	d := newDoor(t, Gate{Mechanisms: &auth.Mechanisms{Enabled: []string{auth.ScramSHA512}}})
	all := with("alice", "pw-alice")
	for _, name := range []string{auth.Plain, auth.ScramSHA256} {
		if err := ping(t, d, kgo.SASL(all[name])); err == nil {
			t.Errorf("%s is taken", name)
		}
		c := d.dial(t)
		resp := ask[*kmsg.SASLHandshakeResponse](c, handshake(1, name))
		if resp.ErrorCode != kerr.UnsupportedSaslMechanism.Code || strings.Join(resp.SupportedMechanisms, ",") != auth.ScramSHA512 {
			t.Errorf("%s: %+v", name, resp)
		}
		c.closed()
	}
	if err := ping(t, d, kgo.SASL(oauth.Auth{Token: "x"}.AsMechanism())); err == nil {
		t.Error("OAUTHBEARER is taken")
	}
}

func handshake(version int16, mechanism string) *kmsg.SASLHandshakeRequest {
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.Version, req.Mechanism = version, mechanism
	return req
}

func saslMessage(version int16, message string) *kmsg.SASLAuthenticateRequest {
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.Version, req.SASLAuthBytes = version, []byte(message)
	return req
}

func TestGate_BeforeAuthenticationNothingElseIsAnswered(t *testing.T) {
	d := newDoor(t, Gate{})
	d.topic(t, "secret", 1)
	for key, a := range d.apis {
		if isPreAuth(a.key) {
			continue
		}
		c := d.dial(t)
		req := kmsg.RequestForKey(key)
		req.SetVersion(a.max)
		c.send(req)
		c.closed()
	}
	c := d.dial(t)
	ask[*kmsg.ApiVersionsResponse](c, kmsg.NewPtrApiVersionsRequest())
	resp := ask[*kmsg.SASLAuthenticateResponse](c, saslMessage(2, "\x00alice\x00pw-alice"))
	if resp.ErrorCode != kerr.IllegalSaslState.Code {
		t.Errorf("SaslAuthenticate without a handshake: %+v", resp)
	}
	c.closed()
}

func TestGate_AFailureIsToldAndThenTheConnectionIsClosed(t *testing.T) {
	d := newDoor(t, Gate{})
	var told []string
	for _, message := range []string{"\x00alice\x00wrong", "\x00nobody\x00wrong", "rubbish"} {
		c := d.dial(t)
		ask[*kmsg.SASLHandshakeResponse](c, handshake(1, auth.Plain))
		resp := ask[*kmsg.SASLAuthenticateResponse](c, saslMessage(2, message))
		if resp.ErrorCode != kerr.SaslAuthenticationFailed.Code || resp.ErrorMessage == nil {
			t.Fatalf("%+v", resp)
		}
		told = append(told, *resp.ErrorMessage)
		c.closed()
	}
	if told[0] != told[1] || told[1] != told[2] {
		t.Errorf("what was wrong shows: %q", told)
	}
}

func TestGate_OldClientsSendMessagesWithoutHeaders(t *testing.T) {
	d := newDoor(t, Gate{})
	c := d.dial(t)
	ask[*kmsg.SASLHandshakeResponse](c, handshake(0, auth.Plain))
	raw := func(text string) { c.write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)) }
	raw("\x00alice\x00pw-alice")
	if body, err := c.frame(); err != nil || len(body) != 0 {
		t.Fatalf("%q, %v", body, err)
	}
	ask[*kmsg.MetadataResponse](c, metadataAll())

	c = d.dial(t)
	ask[*kmsg.SASLHandshakeResponse](c, handshake(0, auth.Plain))
	raw("\x00alice\x00wrong")
	c.closed()
}

func (c *client) logIn(t *testing.T, user string) *kmsg.SASLAuthenticateResponse {
	t.Helper()
	if resp := ask[*kmsg.SASLHandshakeResponse](c, handshake(1, auth.Plain)); resp.ErrorCode != 0 {
		t.Fatalf("handshake: %d", resp.ErrorCode)
	}
	return ask[*kmsg.SASLAuthenticateResponse](c, saslMessage(2, "\x00"+user+"\x00pw-"+user))
}

func TestSession_EndsAfterItsTimeUnlessTheClientAuthenticatesAgain(t *testing.T) {
	d := newDoor(t, Gate{Mechanisms: &auth.Mechanisms{Enabled: []string{auth.Plain, auth.ScramSHA256}, Reauthenticate: time.Minute}})
	c := d.dial(t)
	if resp := c.logIn(t, "alice"); resp.SessionLifetimeMillis < 50_000 || resp.SessionLifetimeMillis > 60_000 {
		t.Errorf("a session of %d ms", resp.SessionLifetimeMillis)
	}
	ask[*kmsg.MetadataResponse](c, metadataAll())
	if resp := c.logIn(t, "alice"); resp.ErrorCode != 0 || resp.SessionLifetimeMillis == 0 {
		t.Errorf("again: %+v", resp)
	}
	ask[*kmsg.MetadataResponse](c, metadataAll())
	other := d.dial(t)
	other.logIn(t, "alice")

	d.Server.now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	other.send(metadataAll())
	other.closed()
}

func TestSession_NobodyBecomesSomebodyElse(t *testing.T) {
	d := newDoor(t, Gate{})
	c := d.dial(t)
	c.logIn(t, "alice")
	if resp := c.logIn(t, "root"); resp.ErrorCode != kerr.SaslAuthenticationFailed.Code {
		t.Errorf("%+v", resp)
	}
	c.closed()
	c = d.dial(t)
	c.logIn(t, "alice")
	if resp := ask[*kmsg.SASLHandshakeResponse](c, handshake(1, auth.ScramSHA256)); resp.ErrorCode == 0 {
		t.Error("another mechanism than before is taken")
	}
	c.closed()
}

func TestSession_EndsWhenItsUserIsRemoved(t *testing.T) {
	d := newDoor(t, Gate{})
	c, other := d.dial(t), d.dial(t)
	c.logIn(t, "alice")
	other.logIn(t, "root")
	ask[*kmsg.MetadataResponse](c, metadataAll())
	if err := d.users.Remove(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for c.served() {
		if time.Now().After(deadline) {
			t.Fatal("a removed user is served on")
		}
	}
	ask[*kmsg.MetadataResponse](other, metadataAll())
}

func (c *client) served() bool {
	c.nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.nc.Write(frameOf(metadataAll(), 7, c.id)); err != nil {
		return false
	}
	_, err := c.frame()
	return err == nil
}

func TestTLS_PlainTextIsClosedAndCertificatesSayWhoItIs(t *testing.T) {
	a := newAuthority(t)
	d := newDoor(t, Gate{TLS: a.server(auth.CertificatesRequested), Certificates: true, Names: auth.NameRules{{}}})
	addr, _ := serveOn(t, d.bench, t.Context())
	plainText := dialTCP(t, addr)
	plainText.send(kmsg.NewPtrApiVersionsRequest())
	plainText.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	if answer, err := io.ReadAll(plainText.nc); len(answer) > 7 || errors.Is(err, context.DeadlineExceeded) { // a TLS alert at most
		t.Errorf("plain text is answered %q, %v", answer, err)
	}
	if err := ping(t, d, kgo.DialTLSConfig(a.client("alice"))); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	if err := ping(t, d, kgo.DialTLSConfig(a.client(""))); err == nil {
		t.Error("served without a certificate")
	}
	if err := ping(t, d, kgo.DialTLSConfig(a.client("")), kgo.SASL(with("alice", "pw-alice")[auth.ScramSHA256])); err != nil {
		t.Errorf("SCRAM over TLS: %v", err)
	}
	stranger := newAuthority(t).client("alice")
	stranger.RootCAs = a.client("").RootCAs
	if err := ping(t, d, kgo.DialTLSConfig(stranger)); err == nil {
		t.Error("another authority's certificate is taken")
	}
}

func TestGate_InstancesAskForGroupsOnly(t *testing.T) {
	d := newDoor(t, Gate{})
	caller := auth.NewPeers()
	d.peers.Knows = func(key []byte) bool { return string(key) == string(caller.Public()) }
	log := func() *client {
		c := d.dial(t)
		ask[*kmsg.SASLHandshakeResponse](c, handshake(1, auth.Peer))
		err := caller.Call(t.Context(), d.peers.Public(), nil, func(m []byte) ([]byte, error) {
			return ask[*kmsg.SASLAuthenticateResponse](c, saslMessage(2, string(m))).SASLAuthBytes, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := log()
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.Version = 1
	ask[*kmsg.ConsumerGroupHeartbeatResponse](c, beat)
	c = log()
	c.send(metadataAll())
	c.closed()
}

func TestGate_WhoIsSilentOrSlowIsClosed(t *testing.T) {
	d := newDoor(t, Gate{}, func(s *Settings) { s.AuthTimeout = 50 * time.Millisecond; s.StrangersMax = 2 })
	first := d.dial(t)
	first.closed()
	slow := d.dial(t)
	if _, err := slow.nc.Write([]byte{0, 0, 1}); err != nil {
		t.Fatal(err)
	}
	slow.closed()
	d.Server.settings.AuthTimeout = time.Hour
	d.dial(t)
	d.dial(t)
	deadline := time.Now().Add(10 * time.Second)
	for { // both places are taken once another one has none; one of the two above may have come before the slow one's was free
		third := d.dial(t)
		third.nc.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := third.nc.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			break
		} else if nerr := net.Error(nil); !errors.As(err, &nerr) || time.Now().After(deadline) {
			t.Fatalf("a third stranger: %v", err)
		}
	}
}
