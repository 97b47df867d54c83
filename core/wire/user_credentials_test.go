package wire

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
)

func TestUserCredentials_ASuperUserMakesThemAndTheyOpen(t *testing.T) {
	d := newDoor(t, Gate{})
	adm := kadm.NewClient(franz(t, d.bench, kgo.SASL(with("root", "pw-root")[auth.ScramSHA512])))
	altered, err := adm.AlterUserSCRAMs(t.Context(), []kadm.DeleteSCRAM{{User: "gone", Mechanism: kadm.ScramSha256}},
		[]kadm.UpsertSCRAM{{User: "new", Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "pw-new"}})
	if err != nil || altered["new"].Err != nil || !errors.Is(altered["gone"].Err, kerr.ResourceNotFound) {
		t.Fatalf("%+v, %v", altered, err)
	}
	described, err := adm.DescribeUserSCRAMs(t.Context(), "new", "gone")
	if err != nil || len(described["new"].CredInfos) != 1 || described["new"].CredInfos[0].Iterations != 4096 || !errors.Is(described["gone"].Err, kerr.ResourceNotFound) {
		t.Fatalf("%+v, %v", described, err)
	}
	if err := eventually(t, func() error { return ping(t, d, kgo.SASL(with("new", "pw-new")[auth.ScramSHA256])) }); err != nil {
		t.Errorf("the new user: %v", err)
	}
	if err := ping(t, d, kgo.SASL(with("new", "pw-new")[auth.ScramSHA512])); err == nil {
		t.Error("a mechanism without a credential lets in")
	}
}

// eventually repeats until it succeeds: other instances, and this one's watch, learn of a change a moment later.
func eventually(t *testing.T, do func() error) (err error) {
	t.Helper()
	for range 20 {
		if err = do(); err == nil {
			return nil
		}
	}
	return err
}

func TestUserCredentials_AreForSuperUsersOnly(t *testing.T) {
	d := newDoor(t, Gate{})
	c := d.dial(t)
	c.logIn(t, "alice")
	describe := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	if resp := ask[*kmsg.DescribeUserSCRAMCredentialsResponse](c, describe); resp.ErrorCode != kerr.ClusterAuthorizationFailed.Code || len(resp.Results) > 0 {
		t.Errorf("%+v", resp)
	}
	alter := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	deletion := kmsg.NewAlterUserSCRAMCredentialsRequestDeletion()
	deletion.Name, deletion.Mechanism = "root", 2
	alter.Deletions = append(alter.Deletions, deletion)
	if resp := ask[*kmsg.AlterUserSCRAMCredentialsResponse](c, alter); len(resp.Results) != 1 || resp.Results[0].ErrorCode != kerr.ClusterAuthorizationFailed.Code {
		t.Errorf("%+v", resp)
	}
	if users, err := d.users.List(context.Background()); err != nil || len(users) != 2 || len(users[1].Mechanisms) != 2 {
		t.Errorf("%+v, %v", users, err)
	}
}

func TestUserCredentials_TwoChangesOfOneCredentialAreRefused(t *testing.T) {
	d := newDoor(t, Gate{})
	c := d.dial(t)
	c.logIn(t, "root")
	alter := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	for range 2 {
		one := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
		one.Name, one.Mechanism, one.Iterations, one.Salt, one.SaltedPassword = "x", 1, 4096, []byte("salt"), make([]byte, 32)
		alter.Upsertions = append(alter.Upsertions, one)
	}
	unknown := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
	unknown.Name, unknown.Mechanism, unknown.Iterations = "y", 9, 4096
	alter.Upsertions = append(alter.Upsertions, unknown)
	weak := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
	weak.Name, weak.Mechanism, weak.Iterations, weak.Salt, weak.SaltedPassword = "weak", 1, 1000, []byte("salt"), make([]byte, 32)
	alter.Upsertions = append(alter.Upsertions, weak)
	resp := ask[*kmsg.AlterUserSCRAMCredentialsResponse](c, alter)
	want := map[string]int16{"weak": kerr.UnacceptableCredential.Code, "x": kerr.DuplicateResource.Code, "y": kerr.UnsupportedSaslMechanism.Code}
	if len(resp.Results) != 3 {
		t.Fatalf("%+v", resp.Results)
	}
	for _, r := range resp.Results {
		if r.ErrorCode != want[r.User] {
			t.Errorf("%s: %d, want %d", r.User, r.ErrorCode, want[r.User])
		}
	}
}
