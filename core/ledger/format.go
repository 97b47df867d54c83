package ledger

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/coordination"
)

// FormatVersion is the version of all records under log/ that this build folds by.
const FormatVersion = 1

// Errors of the ledger.
var (
	// ErrFormat: a record has a version that this build does not know. It must stop serving, never skip.
	ErrFormat = errors.New("format version not known to this build: upgrade it")
	// ErrEra: the cluster was restored; all state is void.
	ErrEra = errors.New("the cluster began a new era")
)

// Format is the value of log/format.
type Format struct {
	Version int    `json:"version"`
	Era     string `json:"era"` // drawn at creation and at each restore
	// Since is the floor at creation: objects with ids at or below it are from before this era and none of its business.
	Since coordination.Mark `json:"since"`
}

// Encode gives the value of the key. Guards compare these bytes.
func (f Format) Encode() []byte {
	b, err := json.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("encode format: %v", err)) // cannot be: a number and a string
	}
	return b
}

// DecodeFormat reads log/format. ErrFormat: another version.
func DecodeFormat(value []byte) (Format, error) {
	var f Format
	if err := json.Unmarshal(value, &f); err != nil {
		return f, fmt.Errorf("decode format: %w", err)
	}
	if f.Version != FormatVersion {
		return f, fmt.Errorf("the cluster's format is version %d, this build knows %d: %w", f.Version, FormatVersion, ErrFormat)
	}
	return f, nil
}

// Creation is the transaction that brings a cluster into being: format, floor and stamp together,
// since a comparison with a missing key never holds.
func Creation(keys coordination.Keys, f Format, floor coordination.Mark) ([]coordination.Guard, []coordination.Change) {
	f.Since = floor
	return []coordination.Guard{coordination.Missing(keys.Format())}, []coordination.Change{
		coordination.PutKey(keys.Format(), f.Encode()),
		coordination.PutKey(keys.Floor(), floor.Bytes()),
		coordination.PutKey(keys.Stamp(), (floor + 1).Bytes()),
	}
}
