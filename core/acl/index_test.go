package acl

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/core/auth"
)

// The naive one: the rules as Kafka's documentation has them, over a list.

func naiveFits(b *Binding, name string) bool {
	if b.Pattern == PatternPrefixed {
		return strings.HasPrefix(name, b.Name)
	}
	return b.Name == name || b.Name == "*"
}

func naiveIsHis(b *Binding, q *auth.Action) bool {
	return (b.Principal == q.Principal.String() || b.Principal == "User:*") && (b.Host == "*" || b.Host == q.Host)
}

func naiveCovers(b *Binding, op auth.Operation) bool {
	if b.Operation == auth.OperationAll || b.Operation == op {
		return true
	}
	if b.Permission == PermissionDeny {
		return false
	}
	switch op {
	case auth.OperationDescribe:
		return slices.Contains([]auth.Operation{auth.OperationRead, auth.OperationWrite, auth.OperationDelete, auth.OperationAlter}, b.Operation)
	case auth.OperationDescribeConfigs:
		return b.Operation == auth.OperationAlterConfigs
	}
	return false
}

func naive(all []Binding, q *auth.Action, everyone bool) bool {
	any, allowed := false, false
	for i := range all {
		b := &all[i]
		if b.Type != q.Resource.Type || !naiveFits(b, q.Resource.Name) {
			continue
		}
		any = true
		if !naiveIsHis(b, q) || !naiveCovers(b, q.Operation) {
			continue
		}
		if b.Permission == PermissionDeny {
			return false
		}
		allowed = true
	}
	return allowed || !any && everyone
}

// naiveSome tries every name that could tell a difference.
func naiveSome(all []Binding, q auth.Action, everyone bool) bool {
	q.Resource.Name = nobodys
	if naive(all, &q, everyone) {
		return true
	}
	var denied []string // prefixes
	for i := range all {
		b := &all[i]
		if b.Type != q.Resource.Type || b.Permission != PermissionDeny || !naiveIsHis(b, &q) || !naiveCovers(b, q.Operation) {
			continue
		}
		if b.Pattern == PatternLiteral && b.Name == "*" {
			return false
		}
		if b.Pattern == PatternPrefixed {
			denied = append(denied, b.Name)
		}
	}
	return slices.ContainsFunc(all, func(b Binding) bool {
		if b.Type != q.Resource.Type || b.Permission != PermissionAllow || !naiveIsHis(&b, &q) || !naiveCovers(&b, q.Operation) {
			return false
		}
		if b.Pattern == PatternLiteral && b.Name == "*" {
			return true
		}
		if slices.ContainsFunc(denied, func(d string) bool { return strings.HasPrefix(b.Name, d) }) {
			return false
		}
		return b.Pattern == PatternPrefixed || !slices.ContainsFunc(all, func(d Binding) bool {
			return d.Type == b.Type && d.Pattern == PatternLiteral && d.Name == b.Name && d.Permission == PermissionDeny && naiveIsHis(&d, &q) && naiveCovers(&d, q.Operation)
		})
	})
}

func drawBinding(t *rapid.T) Binding {
	b := Binding{
		Type: rapid.SampledFrom([]auth.ResourceType{auth.ResourceTopic, auth.ResourceGroup}).Draw(t, "type"),
		Name: rapid.StringMatching(`[ab]{1,3}|\*`).Draw(t, "name"), Pattern: rapid.SampledFrom([]Pattern{PatternLiteral, PatternPrefixed}).Draw(t, "pattern"),
		Principal: rapid.SampledFrom([]string{"User:x", "User:y", "User:*"}).Draw(t, "principal"), Host: rapid.SampledFrom([]string{"*", "1", "2"}).Draw(t, "host"),
		Permission: rapid.SampledFrom([]Permission{PermissionAllow, PermissionAllow, PermissionDeny}).Draw(t, "permission"),
	}
	b.Operation = rapid.SampledFrom(append(operationsOf(b.Type), auth.OperationAll)).Draw(t, "operation")
	return b
}

func TestIndex_AnswersAsTheRulesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := New(Settings{Log: slog.New(slog.DiscardHandler), AllowEveryone: rapid.Bool().Draw(t, "everyone")})
		a.mu.known = true
		var all []Binding
		for range rapid.IntRange(0, 25).Draw(t, "changes") {
			b := drawBinding(t)
			if i := slices.Index(all, b); i >= 0 { // what is there already is taken out
				all = slices.Delete(all, i, i+1)
				a.mu.index.remove(&b)
				continue
			}
			all = append(all, b)
			a.mu.index.add(&b)
		}
		for range 20 {
			kind := rapid.SampledFrom([]auth.ResourceType{auth.ResourceTopic, auth.ResourceGroup}).Draw(t, "of")
			q := auth.Action{
				Principal: auth.User(rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "who")), Host: rapid.SampledFrom([]string{"1", "3"}).Draw(t, "from"),
				Operation: rapid.SampledFrom(operationsOf(kind)).Draw(t, "op"), Resource: auth.Resource{Type: kind, Name: rapid.StringMatching(`[ab]{1,4}|\*`).Draw(t, "on")},
			}
			if got, want := a.Allows(context.Background(), q), naive(all, &q, a.AllowEveryone); got != want {
				t.Fatalf("%+v: %v, want %v, by\n%+v", q, got, want, all)
			}
			if got, want := a.AllowsSome(context.Background(), q), naiveSome(all, q, a.AllowEveryone); got != want {
				t.Fatalf("some: %+v: %v, want %v, by\n%+v", q, got, want, all)
			}
		}
	})
}

func TestIndex_NothingIsLeftOfWhatIsTakenOut(t *testing.T) {
	x := newIndex()
	b, c := allow("a", "t", auth.OperationRead).prefixed(), allow("a", "t", auth.OperationWrite).prefixed()
	x.add(&b)
	x.add(&c)
	x.remove(&b)
	x.remove(&c)
	if len(x.prefixed[b.Type]) != 0 || len(x.lengths[b.Type]) != 0 {
		t.Errorf("left: %v %v", x.prefixed, x.lengths)
	}
}

// filled is an index of n ACLs: half of them exact, half prefixes, of a thousand users.
func filled(n int) *ACLs {
	a := New(Settings{Log: slog.New(slog.DiscardHandler)})
	a.mu.known = true
	for i := range n {
		b := allow(fmt.Sprintf("user-%d", i%1000), fmt.Sprintf("team-%d.topic-%d", i%100, i), auth.OperationRead)
		if i%2 == 1 {
			b = b.prefixed()
		}
		a.mu.index.add(&b)
	}
	return a
}

func BenchmarkAllows(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := filled(n)
			q := auth.Action{Principal: auth.User("user-1"), Host: "10.0.0.1", Operation: auth.OperationRead, Resource: auth.Resource{Type: auth.ResourceTopic, Name: "team-1.topic-1"}}
			b.ReportAllocs()
			for b.Loop() {
				if !a.Allows(b.Context(), q) {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkAllowsSome(b *testing.B) {
	a := filled(10_000)
	q := auth.Action{Principal: auth.User("nobody"), Host: "10.0.0.1", Operation: auth.OperationWrite, Resource: auth.Resource{Type: auth.ResourceTopic}}
	for b.Loop() {
		if a.AllowsSome(b.Context(), q) {
			b.Fatal("allowed")
		}
	}
}
