package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// NameRules make the name of a user of a certificate's subject, as Kafka's ssl.principal.mapping.rules do: the first that
// fits counts. Rules are RULE:pattern/replacement/[L|U], or DEFAULT: the whole subject.
type NameRules []nameRule

type nameRule struct {
	pattern     *regexp.Regexp // nil: DEFAULT
	replacement string
	fold        func(string) string
}

// ParseNameRules reads rules, separated by commas; "" is DEFAULT.
func ParseNameRules(text string) (NameRules, error) {
	var rules NameRules
	for rest := strings.TrimSpace(text); rest != ""; {
		var one nameRule
		var err error
		if after, ok := strings.CutPrefix(rest, "DEFAULT"); ok {
			rest = after
		} else if one, rest, err = parseNameRule(rest); err != nil {
			return nil, err
		}
		rules = append(rules, one)
		rest = strings.TrimSpace(rest)
		after, comma := strings.CutPrefix(rest, ",")
		if rest != "" && !comma {
			return nil, fmt.Errorf("principal rules: %q: want a comma between two rules", rest)
		}
		rest = strings.TrimSpace(after)
	}
	if len(rules) == 0 {
		rules = NameRules{{}}
	}
	return rules, nil
}

// dollar is a group in a replacement as Java writes it.
var dollar = regexp.MustCompile(`\$(\d+)`)

func parseNameRule(text string) (one nameRule, rest string, err error) {
	body, ok := strings.CutPrefix(text, "RULE:")
	parts := splitUnescaped(body)
	if !ok || len(parts) != 3 {
		return one, "", fmt.Errorf("principal rules: %q: want RULE:pattern/replacement/ with L or U after it, or DEFAULT", text)
	}
	if one.pattern, err = regexp.Compile(parts[0]); err != nil {
		return one, "", fmt.Errorf("principal rules: %w", err)
	}
	one.replacement = dollar.ReplaceAllString(parts[1], "$${$1}")
	rest = parts[2]
	switch {
	case strings.HasPrefix(rest, "L"):
		one.fold, rest = strings.ToLower, rest[1:]
	case strings.HasPrefix(rest, "U"):
		one.fold, rest = strings.ToUpper, rest[1:]
	}
	return one, rest, nil
}

// splitUnescaped splits at the first two slashes without a backslash before them.
func splitUnescaped(s string) (parts []string) {
	var part strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '/':
			part.WriteByte('/')
			i++
		case s[i] == '/' && len(parts) < 2:
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(s[i])
		}
	}
	return append(parts, part.String())
}

// Name applies the rules. Nothing fits: no name, so nobody.
func (r NameRules) Name(subject string) (string, bool) {
	for _, one := range r {
		if one.pattern == nil {
			return subject, true
		}
		at := one.pattern.FindStringSubmatchIndex(subject)
		if at == nil || at[0] != 0 || at[1] != len(subject) { // Java's matches(): all of it
			continue
		}
		name := string(one.pattern.ExpandString(nil, one.replacement, subject, at))
		if one.fold != nil {
			name = one.fold(name)
		}
		return name, true
	}
	return "", false
}

// OfCertificate is the identity of a client whose certificate TLS has verified.
func (r NameRules) OfCertificate(c *x509.Certificate) (*Identity, error) {
	subject, err := Subject(c.RawSubject)
	if err != nil {
		return nil, err
	}
	name, ok := r.Name(subject)
	if !ok || CheckName(name) != nil {
		return nil, fmt.Errorf("%w: the certificate's subject fits no principal rule", ErrDenied)
	}
	return &Identity{Principal: User(name), Mechanism: Certificate, Expires: c.NotAfter}, nil
}

// shortNames are the attribute types that Java writes by name (RFC 2253).
func shortNames() map[string]string {
	return map[string]string{
		"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU",
		"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
	}
}

// Subject writes a distinguished name as Kafka does (RFC 2253, the last part first): CN=alice,OU=users,O=Example.
func Subject(raw []byte) (string, error) {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &name); err != nil || len(rest) > 0 {
		return "", fmt.Errorf("%w: the certificate's subject cannot be read", ErrMalformed)
	}
	var parts []string
	for _, set := range slices.Backward(name) {
		var values []string
		for _, a := range set {
			values = append(values, attribute(a))
		}
		parts = append(parts, strings.Join(values, "+"))
	}
	return strings.Join(parts, ","), nil
}

func attribute(a pkix.AttributeTypeAndValue) string {
	short := shortNames()[a.Type.String()]
	text, isText := a.Value.(string)
	if short == "" || !isText {
		der, err := asn1.Marshal(a.Value)
		if err != nil {
			return a.Type.String() + "=#"
		}
		return a.Type.String() + "=#" + hex.EncodeToString(der)
	}
	var out strings.Builder
	for i, r := range text {
		if strings.ContainsRune(`,+"\<>;`, r) || i == 0 && (r == '#' || r == ' ') || r == ' ' && i == len(text)-1 {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return short + "=" + out.String()
}
