package record

import "encoding/binary"

// Cleaning is what log compaction wants of a batch.
type Cleaning struct {
	Keep func(Record) bool
	// Horizon is set as the batch's delete horizon, in ms, if it has none and a record without value is left.
	Horizon int64
	// Always sets it whatever is left: a marker whose transaction is empty.
	Always          bool
	DecompressedMax int
	Encoders        *Encoders // may be nil
}

// Cleaned is a batch after log compaction. Batch is the very slice that was given where nothing changed.
type Cleaned struct {
	Batch   []byte
	Kept    int
	Changed bool
}

// Clean gives the batch b with only the records that are to be kept, at their offsets and packed as before. Base
// offset, last offset delta, producer, epoch and sequences stay; a batch with no record left is legal. The max
// timestamp becomes that of what is left.
//
// A batch whose records may go later gets a delete horizon (KIP-534): attribute bit 6, and the horizon in the place of
// the first timestamp, from which the records' timestamps are then counted. So readers need not know of it.
// Errors are those of Records.
func Clean(b []byte, c Cleaning) (Cleaned, error) {
	h, err := ReadHeader(b)
	if err != nil {
		return Cleaned{}, err
	}
	at, err := openRecords(b, c.DecompressedMax)
	if err != nil {
		return Cleaned{}, err
	}
	at.wantHeaders = true
	var raws [][]byte
	newest, tombstone := h.MaxTimestamp, false
	for {
		r, more, err := at.next()
		if err != nil {
			return Cleaned{}, err
		}
		if !more {
			break
		}
		if !c.Keep(r) {
			continue
		}
		if ts := h.TimestampOf(r); len(raws) == 0 || ts > newest {
			newest = ts
		}
		raws = append(raws, at.raw)
		tombstone = tombstone || r.Value == nil
	}
	_, marked := h.DeleteHorizon()
	mark := !marked && (c.Always || tombstone && !h.IsControl())
	if len(raws) == int(h.Records) && !mark {
		return Cleaned{b, len(raws), false}, nil
	}
	shift := int64(0)
	if mark {
		shift = h.FirstTimestamp - c.Horizon
		h.Attributes |= attrDeleteHorizon
		h.FirstTimestamp = c.Horizon
	}
	h.MaxTimestamp, h.Records = newest, int32(len(raws))
	out, err := assemble(h, h.Codec(), joinShifted(raws, shift), c.Encoders)
	return Cleaned{out, len(raws), true}, err
}

// joinShifted gives records one after the other, each with shift added to its timestamp delta.
func joinShifted(raws [][]byte, shift int64) []byte {
	size := 0
	for _, raw := range raws {
		size += len(raw)
	}
	out := make([]byte, 0, size+len(raws))
	for _, raw := range raws {
		if shift == 0 {
			out = append(out, raw...)
			continue
		}
		// What next has read is known to be well formed.
		_, n := binary.Varint(raw)
		attributes, body := raw[n], raw[n+1:]
		delta, n := binary.Varint(body)
		body = body[n:]
		delta += shift
		out = binary.AppendVarint(out, int64(1+varintSize(delta)+len(body)))
		out = append(out, attributes)
		out = binary.AppendVarint(out, delta)
		out = append(out, body...)
	}
	return out
}

// DeleteHorizon is when, in ms, log compaction may remove the records without value of this batch, or the marker
// that it is; ok is false before it was compacted for the first time.
func (h Header) DeleteHorizon() (ms int64, ok bool) {
	return h.FirstTimestamp, h.Attributes&attrDeleteHorizon != 0
}
