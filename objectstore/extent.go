package objectstore

import "fmt"

// Extent turns the offset and length of a Get into the half-open range
// [from, to) of an object of size bytes. All drivers mean the same by it:
//
//   - offset < 0 counts from the end, and stops at the beginning;
//   - length < 0 is all the rest, and what passes the end is cut;
//   - at or past the end of a non-empty object: ErrRange;
//   - an empty object has one answer to every range: nothing.
func Extent(size, offset, length int64) (from, to int64, err error) {
	if size == 0 {
		return 0, 0, nil
	}
	from = offset
	if offset < 0 {
		// -offset would overflow for the smallest offset; size + offset cannot.
		from = max(size+offset, 0)
	}
	if from >= size {
		return 0, 0, fmt.Errorf("offset %d of %d bytes: %w", offset, size, ErrRange)
	}
	if length < 0 || length > size-from {
		return from, size, nil
	}
	return from, from + length, nil
}
