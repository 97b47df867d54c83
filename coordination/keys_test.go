package coordination

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"
)

var sampleTopic = [16]byte{0xfe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff}

func TestParseLog_GivesBackWhatAConstructorWrote(t *testing.T) {
	k := NewKeys("c")
	id := ulid.MustParse("01ARZ3NDEKTSV4RRFFQ69G5FAV")
	for key, want := range map[string]LogKey{
		k.Format():                        {Family: FamilyFormat},
		k.Stamp():                         {Family: FamilyStamp},
		k.Floor():                         {Family: FamilyFloor},
		k.Topic("a.b_c-d"):                {Family: FamilyTopic, Name: "a.b_c-d"},
		k.Commit(id):                      {Family: FamilyCommit, ID: id},
		k.Head(sampleTopic, 0):            {Family: FamilyHead, Topic: sampleTopic},
		k.Head(sampleTopic, 7):            {Family: FamilyHead, Topic: sampleTopic, Partition: 7},
		k.Head([16]byte{}, math.MaxInt32): {Family: FamilyHead, Partition: math.MaxInt32},
	} {
		if got := k.ParseLog(key); got != want {
			t.Errorf("ParseLog(%q) = %+v, want %+v", key, got, want)
		}
		if !strings.HasPrefix(key, k.Log()) || !strings.HasPrefix(key, k.Root()) {
			t.Errorf("%q is not below %q", key, k.Log())
		}
	}
	if head := k.Head(sampleTopic, 1); !strings.HasPrefix(head, k.TopicHeads(sampleTopic)) {
		t.Errorf("%q is not below its topic's heads", head)
	}
}

func TestParseLog_WhatNoConstructorWroteIsOther(t *testing.T) {
	k := NewKeys("c")
	head := k.Head(sampleTopic, 7)
	for _, key := range []string{
		"", k.Log(), k.Root() + "instances/1", NewKeys("d").Format(),
		k.Format() + "/x", k.Floor() + "/", k.Topics(), k.Log() + "topics", k.Topic("a/b"),
		k.Commits(), k.Commits() + "x", k.Commits() + "01arz3ndektsv4rrffq69g5fav", k.Commits() + "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
		k.Heads(), k.TopicHeads(sampleTopic), head + "0", head[:len(head)-1], strings.ToUpper(head),
		strings.Replace(head, "/000", "/+00", 1), strings.Replace(head, "/0000000007", "/7", 1), k.Log() + "new/1",
	} {
		if got := k.ParseLog(key); got != (LogKey{}) {
			t.Errorf("ParseLog(%q) = %+v, want other", key, got)
		}
	}
}

// build writes the key that a parsed one came from.
func build(k Keys, p LogKey) string {
	switch p.Family {
	case FamilyFormat:
		return k.Format()
	case FamilyStamp:
		return k.Stamp()
	case FamilyFloor:
		return k.Floor()
	case FamilyTopic:
		return k.Topic(p.Name)
	case FamilyCommit:
		return k.Commit(p.ID)
	case FamilyHead:
		return k.Head(p.Topic, p.Partition)
	}
	return ""
}

func FuzzParseLog(f *testing.F) {
	k := NewKeys("c")
	for _, s := range []string{"format", "stamp", "floor", "topics/t", "commits/01ARZ3NDEKTSV4RRFFQ69G5FAV", "x", "format/",
		"heads/00000000000000000000000000000000/0000000001", "heads/0000000000000000000000000000000A/0000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		key := k.Log() + rest
		if p := k.ParseLog(key); p.Family == FamilyOther {
			if p != (LogKey{}) {
				t.Errorf("ParseLog(%q) = %+v: other, but not empty", key, p)
			}
		} else if got := build(k, p); got != key {
			t.Errorf("ParseLog(%q) = %+v, which is written %q", key, p, got)
		}
	})
}

func TestHead_ByteOrderIsNumericOrder(t *testing.T) {
	k := NewKeys("c")
	var keys []string
	for _, p := range []int32{0, 1, 2, 9, 10, 11, 99, 100, 999_999_999, 1_000_000_000, math.MaxInt32} {
		keys = append(keys, k.Head(sampleTopic, p))
	}
	if !slices.IsSorted(keys) {
		t.Errorf("not sorted: %q", keys)
	}
}

