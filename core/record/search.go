package record

// FirstAtOrAfter finds the first record of the batch b with an offset of at least from (the log
// start may lie within a batch) and a timestamp of at least ms: ListOffsets by time
// wants the record, not the batch. With LogAppendTime all records have the
// batch's timestamp. Errors are those of Records.
func FirstAtOrAfter(b []byte, ms int64, from Offset, decompressedMax int) (offset Offset, timestamp int64, ok bool, err error) {
	h, err := ReadHeader(b)
	if err != nil {
		return 0, 0, false, err
	}
	c, err := openRecords(b, decompressedMax)
	if err != nil {
		return 0, 0, false, err
	}
	for {
		r, more, err := c.next()
		if err != nil || !more {
			return 0, 0, false, err
		}
		if at, ts := h.OffsetOf(r), h.TimestampOf(r); at >= from && ts >= ms {
			return at, ts, true, nil
		}
	}
}

// MaxTimestampRecord finds the first record of the batch b with the largest timestamp
// (ListOffsets -3). It trusts the records, not the header's max timestamp, which
// is the producer's word. Not ok: the batch has no records. Errors are those of
// Records.
func MaxTimestampRecord(b []byte, decompressedMax int) (offset Offset, timestamp int64, ok bool, err error) {
	h, err := ReadHeader(b)
	if err != nil {
		return 0, 0, false, err
	}
	err = walkRecords(b, decompressedMax, func(r Record) {
		if ts := h.TimestampOf(r); !ok || ts > timestamp {
			offset, timestamp, ok = h.OffsetOf(r), ts, true
		}
	})
	if err != nil {
		return 0, 0, false, err
	}
	return offset, timestamp, ok, nil
}
