package ledger

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/coordination"
)

// A build knows the versions of records under log/ from FormatOldest to FormatVersion (format_version.go). What a cluster's instances
// write is the version in force, which stands in log/format: that of the build which created the cluster, until an operator raises it
// (core/upgrade). So builds of two versions serve side by side before it is raised, and the newer one can be taken back.
const FormatOldest = 1

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
	if f.Version < FormatOldest || f.Version > FormatVersion {
		return f, fmt.Errorf("the cluster's format is version %d, this build knows %d to %d: %w", f.Version, FormatOldest, FormatVersion, ErrFormat)
	}
	return f, nil
}

// knows says whether this build knows records of a version.
func knows(version byte) bool { return version >= FormatOldest && version <= FormatVersion }

// RecordVersion is the version of records that are written while log/format has this value.
func RecordVersion(format []byte) byte {
	f, err := DecodeFormat(format)
	if err != nil {
		return FormatOldest // its transaction will be refused
	}
	return byte(f.Version)
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
