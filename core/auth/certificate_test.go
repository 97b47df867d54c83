package auth

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

func TestSubject_IsWrittenAsKafkaDoes(t *testing.T) {
	set := func(oid asn1.ObjectIdentifier, value string) pkix.RelativeDistinguishedNameSET {
		return pkix.RelativeDistinguishedNameSET{{Type: oid, Value: value}}
	}
	c, o, ou, cn, dc := asn1.ObjectIdentifier{2, 5, 4, 6}, asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.ObjectIdentifier{2, 5, 4, 11}, asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	for want, name := range map[string]pkix.RDNSequence{
		"CN=alice,OU=users,O=Example,C=DE": {set(c, "DE"), set(o, "Example"), set(ou, "users"), set(cn, "alice")},
		`CN=a\,b\+c,O=\#x\ `:               {set(o, "#x "), set(cn, "a,b+c")},
		"CN=x,DC=example,DC=com":           {set(dc, "com"), set(dc, "example"), set(cn, "x")},
		"2.5.4.5=#130137,CN=n":             {set(cn, "n"), set(asn1.ObjectIdentifier{2, 5, 4, 5}, "7")},
	} {
		raw, err := asn1.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Subject(raw); got != want || err != nil {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestNameRules_AreKafkas(t *testing.T) {
	const subject = "CN=Alice.Smith,OU=Users,O=Example"
	for rules, want := range map[string]string{
		"": subject, "DEFAULT": subject,
		`RULE:^CN=(.*?),.*$/$1/`:                      "Alice.Smith",
		`RULE:^CN=(.*?),.*$/$1/L`:                     "alice.smith",
		`RULE:^CN=(.*?),OU=(.*?),.*$/$2-$1/U,DEFAULT`: "USERS-ALICE.SMITH",
		`RULE:^CN=nobody$/x/,RULE:.*O=(.*)$/$1/`:      "Example",
		`RULE:CN=Alice/x/,DEFAULT`:                    subject, // all of it must fit
		`RULE:^CN=(.*?),.*$/a\/$1/`:                   "a/Alice.Smith",
	} {
		r, err := ParseNameRules(rules)
		if err != nil {
			t.Errorf("%q: %v", rules, err)
			continue
		}
		if got, ok := r.Name(subject); got != want || !ok {
			t.Errorf("%q: %q, want %q", rules, got, want)
		}
	}
	for _, bad := range []string{"RULE:", "RULE:a/b", "RULE:(/x/", "WHAT", "DEFAULT DEFAULT"} {
		if r, err := ParseNameRules(bad); err == nil {
			t.Errorf("%q is taken: %v", bad, r)
		}
	}
	r, _ := ParseNameRules("RULE:^CN=(bob)$/$1/")
	if name, ok := r.Name(subject); ok {
		t.Errorf("no rule fits, and the name is %q", name)
	}
}
