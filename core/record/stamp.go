package record

import "encoding/binary"

// Stamp sets base offset and leader epoch of the batch b in place. Both lie outside its CRC.
func Stamp(b []byte, base Offset) {
	binary.BigEndian.PutUint64(b, uint64(base))
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(LeaderEpoch))
}

// StampLogAppendTime gives all records of the batch b the timestamp ms, in place. This
// is the one change of a producer's bytes that needs a new CRC; the records stay as they are.
func StampLogAppendTime(b []byte, ms int64) {
	b[atAttributes+1] |= attrLogAppendTime
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(ms))
	writeCRC(b)
}