func TestParseInstance_TakesOnlyWhatInstanceWrote(t *testing.T) {
	k := NewKeys("c")
	for _, node := range []int32{0, 1, 10, math.MaxInt32} {
		if got, ok := k.ParseInstance(k.Instance(node)); !ok || got != node {
			t.Errorf("ParseInstance of node %d = %d, %t", node, got, ok)
		}
	}
	for _, rest := range []string{"", "x", "+1", "01", "-1", "1/", "2147483648"} {
		if got, ok := k.ParseInstance(k.Instances() + rest); ok {
			t.Errorf("ParseInstance(%q) = %d", rest, got)
		}
	}
	if _, ok := k.ParseInstance(NewKeys("d").Instance(1)); ok {
		t.Error("ParseInstance takes a key of another cluster")
	}
}

func TestMark_BytesGrowWithTheMark(t *testing.T) {
	var last string
	for _, m := range []Mark{0, 1, 255, 256, 1 << 40, math.MaxUint64} {
		b := m.Bytes()
		if got, err := ParseMark(b); err != nil || got != m || string(b) < last {
			t.Errorf("mark %d: bytes %x after %x, back %d, %v", m, b, last, got, err)
		}
		last = string(b)
	}
	for _, n := range []int{0, 7, 9} {
		if m, err := ParseMark(make([]byte, n)); err == nil {
			t.Errorf("ParseMark of %d bytes = %d", n, m)
		}
	}
	if id := ulid.MustParse("01ARZ3NDEKTSV4RRFFQ69G5FAV"); MarkOf(id) != Mark(id.Time()) {
		t.Errorf("MarkOf = %d", MarkOf(id))
	}
}

// tableOfKeys gives the first column of the table in the comment on Keys, as expressions.
func tableOfKeys(t *testing.T) map[string]*regexp.Regexp {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "keys.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var doc string
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE && g.Specs[0].(*ast.TypeSpec).Name.Name == "Keys" {
			doc = g.Doc.Text()
		}
	}
	table := map[string]*regexp.Regexp{}
	for line := range strings.Lines(doc) {
		row, ok := strings.CutPrefix(line, "\t")
		if !ok || strings.HasPrefix(row, "key ") {
			continue
		}
		column, _, _ := strings.Cut(row, "  ")
		for _, key := range strings.Split(column, ", ") {
			pattern := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(regexp.QuoteMeta(key), `[^/]+`)
			table[key] = regexp.MustCompile("^" + pattern + "$")
		}
	}
	return table
}

func TestKeys_TheTableNamesEveryFamily(t *testing.T) {
	table := tableOfKeys(t)
	k := reflect.ValueOf(NewKeys("c"))
	used, families := map[string]bool{}, map[Family]bool{}
	for i := range k.NumMethod() {
		method := k.Method(i)
		if strings.HasPrefix(k.Type().Method(i).Name, "Parse") {
			continue
		}
		var args []reflect.Value
		for a := range method.Type().NumIn() {
			arg := reflect.New(method.Type().In(a)).Elem()
			if arg.Kind() == reflect.String {
				arg.SetString("x")
			}
			args = append(args, arg)
		}
		full := method.Call(args)[0].String()
		key := strings.TrimPrefix(full, NewKeys("c").Root())
		found := key == "" || strings.HasSuffix(key, "/") // a prefix of keys that others write
		for name, row := range table {
			if row.MatchString(key) {
				found, used[name] = true, true
			}
		}
		if !found {
			t.Errorf("%s writes %q, which is not in the table", k.Type().Method(i).Name, key)
		}
		families[NewKeys("c").ParseLog(full).Family] = true
	}
	for name := range table {
		if !used[name] {
			t.Errorf("the table names %q, which no constructor writes", name)
		}
	}
	for f := FamilyFormat; f <= FamilyHead; f++ {
		if !families[f] {
			t.Errorf("no constructor writes a key of family %d", f)
		}
	}
}

func TestParseTransaction_TakesWhatTransactionMakes(t *testing.T) {
	k := NewKeys("c")
	for _, id := range []string{"a", "a/b", "%2F", " ", "ü"} {
		if got, ok := k.ParseTransaction(k.Transaction(id)); !ok || got != id {
			t.Errorf("%q: %q, %t", id, got, ok)
		}
		if pending := k.GroupPending("g/h", id); !strings.HasPrefix(pending, k.GroupBelow("g/h")) || strings.Count(pending[len(k.GroupBelow("g/h")):], "/") != 1 {
			t.Errorf("%q", pending)
		}
	}
	for _, key := range []string{k.Transactions(), k.Transactions() + "a/b", k.Transactions() + "%zz", k.Groups() + "a"} {
		if got, ok := k.ParseTransaction(key); ok {
			t.Errorf("%q is taken for %q", key, got)
		}
	}
}
