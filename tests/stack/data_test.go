//go:build stack

package stack_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/firnlog/firnlog/tests/stack/harness"
)

// rec is a record as far as checks compare it.
type rec struct {
	partition  int32
	offset     int64
	key, value string
}

// dataset is real data: the package vega-datasets of the npm registry.
type dataset struct {
	name    string
	keyed   bool
	records []rec // key and value, in the order of the file
}

func datasets(t *testing.T) []dataset {
	t.Helper()
	return []dataset{
		{"flights-20k", true, readJSON(t, "flights-20k.json", "origin")},
		{"birdstrikes", true, readCSV(t, "birdstrikes.csv", "Aircraft Airline Operator")},
		{"flights-200k", false, readJSON(t, "flights-200k.json", "")},
	}
}

func readData(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(harness.Cache(t), "npm", "node_modules", "vega-datasets", "data", file))
	if err != nil {
		t.Fatalf("%v: run make stack-tools", err)
	}
	return b
}

// readJSON reads a list of objects: each is a value as it stands in the file.
func readJSON(t *testing.T, file, keyField string) []rec {
	t.Helper()
	var objects []json.RawMessage
	if err := json.Unmarshal(readData(t, file), &objects); err != nil {
		t.Fatal(err)
	}
	out := make([]rec, len(objects))
	for i, o := range objects {
		out[i].value = string(o)
		if keyField == "" {
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal(o, &fields); err != nil {
			t.Fatal(err)
		}
		out[i].key, _ = fields[keyField].(string)
	}
	return out
}

// readCSV reads lines: each is a value as it stands in the file.
func readCSV(t *testing.T, file, keyColumn string) (out []rec) {
	t.Helper()
	data := readData(t, file)
	r := csv.NewReader(bytes.NewReader(data))
	header, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	column := slices.Index(header, keyColumn)
	if column < 0 {
		t.Fatalf("%s has no column %q: %q", file, keyColumn, header)
	}
	for start := r.InputOffset(); ; start = r.InputOffset() {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		line := bytes.TrimRight(data[start:r.InputOffset()], "\r\n")
		out = append(out, rec{key: fields[column], value: string(line)})
	}
}

// kcatInput is what kcat -P -K '\t' reads.
func (d dataset) kcatInput() []byte {
	var b bytes.Buffer
	for _, r := range d.records {
		if d.keyed {
			b.WriteString(r.key + "\t")
		}
		b.WriteString(r.value + "\n")
	}
	return b.Bytes()
}
