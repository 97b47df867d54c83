package differential

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCompare_TellsWhatDiffersAndInWhichVersions(t *testing.T) {
	answer := func(version int16, fields map[string]string) Answer {
		return Answer{API: "Fetch", Op: "op", Version: version, Fields: fields}
	}
	ours := []Answer{answer(4, map[string]string{"a": "1", "b": "2"}), answer(5, map[string]string{"a": "1", "b": "2"})}
	theirs := []Answer{answer(4, map[string]string{"a": "1", "b": "3"}), answer(5, map[string]string{"a": "1", "b": "3"})}
	got, err := Compare(ours, theirs)
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if text := got[0].String(); text != `Fetch v4-5, op: b: firnlog "2", other "3"` {
		t.Errorf("%s", text)
	}
	if _, err := Compare(ours, theirs[:1]); err == nil {
		t.Error("a run that ended early counts as alike")
	}
}

func TestCompare_AListThatIsMissingIsOneDifference(t *testing.T) {
	ours := map[string]string{"T": "some", "T[a]": "there", "T[a].Code": "none", "T[b]": "there", "T[b].Code": "none"}
	if got := differing(ours, map[string]string{"T": "some", "T[a]": "there", "T[a].Code": "none"}); len(got) != 1 || got["T[b]"][1] != missing {
		t.Errorf("one element less: %v", got)
	}
	if got := differing(ours, map[string]string{"T": "null"}); len(got) != 1 || got["T"] != [2]string{"some", "null"} {
		t.Errorf("no list: %v", got)
	}
}

func TestJudge_ARowCoversOnlyWhatItSaysAndIsNotLeftIdle(t *testing.T) {
	d := Difference{API: "Produce", Op: "codec 5", Field: "Topics[t].ErrorCode", Firnlog: "A", Other: "B"}
	for _, one := range []struct {
		row    Row
		covers bool
	}{
		{Row{"*", "*", "*", "", "", ""}, true},
		{Row{"Produce", "codec *", "*.ErrorCode", "A", "B", ""}, true},
		{Row{"Produce", "codec *", "*.ErrorCode", "B", "A", ""}, false},
		{Row{"Produce", "codec", "*", "", "", ""}, false},
		{Row{"Produce", "codec *", "Topics[*].Code", "", "", ""}, false},
		{Row{"Fetch", "*", "*", "", "", ""}, false},
	} {
		left, idle := Judge([]Difference{d}, []Row{one.row})
		if one.covers && (len(left) != 0 || len(idle) != 0) || !one.covers && (len(left) != 1 || len(idle) != 1) {
			t.Errorf("%+v: left %v, idle %v", one.row, left, idle)
		}
	}
}

func TestWriteSection_KeepsAllElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(path, []byte("# Doc\n\nText.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first\n", "second\n"} {
		if err := WriteSection(path, text); err != nil {
			t.Fatal(err)
		}
	}
	more, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(more); !strings.HasPrefix(got, "# Doc\n\nText.\n") || !strings.Contains(got, sectionBegin+"\nsecond\n"+sectionEnd) || strings.Contains(got, "first") {
		t.Errorf("%s", got)
	}
}
