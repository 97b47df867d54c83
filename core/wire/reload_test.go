package wire

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/auth"
)

// renewed is a listener whose certificate files change while it serves. Clients need a certificate of the authority of now.
type renewed struct {
	*door
	t      *testing.T
	addr   string
	files  auth.CertificateFiles
	served *auth.Certificates
	now    atomic.Int64 // seconds that have passed
	logs   bytes.Buffer
}

func newRenewed(t *testing.T, first *authority) *renewed {
	t.Helper()
	dir := t.TempDir()
	r := &renewed{t: t, files: auth.CertificateFiles{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), ClientCA: filepath.Join(dir, "ca.crt")}}
	r.install(first)
	began := time.Now()
	clock := func() time.Time { return began.Add(time.Duration(r.now.Load()) * time.Second) }
	var err error
	if r.served, err = auth.NewCertificates(r.files, auth.CertificatesRequired, nil, clock, slog.New(slog.NewTextHandler(&r.logs, nil))); err != nil {
		t.Fatal(err)
	}
	r.door = newDoor(t, Gate{TLS: r.served.Config(), Certificates: true, Names: auth.NameRules{{}}})
	r.addr, _ = serveOn(t, r.bench, t.Context())
	return r
}

// install puts a certificate, its key and its authority in place, and gives what was written.
func (r *renewed) install(a *authority) (cert, key, ca string) {
	r.t.Helper()
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			r.t.Fatal(err)
		}
		return string(text)
	}
	certFile, keyFile := a.files("server")
	cert, key, ca = read(certFile), read(keyFile), read(filepath.Join(a.dir, "ca.pem"))
	r.put(r.files.Certificate, cert)
	r.put(r.files.Key, key)
	r.put(r.files.ClientCA, ca)
	return cert, key, ca
}

// put writes a file with the date of all others: a copy may have any.
func (r *renewed) put(file, text string) {
	r.t.Helper()
	err := os.WriteFile(file, []byte(text), 0o600)
	if err == nil {
		err = os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// place writes a certificate, a key and authorities, and waits until files are looked at again.
func (r *renewed) place(files [3]string) {
	r.t.Helper()
	r.logs.Reset()
	for i, name := range []string{r.files.Certificate, r.files.Key, r.files.ClientCA} {
		r.put(name, files[i])
	}
	r.later()
}

// later is after the files were looked at last.
func (r *renewed) later() { r.now.Add(2) }

// come connects with a certificate of one authority, trusting another one's servers; nil: it was refused.
func (r *renewed) come(of, trusts *authority) *client {
	r.t.Helper()
	config := of.client("alice")
	config.RootCAs = trusts.client("").RootCAs
	nc, err := tls.Dial("tcp", r.addr, config)
	if err != nil {
		return nil
	}
	r.t.Cleanup(func() { nc.Close() })
	c := &client{t: r.t, nc: nc}
	if !c.served() { // with TLS 1.3 a client's certificate is refused after the client is done
		return nil
	}
	return c
}

func TestTLS_ARunningListenerTakesANewCertificateAndANewAuthority(t *testing.T) {
	one, two := newAuthority(t), newAuthority(t)
	r := newRenewed(t, one)
	before := r.come(one, one)
	if before == nil || r.come(two, one) != nil {
		t.Fatal("before: want its own authority's clients served, and no others")
	}
	r.install(two)
	if r.come(one, one) == nil {
		t.Error("files are looked at with each handshake, not once a second")
	}
	r.later()
	if r.come(two, two) == nil {
		t.Error("the new authority's client, which trusts it alone, is not served")
	}
	if r.come(one, two) != nil {
		t.Error("a client of the authority that was taken away is served")
	}
	if r.come(two, one) != nil {
		t.Error("the old certificate is shown on")
	}
	if !before.served() {
		t.Error("an established connection was cut")
	}
	if !strings.Contains(r.logs.String(), "certificates read anew") || r.served.Trouble() != nil {
		t.Errorf("log %s, trouble %v", &r.logs, r.served.Trouble())
	}
}

func TestTLS_NewFilesThatCannotBeUsedLeaveTheOldOnesInUse(t *testing.T) {
	one, two := newAuthority(t), newAuthority(t)
	r := newRenewed(t, one)
	before := r.come(one, one)
	otherCert, otherKey, otherCA := r.install(two)
	cert, key, ca := r.install(one)
	for what, files := range map[string][3]string{
		"nothing in it":                             {"", key, ca},
		"no PEM":                                    {"rubbish", key, ca},
		"half a certificate":                        {cert[:len(cert)/2], key, ca},
		"a chain that is cut":                       {cert + otherCA[:len(otherCA)/2], key, ca},
		"a new certificate with the old key":        {otherCert, key, ca},
		"the old certificate with a new key":        {cert, otherKey, ca},
		"an empty list of authorities":              {otherCert, otherKey, ""},
		"a list of authorities that is cut":         {otherCert, otherKey, otherCA + ca[:len(ca)/2]},
		"a damaged authority in front of a new one": {otherCert, otherKey, strings.Replace(ca, "\nM", "\n!", 1) + otherCA},
		"no certificate among authorities":          {otherCert, otherKey, otherKey},
	} {
		r.place(files)
		if r.come(one, one) == nil || r.come(two, one) != nil || r.come(two, two) != nil {
			t.Errorf("%s: what was read before is not in use", what)
		}
		if r.served.Trouble() == nil || strings.Count(r.logs.String(), "certificate files cannot be used") != 1 {
			t.Errorf("%s: trouble %v, log %q", what, r.served.Trouble(), &r.logs)
		}
		if strings.Contains(r.logs.String(), "PRIVATE KEY") {
			t.Errorf("%s: a key is in the log", what)
		}
		r.later()
		if r.come(one, one) == nil || strings.Count(r.logs.String(), "cannot be used") != 1 {
			t.Errorf("%s: it is told again with each look: %q", what, &r.logs)
		}
		r.place([3]string{cert, key, ca})
		if r.come(one, one) == nil || r.served.Trouble() != nil {
			t.Errorf("%s, and taken back: %v", what, r.served.Trouble())
		}
	}
	if err := os.Remove(r.files.Key); err != nil {
		t.Fatal(err)
	}
	r.later()
	if r.come(one, one) == nil || r.served.Trouble() == nil {
		t.Error("no key file: what was read before is not in use, or nobody is told")
	}
	r.install(two)
	r.later()
	if r.come(two, two) == nil || r.served.Trouble() != nil || !before.served() {
		t.Errorf("after the mistake is mended: trouble %v", r.served.Trouble())
	}
}
