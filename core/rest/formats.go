package rest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"github.com/firnlog/firnlog/core/record"
)

// Embedded formats of keys and values:
//
//	binary  a JSON string of base64 (RFC 4648, with padding)
//	json    any JSON value, kept without spaces
//	text    a JSON string, kept as UTF-8
//
// null is null in each of them: no key, or a tombstone.

// takes reads a key or value of a request.
func takes(format string, raw json.RawMessage) ([]byte, error) {
	if isNull(raw) {
		return nil, nil
	}
	if format == formatJSON {
		var out bytes.Buffer
		if err := json.Compact(&out, raw); err != nil {
			return nil, failf(422, codeConversion, "it is not JSON: %v", err)
		}
		return out.Bytes(), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, failf(422, codeConversion, "in format %s keys and values are strings or null", format)
	}
	if format == formatText {
		return []byte(text), nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, failf(422, codeConversion, "%q is not base64", cut(text))
	}
	return b, nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// cut shortens what a message quotes.
func cut(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// gives shows a key or value that was read, as JSON.
func gives(format string, b []byte) (any, error) {
	switch {
	case b == nil:
		return nil, nil
	case format == formatJSON:
		if !json.Valid(b) || !utf8.Valid(b) {
			return nil, failf(422, codeConversion, "it is not JSON: read it in binary")
		}
		return json.RawMessage(b), nil
	case format == formatText:
		if !utf8.Valid(b) {
			return nil, failf(422, codeConversion, "it is not UTF-8: read it in binary")
		}
		return string(b), nil
	}
	return b, nil // as base64
}

// headerJSON is a header of a record; its value is base64 in every format.
type headerJSON struct {
	Key   string  `json:"key"`
	Name  string  `json:"name,omitempty"` // what v3 calls it
	Value *string `json:"value"`
}

// takeHeaders reads headers of a request.
func takeHeaders(in []headerJSON) (out []record.RecordHeader, err error) {
	for _, h := range in {
		one := record.RecordHeader{Key: h.Key + h.Name}
		if h.Value != nil {
			if one.Value, err = base64.StdEncoding.DecodeString(*h.Value); err != nil {
				return nil, failf(422, codeConversion, "the value of header %q is not base64", cut(one.Key))
			}
			if one.Value == nil {
				one.Value = []byte{}
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// giveHeaders shows headers that were read.
func giveHeaders(in []record.RecordHeader) (out []headerJSON) {
	for _, h := range in {
		one := headerJSON{Key: h.Key}
		if h.Value != nil {
			text := base64.StdEncoding.EncodeToString(h.Value)
			one.Value = &text
		}
		out = append(out, one)
	}
	return out
}
